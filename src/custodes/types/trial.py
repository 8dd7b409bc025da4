"""Trials of a zone: volunteers walk by, and what their faces scored is kept under their signature until a day.

Items of the warden's store, and messages on `warden-server.sock` and `warden-faces.sock`.
"""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.access import Principal
from custodes.types.face import Consent
from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One at a time in a zone. When it ends all of it is destroyed."""

    trial_id: str
    zone_id: str
    created_by: str
    created_ns: Ns
    ends_ns: Ns
    voided: int = 0
    """Walks that say nothing: several faces passed, or the warden started again meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volunteer:
    """Who agreed to walk. All that is theirs is sealed under a key of their own for this trial."""

    volunteer_id: str
    trial_id: str
    person_id: str
    """Whom the gallery knows them as; empty for who is not enrolled."""
    sealed_name: bytes
    invite_hash: bytes
    created_ns: Ns
    consent: Consent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialWalk:
    """One walk. `sealed_result` is empty until it is settled."""

    walk_id: str
    trial_id: str
    volunteer_id: str
    from_ns: Ns
    until_ns: Ns
    sealed_result: bytes = b""


class WalkPhase(StrEnum):
    """How far a volunteer's newest walk is."""

    NONE = "none"
    SOON = "soon"
    NOW = "now"
    READING = "reading"
    COUNTED = "counted"
    NO_FACE = "no_face"
    VOID = "void"


# -- matcher and warden --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkWindow:
    """Tracks that begin in it are a volunteer's."""

    walk_id: str
    from_ns: Ns
    until_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWalk:
    """What a track scored that began in a walk's window, and who was nearest; from the matcher. Answer: Ok."""

    walk_id: str
    zone_id: str
    camera_id: CameraId
    start_ns: Ns
    person_id: str
    score: float
    threshold: float


# -- server to warden ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrial:
    """Answer: TrialShown."""

    principal: Principal
    zone_id: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTrial:
    """At once: everything of it is destroyed. Answer: TrialShown."""

    principal: Principal
    zone_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteVolunteer:
    """`person_id` of an enrolled one, else a name. Answer: VolunteerInvited."""

    principal: Principal
    zone_id: str
    name: str
    person_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerInvited:
    """`token` opens their page; shown once."""

    volunteer_id: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTrial:
    """`is_export`: each walk's numbers leave the page, which is an entry in the log. Answer: TrialShown."""

    principal: Principal
    zone_id: str
    is_export: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerRow:
    """As the trial's page shows them."""

    volunteer_id: str
    name: str
    is_enrolled: bool
    has_signed: bool
    walks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkRow:
    """One settled walk. `found`: "self", "other" (somebody else was nearest) or empty: no face. `score` NaN then."""

    walk_id: str
    volunteer_id: str
    is_enrolled: bool
    found: str
    score: float
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialShown:
    """`trial` is None where none runs."""

    trial: Trial | None
    volunteers: tuple[VolunteerRow, ...] = ()
    walks: tuple[WalkRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVolunteer:
    """By the link. Answer: VolunteerShown."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignTrial:
    """Answer: VolunteerShown."""

    token: str
    signature: str
    text_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginWalk:
    """Answer: VolunteerShown."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveTrial:
    """Their key, name and numbers are destroyed. Answer: TrialLeft."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLeft:
    """`log_index` of the entry that says so."""

    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerShown:
    """What a volunteer's page says."""

    name: str
    zone: str
    is_enrolled: bool
    has_signed: bool
    ends_ns: Ns
    walks: int
    phase: WalkPhase
    seconds: int
    """Until the next phase, of one that ends by itself."""
