"""C2SP tlog-checkpoint: the signed tree head.

The head that each append stores carries Ed25519 alone, because ML-DSA-44 would double the time of an append. What
leaves the warden is *published*: the same head with the log's ML-DSA-44 signature beside it.
Source: https://c2sp.org/tlog-checkpoint@v1.0.0
"""

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit.cosignature import Cosigner, open_cosignatures, with_line
from custodes.audit.merkle import HASH_BYTES
from custodes.audit.note import KeyType, NoteSigner, NoteVerifier, open_note
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """The pinned public keys of one log. `mldsa44` is None until a warden that has such a key has started."""

    ed25519: NoteVerifier
    mldsa44: NoteVerifier | None

    @property
    def verifiers(self) -> tuple[NoteVerifier, ...]:
        """Both, for exports."""
        return (self.ed25519,) if self.mldsa44 is None else (self.ed25519, self.mldsa44)


def log_keys(origin: str, ed25519: bytes, mldsa44: bytes) -> LogKeys:
    """From raw public keys as `warden-key.json` pins them; an empty ML-DSA key means that none is pinned."""
    second = NoteVerifier(name=origin, public_key=mldsa44, key_type=KeyType.COSIGN_MLDSA44) if mldsa44 else None
    return LogKeys(ed25519=NoteVerifier(name=origin, public_key=ed25519), mldsa44=second)


class LogSigner:
    """The log's two private keys under its origin."""

    def __init__(self, origin: str, ed25519: Ed25519PrivateKey, mldsa44: MLDSA44PrivateKey) -> None:
        self.note = NoteSigner(origin, ed25519)
        self._cosigner = Cosigner(origin, mldsa44)
        self.keys = LogKeys(ed25519=self.note.verifier, mldsa44=self._cosigner.verifier)

    def publish(self, head: Checkpoint, time_s: int) -> Checkpoint:
        """The head with the ML-DSA-44 signature beside the Ed25519 one."""
        return with_line(head, self._cosigner.line(head, time_s))


def open_published(note: str, keys: LogKeys) -> Checkpoint:
    """Verify both signatures and parse. Raises: LogCorrupt, also when the ML-DSA-44 signature is not there."""
    checkpoint = open_checkpoint(note, keys.ed25519)
    if keys.mldsa44 is not None and not open_cosignatures(checkpoint, [keys.mldsa44]):
        raise LogCorrupt("the checkpoint lacks the log's ML-DSA-44 signature")
    return checkpoint
