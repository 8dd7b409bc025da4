"""The life of a recognition zone: drafted, approved by two others with passkeys, on by its schedule, stopped.

Pure, like `access.requests`. A zone that changes is another zone: there is no edit.
"""

import hashlib
import math
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.approval import Vote
from custodes.types.codec import encode, encode_as_before
from custodes.types.face import Schedule, ZoneDraft, ZoneKind, ZonePhase, ZoneRecord
from custodes.units import NS_PER_S, Ns

APPROVALS = 2
"""Beside the author: three people know of a zone before a face is compared in it."""

DECIDE_WITHIN_NS = Ns(14 * 24 * 3600 * NS_PER_S)
FPIR_RANGE = (1e-5, 0.05)
SAMPLES_RANGE = range(1, 17)
WARN_PX_PER_M = 250.0
AIM_PX_PER_M = 500.0
"""IEC 62676-4: 250 px/m is where somebody can be recognised, 500 where they are identified beyond doubt."""

MAX_CORNERS = 64
MAX_TEXT_CHARS = 2000
MIN_TEXT_CHARS = 10
PERMIT_LASTS_NS = Ns(120 * NS_PER_S)
"""A permit that is not renewed ends by itself: without the warden nobody is recognised after two minutes."""

_DOMAIN = b"custodes.recognition-zone.v1\n"


def digest(draft: ZoneDraft) -> bytes:
    """SHA-256 over the whole draft: the challenge that an approver's passkey signs. 32 bytes."""
    # Zones for faces keep the hash that people signed before there were others.
    body = encode_as_before(draft, "kind") if draft.kind is ZoneKind.FACES else encode(draft)
    return hashlib.sha256(_DOMAIN + body).digest()


def check_draft(draft: ZoneDraft) -> None:
    """Whether such a zone may be asked for at all. Raises: InvalidArgument in words for the author."""
    if not draft.name.strip() or len(draft.name) > 80:
        raise InvalidArgument("Give the zone a name of at most 80 characters.")
    _check_polygon(draft)
    _check_schedule(draft.schedule)
    for what, text in (
        ("the purpose", draft.purpose),
        ("the notice: what the sign says or where it hangs", draft.notice),
        ("the alternative: how somebody gets by without being recognised", draft.alternative),
        ("the legal basis", draft.basis.reference),
        ("why nothing milder would do", draft.impact.necessity),
        ("the risks for those concerned", draft.impact.risks),
        ("the measures against them", draft.impact.measures),
        ("who was consulted", draft.impact.consulted),
    ):
        if not MIN_TEXT_CHARS <= len(text.strip()) <= MAX_TEXT_CHARS:
            raise InvalidArgument(f"Say {what} in {MIN_TEXT_CHARS} to {MAX_TEXT_CHARS} characters.")
    low, high = FPIR_RANGE
    if not low <= draft.fpir <= high:
        raise InvalidArgument(f"False alerts per stranger of {draft.fpir}; expected {low} to {high}.")
    if draft.samples not in SAMPLES_RANGE:
        raise InvalidArgument(f"{draft.samples} looks per track; expected 1 to 16.")
    if not 1 <= draft.tracks_per_day <= 1_000_000:
        raise InvalidArgument("Say how many people pass in a day, 1 to a million.")
    if not (math.isfinite(draft.px_per_m) and 0 < draft.px_per_m <= 20_000):
        raise InvalidArgument("Say how many pixels of the picture make a metre at the zone.")


def _check_polygon(draft: ZoneDraft) -> None:
    if not 3 <= len(draft.polygon) <= MAX_CORNERS:
        raise InvalidArgument(f"A zone has 3 to {MAX_CORNERS} corners.")
    if not all(math.isfinite(value) and 0 <= value <= 1 for corner in draft.polygon for value in corner):
        raise InvalidArgument("A corner lies outside the picture; corners are shares of it, 0 to 1.")
    following = (*draft.polygon[1:], draft.polygon[0])
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(draft.polygon, following, strict=True)) / 2
    if abs(area) < 1e-4:
        raise InvalidArgument("The zone has no area.")


def _check_schedule(schedule: Schedule) -> None:
    if not schedule.weekdays or not set(schedule.weekdays) <= set(range(7)):
        raise InvalidArgument("Name the days of the week on which the zone is on.")
    if not (0 <= schedule.from_minute < 1440 and 0 < schedule.until_minute <= 1440):
        raise InvalidArgument("A zone's hours lie within a day.")
    if schedule.from_minute == schedule.until_minute:
        raise InvalidArgument("The zone's hours end when they begin.")


def false_alerts_per_day(draft: ZoneDraft) -> float:
    """What the wanted FPIR costs: candidates of strangers that two people have to look at, per day."""
    return draft.fpir * draft.tracks_per_day


def phase(record: ZoneRecord, now_ns: Ns) -> ZonePhase:
    """Where it stands."""
    if any(not vote.is_yes for vote in record.votes):
        return ZonePhase.REFUSED
    if record.stopped_ns is not None:
        return ZonePhase.STOPPED
    if len(record.votes) >= APPROVALS:
        return ZonePhase.ACTIVE
    drafted = record.draft.drafted_ns
    return ZonePhase.WAITING if drafted <= now_ns < drafted + DECIDE_WITHIN_NS else ZonePhase.LAPSED


def cast(record: ZoneRecord, vote: Vote, now_ns: Ns) -> ZoneRecord:
    """Add a word. Raises: PermissionDenied for the author, AlreadyExists, FailedPrecondition, InvalidArgument."""
    if vote.approver_id == record.draft.author_id:
        raise PermissionDenied("Nobody approves a zone that they drafted.")
    now = phase(record, now_ns)
    if now is not ZonePhase.WAITING:
        raise FailedPrecondition(f"The zone is {now.value}; nothing can be decided any more.")
    if vote.is_yes:
        if not vote.assertion or not vote.credential_id:
            raise InvalidArgument("An approval is signed with a passkey.")
        if any(one.approver_id == vote.approver_id or one.credential_id == vote.credential_id for one in record.votes):
            raise AlreadyExists("You have approved it already; it takes different people.")
    return replace(record, votes=(*record.votes, replace(vote, utc_ns=now_ns)))


def stop(record: ZoneRecord, user_id: str, now_ns: Ns) -> ZoneRecord:
    """For good. Raises: FailedPrecondition when nothing is there to stop."""
    if phase(record, now_ns) not in (ZonePhase.ACTIVE, ZonePhase.WAITING):
        raise FailedPrecondition("The zone is not on.")
    return replace(record, stopped_by=user_id, stopped_ns=now_ns)


def window(schedule: Schedule, now_ns: Ns, zone: tzinfo) -> tuple[Ns, Ns] | None:
    """The window of the schedule that `now_ns` lies in, UTC; None outside of any."""
    local = datetime.fromtimestamp(now_ns / NS_PER_S, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for days_ago in (0, 1):
        day = midnight - timedelta(days=days_ago)
        if day.weekday() not in schedule.weekdays:
            continue
        begin = day + timedelta(minutes=schedule.from_minute)
        end = day + timedelta(minutes=schedule.until_minute)
        if schedule.until_minute <= schedule.from_minute:
            end += timedelta(days=1)
        if begin <= local < end:
            return Ns(int(begin.timestamp()) * NS_PER_S), Ns(int(end.timestamp()) * NS_PER_S)
    return None
