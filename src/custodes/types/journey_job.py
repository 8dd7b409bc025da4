"""Looks for one approved journey: messages of server, job and warden. No vector is in any of them.

The job makes looks of clothes from recordings that an approved request names, compares them where it is, and answers
likenesses; its memory ends with it (ADR 134).
"""

from dataclasses import dataclass

from custodes.types.access import Grant, Principal
from custodes.types.media import Segment
from custodes.types.scene import CameraScene
from custodes.units import CameraId, Ns, RunId

# -- server and warden (warden-server.sock) ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginLooks:
    """Keys of one camera for the job of a journey that was opened. Answer: LooksBegun, after it is in the log."""

    principal: Principal
    request_id: str
    camera_id: CameraId


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksBegun:
    """A grant that opens the request's stretch of that camera, and shows it to nobody: it carries no mark key."""

    grant: Grant


# -- server and job (server-jobs.sock) -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksTask:
    """Look at tracks for one journey. The job answers `TracksCompared` and `StayFound` until it is told to stop."""

    request_id: str
    deadline_ns: Ns
    budget_ns: Ns
    """Of video that may be decoded, all cameras together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCamera:
    """A camera that the journey came to. No answer."""

    camera_id: CameraId
    grant_token: str
    start_ns: Ns
    end_ns: Ns
    scene: CameraScene
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookMoment:
    """Where a track was at a moment. `box_norm`: x1 y1 x2 y2, shares of the frame."""

    utc_ns: Ns
    box_norm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookTrack:
    """A track that could be the next. `index`: the server's number of it; `moments`: some at which nobody stood in
    the way; empty where none is known."""

    index: int
    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    moments: tuple[LookMoment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTracks:
    """How alike are these pairs? Answer: TracksCompared.

    `tracks`: those not sent before; `chances`: of the first pairs, which are new, how likely each is one person by all
    but looks, which teaches what likeness says; `one`: tracks that are one person already.
    """

    tracks: tuple[LookTrack, ...]
    pairs: tuple[tuple[int, int], ...]
    chances: tuple[float, ...] = ()
    one: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksCompared:
    """`nats`: one a pair, in tenths; None where one of both was not seen. `left_ns`: of the budget."""

    nats: tuple[float | None, ...]
    left_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class FindStay:
    """Where was the dot that a track was at a moment? Answer: StayFound; the job asks `NeedFrames` meanwhile.
    `camera_ids`: those of its floor that are open."""

    camera_ids: tuple[CameraId, ...]
    camera_id: CameraId
    run: RunId
    track_id: int
    at_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedFrames:
    """What was analysed of a camera between two moments? Answer: MaskFacts."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class StayTrack:
    """A track that was the dot. `share`: how probably; `spans`: from when to when; `nats`: what looks said for it."""

    camera_id: CameraId
    run: RunId
    track_id: int
    share: float
    spans: tuple[tuple[Ns, Ns], ...]
    nats: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StayFound:
    """Empty where the track was no dot then. `is_seen`: whether there were any looks; without them this says nothing.
    `left_ns`: of the budget."""

    tracks: tuple[StayTrack, ...]
    is_seen: bool
    left_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksEnded:
    """Every vector was overwritten; the last word of a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksFailed:
    """The job cannot go on, and ends. What it told so far is not used either."""

    error: str
