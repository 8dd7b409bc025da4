"""What fuzzing found in what comes back from elsewhere."""

import json
from pathlib import Path

import pytest

from custodes.app.backup_format import MANIFEST, read_manifest
from custodes.app.recovery import decode_recovery
from custodes.errors import DataLoss, InvalidArgument
from custodes.sealing.shares import parse_share

FILE = {"name": "catalog.db", "stored": "files/0", "bytes_stored": 9, "sha256": "00"}
WHOLE = {
    "site_id": "ab", "made_ns": 1, "recovery": "", "sealed_key": "", "log_size": 1, "log_root": "", "version": 1,
    "files": [FILE], "segments": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"files": [FILE | {"name": 5}]},
        {"files": [FILE | {"name": "a\0b"}]},
        {"files": [FILE | {"stored": ""}]},
        {"segments": "none"},
        {"version": 2},
    ],
    ids=lambda change: str(change)[:40],
)
def test_manifest_when_a_name_is_none_or_a_field_is_of_another_kind_then_data_loss(
    change: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(WHOLE))
    assert [one.name for one in read_manifest(tmp_path).files] == ["catalog.db"]
    (tmp_path / MANIFEST).write_text(json.dumps(WHOLE | change))
    with pytest.raises(DataLoss):
        read_manifest(tmp_path)


def test_manifest_or_description_when_nested_without_end_then_data_loss(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b"[" * 200_000)
    with pytest.raises(DataLoss):
        read_manifest(tmp_path)
    with pytest.raises(DataLoss):
        decode_recovery(b"[" * 200_000)


def test_share_when_typed_with_letters_that_no_share_has_then_refused_without_its_content() -> None:
    with pytest.raises(InvalidArgument, match="mistyped") as refused:
        parse_share("custodes-share-3-r1-AMBÄA-AICAM")
    assert "AICAM" not in str(refused.value)
