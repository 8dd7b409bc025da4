"""C2SP tlog-checkpoint: the signed tree head.

Source: https://c2sp.org/tlog-checkpoint@v1.0.0
"""

import base64
import re

from custodes.audit.merkle import HASH_BYTES
from custodes.audit.note import NoteSigner, NoteVerifier, open_note
from custodes.errors import LogCorrupt
from custodes.types.access import Checkpoint

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


def origin_of(site_id: str) -> str:
    """The log's origin and key name; a new root secret or a restored backup needs a new one (a fork otherwise)."""
    return f"custodes-site/{site_id}"


def sign_checkpoint(signer: NoteSigner, size: int, root_hash: bytes) -> Checkpoint:
    """Only for a tree that is durable, or whose entries become so in the transaction that stores this."""
    origin = signer.verifier.name
    note = signer.sign(f"{origin}\n{size}\n{base64.b64encode(root_hash).decode()}\n")
    return Checkpoint(origin=origin, size=size, root_hash=root_hash, note=note)


def open_checkpoint(note: str, verifier: NoteVerifier) -> Checkpoint:
    """Verify and parse. Extension lines are refused: we write none, and no monitor could audit them.

    Raises: LogCorrupt.
    """
    lines = open_note(note, [verifier]).split("\n")
    if len(lines) != 4 or lines[3]:
        raise LogCorrupt(f"checkpoint of {len(lines) - 1} lines; expected origin, size and root")
    origin, size, encoded, _ = lines
    if origin != verifier.name:
        raise LogCorrupt("checkpoint is of another log")
    if not _SIZE.fullmatch(size):
        raise LogCorrupt("checkpoint has a malformed size")
    try:
        root_hash = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise LogCorrupt("checkpoint has a malformed root") from error
    if len(root_hash) != HASH_BYTES:
        raise LogCorrupt(f"checkpoint's root has {len(root_hash)} bytes")
    return Checkpoint(origin=origin, size=int(size), root_hash=root_hash, note=note)
