"""CycloneDX bill of materials of what an installed custodes runs with, on stdout; versions and licences as found."""

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("reports", "mqtt", "postgres", "federation", "s3", "keyring", "pkcs11", "c2pa", "rfc3161", "openvino")


def closure() -> dict[str, tuple[Distribution, set[str]]]:
    """What custodes and its extras for users bring, by canonical name, each with what it needs itself."""
    found: dict[str, tuple[Distribution, set[str]]] = {}
    waiting = [("custodes", extra) for extra in ("", *EXTRAS)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here, or of another platform
        needs = found.setdefault(name, (one, set()))[1]
        for text in one.requires or ():
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                needs.add(canonicalize_name(wanted.name))
                steps = {(canonicalize_name(wanted.name), each) for each in ("", *wanted.extras)} - seen
                seen |= steps
                waiting += steps
    return found


def component(one: Distribution) -> Component:
    """One package as it is installed."""
    name, licence = canonicalize_name(one.name), one.metadata.get("License-Expression") or ""
    licences = [LicenseFactory().make_from_string(licence)] if licence else []
    purl = PackageURL("pypi", None, name, one.version)
    return Component(name=name, version=one.version, purl=purl, bom_ref=name, licenses=licences)


def main() -> None:
    """On stdout, checked against the schema."""
    found, bom = closure(), Bom()
    parts = {name: component(one) for name, (one, _) in found.items()}
    site = parts.pop("custodes")
    site.type = ComponentType.APPLICATION
    bom.metadata.component = site
    bom.components.update(parts.values())
    for name, (_, needs) in found.items():
        bom.register_dependency(parts.get(name, site), [parts[need] for need in sorted(needs) if need in parts])
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"not CycloneDX 1.6: {problem}")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
