"""Values of who may see what, for what: principals, purposes, grants, audit records, checkpoints."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from custodes.units import CameraId, Ns, RunId, SessionId


class Role(StrEnum):
    """Shipped roles. None of them has everything; the administrator sees no footage."""

    OPERATOR = "operator"
    INVESTIGATOR = "investigator"
    SUPERVISOR = "supervisor"
    PRIVACY_OFFICER = "privacy_officer"
    AUDITOR = "auditor"
    TRAFFIC_ENGINEER = "traffic_engineer"
    TECHNICIAN = "technician"
    ADMINISTRATOR = "administrator"


class PurposeKind(StrEnum):
    """Why somebody wants to see something. Part of every decision and of every log entry."""

    LIVE_DUTY = "live_duty"
    CASE = "case"
    ALARM = "alarm"
    MAINTENANCE = "maintenance"
    SUBJECT_ACCESS = "subject_access"
    LEAK_TRACE = "leak_trace"
    """Finding out where a posted picture comes from."""


class Fidelity(StrEnum):
    """How much of the picture a grant shows."""

    MASKED = "masked"
    UNMASKED = "unmasked"


class Action(StrEnum):
    """What a principal asks to do; one Cedar action each."""

    WATCH_LIVE = "watch_live"
    PLAY_BACK = "play_back"
    EXPORT = "export"
    TRACE_LEAK = "trace_leak"
    """Compare a found picture with recordings and with the marks of those who saw them; shows no footage."""
    ANALYSE = "analyse"
    """Have recordings analysed again; nobody sees a picture of it."""
    ERASE = "erase"
    """Delete recordings before their time, for a person who asked for it; shows no footage."""
    FOLLOW = "follow"
    """See where an enrolled person who agreed to it went; shows no footage."""
    READ_METADATA = "read_metadata"
    READ_LOG = "read_log"
    READ_FLEET = "read_fleet"
    """What the cameras are and what is wrong with them: a list of weaknesses."""
    CONFIGURE = "configure"
    MANAGE_PEOPLE = "manage_people"
    """Invite and disable people, give and take roles."""
    FILE_REQUEST = "file_request"
    """Ask others to approve a look that nobody may have alone."""
    APPROVE = "approve"
    REVIEW = "review"
    """Judge a break-glass afterwards."""
    READ_PRIVACY = "read_privacy"
    """Records of processing, notices of unusual viewing, who saw a person."""
    PLACE_HOLD = "place_hold"
    """Keep recordings of a camera as evidence, beyond their retention."""
    RELEASE_HOLD = "release_hold"
    OPEN_CASE = "open_case"
    READ_CASES = "read_cases"
    """All of the register, also those one does not work on."""
    LEAD_CASES = "lead_cases"
    """Say who works on any case; close and reopen it."""
    CONFIGURE_FACES = "configure_faces"
    """Draft recognition zones; others approve them."""
    ENROL = "enrol"
    """Invite people to be recognised, review enrolments, end them at their word."""
    TRAIN = "train"
    """Record that somebody is competent to verify candidates."""
    VERIFY_FACES = "verify_faces"
    """See a candidate's two pictures and say whether they show one person."""
    READ_SIGHTINGS = "read_sightings"
    """What two people confirmed."""
    READ_LAST_SEEN = "read_last_seen"
    """Where a missing person, enrolled by the guardian, was last confirmed."""
    CHECKPOINT = "checkpoint"
    """Compare somebody with the template that they bring."""
    PROTECT = "protect"
    """Look after protected people: invite them, read who asked for their pictures."""


MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraScope:
    """Some cameras, or all, also those to come. The empty set is none."""

    is_all: bool = True
    camera_ids: frozenset[CameraId] = frozenset()

    def covers(self, camera_id: CameraId) -> bool:
        """Whether that camera is in it."""
        return self.is_all or camera_id in self.camera_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyHours:
    """When somebody is on duty, in minutes of the site's local day; past midnight when it ends before it begins."""

    from_minute: int = 0
    until_minute: int = MINUTES_PER_DAY


ALL_CAMERAS: Final = CameraScope()
ALWAYS: Final = DutyHours()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person, or a token of theirs, who is logged in."""

    user_id: str
    name: str
    roles: frozenset[Role]
    cameras: CameraScope = ALL_CAMERAS
    """No role reaches beyond these."""
    duty: DutyHours = ALWAYS
    """Live duty counts within these hours alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """A reason to see footage. `reference` is the case, alarm or ticket; empty only for live duty."""

    kind: PurposeKind
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """What is asked of the warden."""

    principal: Principal
    action: Action
    purpose: Purpose
    camera_id: CameraId
    start_ns: Ns
    """First moment wanted. For live: now."""
    end_ns: Ns
    """Last moment wanted. For live: when the grant ends at the latest."""
    fidelity: Fidelity
    session_id: SessionId
    request_id: str = ""
    """The approved request it rests on, if any (`types.approval`)."""
    camera_ids: tuple[CameraId, ...] = ()
    """For a list over cameras (`read_metadata` without `camera_id`): those it would be about."""
    shown: tuple[tuple[RunId, int], ...] = ()
    """With UNMASKED: only these people (run, track id); empty: everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The warden's permission to obtain keys of one camera over one interval, for one session."""

    grant_id: str
    token: str
    """Bearer secret for the view job; 32 random bytes, URL-safe base64. Never logged, never in a URL."""
    request: AccessRequest
    expires_ns: Ns
    log_index: int
    """Entry of the audit log that was durable before this grant existed."""
    camera_ids: tuple[CameraId, ...] = ()
    """For a list: the cameras it may show; at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to an AccessRequest. `reasons` are sentences for people, with policy ids."""

    is_allowed: bool
    reasons: tuple[str, ...]
    policy_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSession:
    """One stretch of viewing as the server tracks it."""

    session_id: SessionId
    camera_id: CameraId
    user_name: str
    purpose: Purpose
    started_ns: Ns
    ended_ns: Ns | None


class AuditKind(StrEnum):
    """What an audit record is about."""

    SITE_CREATED = "site_created"
    WARDEN_STARTED = "warden_started"
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    USER_CREATED = "user_created"
    ACCESS_GRANTED = "access_granted"
    ACCESS_DENIED = "access_denied"
    KEYS_RELEASED = "keys_released"
    KEYS_REFUSED = "keys_refused"
    VIEW_ENDED = "view_ended"
    SEGMENT_SEALED = "segment_sealed"
    CAMERA_CHANGED = "camera_changed"
    CAMERA_TESTED = "camera_tested"
    """Somebody had an address asked for video, and a login sent there."""
    CONFIG_CHANGED = "config_changed"
    ZONE_DRAFTED = "zone_drafted"
    ZONE_APPROVED = "zone_approved"
    ZONE_REFUSED = "zone_refused"
    ZONE_STOPPED = "zone_stopped"
    ZONE_USED = "zone_used"
    """A period in which faces were compared in a zone (AI Act art. 12(3)(a)): begins or ends."""
    ENROLMENT_INVITED = "enrolment_invited"
    CONSENT_SIGNED = "consent_signed"
    TEMPLATE_STORED = "template_stored"
    ENROLMENT_REVIEWED = "enrolment_reviewed"
    GALLERY_REKEYED = "gallery_rekeyed"
    INVITATION_RENEWED = "invitation_renewed"
    """A new link for somebody who is enrolled already; the old one opens nothing any more."""
    NETWORK_FORGOTTEN = "network_forgotten"
    """After a change of networks: the templates of the former one were destroyed."""
    ENROLMENT_ENDED = "enrolment_ended"
    """Withdrawn or expired: nobody is compared with the person any more."""
    TRIAL_OPENED = "trial_opened"
    VOLUNTEER_INVITED = "volunteer_invited"
    TRIAL_SIGNED = "trial_signed"
    TRIAL_READ = "trial_read"
    VOLUNTEER_LEFT = "volunteer_left"
    """Also when the trial ended; everything of theirs is destroyed."""
    TRIAL_ENDED = "trial_ended"
    TEMPLATES_DESTROYED = "templates_destroyed"
    """Written after a person's key was destroyed, and with it all that it opened; what their certificate proves."""
    TRAINING_CHANGED = "training_changed"
    VEHICLE_LISTED = "vehicle_listed"
    VEHICLE_UNLISTED = "vehicle_unlisted"
    VEHICLE_PASSED = "vehicle_passed"
    """A vehicle of the operator's own list was at a zone for plates."""
    CANDIDATE_FILED = "candidate_filed"
    FACES_OPENED = "faces_opened"
    VERDICT_GIVEN = "verdict_given"
    SIGHTING = "sighting"
    """Two people agreed (AI Act art. 12(3)(d), 14(5))."""
    JOURNEY_OPENED = "journey_opened"
    """Where an enrolled person went was told to somebody, under a request that others approved."""
    LAST_SEEN_READ = "last_seen_read"
    """Somebody asked where the missing were last confirmed."""
    CHECKPOINT_VERIFIED = "checkpoint_verified"
    KEYS_DESTROYED = "keys_destroyed"
    FOOTAGE_DELETED = "footage_deleted"
    FOOTAGE_ERASED = "footage_erased"
    """Recordings were given up for a person who asked; from here on the warden releases no key for them."""
    ERASURE_CERTIFIED = "erasure_certified"
    USER_CHANGED = "user_changed"
    CREDENTIAL_CHANGED = "credential_changed"
    """A passkey, a second factor or an API token was added or taken away."""
    REQUEST_FILED = "request_filed"
    REQUEST_APPROVED = "request_approved"
    REQUEST_REFUSED = "request_refused"
    REQUEST_WITHDRAWN = "request_withdrawn"
    BREAK_GLASS = "break_glass"
    BREAK_GLASS_REVIEWED = "break_glass_reviewed"
    PROCESS_EVENT = "process_event"
    SIGNATURE_ALARM = "signature_alarm"
    """A camera that signs its video stopped, changed its key, or sent video that does not verify."""
    STORAGE_EVENT = "storage_event"
    """The disk stopped taking recordings, or takes them again."""
    CAMERA_HEALTH = "camera_health"
    """A camera went down or was tampered with, or is well again."""
    FLEET_AUDITED = "fleet_audited"
    """The site's devices were asked what they are; the entry has the digest of what came out."""
    FLEET_DATA = "fleet_data"
    """Rules or lists that devices are judged by were taken in, with their digest and whose signature."""
    DEVICE_CHANGED = "device_changed"
    """A setting of a device was written: which, and what."""
    EVIDENCE_SEALED = "evidence_sealed"
    CLAIM_SIGNED = "claim_signed"
    """Content credentials (C2PA) of an export's film; the entry has the hash of what was signed."""
    CENTRE_WISH = "centre_wish"
    """Footage that a centre wishes for: asked, given or refused, by `details`."""
    EVIDENCE_FETCHED = "evidence_fetched"
    """A bundle left by the page, in whose hands."""
    ANALYSIS_REPLACED = "analysis_replaced"
    """Recordings were analysed again: boxes, tracks and counts of a stretch are another model's now."""
    PERSONAL_ERASED = "personal_erased"
    """Names and reasons of old entries were erased; the entries stay and verify."""
    HOLD_PLACED = "hold_placed"
    HOLD_RELEASED = "hold_released"
    CASE_OPENED = "case_opened"
    CASE_CHANGED = "case_changed"
    """Who works on it, or that it is open again."""
    CASE_CLOSED = "case_closed"
    CASE_NOTED = "case_noted"
    """A note or a bookmark; the entry has its hash."""
    CASE_ERASED = "case_erased"
    """What a closed case had collected; number and dates stay."""
    RECOVERY_KEY_MADE = "recovery_key_made"
    BACKUP_MADE = "backup_made"
    SITE_RESTORED = "site_restored"
    WARDEN_PROMOTED = "warden_promoted"
    PROTECTION_CHECKED = "protection_checked"
    """Recordings that somebody asks for were compared with the protected; says the same whatever was found."""
    MARKS_RELEASED = "marks_released"
    """Mark keys of the sessions that were shown a moment, to a trace; the list is fixed by its hash."""
    LEAK_TRACED = "leak_traced"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What is to be appended. `details` are short strings, bounded; no secret, no vector, no picture."""

    kind: AuditKind
    actor: str
    """User name, or `process:<kind>`."""
    subject: str
    """Camera id, user name, segment id …; may be empty."""
    details: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An appended record with its place in the tree."""

    index: int
    utc_ns: Ns
    record: AuditRecord
    leaf_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Signed tree head in C2SP tlog-checkpoint form."""

    origin: str
    size: int
    root_hash: bytes
    note: str
    """The whole signed note, text with signature lines."""
