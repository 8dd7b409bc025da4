"""The witness process: a second party's, with a folder of its own and no site. Keys, memory, HTTP listener.

Its keys are in `app.party_keys`. What it checks is in `audit.witness`.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from custodes.app.party_keys import derive_seed, make_witness, read_receipt_key, read_witness
from custodes.audit.checkpoint import LogKeys
from custodes.audit.note import KeyType, NoteVerifier, parse_vkey
from custodes.audit.witness import Witness
from custodes.errors import InvalidArgument
from custodes.web.witness import witness_app

__all__ = ["derive_seed", "make_witness", "read_logs", "read_receipt_key", "read_witness", "serve_witness"]

_MEMORY_FILE = "witness.db"
_MAX_POLICY_BYTES = 1 << 20
_KEEP_ALIVE_S = 75
_MAX_CONNECTIONS = 64


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
