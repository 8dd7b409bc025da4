"""Between a warden and its replicas (`warden-replica.sock`): the warden sends, each piece has one answer.

The replica speaks first (`FollowLog`); everything after is asked by the warden.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowLog:
    """Replica to warden, first: who it is and what it has. Answer: LogFollowed, or Failed.

    A `generation` above the warden's own says that the replica was promoted: the warden appends nothing any more.
    """

    name: str
    """Of its key, as `audit.replicas` names it."""
    size: int
    root_hash: bytes
    generation: int
    stores: dict[str, bytes]
    """SHA-256 of each copy of a store that it has, by file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFollowed:
    """Warden to replica: go on. `is_synchronous`: nothing is acknowledged to anybody before the replica has it."""

    size: int
    generation: int
    is_synchronous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """Entries in order, as they are stored, and the head that the warden signed for where they end. Answer:
    PieceKept."""

    first: int
    leaves: tuple[bytes, ...]
    blinds: tuple[bytes, ...]
    personals: tuple[bytes, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalKept:
    """Which entries still have their personal part, as runs (first, count); the others' go. Answer: PieceKept."""

    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCopy:
    """One of the warden's small databases, or a file beside them, whole. Answer: PieceKept."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceKept:
    """Replica to warden: it is durable here. `line`: after a LogPiece the replica's cosignature of its head."""

    size: int
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReplicas:
    """Command line to a warden or a replica. Answer: ReplicaTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRow:
    """One replica as a warden, or it itself, sees it."""

    name: str
    is_connected: bool
    size: int
    """Entries that it has, durably."""
    seen_ns: int
    """When it last kept something or said that it is there, UTC; 0: never since the start."""
    trouble: str
    """Why it does not follow, as last seen; empty while it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaTable:
    """The log's size at whoever answers, and the replicas."""

    size: int
    generation: int
    is_synchronous: bool
    rows: tuple[ReplicaRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPublished:
    """The warden's newest checkpoint as it may leave, now and then. Answer: PieceKept."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StillThere:
    """Warden to replica when nothing happens: a cut is noticed. Answer: PieceKept."""
