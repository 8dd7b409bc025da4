"""Protected persons: what the warden keeps of checks, and the messages of server, protection job and warden.

A protected person asked that nobody unmasks or exports a picture of them unseen. The rules are in `access.protection`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.access import Action, Fidelity, Grant, Principal, PurposeKind
from custodes.types.approval import RequestPhase
from custodes.types.face import EnrolmentPhase, FaceEnrolment
from custodes.types.media import Segment
from custodes.units import CameraId, Ns, RunId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPiece:
    """One camera's part of a request, of at most an hour, to be compared with the protected before anything opens."""

    request_id: str
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionCheck:
    """That a piece was compared, with whom (`roster`, a digest). Looks the same whatever was found."""

    piece: CheckPiece
    roster: str
    done_ns: Ns
    tracks: int
    """People whose faces could be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedTrack:
    """A track that is taken for a protected person."""

    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    likelihood: float
    """log10 of how much likelier the faces are one person's than two people's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedTouch:
    """A piece in which a protected person seems to be. Stored under that person's key only."""

    piece: CheckPiece
    tracks: tuple[TouchedTrack, ...]
    found_ns: Ns


# -- server and warden ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChecks:
    """What waits to be compared. Answer: ChecksWanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksWanted:
    """Oldest request first; empty where nobody is protected."""

    pieces: tuple[CheckPiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginCheck:
    """Logged. Answer: CheckBegun."""

    piece: CheckPiece


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckBegun:
    """A grant for the job: it opens the piece, and shows it to nobody."""

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProtected:
    """For an officer. Answer: ProtectedTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchShown:
    """Who asked for what, as the person concerned and their officer read it."""

    person_id: str
    person: str
    request_id: str
    requester: str
    action: Action
    fidelity: Fidelity
    purpose: PurposeKind
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    """When the person was seen."""
    asked_ns: Ns
    phase: RequestPhase
    likelihood: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedRow:
    """One protected person."""

    enrolment: FaceEnrolment
    phase: EnrolmentPhase
    name: str
    is_protected: bool
    touches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedTable:
    """Newest first. What the asker themselves asked for is left out."""

    people: tuple[ProtectedRow, ...]
    touches: tuple[TouchShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOwnTouches:
    """By the person's own link. Answer: OwnTouches."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTouches:
    """What the person's page says. Newest first."""

    name: str
    phase: EnrolmentPhase
    is_protected: bool
    expires_ns: Ns
    touches: tuple[TouchShown, ...]


# -- server and protection job (server-jobs.sock) --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectTask:
    """Compare who is in a piece with the protected. Answered by one PieceChecked; NeedMasks as a trace."""

    camera_id: CameraId
    session_id: SessionId
    grant_token: str
    deadline_ns: Ns
    start_ns: Ns
    end_ns: Ns
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceChecked:
    """That it is done, or why not. Never what was found: only the warden knows."""

    camera_id: CameraId
    error: str = ""


# -- protection job and warden (warden-jobs.sock) --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitLooks:
    """The warden's word that faces of this piece may be compared. Answer: SignedPermit (`CheckPermit`)."""

    grant_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPermit:
    """What `face.lawful` asks for: one camera, one interval of recordings, until a moment."""

    site_id: str
    camera_id: CameraId
    from_ns: Ns
    to_ns: Ns
    """Of the recordings."""
    until_ns: Ns
    """Of the permit, by the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackProbe:
    """One track's fused vector; overwritten when it was compared."""

    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    vector: npt.NDArray[np.float32]
    quality: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareProtected:
    """At most `MAX_PROBES` tracks; `is_last` closes the check. Answer: Ok, whatever was found."""

    grant_token: str
    contract: str
    probes: tuple[TrackProbe, ...]
    is_last: bool
