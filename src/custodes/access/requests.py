"""The life of a request: filed, approved by k others, refused, withdrawn, lapsed, over; break-glass and its review.

Pure: each function takes a record and returns the next one, or says why not. Who may file, approve or review is
policy; that assertions are genuine is checked in `access.assertion`; the warden keeps the records and logs each step.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.access import AccessRequest, Action, Fidelity, PurposeKind
from custodes.types.approval import LookRequest, RequestPhase, RequestRecord, Review, Vote
from custodes.types.codec import encode, encode_as_before
from custodes.units import NS_PER_HOUR, Ns

DECIDE_WITHIN_NS = Ns(72 * NS_PER_HOUR)
"""A request that nobody approves lapses over a long weekend at the latest."""
LASTS_NS = Ns(24 * NS_PER_HOUR)
"""An approved request may be used for a day."""
BREAK_GLASS_LASTS_NS = Ns(NS_PER_HOUR)
REVIEW_WITHIN_NS = Ns(72 * NS_PER_HOUR)
MAX_SPAN_NS = Ns(31 * 24 * NS_PER_HOUR)
MAX_READ = 200
"""Newest requests that anybody is told of at once."""
MAX_ERASED_NS = Ns(24 * NS_PER_HOUR)
MAX_FOLLOWED_NS = Ns(24 * NS_PER_HOUR)
MAX_CAMERAS = 64
MAX_SHOWN = 32
"""Tracks of the people whom an unmasked look shows: one person is several, each time the tracker lost them."""
MIN_REASON_CHARS = 10
MAX_TEXT_CHARS = 500
_RUN_ID = re.compile(r"[0-9a-f]{12}")
_PERSON_ID = re.compile(r"[0-9a-f]{16}")
_APPROVED_PURPOSES = frozenset(
    {PurposeKind.CASE, PurposeKind.ALARM, PurposeKind.SUBJECT_ACCESS, PurposeKind.LEAK_TRACE}
)
_DOMAIN = b"custodes.look-request.v1\n"


def digest(request: LookRequest) -> bytes:
    """SHA-256 over the whole request: the challenge that an approver's passkey signs. 32 bytes.

    A request that names no person hashes as it did before there were journeys: what was signed stays what it was.
    """
    encoded = encode(request) if request.person_id else encode_as_before(request, "person_id")
    return hashlib.sha256(_DOMAIN + encoded).digest()


def check_filed(request: LookRequest, *, now_ns: Ns) -> None:
    """Whether such a request makes sense at all. Raises: InvalidArgument in words for the requester."""
    _check_act(request)
    if not request.purpose.reference.strip() or len(request.purpose.reference) > 200:
        raise InvalidArgument("Name the case, alarm or subject access, in at most 200 characters.")
    if not len(request.reason.strip()) >= MIN_REASON_CHARS or len(request.reason) > MAX_TEXT_CHARS:
        raise InvalidArgument(f"Give the reason in {MIN_REASON_CHARS} to {MAX_TEXT_CHARS} characters.")
    if not 1 <= len(request.camera_ids) <= MAX_CAMERAS or len(set(request.camera_ids)) != len(request.camera_ids):
        raise InvalidArgument(f"Name 1 to {MAX_CAMERAS} different cameras.")
    if not 0 < request.end_ns - request.start_ns <= MAX_SPAN_NS:
        raise InvalidArgument("The interval has to have a length, of at most 31 days.")
    if request.start_ns > now_ns:
        raise InvalidArgument("The interval lies in the future.")
    if request.shown:
        _check_shown(request)
    if request.is_break_glass and request.action is not Action.PLAY_BACK:
        raise InvalidArgument("A break-glass opens recordings to look at; exports always need approval.")
    if request.is_break_glass != (request.needed == 0):
        raise InvalidArgument("Only a break-glass needs no approval.")


def _check_act(request: LookRequest) -> None:
    if request.action not in (Action.PLAY_BACK, Action.EXPORT, Action.ERASE, Action.TRACE_LEAK, Action.FOLLOW):
        raise InvalidArgument("What others approve is playing back, an export, an erasure, a leak trace or a journey.")
    if request.action is Action.FOLLOW:
        _check_journey(request)
    elif request.person_id:
        raise InvalidArgument("Only a journey is of a person.")
    if request.action is Action.ERASE:
        _check_erasure(request)
    if (request.action is Action.TRACE_LEAK) != (request.purpose.kind is PurposeKind.LEAK_TRACE):
        raise InvalidArgument("A leak trace has a purpose of its own, and no other action has it.")
    if request.purpose.kind not in _APPROVED_PURPOSES:
        raise InvalidArgument("Others approve looks for a case, an alarm, a subject access or a leak trace.")


def _check_erasure(request: LookRequest) -> None:
    if request.purpose.kind is not PurposeKind.SUBJECT_ACCESS:
        raise InvalidArgument("Recordings are erased for a person who asked for it; name the subject access.")
    if request.fidelity is not Fidelity.MASKED or len(request.camera_ids) != 1:
        raise InvalidArgument("An erasure shows no picture, and is of one camera.")
    if request.end_ns - request.start_ns > MAX_ERASED_NS:
        raise InvalidArgument("An erasure covers at most 24 hours.")


def _check_journey(request: LookRequest) -> None:
    if not _PERSON_ID.fullmatch(request.person_id):
        raise InvalidArgument("A journey is of one enrolled person; name them.")
    if request.purpose.kind is not PurposeKind.CASE:
        raise InvalidArgument("A journey is told for an open case.")
    if request.fidelity is not Fidelity.MASKED:
        raise InvalidArgument("A journey shows no picture.")
    if request.end_ns - request.start_ns > MAX_FOLLOWED_NS:
        raise InvalidArgument("A journey covers at most 24 hours.")


def _check_shown(request: LookRequest) -> None:
    if request.fidelity is not Fidelity.UNMASKED:
        raise InvalidArgument("Who alone is shown is said of a picture without masks.")
    if len(request.shown) > MAX_SHOWN or len(set(request.shown)) != len(request.shown):
        raise InvalidArgument(f"Name at most {MAX_SHOWN} different tracks of whom is shown.")
    if not all(_RUN_ID.fullmatch(run) and 0 <= track_id < 2**63 for run, track_id in request.shown):
        raise InvalidArgument("Whom to show is a list of tracks: the run's 12 hex digits and a number.")


def phase(record: RequestRecord, now_ns: Ns) -> RequestPhase:
    """Where it stands now. A no or a withdrawal ends it for good, also when it was in force."""
    request = record.request
    if record.withdrawn_ns is not None:
        return RequestPhase.WITHDRAWN
    if any(not vote.is_yes for vote in record.votes):
        return RequestPhase.REFUSED
    since_ns = _in_force_since(record)
    if since_ns is None:
        return RequestPhase.WAITING if request.filed_ns <= now_ns < request.decide_by_ns else RequestPhase.LAPSED
    # A clock that was set back does not make it valid again beyond its day.
    return RequestPhase.IN_FORCE if since_ns <= now_ns < since_ns + request.lasts_ns else RequestPhase.OVER


def _in_force_since(record: RequestRecord) -> Ns | None:
    """When the last needed yes came; None before."""
    if record.request.is_break_glass:
        return record.request.filed_ns
    needed = record.request.needed
    yes = [vote for vote in record.votes if vote.counts]
    for count in range(max(needed, 1), len(yes) + 1):
        if not record.needs_officer or any(vote.is_officer for vote in yes[:count]):
            return yes[count - 1].utc_ns
    return None


def ends_ns(record: RequestRecord) -> Ns:
    """Until when it may be used, if it is in force."""
    since_ns = _in_force_since(record)
    return Ns(0) if since_ns is None else Ns(since_ns + record.request.lasts_ns)


def cast(record: RequestRecord, vote: Vote, now_ns: Ns) -> RequestRecord:
    """Add one person's word. A no counts also against what is in force (a veto).

    Raises: PermissionDenied for the requester; AlreadyExists for a second yes of a person or a passkey;
        FailedPrecondition when it is decided or over; InvalidArgument for a yes without an assertion.
    """
    request = record.request
    if vote.approver_id == request.requester_id:
        raise PermissionDenied("Nobody approves what they themselves ask for.")
    now = phase(record, now_ns)
    if now is not RequestPhase.WAITING and not (now is RequestPhase.IN_FORCE and not vote.is_yes):
        raise FailedPrecondition(f"The request is {now.value.replace('_', ' ')}; nothing can be decided any more.")
    earlier = [one for one in record.votes if one.approver_id == vote.approver_id and one.void_since_ns is None]
    if vote.is_yes:
        if not vote.assertion or not vote.credential_id:
            raise InvalidArgument("An approval is signed with a passkey.")
        if earlier or any(one.credential_id == vote.credential_id for one in record.votes):
            raise AlreadyExists("You have approved it already; it takes different people.")
    if len(vote.note) > MAX_TEXT_CHARS:
        raise InvalidArgument(f"A note has at most {MAX_TEXT_CHARS} characters.")
    return replace(record, votes=(*record.votes, replace(vote, utc_ns=now_ns)))


def without_key(record: RequestRecord, credential_id: bytes, now_ns: Ns) -> RequestRecord:
    """The same when a passkey is removed: what it approved counts no more where that could still open something.

    The word stays to be read, so that this passkey never signs for this request again; its owner may, with another.
    """
    if phase(record, now_ns) not in (RequestPhase.WAITING, RequestPhase.IN_FORCE):
        return record
    votes = tuple(
        replace(vote, void_since_ns=now_ns) if vote.counts and vote.credential_id == credential_id else vote
        for vote in record.votes
    )
    return record if votes == record.votes else replace(record, votes=votes)


def withdraw(record: RequestRecord, user_id: str, now_ns: Ns) -> RequestRecord:
    """The requester takes it back. Raises: PermissionDenied for others, FailedPrecondition when it is decided."""
    if user_id != record.request.requester_id:
        raise PermissionDenied("Only who asked can withdraw it; others can refuse it.")
    now = phase(record, now_ns)
    if now not in (RequestPhase.WAITING, RequestPhase.IN_FORCE):
        raise FailedPrecondition(f"The request is {now.value.replace('_', ' ')} already.")
    return replace(record, withdrawn_by=user_id, withdrawn_ns=now_ns)


def review(record: RequestRecord, given: Review, now_ns: Ns) -> RequestRecord:
    """Judge a break-glass. Raises: PermissionDenied for who broke it, FailedPrecondition, InvalidArgument."""
    if not record.request.is_break_glass:
        raise FailedPrecondition("Only a break-glass is reviewed.")
    if given.reviewer_id == record.request.requester_id:
        raise PermissionDenied("Nobody reviews their own break-glass.")
    if record.reviews:
        raise FailedPrecondition("It was reviewed already.")
    if not given.note.strip() or len(given.note) > MAX_TEXT_CHARS:
        raise InvalidArgument(f"Say in 1 to {MAX_TEXT_CHARS} characters what you found.")
    return replace(record, reviews=(replace(given, utc_ns=now_ns),))


def covers(record: RequestRecord, asked: AccessRequest, now_ns: Ns) -> bool:
    """Whether a look rests on this request: same person, action, purpose; its cameras, interval and fidelity."""
    request = record.request
    return (
        phase(record, now_ns) is RequestPhase.IN_FORCE
        and asked.request_id == request.request_id
        and asked.principal.user_id == request.requester_id
        and asked.action is request.action
        and asked.purpose.kind is request.purpose.kind
        and asked.purpose.reference.strip() == request.purpose.reference.strip()
        and asked.camera_id in request.camera_ids
        and request.start_ns <= asked.start_ns <= asked.end_ns <= request.end_ns
        and (asked.fidelity is Fidelity.MASKED or _shows_no_more(asked, request))
    )


def _shows_no_more(asked: AccessRequest, request: LookRequest) -> bool:
    """An unmasked look within an unmasked request: everybody, or some of those whom it names."""
    if request.fidelity is not Fidelity.UNMASKED:
        return False
    return not request.shown or (bool(asked.shown) and set(asked.shown) <= set(request.shown))


def awaits_review(record: RequestRecord) -> bool:
    """A break-glass that nobody has judged yet."""
    return record.request.is_break_glass and not record.reviews


def is_review_overdue(records: Iterable[RequestRecord], user_id: str, now_ns: Ns) -> bool:
    """Whether a break-glass of this person waits for its review for longer than `REVIEW_WITHIN_NS`."""
    return any(
        awaits_review(record)
        and record.request.requester_id == user_id
        and now_ns - record.request.filed_ns > REVIEW_WITHIN_NS
        for record in records
    )
