"""C2SP signed notes: their form, and Ed25519 signatures over the text itself (type 0x01).

What a note says belongs to `checkpoint`; signatures with a time in them (types 0x04 and 0x06) to `cosignature`.
Source: https://c2sp.org/signed-note@v1.0.0
"""

import base64
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.errors import InvalidArgument, LogCorrupt

_MAX_SIGNATURES = 16
MAX_NOTE_BYTES = 128 * 1024
"""16 post-quantum signatures of 5 kB and some text."""


class KeyType(IntEnum):
    """Signature type identifiers that we know, from signed-note and tlog-cosignature."""

    ED25519 = 0x01
    COSIGN_ED25519 = 0x04
    COSIGN_MLDSA44 = 0x06


KEY_BYTES = {KeyType.ED25519: 32, KeyType.COSIGN_ED25519: 32, KeyType.COSIGN_MLDSA44: 1312}
"""Length of a public key by its type."""


def check_name(name: str) -> None:
    """Raises: InvalidArgument for what cannot name a key."""
    if not name or "+" in name or any(ch.isspace() or ord(ch) < 0x20 for ch in name):
        raise InvalidArgument(f"{name[:80]!r} cannot name a note's key")


def key_number(name: str, public_key: bytes, key_type: KeyType = KeyType.ED25519) -> int:
    """The 32-bit key ID of a key under a name."""
    return int.from_bytes(hashlib.sha256(name.encode() + b"\n" + bytes([key_type]) + public_key).digest()[:4], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerifier:
    """A trusted name and public key; for `KeyType.ED25519` 32 bytes, see `KEY_BYTES`."""

    name: str
    public_key: bytes
    key_type: KeyType = KeyType.ED25519

    @property
    def vkey(self) -> str:
        """The text form that other tools take: name+id+base64(type || key)."""
        number = key_number(self.name, self.public_key, self.key_type)
        encoded = base64.b64encode(bytes([self.key_type]) + self.public_key).decode()
        return f"{self.name}+{number:08x}+{encoded}"


def parse_vkey(text: str) -> NoteVerifier:
    """Read `NoteVerifier.vkey`. Raises: InvalidArgument when it is malformed or of a type that we do not know."""
    name, _, rest = text.strip().partition("+")
    number, _, encoded = rest.partition("+")
    check_name(name)
    try:
        raw = base64.b64decode(encoded, validate=True)
        key_type = KeyType(raw[0])
    except (ValueError, IndexError) as error:
        raise InvalidArgument(f"the verifier key of {name[:80]!r} is malformed or of an unknown type") from error
    verifier = NoteVerifier(name=name, public_key=raw[1:], key_type=key_type)
    if len(verifier.public_key) != KEY_BYTES[key_type] or number != f"{key_number(name, raw[1:], key_type):08x}":
        raise InvalidArgument(f"the verifier key of {name[:80]!r} is damaged: its key ID or length is wrong")
    return verifier


class NoteSigner:
    """Signs notes under one name."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        check_name(name)
        self._key = private_key
        self.verifier = NoteVerifier(name=name, public_key=private_key.public_key().public_bytes_raw())
        self._number = struct.pack(">I", key_number(name, self.verifier.public_key))

    def sign(self, text: str) -> str:
        """The note: text, blank line, one signature line. Raises: InvalidArgument for text that no note can hold."""
        if not text.endswith("\n") or any(ord(ch) < 0x20 and ch != "\n" for ch in text):
            raise InvalidArgument("a note's text ends in a newline and has no control characters")
        return f"{text}\n" + signature_line(self.verifier, self._key.sign(text.encode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line, unverified."""

    name: str
    number: int
    """The key ID."""
    signature: bytes

    def is_by(self, verifier: NoteVerifier) -> bool:
        """Whether name and key ID are those of that key; says nothing of the signature."""
        number = key_number(verifier.name, verifier.public_key, verifier.key_type)
        return (self.name, self.number) == (verifier.name, number)


def signature_line(verifier: NoteVerifier, signature: bytes) -> str:
    """A signature in the form of a note's line, with its newline."""
    number = key_number(verifier.name, verifier.public_key, verifier.key_type)
    return f"— {verifier.name} {base64.b64encode(struct.pack('>I', number) + signature).decode()}\n"


def parse_signature(line: str) -> NoteSignature:
    """One line without its newline. Raises: LogCorrupt."""
    if not line.startswith("— "):
        raise LogCorrupt("malformed note: a signature line does not start with an em dash")
    name, _, encoded = line[2:].partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise LogCorrupt("malformed note: a signature is not base64") from error
    if not name or len(raw) < 5:
        raise LogCorrupt("malformed note: a signature line is too short")
    if base64.b64encode(raw).decode() != encoded:
        raise LogCorrupt("malformed note: a signature is not canonical base64")
    return NoteSignature(name=name, number=int.from_bytes(raw[:4], "big"), signature=raw[4:])


def split_note(note: str) -> tuple[str, list[NoteSignature]]:
    """Text and signature lines of a note, nothing verified. Raises: LogCorrupt when it is malformed."""
    if len(note) > MAX_NOTE_BYTES or any(ord(ch) < 0x20 and ch != "\n" for ch in note):
        raise LogCorrupt("malformed note: too long or with control characters")
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise LogCorrupt("malformed note: no signatures")
    lines = tail[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise LogCorrupt(f"note has {len(lines)} signatures; at most {_MAX_SIGNATURES} are read")
    return text + "\n", [parse_signature(line) for line in lines]


def open_note(note: str, verifiers: Sequence[NoteVerifier]) -> str:
    """Verify a note's plain signatures (type 0x01) and return its text; other types are ignored here.

    Raises: LogCorrupt when it is malformed, when a trusted key's signature is wrong, or when no trusted key signed.
    """
    text, signatures = split_note(note)
    known = {(v.name, key_number(v.name, v.public_key)): v for v in verifiers if v.key_type is KeyType.ED25519}
    is_signed = False
    for each in signatures:
        verifier = known.get((each.name, each.number))
        if verifier is None:
            continue  # unknown signatures are ignored, that is how keys rotate and witnesses join
        try:
            Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(each.signature, text.encode())
        except InvalidSignature as error:
            raise LogCorrupt(f"the signature of {each.name} does not verify") from error
        is_signed = True
    if not is_signed:
        raise LogCorrupt("no trusted key signed this note")
    return text
