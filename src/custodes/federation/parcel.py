"""Facts of a site as signed parcels, and receipts for them. Pure; whatever the bytes are, the only error is ours.

A parcel is `magic ‖ Ed25519 signature ‖ MessagePack`. The facts of a site are one chain: each has a number and a value
that depends on all before it, so that a copy is recognised by its number, and a site whose catalog was restored from a
backup by its chain. O(bytes): 0.1 ms for a signature or its check, measured on this machine's core.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from custodes.audit.note import KeyType, NoteVerifier
from custodes.errors import InvalidArgument, ProtocolError
from custodes.types.federation import Count, Receipt, Shared, Slug
from custodes.types.question import CaseQuestion

MAX_FACTS = 500
"""Of one parcel."""
MAX_FACT_BYTES = 96 * 1024
"""400 rows with names of 80 characters in UTF-8; a checkpoint request is a tenth of it."""
MAX_PARCEL_BYTES = 512 * 1024
"""Half of what a NATS server takes by default (`max_payload`)."""
NO_TIP = bytes(32)

_SIGNATURE_BYTES = 64
_PARCEL, _RECEIPT = b"custodes parcel 1\n", b"custodes receipt 1\n"
_QUESTION = b"custodes question 1\n"
_HOSTILE = (msgspec.MsgspecError, ValueError, RecursionError)
_Tip = Annotated[bytes, Meta(min_length=32, max_length=32)]

T = TypeVar("T")


class _Parcel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site_id: Slug
    first: Count
    before: _Tip
    floor: Count
    facts: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=MAX_FACTS)]


_ENCODER = msgspec.msgpack.Encoder()
_FACT: msgspec.msgpack.Decoder[Shared] = msgspec.msgpack.Decoder(Shared)
_OPEN = msgspec.msgpack.Decoder(_Parcel)
_OPEN_QUESTION = msgspec.msgpack.Decoder(CaseQuestion)
_OPEN_RECEIPT = msgspec.msgpack.Decoder(Receipt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """An opened parcel: facts `first`, `first + 1`, … of one site."""

    site_id: str
    first: int
    before: bytes
    """Of the chain, before the first fact."""
    floor: int
    """The site has forgotten all up to here; it cannot send them again."""
    facts: tuple[Shared, ...]
    tips: tuple[bytes, ...]
    """Of the chain, after each fact."""

    @property
    def last(self) -> int:
        """Number of the last fact."""
        return self.first + len(self.facts) - 1


def encode_fact(fact: Shared) -> bytes:
    """Raises: InvalidArgument when it is out of its own bounds: a site sends nothing that a centre would refuse."""
    encoded = _ENCODER.encode(fact)
    if len(encoded) > MAX_FACT_BYTES:
        raise InvalidArgument(f"a {type(fact).__name__} of {len(encoded)} bytes; at most {MAX_FACT_BYTES} are shared")
    try:
        _FACT.decode(encoded)
    except _HOSTILE as error:
        raise InvalidArgument(f"a {type(fact).__name__} that cannot be shared: {error}") from error
    return encoded


def link(before: bytes, seq: int, encoded: bytes) -> bytes:
    """The chain's next value: SHA-256 of the value before, the number and the fact's bytes."""
    return hashlib.sha256(before + seq.to_bytes(8, "big") + encoded).digest()


def cut(encoded: Iterable[bytes]) -> int:
    """How many of these facts, from the first on, fit into one parcel; at least one."""
    size, count = 0, 0
    for one in encoded:
        size += len(one) + 8
        if count and (size > MAX_PARCEL_BYTES - 1024 or count == MAX_FACTS):
            break
        count += 1
    return count


def seal_parcel(
    key: Ed25519PrivateKey, *, site_id: str, first: int, before: bytes, floor: int, encoded: Sequence[bytes]
) -> bytes:
    """Pack and sign. `encoded`: of `encode_fact`, as many as `cut` says."""
    facts = tuple(msgspec.Raw(one) for one in encoded)
    body = _ENCODER.encode(_Parcel(site_id=site_id, first=first, before=before, floor=floor, facts=facts))
    sealed = _PARCEL + key.sign(_PARCEL + body) + body
    assert len(sealed) <= MAX_PARCEL_BYTES
    return sealed


def open_parcel(sealed: bytes, *, site_id: str, key: NoteVerifier) -> Parcel:
    """Check size, signature, schema and whose it is. Raises: ProtocolError."""
    found = _opened(_PARCEL, sealed, key, _OPEN)
    if found.site_id != site_id:
        raise ProtocolError(f"a parcel of {found.site_id}, signed by {site_id}")
    if found.first < 1 or found.floor >= found.first:
        raise ProtocolError(f"facts from {found.first} on, above a floor of {found.floor}")
    facts, tips, tip = [], [], found.before
    for seq, raw in enumerate(found.facts, found.first):
        encoded = bytes(raw)
        if len(encoded) > MAX_FACT_BYTES:
            raise ProtocolError(f"fact {seq} has {len(encoded)} bytes; at most {MAX_FACT_BYTES}")
        try:
            facts.append(_FACT.decode(encoded))
        except _HOSTILE as error:
            raise ProtocolError(f"fact {seq} is none: {error}") from error
        tip = link(tip, seq, encoded)
        tips.append(tip)
    return Parcel(
        site_id=site_id,
        first=found.first,
        before=found.before,
        floor=found.floor,
        facts=tuple(facts),
        tips=tuple(tips),
    )


def seal_receipt(key: Ed25519PrivateKey, receipt: Receipt) -> bytes:
    """Pack and sign."""
    body = _ENCODER.encode(receipt)
    return _RECEIPT + key.sign(_RECEIPT + body) + body


def open_receipt(sealed: bytes, *, site_id: str, key: NoteVerifier) -> Receipt:
    """Raises: ProtocolError."""
    found = _opened(_RECEIPT, sealed, key, _OPEN_RECEIPT)
    if found.site_id != site_id:
        raise ProtocolError("a receipt for another site")
    return found


def seal_question(key: Ed25519PrivateKey, question: CaseQuestion) -> bytes:
    """Pack and sign. Raises: InvalidArgument when it is out of its own bounds: nothing is asked that is refused."""
    body = _ENCODER.encode(question)
    try:
        _OPEN_QUESTION.decode(body)
    except _HOSTILE as error:
        raise InvalidArgument(f"that cannot be asked: {error}") from error
    return _QUESTION + key.sign(_QUESTION + body) + body


def open_question(sealed: bytes, *, site_id: str, key: NoteVerifier) -> CaseQuestion:
    """Raises: ProtocolError."""
    found = _opened(_QUESTION, sealed, key, _OPEN_QUESTION)
    if found.site_id != site_id:
        raise ProtocolError("a question to another site")
    return found


def _opened(magic: bytes, sealed: bytes, key: NoteVerifier, decoder: msgspec.msgpack.Decoder[T]) -> T:
    if key.key_type is not KeyType.ED25519:
        raise ProtocolError(f"{key.name} is no key for parcels")
    if len(sealed) > MAX_PARCEL_BYTES:
        raise ProtocolError(f"{len(sealed)} bytes; at most {MAX_PARCEL_BYTES}")
    if not sealed.startswith(magic) or len(sealed) < len(magic) + _SIGNATURE_BYTES:
        raise ProtocolError("neither a parcel nor a receipt nor a question of this version")
    start = len(magic) + _SIGNATURE_BYTES
    signature, body = sealed[len(magic) : start], sealed[start:]
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, magic + body)
    except (InvalidSignature, ValueError) as error:
        raise ProtocolError(f"not signed by {key.name}") from error
    try:
        return decoder.decode(body)
    except _HOSTILE as error:
        raise ProtocolError(f"malformed: {error}") from error
