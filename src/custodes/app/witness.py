"""The witness process: a second party's, with a folder of its own and no site. Keys, memory, HTTP listener.

Its two keys derive from one 32-byte seed in a 0600 file. What it checks is in `audit.witness`.
"""

import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.audit.checkpoint import LogKeys
from custodes.audit.cosignature import Cosigner
from custodes.audit.note import KeyType, NoteVerifier, parse_vkey
from custodes.audit.witness import Witness
from custodes.config.durable import replace_file
from custodes.errors import FailedPrecondition, InvalidArgument, KeyMissing
from custodes.web.witness import witness_app

_SEED_BYTES = 32
_SEED_FILE = "witness.key"
_NAME_FILE = "witness.name"
_MEMORY_FILE = "witness.db"
_MAX_POLICY_BYTES = 1 << 20
_KEEP_ALIVE_S = 75
_MAX_CONNECTIONS = 64


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


def read_logs(policies: Sequence[Path]) -> dict[str, LogKeys]:
    """Keys by origin from policy files (`custodes audit keys` of each site).

    Raises: InvalidArgument when a file cannot be read or names no log with an Ed25519 key.
    """
    logs: dict[str, LogKeys] = {}
    for path in policies:
        try:
            with path.open(encoding="utf-8") as stream:
                lines = stream.read(_MAX_POLICY_BYTES).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"policy {path} cannot be read: {error}") from error
        keys = [parse_vkey(line.split()[1]) for line in lines if line.startswith("log ")]
        for origin in {key.name for key in keys}:
            logs[origin] = _keys_of(origin, keys)
    if not logs:
        raise InvalidArgument("no policy names a log; give the output of `custodes audit keys`")
    return logs


def _keys_of(origin: str, keys: Sequence[NoteVerifier]) -> LogKeys:
    own = {key.key_type: key for key in keys if key.name == origin}
    if KeyType.ED25519 not in own:
        raise InvalidArgument(f"the policy has no Ed25519 key of the log {origin}")
    return LogKeys(ed25519=own[KeyType.ED25519], mldsa44=own.get(KeyType.COSIGN_MLDSA44))


def serve_witness(folder: Path, policies: Sequence[Path], *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises: KeyMissing, FailedPrecondition, InvalidArgument, Unavailable."""
    cosigners = read_witness(folder)
    witness = Witness.open(folder / _MEMORY_FILE, cosigners, read_logs(policies))
    about = "\n".join(["custodes witness", *(each.verifier.vkey for each in cosigners)])
    app = witness_app(witness, about=about, now_s=lambda: int(time.time()))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_S,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
    try:
        uvicorn.Server(config).run()
    finally:
        witness.close()
