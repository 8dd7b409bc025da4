"""C2SP cosignatures: timestamped Ed25519 (type 0x04) and ML-DSA-44 (type 0x06) signatures on a checkpoint.

Witnesses make both. The log itself adds type 0x06 under its own name, so that its checkpoints stand when Ed25519
falls to quantum computers. Source: https://c2sp.org/tlog-cosignature@v1.1.0-rc1
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from custodes.audit.note import KeyType, NoteSignature, NoteVerifier, check_name, signature_line, split_note
from custodes.errors import InvalidArgument, LogCorrupt
from custodes.types.access import Checkpoint

MLDSA_SEED_BYTES = 32
_SIGNATURE_BYTES = {KeyType.COSIGN_ED25519: 64, KeyType.COSIGN_MLDSA44: 2420}
_MAX_TIME_S = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A verified statement: this key saw this checkpoint as the largest consistent one at that time."""

    verifier: NoteVerifier
    time_s: int
    """POSIX seconds, as the cosigner says."""


def _message(verifier: NoteVerifier, checkpoint: Checkpoint, time_s: int) -> bytes:
    if verifier.key_type is KeyType.COSIGN_ED25519:
        text = checkpoint.note.rpartition("\n\n")[0] + "\n"
        return f"cosignature/v1\ntime {time_s}\n{text}".encode()
    name, origin = verifier.name.encode(), checkpoint.origin.encode()
    if not 0 < len(name) < 256 or not 0 < len(origin) < 256:
        raise InvalidArgument("names of more than 255 bytes cannot be cosigned")
    return (
        b"subtree/v1\n\x00"
        + struct.pack(">B", len(name))
        + name
        + struct.pack(">Q", time_s)
        + struct.pack(">B", len(origin))
        + origin
        + struct.pack(">QQ", 0, checkpoint.size)
        + checkpoint.root_hash
    )


class Cosigner:
    """Makes cosignatures with one key under one name."""

    def __init__(self, name: str, key: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        check_name(name)
        self._key = key
        is_ed25519 = isinstance(key, Ed25519PrivateKey)
        self.verifier = NoteVerifier(
            name=name,
            public_key=key.public_key().public_bytes_raw(),
            key_type=KeyType.COSIGN_ED25519 if is_ed25519 else KeyType.COSIGN_MLDSA44,
        )

    def line(self, checkpoint: Checkpoint, time_s: int) -> str:
        """The signature line to append to the checkpoint's note. About 0.6 ms for ML-DSA-44, 0.05 ms for Ed25519."""
        assert 0 <= time_s <= _MAX_TIME_S
        signature = self._key.sign(_message(self.verifier, checkpoint, time_s))
        return signature_line(self.verifier, struct.pack(">Q", time_s) + signature)


def open_cosignature(checkpoint: Checkpoint, line: NoteSignature, verifier: NoteVerifier) -> Cosignature:
    """Verify one line. Raises: LogCorrupt when it does not verify; InvalidArgument for a key of another type."""
    expected = _SIGNATURE_BYTES.get(verifier.key_type)
    if expected is None:
        raise InvalidArgument(f"{verifier.name} does not cosign: its key is of type {verifier.key_type:#04x}")
    if len(line.signature) != 8 + expected:
        raise LogCorrupt(
            f"the cosignature of {verifier.name} has {len(line.signature)} bytes; expected {8 + expected}"
        )
    time_s = int.from_bytes(line.signature[:8], "big")
    if time_s > _MAX_TIME_S:
        raise LogCorrupt(f"the cosignature of {verifier.name} has no possible time")
    message, signature = _message(verifier, checkpoint, time_s), line.signature[8:]
    try:
        if verifier.key_type is KeyType.COSIGN_ED25519:
            Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature, message)
        else:
            MLDSA44PublicKey.from_public_bytes(verifier.public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise LogCorrupt(f"the cosignature of {verifier.name} does not verify") from error
    return Cosignature(verifier=verifier, time_s=time_s)


def open_cosignatures(checkpoint: Checkpoint, verifiers: Sequence[NoteVerifier]) -> tuple[Cosignature, ...]:
    """Those of the trusted keys that stand on the checkpoint's note, in its order; unknown ones are ignored.

    Raises: LogCorrupt when one of a trusted key does not verify.
    """
    _, lines = split_note(checkpoint.note)
    return tuple(
        open_cosignature(checkpoint, line, verifier)
        for line in lines
        for verifier in verifiers
        if verifier.key_type in _SIGNATURE_BYTES and line.is_by(verifier)
    )


def with_line(checkpoint: Checkpoint, line: str) -> Checkpoint:
    """The checkpoint with one more signature line on its note."""
    return Checkpoint(
        origin=checkpoint.origin, size=checkpoint.size, root_hash=checkpoint.root_hash, note=checkpoint.note + line
    )
