"""What the warden writes into the log, as records. Nothing is decided here."""

from custodes.access.release import LiveGrant, erased_digest
from custodes.errors import CustodesError
from custodes.types.access import AccessRequest, Action, AuditKind, AuditRecord, Decision, Principal
from custodes.types.approval import RequestRecord
from custodes.types.message import EraseSegments, ReleaseKeys
from custodes.units import RunId, SegmentId

CHARGED = frozenset({Action.PLAY_BACK, Action.FOLLOW})
"""What opens recordings because a person asked: it counts against their quota."""
_MAX_SHOWN_CHARS = 1000
"""`access.requests.MAX_SHOWN` tracks of the first billion fit; a detail has 1,024 characters."""

OWN_KINDS = frozenset(
    {
        AuditKind.SITE_CREATED,
        AuditKind.SITE_RESTORED,
        AuditKind.WARDEN_PROMOTED,
        AuditKind.WARDEN_STARTED,
        AuditKind.ACCESS_GRANTED,
        AuditKind.ACCESS_DENIED,
        AuditKind.KEYS_RELEASED,
        AuditKind.KEYS_REFUSED,
        AuditKind.MARKS_RELEASED,
        AuditKind.KEYS_DESTROYED,
        AuditKind.CLAIM_SIGNED,
        AuditKind.FOOTAGE_ERASED,
        AuditKind.VIEW_ENDED,
        AuditKind.PERSONAL_ERASED,
        AuditKind.REQUEST_FILED,
        AuditKind.REQUEST_APPROVED,
        AuditKind.REQUEST_REFUSED,
        AuditKind.REQUEST_WITHDRAWN,
        AuditKind.BREAK_GLASS,
        AuditKind.BREAK_GLASS_REVIEWED,
        AuditKind.CASE_OPENED,
        AuditKind.CASE_CHANGED,
        AuditKind.CASE_CLOSED,
        AuditKind.CASE_NOTED,
        AuditKind.CASE_ERASED,
        AuditKind.ZONE_DRAFTED,
        AuditKind.ZONE_APPROVED,
        AuditKind.ZONE_REFUSED,
        AuditKind.ZONE_STOPPED,
        AuditKind.ZONE_USED,
        AuditKind.ENROLMENT_INVITED,
        AuditKind.CONSENT_SIGNED,
        AuditKind.TEMPLATE_STORED,
        AuditKind.ENROLMENT_REVIEWED,
        AuditKind.GALLERY_REKEYED,
        AuditKind.INVITATION_RENEWED,
        AuditKind.NETWORK_FORGOTTEN,
        AuditKind.ENROLMENT_ENDED,
        AuditKind.TEMPLATES_DESTROYED,
        AuditKind.TRIAL_OPENED,
        AuditKind.VOLUNTEER_INVITED,
        AuditKind.TRIAL_SIGNED,
        AuditKind.TRIAL_READ,
        AuditKind.VOLUNTEER_LEFT,
        AuditKind.TRIAL_ENDED,
        AuditKind.TRAINING_CHANGED,
        AuditKind.VEHICLE_LISTED,
        AuditKind.VEHICLE_UNLISTED,
        AuditKind.VEHICLE_PASSED,
        AuditKind.CANDIDATE_FILED,
        AuditKind.FACES_OPENED,
        AuditKind.VERDICT_GIVEN,
        AuditKind.SIGHTING,
        AuditKind.CHECKPOINT_VERIFIED,
        AuditKind.JOURNEY_OPENED,
        AuditKind.LAST_SEEN_READ,
        AuditKind.PROTECTION_CHECKED,
    }
)
"""Only the warden says these; the server cannot have them appended."""


def person_record(kind: AuditKind, request: AccessRequest, details: dict[str, str]) -> AuditRecord:
    """Something a person did under a grant."""
    details = {"user_id": request.principal.user_id, **details}
    return AuditRecord(kind=kind, actor=request.principal.name, subject=request.camera_id, details=details)


def shown_text(shown: tuple[tuple[RunId, int], ...]) -> str:
    """Tracks of the only people shown, as `run/track` with blanks between; what does not fit is counted."""
    names, text = [f"{run}/{track_id}" for run, track_id in shown], ""
    for at, name in enumerate(names):
        if len(text) + len(name) > _MAX_SHOWN_CHARS:
            return f"{text} and {len(names) - at} more"
        text = f"{text} {name}".strip()
    return text


def access_record(kind: AuditKind, request: AccessRequest, decision: Decision, grant_id: str) -> AuditRecord:
    """A decision. `grant_id` is empty for a refusal."""
    details = {
        "action": request.action.value,
        "purpose": request.purpose.kind.value,
        "reference": request.purpose.reference,
        "fidelity": request.fidelity.value,
        "roles": ",".join(sorted(role.value for role in request.principal.roles)),
        "session": request.session_id,
        "start_ns": str(request.start_ns),
        "end_ns": str(request.end_ns),
        "policies": ",".join(decision.policy_ids),
        "reasons": " ".join(decision.reasons),
    }
    if request.camera_ids:
        details["cameras"] = str(len(request.camera_ids))
    if request.request_id:
        details["request"] = request.request_id[:64]
    if request.shown:
        details["shown"] = shown_text(request.shown)
    if grant_id:
        details["grant_id"] = grant_id
    return person_record(kind, request, details)


def erasure_record(live: LiveGrant, message: EraseSegments) -> AuditRecord:
    """What was given up: how many segments, and the hash of their list."""
    details = {
        "grant_id": live.grant_id,
        "request": live.request.request_id,
        "reference": live.request.purpose.reference,
        "start_ns": str(live.request.start_ns),
        "end_ns": str(live.request.end_ns),
        "count": str(len(message.segment_ids)),
        "segments": erased_digest(message.segment_ids),
    }
    return person_record(AuditKind.FOOTAGE_ERASED, live.request, details)


def _segments(message: ReleaseKeys) -> dict[str, str]:
    return {f"segment_{n}": str(header.segment_id)[:128] for n, header in enumerate(message.headers)}


def release_record(live: LiveGrant, message: ReleaseKeys) -> AuditRecord:
    """Which segments a grant opened, by id."""
    asked = live.request
    details = {"grant_id": live.grant_id, "session": asked.session_id, "action": asked.action, **_segments(message)}
    return person_record(AuditKind.KEYS_RELEASED, live.request, details)


def is_charged(record: AuditRecord) -> bool:
    """Whether an entry is a release that counts against a quota. Entries of before they named their action count."""
    return record.kind is AuditKind.KEYS_RELEASED and record.details.get("action", Action.PLAY_BACK) in CHARGED


def who_opened(record: AuditRecord) -> tuple[str, tuple[SegmentId, ...]]:
    """User id and segments of such an entry."""
    names = (value for name, value in record.details.items() if name.startswith("segment_"))
    return record.details.get("user_id", ""), tuple(SegmentId(name) for name in names)


def refusal(live: LiveGrant | None, message: ReleaseKeys, error: CustodesError) -> AuditRecord:
    """Why nothing was released."""
    reason = {"reason": str(error)[:400], "segments": str(len(message.headers))}
    if live is None:
        # Nobody is named: the token is unknown, and what the headers say is unproven.
        return AuditRecord(kind=AuditKind.KEYS_REFUSED, actor="process:job", subject="", details=reason)
    details = {"grant_id": live.grant_id, "session": live.request.session_id, **reason}
    return person_record(AuditKind.KEYS_REFUSED, live.request, details)


def request_record(
    kind: AuditKind, who: Principal, record: RequestRecord, digest: bytes, details: dict[str, str]
) -> AuditRecord:
    """A step of a request. The subject is the request; its hash is what approvers sign."""
    asked = record.request
    scope = {
        "user_id": who.user_id,
        "hash": digest.hex(),
        "requester": asked.requester,
        "action": asked.action.value,
        "purpose": asked.purpose.kind.value,
        "reference": asked.purpose.reference,
        "fidelity": asked.fidelity.value,
        "cameras": ",".join(asked.camera_ids)[:1000],
        "start_ns": str(asked.start_ns),
        "end_ns": str(asked.end_ns),
        "reason": asked.reason,
        **({"shown": shown_text(asked.shown)} if asked.shown else {}),
        **({"person": asked.person_id} if asked.person_id else {}),
        "approvals": f"{sum(vote.counts for vote in record.votes)} of {asked.needed}",
    }
    return AuditRecord(kind=kind, actor=who.name, subject=asked.request_id, details={**scope, **details})
