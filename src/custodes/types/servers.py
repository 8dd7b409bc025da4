"""Between the servers of one site (`server-news.sock`), and what the one that leads says to the warden first."""

from dataclasses import dataclass

from custodes.types.media import Segment
from custodes.types.replica import ReplicaTable


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsTold:
    """Leading server to those that follow: facts that it took just now and that are of now (`types.codec`, one by one,
    checked). No answer: who reads too slowly loses some."""

    facts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsTold:
    """Leading server to those that follow: segments whose rows were stored just now."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadSince:
    """Leading server to the warden, first on each connection: under which epoch it leads. Answer: Ok; from then on the
    warden refuses whoever said a smaller one, on whichever connection."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a site of several servers, or with replicas of its warden, stands now."""

    leader: str
    """Server that leads; empty where there is one server, or none leads."""
    epoch: int
    replicas: ReplicaTable | None
    """None where no replicas are named, or the warden does not say."""
    trouble: str
    """Why a part is not known; empty for none."""
