"""A camera-day key as a file that somebody else may have written: it is read as a key or refused, and whatever is used
carries the warden's signature."""

import tempfile
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.errors import KeyMissing, SealBroken
from custodes.sealing.published import (
    PinnedKeys,
    PublishedKey,
    latest_usable,
    published_path,
    read_published,
    sign_published,
    verify_published,
    write_published,
)
from custodes.sealing.unwrap import generate_camera_day_key
from custodes.units import CameraId, KeyId

SITE, CAMERA, DAY = "00112233445566ff", CameraId("gate"), "20260101"
KEY_ID = KeyId(f"{CAMERA}/{DAY}")


@lru_cache
def genuine() -> tuple[PublishedKey, PinnedKeys, Path, tempfile.TemporaryDirectory[str]]:
    """A key, how to recognise it, where its file lies; the folder is kept as long as the process."""
    signer = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    folder = tempfile.TemporaryDirectory(prefix="fuzz-keys-")
    _, public_key = generate_camera_day_key()
    key = sign_published(signer, site_id=SITE, key_id=KEY_ID, public_key=public_key)
    own = signer.public_key().public_bytes_raw()
    pinned = PinnedKeys(site_id=SITE, site_key=own, log_origin="o", log_key=own)
    return key, pinned, write_published(Path(folder.name), key), folder


def one(case: bytes) -> None:
    """The case is the file."""
    key, pinned, path, folder = genuine()
    path.write_bytes(case)
    try:
        read = read_published(path)
        verify_published(read, pinned)
    except (KeyMissing, SealBroken):
        read = None
    try:
        used = latest_usable(Path(folder.name), CAMERA, DAY, pinned)
    except KeyMissing:
        assert read is None
    else:
        assert used == read == key
    assert published_path(Path(folder.name), KEY_ID) == path


def seeds() -> list[bytes]:
    """The genuine file, another site's, one without a signature."""
    key, _, path, _ = genuine()
    write_published(path.parents[1], key)
    whole = path.read_bytes()
    return [whole, whole.replace(SITE.encode(), b"ff" * 8), whole.replace(b'"signature"', b'"sign"'), b"[]", b"{}"]
