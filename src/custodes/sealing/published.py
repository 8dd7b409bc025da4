"""Camera-day public keys as files: written by the warden, checked and used by the recorder.

A file is JSON, signed with the site's Ed25519 key, whose public half is pinned in `warden-key.json`: whoever can
write to the disk cannot slip the recorder a key of their own. Private keys do not belong here.
"""

import base64
import errno
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.config.durable import make_folder, replace_file
from custodes.errors import DataLoss, FailedPrecondition, KeyMissing, ResourceExhausted, SealBroken, Unavailable
from custodes.sealing.suite import ALGORITHM, PUBLIC_KEY_BYTES
from custodes.units import CameraId, KeyId

_VERSION = 1
MLDSA44_KEY_BYTES = 1312
_MAX_FILE_BYTES = 16 * 1024
_DAY = re.compile(r"[0-9]{8}")
_CAMERA = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(\.second)?")
"""A stream's id (`types.stream`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """One camera-day public key with the warden's signature."""

    site_id: str
    key_id: KeyId
    public_key: bytes
    """See `suite.load_public`; 1216 bytes."""
    signature: bytes
    """Ed25519 over `signed_bytes`; 64 bytes."""

    @property
    def camera_id(self) -> CameraId:
        """The part of the key id before the slash."""
        return CameraId(self.key_id.partition("/")[0])

    @property
    def day(self) -> str:
        """The part of the key id behind the slash: yyyymmdd, UTC."""
        return self.key_id.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedKeys:
    """What `warden-key.json` says: how to recognise this site's warden."""

    site_id: str
    site_key: bytes
    """Ed25519 public key (32 bytes) that signs published camera-day keys."""
    log_origin: str
    log_key: bytes
    """Ed25519 public key (32 bytes) that signs the log's checkpoints, under the name `log_origin`."""
    log_mldsa_key: bytes = b""
    """ML-DSA-44 public key (1312 bytes) that signs them, too; empty until a warden that has one has started."""


def key_id_of(camera_id: CameraId, day: str) -> KeyId:
    """`<camera_id>/<yyyymmdd>`."""
    return KeyId(f"{camera_id}/{day}")


def background_key_id(camera_id: CameraId, year: str) -> KeyId:
    """Of the pictures without people that outlive footage: `<camera_id>/<yyyy>0000`, a day that no year has.

    Only a leak trace has such a key opened (`access.release`). Args: year: yyyy, UTC.
    """
    return key_id_of(camera_id, f"{year}0000")


def is_background_key(key_id: str) -> bool:
    """Whether a key is one of `background_key_id`'s."""
    return is_key_id(key_id) and key_id.endswith("0000")


def is_key_id(text: str) -> bool:
    """Whether `text` has the form of a key id; safe to make a path of."""
    camera, _, day = text.partition("/")
    return bool(_CAMERA.fullmatch(camera) and _DAY.fullmatch(day))


def published_path(public_dir: Path, key_id: KeyId) -> Path:
    """Where the file of a key lies: `<camera>/<yyyymmdd>.json`."""
    assert is_key_id(key_id)
    camera, _, day = key_id.partition("/")
    return public_dir / camera / f"{day}.json"


def signed_bytes(site_id: str, key_id: KeyId, public_key: bytes) -> bytes:
    """What the signature covers; one line each, so that no two keys have the same bytes."""
    lines = ("custodes.published-key/v1", site_id, key_id, ALGORITHM, base64.b64encode(public_key).decode())
    assert not any("\n" in line for line in lines)
    return ("\n".join(lines) + "\n").encode()


def sign_published(signer: Ed25519PrivateKey, *, site_id: str, key_id: KeyId, public_key: bytes) -> PublishedKey:
    """Make the value that `write_published` stores."""
    signature = signer.sign(signed_bytes(site_id, key_id, public_key))
    return PublishedKey(site_id=site_id, key_id=key_id, public_key=public_key, signature=signature)


def verify_published(key: PublishedKey, pinned: PinnedKeys) -> None:
    """Raises: SealBroken when the key is of another site or its signature is not the pinned warden's."""
    if key.site_id != pinned.site_id:
        raise SealBroken(f"published key {key.key_id} is of site {key.site_id}, not {pinned.site_id}")
    try:
        Ed25519PublicKey.from_public_bytes(pinned.site_key).verify(
            key.signature, signed_bytes(key.site_id, key.key_id, key.public_key)
        )
    except (InvalidSignature, ValueError) as error:
        raise SealBroken(f"published key {key.key_id} is not signed by this site's warden") from error


def _write_atomically(path: Path, tree: dict[str, object]) -> None:
    try:
        make_folder(path.parent)
        # Public: a verifier of another user may read it.
        replace_file(path, json.dumps(tree, indent=1).encode() + b"\n", mode=0o644)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ResourceExhausted(f"{path} cannot be written, the disk is full") from error
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error


def _read_tree(path: Path) -> dict[str, object]:
    with path.open("rb") as stream:
        raw = stream.read(_MAX_FILE_BYTES + 1)
    if len(raw) > _MAX_FILE_BYTES:
        raise SealBroken(f"{path.name} is larger than {_MAX_FILE_BYTES} bytes")
    try:
        tree = json.loads(raw)
    except ValueError as error:
        raise SealBroken(f"{path.name} is not JSON: {error}") from error
    if not isinstance(tree, dict) or tree.get("version") != _VERSION:
        raise SealBroken(f"{path.name} is not a version {_VERSION} key file")
    return tree


def _text(tree: dict[str, object], field: str, path: Path) -> str:
    value = tree.get(field)
    if not isinstance(value, str) or "\n" in value:
        raise SealBroken(f"{path.name} has no usable {field!r}")
    return value


def _raw(tree: dict[str, object], field: str, path: Path, length: int) -> bytes:
    try:
        value = base64.b64decode(_text(tree, field, path), validate=True)
    except ValueError as error:
        raise SealBroken(f"{path.name}: {field!r} is not base64") from error
    if len(value) != length:
        raise SealBroken(f"{path.name}: {field!r} has {len(value)} bytes; expected {length}")
    return value


def write_published(public_dir: Path, key: PublishedKey) -> Path:
    """Store a key file durably and atomically; returns its path. Raises: ResourceExhausted, Unavailable."""
    path = published_path(public_dir, key.key_id)
    _write_atomically(
        path,
        {
            "version": _VERSION,
            "site_id": key.site_id,
            "key_id": key.key_id,
            "algorithm": ALGORITHM,
            "public_key": base64.b64encode(key.public_key).decode(),
            "signature": base64.b64encode(key.signature).decode(),
        },
    )
    return path


def read_published(path: Path) -> PublishedKey:
    """Parse a key file; verify it before use. Raises: KeyMissing, SealBroken for a malformed file."""
    try:
        tree = _read_tree(path)
    except FileNotFoundError as error:
        raise KeyMissing(f"no published key at {path.parent.name}/{path.name}") from error
    except OSError as error:
        raise KeyMissing(f"published key {path.parent.name}/{path.name} cannot be read: {error.strerror}") from error
    key_id = KeyId(_text(tree, "key_id", path))
    if not is_key_id(key_id) or key_id != f"{path.parent.name}/{path.stem}":
        raise SealBroken(f"{path.parent.name}/{path.name} claims to be key {key_id[:80]!r}")
    if _text(tree, "algorithm", path) != ALGORITHM:
        raise SealBroken(f"published key {key_id} is for another algorithm than {ALGORITHM}")
    return PublishedKey(
        site_id=_text(tree, "site_id", path),
        key_id=key_id,
        public_key=_raw(tree, "public_key", path, PUBLIC_KEY_BYTES),
        signature=_raw(tree, "signature", path, 64),
    )


def exactly(public_dir: Path, key_id: KeyId, pinned: PinnedKeys) -> PublishedKey:
    """This very key, verified: what is sealed to it has no other to fall back to. Raises: KeyMissing, SealBroken."""
    key = read_published(published_path(public_dir, key_id))
    verify_published(key, pinned)
    return key


def latest_usable(public_dir: Path, camera_id: CameraId, day: str, pinned: PinnedKeys) -> PublishedKey:
    """The key to seal to on `day`: the day's own, else the newest that was published (recording fails open).

    Args:
        day: yyyymmdd, UTC.

    Raises: KeyMissing when no published key of the camera verifies; the message says what was wrong with the day's.
    """
    own = published_path(public_dir, key_id_of(camera_id, day))
    # A background's key outlives footage, so footage never falls back to one.
    days = (path for path in own.parent.glob("*.json") if path != own and not path.stem.endswith("0000"))
    others = sorted(days, key=lambda p: p.stem, reverse=True)
    reason = "none is published"
    for path in (own, *others):
        try:
            key = read_published(path)
            verify_published(key, pinned)
        except KeyMissing:
            continue
        except SealBroken as error:
            reason = str(error)
            continue
        return key
    raise KeyMissing(f"no usable camera-day key of {camera_id} for {day}: {reason}")


def write_pinned(path: Path, pinned: PinnedKeys) -> None:
    """Write `warden-key.json` once; a pinned file of before ML-DSA-44 gets that key added.

    Raises: FailedPrecondition when another key is pinned there already.
    """
    if path.exists() and (known := read_pinned(path)) != replace(pinned, log_mldsa_key=b""):
        if known != pinned:
            raise FailedPrecondition(
                f"{path} pins another warden; the root secret in this data directory is not the one it was made with"
            )
        return
    _write_atomically(
        path,
        {
            "version": _VERSION,
            "site_id": pinned.site_id,
            "site_key": base64.b64encode(pinned.site_key).decode(),
            "log_origin": pinned.log_origin,
            "log_key": base64.b64encode(pinned.log_key).decode(),
            "log_mldsa_key": base64.b64encode(pinned.log_mldsa_key).decode(),
        },
    )


def read_pinned(path: Path) -> PinnedKeys:
    """Raises: KeyMissing when the warden has not made it yet, DataLoss when it cannot be parsed."""
    try:
        tree = _read_tree(path)
        return PinnedKeys(
            site_id=_text(tree, "site_id", path),
            site_key=_raw(tree, "site_key", path, 32),
            log_origin=_text(tree, "log_origin", path),
            log_key=_raw(tree, "log_key", path, 32),
            log_mldsa_key=_raw(tree, "log_mldsa_key", path, MLDSA44_KEY_BYTES) if tree.get("log_mldsa_key") else b"",
        )
    except FileNotFoundError as error:
        raise KeyMissing(f"{path.name} is not there; the warden writes it at its first start") from error
    except (SealBroken, OSError) as error:
        raise DataLoss(f"{path} cannot be used: {error}") from error
