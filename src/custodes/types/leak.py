"""Messages of leak tracing: CLI to server, server to trace job, trace job to warden."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.access import Fidelity
from custodes.types.media import Packet, Segment, StreamInfo
from custodes.units import CameraId, Ns, SegmentId, SessionId

# -- CLI to server (server-control.sock) ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who answers for a trace, and what shows it."""

    person: str
    password: str
    """Never logged."""
    code: str = ""
    """Of the authenticator app, when the account has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOrder:
    """What to look for, where and when, and for which case."""

    picture: bytes
    """A file as it was found: JPEG, PNG, WebP, or a clip (MP4, WebM, Matroska); at most 32 MB."""
    reference: str
    """The case."""
    camera_ids: tuple[CameraId, ...] = ()
    """Empty: all."""
    start_ns: int = 0
    end_ns: int = 0
    """0: now."""
    is_attributing: bool = True
    """Also which delivered copy it is."""
    request_id: str = ""
    """That others approved with passkeys; empty where the second person gave a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLeak:
    """Find a picture in the archive, and if wanted which delivered copy it is. Answer: LeakTraced.

    Two different people: nobody sees a suspicion alone.
    """

    order: TraceOrder
    first: Signer
    second: Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakTraced:
    """The finding as JSON, and the bundle that proves it (a ZIP)."""

    finding: str
    bundle: bytes


# -- server and trace job (server-jobs.sock) --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTask:
    """Look for a picture in one camera's recordings. Sent once; answered by one PictureTraced."""

    camera_id: CameraId
    session_id: SessionId
    grant_token: str
    deadline_ns: Ns
    start_ns: Ns
    end_ns: Ns
    segments: tuple[Segment, ...]
    picture: bytes
    is_attributing: bool
    segment_ns: int = 60_000_000_000
    """How long a segment of this site is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekCamera:
    """One camera of many, under a trace's grant of its own."""

    camera_id: CameraId
    grant_token: str
    start_ns: Ns
    end_ns: Ns
    segments: tuple[Segment, ...] = ()
    """The newest of that time: a picture of theirs stands for a view without people where none was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekTask:
    """Which of several cameras a picture may be of, by their views without people. Answered by one CamerasSought."""

    picture: bytes
    cameras: tuple[SeekCamera, ...]
    deadline_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CamerasSought:
    """How much the best place in each camera means, by camera id; those without a view are not there."""

    weights: dict[str, float]
    error: str = ""
    is_unreadable: bool = False
    """The file is no picture, says `error`: nothing was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceProgress:
    """Job to server: how much of the camera's time is looked through, 0 to 1."""

    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedMasks:
    """Job to server: what was analysed between these moments. Answer: one MaskFacts."""

    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateScore:
    """One session's agreement with the picture, in the ten seconds where it agrees best."""

    session_id: SessionId
    slot: int
    z: float
    session_z: float
    """Of the session layer: a lead, no proof."""
    slot_key: bytes
    """Makes this one pattern again, and nothing else."""
    fidelity: Fidelity
    granted_index: int
    released_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTraced:
    """What a trace job found in one camera."""

    camera_id: CameraId
    is_found: bool
    likeness: float = 0.0
    """-1..1, of structure, where the picture lies on the archived one."""
    inliers: int = 0
    matrix: tuple[float, ...] = ()
    """3×3 row by row, picture → archived, both in shares of their width."""
    is_mirrored: bool = False
    utc_ns: int = 0
    """Of the archived frame that fits best."""
    earliest_ns: int = 0
    latest_ns: int = 0
    """Between these the picture could be from any moment, by its content, and by the mark where it names a copy."""
    by_content_ns: tuple[int, ...] = ()
    """(earliest, latest) by content alone, where the mark told the ten seconds and content did not."""
    fidelity: Fidelity | None = None
    """Which view it looks like; None when nothing was masked at that moment."""
    reference_sha256: str = ""
    """Of the archived frame's luma, as it was compared."""
    candidates: tuple[CandidateScore, ...] = ()
    """Every session that was shown the moment, best first."""
    trials: int = 0
    """Comparisons made: candidates × slots × references × ways to look × places tried."""
    decoys: int = 0
    decoy_z_max: float = 0.0
    marks_log_index: int = -1
    """The entry with the hash of the candidate list, made before any score."""
    evidence: tuple[bytes, ...] = ()
    """float32 little-endian, 36,000 each: what the scores were made from."""
    background_ns: int = 0
    """Since when the camera looked as in the picture without people that it was compared with; 0 where footage was
    there. Content tells no time then: `utc_ns` is the mark's, or 0."""
    error: str = ""
    is_unreadable: bool = False
    """The file is no picture, says `error`: nothing was looked at, so it is not "not ours"."""


# -- trace job and warden (warden-jobs.sock) --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMarks:
    """Mark keys of exactly the sessions that the log says were given these segments. Answer: MarksReleased."""

    grant_token: str
    segment_ids: tuple[SegmentId, ...]
    """At most 64, of the grant's camera. None: of all that began in the grant's time, whether or not it is still
    there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateMark:
    """A session that was given keys of one of the segments."""

    session_id: SessionId
    mark_key: bytes
    fidelity: Fidelity
    granted_index: int
    """Log entry of its grant; -1 when it lies too far back."""
    released_index: int
    """Log entry of the first release of one of the segments."""
    starts_ns: tuple[int, ...] = ()
    """When the segments that it was given began, where none were named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksReleased:
    """The whole list, fixed and logged before it was sent."""

    candidates: tuple[CandidateMark, ...]
    log_index: int


# -- the trace job and its cells (ADR 129) ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchKeyframe:
    """A GOP's first packet, decrypted. Answer: SketchMade or SketchLost of the same moment."""

    info: StreamInfo
    packet: Packet


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchMade:
    """Of the picture of that moment: (rows, columns) float32, means of luma."""

    utc_ns: Ns
    luma: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchLost:
    """That packet decodes to no whole picture."""

    utc_ns: Ns
