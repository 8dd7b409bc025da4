"""Keys of a second party that signs what it saw of a log: a witness, a centre, a warden's replica.

All derive from one 32-byte seed in a 0600 file of the party's own folder.
"""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.audit.cosignature import Cosigner
from custodes.audit.note import NoteVerifier
from custodes.config.durable import replace_file
from custodes.errors import FailedPrecondition, KeyMissing

_SEED_BYTES = 32
_SEED_FILE = "witness.key"
_NAME_FILE = "witness.name"


def make_witness(folder: Path, name: str) -> tuple[Cosigner, ...]:
    """Make keys in an empty folder. Raises: FailedPrecondition when there are some; InvalidArgument for the name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / _SEED_FILE).exists():
        raise FailedPrecondition(f"{folder} holds a witness already")
    seed = os.urandom(_SEED_BYTES)
    cosigners = _cosigners(name, seed)
    replace_file(folder / _NAME_FILE, name.encode())
    replace_file(folder / _SEED_FILE, seed)
    return cosigners


def read_witness(folder: Path) -> tuple[Cosigner, ...]:
    """The keys of a witness. Raises: KeyMissing; FailedPrecondition when others may read the seed."""
    return _cosigners(*_read_seed(folder))


def read_receipt_key(folder: Path) -> tuple[Ed25519PrivateKey, NoteVerifier]:
    """What a centre signs receipts with, beside its witness's keys. Raises: as `read_witness`."""
    name, seed = derive_seed(folder, b"custodes.centre-receipts/v1")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key, NoteVerifier(name=name, public_key=key.public_key().public_bytes_raw())


def derive_seed(folder: Path, info: bytes) -> tuple[str, bytes]:
    """The name in the folder and 32 bytes for another key of the same party. Raises: as `read_witness`."""
    name, seed = _read_seed(folder)
    return name, HKDFExpand(algorithm=SHA512(), length=_SEED_BYTES, info=info).derive(seed)


def _read_seed(folder: Path) -> tuple[str, bytes]:
    path = folder / _SEED_FILE
    try:
        mode, seed = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
        name = (folder / _NAME_FILE).read_text(encoding="utf-8")
    except OSError as error:
        raise KeyMissing(f"{folder} holds no witness: {error.strerror}; make one: custodes witness init") from error
    if mode & 0o077:
        raise FailedPrecondition(f"{path} has mode {mode:04o}, others may read it; make it 0600")
    if len(seed) != _SEED_BYTES:
        raise KeyMissing(f"{path} holds {len(seed)} bytes; expected {_SEED_BYTES}")
    return name, seed


def _cosigners(name: str, seed: bytes) -> tuple[Cosigner, ...]:
    def derive(info: bytes) -> bytes:
        return HKDFExpand(algorithm=SHA512(), length=_SEED_BYTES, info=info).derive(seed)

    return (
        Cosigner(name, Ed25519PrivateKey.from_private_bytes(derive(b"custodes.witness-ed25519/v1"))),
        Cosigner(name, MLDSA44PrivateKey.from_seed_bytes(derive(b"custodes.witness-mldsa44/v1"))),
    )
