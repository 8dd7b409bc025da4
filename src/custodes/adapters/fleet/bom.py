"""The report as a CycloneDX bill of materials: a device a component, its firmware inside, weaknesses with answers.

By `cyclonedx-python-lib` (extra `custodes[reports]`), which also checks the result against the schema.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.impact_analysis import ImpactAnalysisState
from cyclonedx.model.vulnerability import (
    BomTarget,
    Vulnerability,
    VulnerabilityAnalysis,
    VulnerabilityRating,
    VulnerabilitySeverity,
    VulnerabilitySource,
)
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from custodes.errors import DataLoss
from custodes.fleet.audit import DeviceReport, FleetReport
from custodes.fleet.verdict import Answer, Topic, Verdict

_STATES = {
    Answer.AFFECTED: ImpactAnalysisState.EXPLOITABLE,
    Answer.NOT_AFFECTED: ImpactAnalysisState.NOT_AFFECTED,
    Answer.UNKNOWN: ImpactAnalysisState.IN_TRIAGE,
}
_SPACE = "custodes:fleet:"


def to_cyclonedx(report: FleetReport, *, site: str) -> str:
    """JSON of CycloneDX 1.6. Raises: DataLoss when it does not fit the schema, which is a defect of ours."""
    bom = Bom()
    bom.metadata.timestamp = datetime(report.judged.year, report.judged.month, report.judged.day, tzinfo=UTC)
    bom.metadata.component = Component(name=site, type=ComponentType.PLATFORM, bom_ref="site")
    for device in report.devices:
        component = _component(device)
        bom.components.add(component)
        for one in device.verdicts:
            if one.topic is Topic.WEAKNESS and one.rule.startswith("CVE-"):
                bom.vulnerabilities.add(_weakness(one, device))
    bom.register_dependency(bom.metadata.component, list(bom.components))
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise DataLoss(f"the bill of materials does not fit CycloneDX 1.6: {problem}")
    return text


def _component(device: DeviceReport) -> Component:
    seen, identity = device.seen, device.identity
    firmware = Component(
        name=f"firmware of {seen.device_id}",
        type=ComponentType.FIRMWARE,
        version=identity.firmware or "unknown",
        bom_ref=f"firmware:{seen.device_id}",
    )
    return Component(
        name=identity.model or "unknown model",
        type=ComponentType.DEVICE,
        bom_ref=f"device:{seen.device_id}",
        publisher=identity.brand or None,
        manufacturer=OrganizationalEntity(name=identity.maker or "unknown"),
        version=identity.firmware or None,
        components=[firmware],
        properties=list(_properties(device)),
    )


def _properties(device: DeviceReport) -> Iterable[Property]:
    seen, identity = device.seen, device.identity
    values = {
        "id": seen.device_id,
        "name": seen.name,
        "host": seen.host,
        "mac": seen.mac,
        "serial": seen.onvif.serial if seen.onvif else "",
        "brand": identity.brand,
        "maker-is-sure": "yes" if identity.is_maker_sure else "no",
        "maker-weight": f"{identity.maker_weight:.2f}",
        "certificate-sha256": ",".join(one.sha256 for one in seen.tls),
    }
    yield from (Property(name=_SPACE + name, value=value) for name, value in values.items() if value)
    yield from (Property(name=f"{_SPACE}contradiction", value=one) for one in identity.contradictions)
    for one in device.verdicts:
        if one.topic is not Topic.WEAKNESS and one.answer is not Answer.NOT_AFFECTED:
            yield Property(name=f"{_SPACE}{one.topic}:{one.rule}", value=f"{one.answer}: {one.sentence}")


def _weakness(one: Verdict, device: DeviceReport) -> Vulnerability:
    return Vulnerability(
        bom_ref=f"{one.rule}:{device.seen.device_id}",
        id=one.rule,
        source=VulnerabilitySource(name=one.source),
        description=one.sentence,
        ratings=[VulnerabilityRating(severity=VulnerabilitySeverity(one.severity.value))],
        analysis=VulnerabilityAnalysis(state=_STATES[one.answer], detail=f"{one.sentence} Data of {one.data_date}."),
        affects=[BomTarget(ref=f"device:{device.seen.device_id}")],
    )
