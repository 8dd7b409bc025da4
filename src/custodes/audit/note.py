"""C2SP signed notes with Ed25519 signatures (type 0x01). What a note says belongs to `checkpoint`.

Source: https://c2sp.org/signed-note@v1.0.0
"""

import base64
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.errors import InvalidArgument, LogCorrupt

_ED25519 = b"\x01"
_MAX_SIGNATURES = 16
MAX_NOTE_BYTES = 128 * 1024
"""16 post-quantum signatures of 5 kB and some text."""


def _check_name(name: str) -> None:
    if not name or "+" in name or any(ch.isspace() or ord(ch) < 0x20 for ch in name):
        raise InvalidArgument(f"{name[:80]!r} cannot name a note's key")


def key_number(name: str, public_key: bytes) -> int:
    """The 32-bit key ID of an Ed25519 key under a name."""
    return int.from_bytes(hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerifier:
    """A trusted name and Ed25519 public key (32 bytes)."""

    name: str
    public_key: bytes

    @property
    def vkey(self) -> str:
        """The text form that other tools take: name+id+base64(type || key)."""
        number = key_number(self.name, self.public_key)
        return f"{self.name}+{number:08x}+{base64.b64encode(_ED25519 + self.public_key).decode()}"


class NoteSigner:
    """Signs notes under one name."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        _check_name(name)
        self._key = private_key
        self.verifier = NoteVerifier(name=name, public_key=private_key.public_key().public_bytes_raw())
        self._number = struct.pack(">I", key_number(name, self.verifier.public_key))

    def sign(self, text: str) -> str:
        """The note: text, blank line, one signature line. Raises: InvalidArgument for text that no note can hold."""
        if not text.endswith("\n") or any(ord(ch) < 0x20 and ch != "\n" for ch in text):
            raise InvalidArgument("a note's text ends in a newline and has no control characters")
        signature = base64.b64encode(self._number + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.verifier.name} {signature}\n"


def _parse_signature(line: str) -> tuple[str, int, bytes]:
    if not line.startswith("— "):
        raise LogCorrupt("malformed note: a signature line does not start with an em dash")
    name, _, encoded = line[2:].partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise LogCorrupt("malformed note: a signature is not base64") from error
    if not name or len(raw) < 5:
        raise LogCorrupt("malformed note: a signature line is too short")
    return name, int.from_bytes(raw[:4], "big"), raw[4:]


def open_note(note: str, verifiers: Sequence[NoteVerifier]) -> str:
    """Verify a note and return its text.

    Raises: LogCorrupt when it is malformed, when a trusted key's signature is wrong, or when no trusted key signed.
    """
    if len(note) > MAX_NOTE_BYTES or any(ord(ch) < 0x20 and ch != "\n" for ch in note):
        raise LogCorrupt("malformed note: too long or with control characters")
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise LogCorrupt("malformed note: no signatures")
    lines = tail[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise LogCorrupt(f"note has {len(lines)} signatures; at most {_MAX_SIGNATURES} are read")
    text += "\n"
    known = {(v.name, key_number(v.name, v.public_key)): v for v in verifiers}
    signed_by: set[str] = set()
    for line in lines:
        name, number, signature = _parse_signature(line)
        verifier = known.get((name, number))
        if verifier is None:
            continue  # unknown signatures are ignored, that is how keys rotate and witnesses join
        try:
            Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature, text.encode())
        except InvalidSignature as error:
            raise LogCorrupt(f"the signature of {name} does not verify") from error
        signed_by.add(name)
    if not signed_by:
        raise LogCorrupt("no trusted key signed this note")
    return text
