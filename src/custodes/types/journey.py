"""Where an enrolled person went, and messages about it on `warden-server.sock`. Nobody else has such a value."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.access import Principal, Purpose
from custodes.types.scene import Point
from custodes.units import CameraId, Ns, RunId


class LinkKind(StrEnum):
    """Why a track is thought to be the person's."""

    VERIFIED = "verified"
    """Two trained people said so, blind to each other."""
    TOGETHER = "together"
    """It stood on the same ground at the same time as a track that is."""
    TRANSIT = "transit"
    """It came when and where somebody would who had left another camera's picture."""


class LooksUse(StrEnum):
    """Whether clothes were compared for a journey (ADR 134)."""

    NONE = "none"
    """By places and times alone."""
    PARTLY = "partly"
    """The video that may be decoded for one journey was used up before its end."""
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How far a journey is that is being made with looks. `share`: of the video that may be decoded for it."""

    is_done: bool
    share: float
    cameras: int
    """That were opened so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTrack:
    """A sighting that two people confirmed, as the track it is about."""

    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    candidate_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyStep:
    """One camera's track of the person."""

    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    kind: LinkKind
    probability: float
    """That it is the person, 0 to 1: the product of the links back to a verified sighting."""
    link_probability: float
    """Of the last of these links; 1 for a verified sighting."""
    runner_up: float
    """How probable the next best continuation was, 0 to 1."""
    came_from: int
    """Index of the step that it was found from; its own for a verified sighting."""
    floor: str = ""
    look_nats: float | None = None
    """What looks of clothes said for the link, in natural logarithms; None where none were taken or seen."""
    path_m: tuple[tuple[Ns, float, float], ...] = ()
    """Moment, x and y in metres of its floor, about one a second; empty where the camera's ground is not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSeen:
    """How much of the stretch a camera's recordings were analysed."""

    camera_id: CameraId
    name: str
    coverage: float
    place_m: Point | None = None
    floor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Steps by time. Made when it is asked for, under an approved request, and kept nowhere."""

    request_id: str
    person_id: str
    name: str
    reference: str
    start_ns: Ns
    end_ns: Ns
    steps: tuple[JourneyStep, ...]
    cameras: tuple[CameraSeen, ...]
    learnt_ways: int
    """Pairs of cameras whose usual time is known: drawn, or learnt from flows."""
    log_index: int
    looks: LooksUse = LooksUse.NONE
    looks_note: str = ""
    """Why there are none, or not all."""
    confirmed: int = 0
    """Sightings that two people confirmed in that stretch; without a track of the body there is no step."""


# -- messages ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFollowable:
    """Who agreed to be followed. Answer: FollowableTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Followable:
    """An enrolled person whose signed text says that they may be followed."""

    person_id: str
    name: str
    purpose: str
    expires_ns: Ns
    is_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowableTable:
    """By name."""

    people: tuple[Followable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJourney:
    """Under a request in force. Answer: JourneyOpened, after it is in the log."""

    principal: Principal
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyOpened:
    """What the server needs to make the journey, and nothing of anybody else."""

    request_id: str
    person_id: str
    name: str
    purpose: Purpose
    camera_ids: tuple[CameraId, ...]
    start_ns: Ns
    end_ns: Ns
    verified: tuple[VerifiedTrack, ...]
    """Of the person, in these cameras and this stretch, by time."""
    excluded: tuple[VerifiedTrack, ...]
    """Tracks that two people said are somebody else's: of others who are enrolled, or not the person's."""
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLastSeen:
    """Where missing people were last confirmed. Answer: LastSeenTable, after it is in the log."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """A missing person, and the newest sighting that two people confirmed, if there is one."""

    person_id: str
    name: str
    purpose: str
    created_ns: Ns
    expires_ns: Ns
    is_compared: bool
    """Signed, pictures given, and its zones active."""
    sighting: VerifiedTrack | None = None
    zone_id: str = ""
    verified_by: tuple[str, ...] = ()
    earlier: tuple[VerifiedTrack, ...] = ()
    """Confirmed sightings before that one, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeenTable:
    """Newest sighting first, then those who were not seen."""

    people: tuple[LastSeen, ...]
    log_index: int
