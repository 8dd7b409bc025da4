"""Back-fills: recordings analysed again by the model of today. What is asked, how far it is, what the job sends.

The job's socket is `server-backfill.sock`; the rest travels on the control socket.
"""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.access import Purpose
from custodes.types.media import Packet, Segment, StreamInfo
from custodes.types.message import CameraSpec
from custodes.units import CameraId, Ns


class BackfillState(StrEnum):
    """Where a back-fill stands."""

    WAITING = "waiting"
    """Another is being made."""
    RUNNING = "running"
    PAUSED = "paused"
    """By a person, or because server or grant ended; `resume` goes on where it stood."""
    DONE = "done"
    CANCELLED = "cancelled"
    """What was replaced so far stays replaced."""
    FAILED = "failed"


ENDED = frozenset({BackfillState.DONE, BackfillState.CANCELLED, BackfillState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One as the catalog keeps it. Its number is the *analysis version* of the stretches it replaced."""

    version: int
    """0 until the catalog gave it one; the analysis as it was made live is version 0."""
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    position_ns: Ns
    """Everything before it is replaced."""
    state: BackfillState
    detail: str
    person: str
    purpose: Purpose
    model: str
    """Name and the start of the hash; empty until the job said it."""
    created_ns: Ns

    @property
    def share(self) -> float:
        """How much of the interval is done, 0 to 1."""
        if self.state is BackfillState.DONE:
            return 1.0
        return min(max((self.position_ns - self.start_ns) / max(self.end_ns - self.start_ns, 1), 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedStretch:
    """Who analysed [start, end) of a camera last; what no stretch covers is as it was made live."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    version: int
    model: str


# -- between server and job ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillTask:
    """What to analyse: sealed segments that touch [start, end], by start. Results before `position_ns` are there
    already; what is analysed before it only warms up."""

    camera: CameraSpec
    grant_token: str
    deadline_ns: Ns
    start_ns: Ns
    end_ns: Ns
    position_ns: Ns
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillFacts:
    """FrameAnalysed, TrackEnded and LineCrossed of the stretch that is told next, encoded one by one; at most 512."""

    facts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchAnalysed:
    """[start, end) is analysed, all its facts are sent. Answer: StretchStored, after the commit."""

    start_ns: Ns
    end_ns: Ns
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchStored:
    """Go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillEnded:
    """The job's last message."""

    error: str
    """Empty when all was analysed."""
    unreadable: int
    """GOPs that could not be opened or decoded; they are masked whole."""


# -- between the job and its cells (ADR 110) -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceBegins:
    """The first that a cell is told of a piece: facts that are over in [from, until) are wanted of it, without those
    of tracks that began before `start_ns`."""

    camera: CameraSpec
    fps: float
    has_gate: bool
    start_ns: Ns
    from_ns: Ns
    until_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceGop:
    """The next GOP of a piece, decrypted."""

    info: StreamInfo
    packets: tuple[Packet, ...]
    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceHole:
    """The next GOP cannot be read: nobody vouches for it."""

    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceEnds:
    """Nothing more comes. Answer: what is left, then PieceDone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceStretch:
    """[start, end) is analysed; its facts, encoded one by one."""

    start_ns: Ns
    end_ns: Ns
    facts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceDone:
    """All stretches of the piece were answered."""

    model: str


# -- control socket --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBackfill:
    """Begin, as this person, who gives the password. Answer: BackfillTable with one row a camera."""

    camera_ids: tuple[CameraId, ...]
    start_ns: Ns
    end_ns: Ns
    purpose: Purpose
    person: str
    password: str
    """Never logged."""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeBackfill:
    """Go on with a paused one; asked for, decided and logged anew. Answer: BackfillTable with the one."""

    version: int
    person: str
    password: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBackfill:
    """Stop after the stretch that is stored last. Answer: BackfillTable with the one."""

    version: int
    is_cancel: bool = False
    """For good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBackfills:
    """Answer: BackfillTable with the latest, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillTable:
    """As asked."""

    backfills: tuple[Backfill, ...]
