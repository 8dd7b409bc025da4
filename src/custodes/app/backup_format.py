"""A backup's form on disk: a manifest in clear, and files sealed under a key that only the recovery shares open.

Segments lie beside it as they are: they are ciphertext already. What goes in is `backup`'s, what comes out
`restore`'s.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.config.durable import replace_file
from custodes.errors import DataLoss, SealBroken

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20
_TAG_BYTES = 16
_MAX_MANIFEST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFile:
    """One file. `name`: where it goes in the data directory; `stored`: where it lies in the backup."""

    name: str
    stored: str
    bytes_stored: int
    sha256: str
    """Of the stored bytes."""


@dataclass(slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `mac` covers all else, under the sealed key: a changed manifest does not restore."""

    site_id: str
    made_ns: int
    recovery: str
    """`recovery.encode_recovery`."""
    sealed_key: str
    log_size: int
    log_root: str
    files: list[BackupFile] = field(default_factory=list)
    segments: list[BackupFile] = field(default_factory=list)
    version: int = 1
    mac: str = ""


def sign_manifest(manifest: Manifest, key: bytes) -> None:
    """Set `mac`."""
    manifest.mac = _mac(manifest, key)


def check_manifest(manifest: Manifest, key: bytes) -> None:
    """Raises: SealBroken."""
    if not hmac.compare_digest(manifest.mac, _mac(manifest, key)):
        raise SealBroken("the backup's manifest was changed after it was made")


def _mac(manifest: Manifest, key: bytes) -> str:
    tree = {name: value for name, value in asdict(manifest).items() if name != "mac"}
    return hmac.new(_derive(key, "manifest"), json.dumps(tree, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Last of all: a backup without one is none."""
    replace_file(folder / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())


def read_manifest(folder: Path) -> Manifest:
    """Raises: DataLoss."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            manifest = msgspec.json.decode(stream.read(_MAX_MANIFEST_BYTES), type=Manifest)
    except FileNotFoundError as error:
        raise DataLoss(f"{folder} holds no finished backup: there is no {MANIFEST}") from error
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise DataLoss(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.version != 1:
        raise DataLoss(f"backup of form {manifest.version}; this program knows 1")
    for one in (*manifest.files, *manifest.segments):
        for name in (one.name, one.stored):
            if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
                raise DataLoss(f"the manifest names {name!r}, which lies outside")
    return manifest


def seal_file(source: Path, folder: Path, name: str, key: bytes) -> BackupFile:
    """Encrypt one file into the backup (AES-256-GCM in 1 MiB chunks, numbered, the last one marked)."""
    stored = name.replace("/", "_") + ".sealed"
    aead, digest, count = AESGCM(_derive(key, name)), hashlib.sha256(), 0
    with source.open("rb") as plain, (folder / stored).open("xb") as sealed:
        for number, (chunk, is_last) in enumerate(_chunks(plain)):
            record = aead.encrypt(_nonce(number, is_last), chunk, None)
            sealed.write(record)
            digest.update(record)
            count += len(record)
        sealed.flush()
        os.fsync(sealed.fileno())
    return BackupFile(name=name, stored=stored, bytes_stored=count, sha256=digest.hexdigest())


def open_file(folder: Path, one: BackupFile, target: Path, key: bytes) -> None:
    """Decrypt one file. Raises: SealBroken when it was changed, cut, or is another one; DataLoss when it is gone."""
    aead = AESGCM(_derive(key, one.name))
    try:
        with (folder / one.stored).open("rb") as sealed, target.open("xb") as plain:
            target.chmod(0o600)
            for number, (record, is_last) in enumerate(_chunks(sealed, _CHUNK_BYTES + _TAG_BYTES)):
                plain.write(aead.decrypt(_nonce(number, is_last), record, None))
            plain.flush()
            os.fsync(plain.fileno())
    except InvalidTag as error:
        raise SealBroken(f"{one.stored} was changed or cut") from error
    except FileNotFoundError as error:
        raise DataLoss(f"{one.stored} is not in the backup") from error


def copy_file(source: Path, folder: Path, name: str) -> BackupFile:
    """Copy what is sealed already."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, count = hashlib.sha256(), 0
    with source.open("rb") as plain, target.open("xb") as copy:
        while chunk := plain.read(_CHUNK_BYTES):
            copy.write(chunk)
            digest.update(chunk)
            count += len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return BackupFile(name=name, stored=name, bytes_stored=count, sha256=digest.hexdigest())


def check_stored(folder: Path, one: BackupFile) -> str:
    """What is wrong with a stored file; empty when nothing is."""
    try:
        with (folder / one.stored).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if digest == one.sha256 else "is not what was stored"


def _chunks(stream: BinaryIO, size: int = _CHUNK_BYTES) -> Iterator[tuple[bytes, bool]]:
    chunk = stream.read(size)
    while True:
        following = stream.read(size)
        yield chunk, not following
        if not following:
            return
        chunk = following


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _derive(key: bytes, name: str) -> bytes:
    return HKDFExpand(algorithm=SHA512(), length=32, info=b"custodes.backup/v1\x00" + name.encode()).derive(key)
