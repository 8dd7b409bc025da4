"""Whose marks a trace may compare with: exactly the sessions that the log says were given a moment's segments."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from custodes.access.release import LEAD_IN_NS, MAX_GRANT_NS, MAX_HEADERS, LiveGrant
from custodes.app.warden_records import person_record
from custodes.audit.log import AuditLog
from custodes.errors import InvalidArgument, PermissionDenied, ResourceExhausted
from custodes.types.access import AccessRequest, Action, AuditKind, AuditRecord, Fidelity, LogEntry
from custodes.types.leak import CandidateMark, ReleaseMarks
from custodes.units import Ns, SegmentId, SessionId

MAX_CANDIDATES = 10_000
MAX_STARTS = 400_000
"""Segments that all sessions together were given; ten people who watch for a month have 432,000 minutes."""
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A session that was given keys of one of the segments."""

    session_id: SessionId
    fidelity: Fidelity
    granted_index: int
    released_index: int
    starts_ns: tuple[int, ...] = ()
    """When the segments of the wanted time that it was given began; empty where segments were named."""

    def with_key(self, mark_key: bytes) -> CandidateMark:
        """For the trace job."""
        return CandidateMark(
            session_id=self.session_id,
            mark_key=mark_key,
            fidelity=self.fidelity,
            granted_index=self.granted_index,
            released_index=self.released_index,
            starts_ns=self.starts_ns,
        )


def check_marks(live: LiveGrant, message: ReleaseMarks, now_ns: Ns) -> None:
    """Whether a grant opens marks at all. Raises: PermissionDenied, InvalidArgument."""
    if live.request.action is not Action.TRACE_LEAK:
        raise PermissionDenied(f"a grant to {live.request.action.value} releases no marks")
    if now_ns >= live.expires_ns:
        raise PermissionDenied("the grant has expired")
    if len(message.segment_ids) > MAX_HEADERS:
        raise InvalidArgument(f"marks of {len(message.segment_ids)} segments; expected at most {MAX_HEADERS}")


def who_was_shown(log: AuditLog, request: AccessRequest, segment_ids: tuple[SegmentId, ...]) -> tuple[Shown, ...]:
    """Sessions of that camera with a release of one of the segments, in the log's order; traces and analyses left out.

    Without segments: those that were given any of the request's time, and which. When footage has expired the log is
    all that knows: a segment's id begins with the nanosecond at which it began.
    Reads the log from half a day before the wanted interval on: no grant that was used later is older.
    Raises: ResourceExhausted for more than `MAX_CANDIDATES`, or `MAX_STARTS`.
    """
    if not segment_ids:
        return _who_was_shown_between(log, request)
    wanted = {str(name) for name in segment_ids}
    grants: dict[str, LogEntry] = {}
    found: dict[str, Shown] = {}
    for entry in _entries_since(log, Ns(request.start_ns - MAX_GRANT_NS)):
        record, details = entry.record, entry.record.details
        if record.subject != request.camera_id:
            continue
        if record.kind is AuditKind.ACCESS_GRANTED:
            grants[details.get("grant_id", "")] = entry
        elif record.kind is AuditKind.KEYS_RELEASED and not wanted.isdisjoint(_segments(details)):
            grant = grants.get(details.get("grant_id", ""))
            session = details.get("session", "")
            if session in found or (grant is not None and _shows_nothing(grant)):
                continue
            found[session] = _shown(session, grant, entry)
            if len(found) > MAX_CANDIDATES:
                raise ResourceExhausted(f"more than {MAX_CANDIDATES} sessions were shown this; ask for less time")
    return tuple(found.values())


def _who_was_shown_between(log: AuditLog, request: AccessRequest) -> tuple[Shown, ...]:
    grants: dict[str, LogEntry] = {}
    found: dict[str, Shown] = {}
    starts: dict[str, set[int]] = {}
    count = 0
    for entry in _entries_since(log, Ns(request.start_ns - MAX_GRANT_NS)):
        record, details = entry.record, entry.record.details
        if record.subject != request.camera_id:
            continue
        if record.kind is AuditKind.ACCESS_GRANTED:
            grants[details.get("grant_id", "")] = entry
        elif record.kind is AuditKind.KEYS_RELEASED:
            grant, session = grants.get(details.get("grant_id", "")), details.get("session", "")
            began = [_start_of(name) for name in _segments(details)]
            inside = {at for at in began if request.start_ns - LEAD_IN_NS <= at <= request.end_ns}
            if not inside or (grant is not None and _shows_nothing(grant)):
                continue
            found.setdefault(session, _shown(session, grant, entry))
            count += len(inside - starts.get(session, set()))
            starts.setdefault(session, set()).update(inside)
            if len(found) > MAX_CANDIDATES or count > MAX_STARTS:
                raise ResourceExhausted(f"more than {MAX_CANDIDATES} sessions were shown this; ask for less time")
    return tuple(replace(one, starts_ns=tuple(sorted(starts[session]))) for session, one in found.items())


def _start_of(segment_id: str) -> int:
    """When a segment began, by its id; before all time where it does not say."""
    digits, _, _ = segment_id.partition("-")
    return int(digits) if digits.isascii() and digits.isdigit() else -1


def _shown(session: str, grant: LogEntry | None, release: LogEntry) -> Shown:
    fidelity = Fidelity.MASKED if grant is None else Fidelity(grant.record.details.get("fidelity", "masked"))
    return Shown(
        session_id=SessionId(session),
        fidelity=fidelity,
        granted_index=-1 if grant is None else grant.index,
        released_index=release.index,
    )


def _segments(details: dict[str, str]) -> set[str]:
    return {value for name, value in details.items() if name.startswith("segment_")}


def _shows_nothing(grant: LogEntry) -> bool:
    return grant.record.details.get("action") in (Action.TRACE_LEAK.value, Action.ANALYSE.value)


def _entries_since(log: AuditLog, since_ns: Ns) -> Iterator[LogEntry]:
    low, high = 0, log.size
    while low < high:
        middle = (low + high) // 2
        (entry,) = log.read(middle, 1)
        low, high = (middle + 1, high) if entry.utc_ns < since_ns else (low, middle)
    while page := log.read(low, _PAGE):
        yield from page
        low = page[-1].index + 1


def marks_record(live: LiveGrant, message: ReleaseMarks, shown: tuple[Shown, ...]) -> AuditRecord:
    """The list by its hash: what will be compared is fixed before anything is."""
    listed = "\n".join(
        " ".join([str(one.session_id), str(one.released_index), *map(str, one.starts_ns)]) for one in shown
    )
    details = {
        "grant_id": live.grant_id,
        "session": live.request.session_id,
        "reference": live.request.purpose.reference,
        "candidates": str(len(shown)),
        "candidates_sha256": hashlib.sha256(listed.encode()).hexdigest(),
        "segments": str(len(message.segment_ids)),
    }
    return person_record(AuditKind.MARKS_RELEASED, live.request, details)
