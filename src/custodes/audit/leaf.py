"""Bytes of one log entry: what stands in the tree, and what lies beside it because it is personal.

A leaf is a JSON object: `v` 1, `t` UTC ns, `kind`, and the record's parts in clear, or `commitment`, SHA-256 of a
random 32-byte key and the JSON of the parts that name or describe a person. Deleting key and data erases the person
and leaves the tree as it was.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from custodes.errors import InvalidArgument, LogCorrupt
from custodes.types.access import AuditKind, AuditRecord
from custodes.units import Ns

LEAF_VERSION = 1
BLIND_BYTES = 32
MAX_LEAF_BYTES = 65_535
"""C2SP tlog-tiles: entries carry a 16-bit length."""

MAX_DETAILS = 80
"""A key release names up to 64 segments, a few words besides."""
MAX_DETAIL_CHARS = 1024
MAX_RECORD_BYTES = 32 * 1024

ERASED = "(erased)"

_PERSONAL_SUBJECT = frozenset(
    {
        AuditKind.LOGIN,
        AuditKind.LOGIN_FAILED,
        AuditKind.LOGOUT,
        AuditKind.USER_CREATED,
        AuditKind.USER_CHANGED,
        AuditKind.CREDENTIAL_CHANGED,
    }
)
"""Kinds whose subject is a person; for all others it is a camera, a segment or nothing and stays in clear."""


class _Parts(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    actor: str = ""
    subject: str = ""
    details: dict[str, str] = {}


class _Leaf(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    v: int
    t: int
    kind: str
    actor: str = ""
    subject: str = ""
    details: dict[str, str] = {}
    commitment: str = ""


class _Glance(msgspec.Struct, kw_only=True, gc=False):
    """What verification needs of a leaf; the rest is vouched for by the signed root."""

    v: Literal[1]
    kind: AuditKind
    commitment: str = ""


_ENCODER = msgspec.json.Encoder(order="deterministic")
_GLANCE = msgspec.json.Decoder(_Glance)
_LEAF = msgspec.json.Decoder(_Leaf)
_PARTS = msgspec.json.Decoder(_Parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedLeaf:
    """A leaf and, when something in it is personal, what opens its commitment."""

    leaf: bytes
    blind: bytes
    """32 bytes, or empty when nothing is personal."""
    personal: bytes
    """JSON of the committed parts, or empty."""


def _check(record: AuditRecord) -> None:
    if len(record.details) > MAX_DETAILS:
        raise InvalidArgument(f"audit record with {len(record.details)} details; at most {MAX_DETAILS}")
    for text in (record.actor, record.subject, *record.details, *record.details.values()):
        if len(text) > MAX_DETAIL_CHARS:
            raise InvalidArgument(f"audit record with a text of {len(text)} characters; at most {MAX_DETAIL_CHARS}")


def is_personal(record: AuditRecord) -> bool:
    """Whether a record names a person: anything that is not a process's own word."""
    return record.kind in _PERSONAL_SUBJECT or not record.actor.startswith("process:")


def commitment_of(blind: bytes, personal: bytes) -> str:
    """Hex of SHA-256(blind || personal)."""
    return hashlib.sha256(blind + personal).hexdigest()


def seal_leaf(record: AuditRecord, utc_ns: Ns, blind: bytes) -> SealedLeaf:
    """Encode a record.

    Args:
        blind: 32 random bytes, used only when the record is personal.

    Raises: InvalidArgument when the record is out of bounds.
    """
    _check(record)
    kind = record.kind.value
    if not is_personal(record):
        clear = _Leaf(
            v=LEAF_VERSION,
            t=utc_ns,
            kind=kind,
            actor=record.actor,
            subject=record.subject,
            details=record.details,
        )
        sealed = SealedLeaf(leaf=_encode(clear), blind=b"", personal=b"")
    else:
        assert len(blind) == BLIND_BYTES
        has_personal_subject = record.kind in _PERSONAL_SUBJECT
        parts = _Parts(
            actor=record.actor, subject=record.subject if has_personal_subject else "", details=record.details
        )
        personal = _encode(parts)
        leaf = _Leaf(
            v=LEAF_VERSION,
            t=utc_ns,
            kind=kind,
            subject="" if has_personal_subject else record.subject,
            commitment=commitment_of(blind, personal),
        )
        sealed = SealedLeaf(leaf=_encode(leaf), blind=blind, personal=personal)
    if max(len(sealed.leaf), len(sealed.personal)) > MAX_RECORD_BYTES:
        raise InvalidArgument(f"audit record of {len(sealed.leaf)} bytes; at most {MAX_RECORD_BYTES}")
    return sealed


def _encode(value: msgspec.Struct) -> bytes:
    return _ENCODER.encode(value)


def check_leaves(first: int, leaves: Sequence[bytes], beside: dict[int, tuple[bytes, bytes]]) -> int:
    """What `open_leaf` checks, for a block of entries and without building records. About 0.7 µs per entry.

    Args:
        first: index of the first leaf.
        beside: (blind, personal) by index, of entries in the block; emptied of those that fit.

    Returns: how many had their personal part erased.
    Raises: LogCorrupt as `open_leaf` does, naming the entry.
    """
    try:
        seen = [_GLANCE.decode(leaf) for leaf in leaves]
    except (msgspec.MsgspecError, ValueError):
        for number, leaf in enumerate(leaves):
            _glance(first + number, leaf)
        raise AssertionError("one of them cannot be read") from None
    erased = 0
    for number, glance in enumerate(seen):
        if glance.commitment:
            opened = beside.pop(first + number, None)
            if opened is None:
                erased += 1
            elif hashlib.sha256(opened[0] + opened[1]).hexdigest() != glance.commitment:
                raise LogCorrupt(
                    f"entry {first + number}: its personal part was changed: its commitment does not open"
                )
    if beside:
        raise LogCorrupt(f"entry {min(beside)}: there is no commitment, but a personal part beside it")
    return erased


def _glance(index: int, leaf: bytes) -> None:
    try:
        _GLANCE.decode(leaf)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LogCorrupt(f"entry {index}: it cannot be read, or is of a version or kind not known: {error}") from error


def time_of(leaf: bytes) -> Ns:
    """When an entry was made. Raises: LogCorrupt."""
    try:
        return Ns(_LEAF.decode(leaf).t)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LogCorrupt(f"a log entry cannot be read: {error}") from error


def open_leaf(sealed: SealedLeaf) -> tuple[Ns, AuditRecord]:
    """Decode and check a stored entry; an erased one has the actor "(erased)".

    Raises: LogCorrupt when leaf or personal part are malformed, or the commitment does not open.
    """
    try:
        leaf = _LEAF.decode(sealed.leaf)
        kind = AuditKind(leaf.kind)
        if leaf.v != LEAF_VERSION:
            raise LogCorrupt(f"log entry of version {leaf.v}; this program reads {LEAF_VERSION}")
        if not leaf.commitment:
            if sealed.blind or sealed.personal:
                raise LogCorrupt("a log entry without commitment has a personal part beside it")
            return Ns(leaf.t), AuditRecord(kind=kind, actor=leaf.actor, subject=leaf.subject, details=leaf.details)
        if not sealed.blind and not sealed.personal:
            return Ns(leaf.t), AuditRecord(kind=kind, actor=ERASED, subject=leaf.subject, details={})
        if commitment_of(sealed.blind, sealed.personal) != leaf.commitment:
            raise LogCorrupt("a log entry's personal part was changed: its commitment does not open")
        parts = _PARTS.decode(sealed.personal)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LogCorrupt(f"a log entry cannot be read: {error}") from error
    subject = leaf.subject or parts.subject
    return Ns(leaf.t), AuditRecord(kind=kind, actor=parts.actor, subject=subject, details=parts.details)
