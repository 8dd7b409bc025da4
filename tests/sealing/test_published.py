"""Published camera-day keys: what the recorder accepts, and what it falls back to."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.errors import DataLoss, FailedPrecondition, KeyMissing, SealBroken
from custodes.sealing.published import (
    PinnedKeys,
    PublishedKey,
    background_key_id,
    exactly,
    is_background_key,
    is_key_id,
    key_id_of,
    latest_usable,
    read_pinned,
    read_published,
    sign_published,
    verify_published,
    write_pinned,
    write_published,
)
from custodes.sealing.unwrap import generate_camera_day_key
from custodes.testing.keys import CAMERA, SITE_ID

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PINNED = PinnedKeys(
    site_id=SITE_ID, site_key=SIGNER.public_key().public_bytes_raw(), log_origin="custodes-site/x", log_key=bytes(32)
)
_, PUBLIC = generate_camera_day_key()


def publish(folder: Path, day: str, signer: Ed25519PrivateKey = SIGNER, site_id: str = SITE_ID) -> PublishedKey:
    key = sign_published(signer, site_id=site_id, key_id=key_id_of(CAMERA, day), public_key=PUBLIC)
    write_published(folder, key)
    return key


def test_read_when_written_then_equal_and_verified(tmp_path: Path) -> None:
    key = publish(tmp_path, "20260104")
    found = read_published(tmp_path / CAMERA / "20260104.json")
    assert found == key
    verify_published(found, PINNED)
    assert (found.camera_id, found.day) == (CAMERA, "20260104")


def test_latest_usable_when_the_day_has_a_key_then_takes_it(tmp_path: Path) -> None:
    for day in ("20260103", "20260104", "20260105"):
        publish(tmp_path, day)
    assert latest_usable(tmp_path, CAMERA, "20260104", PINNED).day == "20260104"


def test_latest_usable_when_the_day_has_none_then_takes_the_newest(tmp_path: Path) -> None:
    for day in ("20260101", "20260103"):
        publish(tmp_path, day)
    assert latest_usable(tmp_path, CAMERA, "20260109", PINNED).day == "20260103"


def test_latest_usable_when_the_days_key_is_forged_then_falls_back(tmp_path: Path) -> None:
    publish(tmp_path, "20260103")
    publish(tmp_path, "20260104", signer=Ed25519PrivateKey.generate())
    assert latest_usable(tmp_path, CAMERA, "20260104", PINNED).day == "20260103"


@pytest.mark.parametrize("kind", ["none", "forged", "other-site", "not-json", "too-large", "renamed"])
def test_latest_usable_when_no_key_verifies_then_says_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / CAMERA / "20260104.json"
    match kind:
        case "forged":
            publish(tmp_path, "20260104", signer=Ed25519PrivateKey.generate())
        case "other-site":
            publish(tmp_path, "20260104", site_id="cd" * 8)
        case "not-json" | "too-large":
            path.parent.mkdir()
            path.write_text("{" if kind == "not-json" else " " * 20_000)
        case "renamed":
            publish(tmp_path, "20260105")
            (tmp_path / CAMERA / "20260105.json").rename(path)
    with pytest.raises(KeyMissing):
        latest_usable(tmp_path, CAMERA, "20260104", PINNED)


@pytest.mark.parametrize("field", ["key_id", "public_key", "signature", "site_id"])
def test_verify_when_a_field_was_changed_then_refuses(field: str) -> None:
    key = sign_published(SIGNER, site_id=SITE_ID, key_id=key_id_of(CAMERA, "20260104"), public_key=PUBLIC)
    value = {"key_id": "gate/20260105", "site_id": "cd" * 8}.get(field, bytes(64))
    with pytest.raises(SealBroken):
        verify_published(replace(key, **{field: value}), PINNED)


@pytest.mark.parametrize("field", ["key_id", "public_key", "signature", "site_id", "algorithm", "version"])
def test_read_when_a_field_is_missing_then_refuses(tmp_path: Path, field: str) -> None:
    publish(tmp_path, "20260104")
    path = tmp_path / CAMERA / "20260104.json"
    tree = json.loads(path.read_text())
    del tree[field]
    path.write_text(json.dumps(tree))
    with pytest.raises(SealBroken):
        read_published(path)


@pytest.mark.parametrize(
    "bad", ["", "gate", "gate/", "Gate/20260101", "../x/20260101", "gate/2026010", "gate/20260101/x"]
)
def test_is_key_id_when_malformed_then_no(bad: str) -> None:
    assert not is_key_id(bad)


def test_pinned_when_written_again_then_must_be_the_same(tmp_path: Path) -> None:
    path = tmp_path / "warden-key.json"
    with pytest.raises(KeyMissing):
        read_pinned(path)
    write_pinned(path, PINNED)
    write_pinned(path, PINNED)
    assert read_pinned(path) == PINNED
    with pytest.raises(FailedPrecondition):
        write_pinned(path, replace(PINNED, site_key=bytes(32)))
    path.write_text("nonsense")
    with pytest.raises(DataLoss):
        read_pinned(path)


def test_latest_usable_when_only_a_background_key_is_there_then_footage_is_not_sealed_to_it(tmp_path: Path) -> None:
    background = publish(tmp_path, "20260000")
    assert is_background_key(background.key_id)
    assert not is_background_key(key_id_of(CAMERA, "20260104"))
    with pytest.raises(KeyMissing):
        latest_usable(tmp_path, CAMERA, "20260104", PINNED)
    assert exactly(tmp_path, background_key_id(CAMERA, "2026"), PINNED) == background
    with pytest.raises(KeyMissing):
        exactly(tmp_path, background_key_id(CAMERA, "2025"), PINNED)
    publish(tmp_path, "20270000", signer=Ed25519PrivateKey.generate())
    with pytest.raises(SealBroken):
        exactly(tmp_path, background_key_id(CAMERA, "2027"), PINNED)
