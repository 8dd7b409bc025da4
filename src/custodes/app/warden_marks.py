"""Whose marks a trace may compare with: exactly the sessions that the log says were given a moment's segments."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from custodes.access.release import MAX_GRANT_NS, MAX_HEADERS, LiveGrant
from custodes.app.warden_records import person_record
from custodes.audit.log import AuditLog
from custodes.errors import InvalidArgument, PermissionDenied, ResourceExhausted
from custodes.types.access import AccessRequest, Action, AuditKind, AuditRecord, Fidelity, LogEntry
from custodes.types.leak import CandidateMark, ReleaseMarks
from custodes.units import Ns, SegmentId, SessionId

MAX_CANDIDATES = 10_000
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A session that was given keys of one of the segments."""

    session_id: SessionId
    fidelity: Fidelity
    granted_index: int
    released_index: int

    def with_key(self, mark_key: bytes) -> CandidateMark:
        """For the trace job."""
        return CandidateMark(
            session_id=self.session_id,
            mark_key=mark_key,
            fidelity=self.fidelity,
            granted_index=self.granted_index,
            released_index=self.released_index,
        )


def check_marks(live: LiveGrant, message: ReleaseMarks, now_ns: Ns) -> None:
    """Whether a grant opens marks at all. Raises: PermissionDenied, InvalidArgument."""
    if live.request.action is not Action.TRACE_LEAK:
        raise PermissionDenied(f"a grant to {live.request.action.value} releases no marks")
    if now_ns >= live.expires_ns:
        raise PermissionDenied("the grant has expired")
    if not 0 < len(message.segment_ids) <= MAX_HEADERS:
        raise InvalidArgument(f"marks of {len(message.segment_ids)} segments; expected 1 to {MAX_HEADERS}")


def who_was_shown(log: AuditLog, request: AccessRequest, segment_ids: tuple[SegmentId, ...]) -> tuple[Shown, ...]:
    """Sessions of that camera with a release of one of the segments, in the log's order; traces and analyses left out.

    Reads the log from half a day before the wanted interval on: no grant that was used later is older.
    Raises: ResourceExhausted for more than `MAX_CANDIDATES`.
    """
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
    listed = "\n".join(f"{one.session_id} {one.released_index}" for one in shown)
    details = {
        "grant_id": live.grant_id,
        "session": live.request.session_id,
        "reference": live.request.purpose.reference,
        "candidates": str(len(shown)),
        "candidates_sha256": hashlib.sha256(listed.encode()).hexdigest(),
        "segments": str(len(message.segment_ids)),
    }
    return person_record(AuditKind.MARKS_RELEASED, live.request, details)
