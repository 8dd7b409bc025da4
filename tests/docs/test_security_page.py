"""What docs/security.md lists is what there is: keys, connections, uploads, processes, and the bill of materials."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from custodes.config import SiteConfig
from custodes.web.shell import MAX_BODY_BYTES, MAX_LEAK_BYTES, MAX_PICTURE_BYTES, MAX_PLAN_BYTES, MAX_POSTS_BYTES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
PLACES = re.compile(r"url|server|endpoint|host|issuer|address")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for one in get_args(kind):
        yield from models_in(one)


def places(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Settings that name a machine."""
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        if not inner and PLACES.fullmatch(name):
            yield path + name
        for one in inner:
            yield from places(one, f"{path}{name}.")


def test_every_key_that_is_derived_from_the_root_secret_is_listed() -> None:
    source = (ROOT / "src/custodes/adapters/keys/store.py").read_text(encoding="utf-8")
    labels = set(re.findall(r'b"(custodes\.[a-z0-9-]+/v\d+)', source))
    assert len(labels) >= 10
    assert [label for label in sorted(labels) if f"`{label}`" not in section("Keys")] == []


def test_every_setting_that_names_a_machine_is_listed() -> None:
    listed = section("Connections").replace(": ", ".")
    assert [path for path in places(SiteConfig) if f"`{path}`" not in listed] == []


def test_every_limit_of_a_body_is_listed() -> None:
    listed = section("Uploads")
    for size in (MAX_LEAK_BYTES, MAX_POSTS_BYTES, MAX_PICTURE_BYTES, MAX_PLAN_BYTES):
        assert f"{size >> 20} MiB" in listed
    assert f"{MAX_BODY_BYTES >> 10} KiB" in listed


def test_every_row_of_a_list_has_all_its_columns() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.M):
        rows = [line.strip("|").split("|") for line in table.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(row[0].strip() for row in rows)


def test_bill_of_materials_names_every_dependency_with_its_version() -> None:
    done = subprocess.run(
        [sys.executable, ".ci/sbom.py"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600
    )
    bom = json.loads(done.stdout)
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    parts = {one["name"]: one for one in bom["components"]}
    assert {"av", "numpy", "cryptography", "fastapi", "starlette", "onnxruntime"} <= set(parts)
    assert all(one["version"] and one["purl"].startswith("pkg:pypi/") for one in parts.values())
    assert "pytest" not in parts, "what only tests need is not in what is installed"
