"""What the log says about looking: as `Look`s for the notices, and as the list of who saw a camera at a time.

Reads the newest `MAX_ENTRIES` entries at most, once per quarter of an hour; decides nothing about anybody.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from custodes.access.insider import Look, Notice, notices
from custodes.access.release import MAX_GRANT_NS
from custodes.access.subject import Viewing
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import Action, AuditKind, LogEntry
from custodes.units import NS_PER_DAY, NS_PER_S, Ns

MAX_ENTRIES = 100_000
_PAGE = 1000
_HISTORY_NS = 90 * NS_PER_DAY
_REMEMBER_NS = 15 * 60 * NS_PER_S
_PURPOSEFUL = frozenset({Action.PLAY_BACK.value, Action.EXPORT.value})
_LOOKS = _PURPOSEFUL | {Action.WATCH_LIVE.value}
_OF_LOOKS = frozenset({AuditKind.ACCESS_GRANTED, AuditKind.VIEW_ENDED})
_BESIDE_LOOKS = frozenset({AuditKind.JOURNEY_OPENED, AuditKind.LEAK_TRACED})


class LookBook:
    """Asks the warden for the log and remembers what the notices said."""

    def __init__(self, *, warden: Warden, clock: Clock, timezone: str) -> None:
        self._warden = warden
        self._clock = clock
        self._zone = ZoneInfo(timezone)
        self._found: tuple[list[Notice], int] | None = None

    async def notices(self) -> list[Notice]:
        """Newest first. Raises: Unavailable when the warden is down."""
        now_ns = self._clock.monotonic_ns()
        if self._found is None or now_ns - self._found[1] > _REMEMBER_NS:
            viewings = await self.viewings(Ns(max(0, self._clock.now_ns() - _HISTORY_NS)))
            self._found = notices(self._looks(viewings)), now_ns
        return self._found[0]

    async def viewings(self, since_ns: Ns) -> list[Viewing]:
        """Permitted looks since then, oldest first, as far as the newest `MAX_ENTRIES` entries reach."""
        return (await self._read(since_ns, MAX_ENTRIES))[0]

    async def _read(self, since_ns: Ns, max_entries: int) -> tuple[list[Viewing], bool]:
        """Also whether all entries since then were read."""
        found, is_all = await self._walk(since_ns, max_entries, _OF_LOOKS)
        return _viewings(found, since_ns), is_all

    async def everything(self, since_ns: Ns) -> tuple[list[Viewing], list[LogEntry]]:
        """`viewings`, and beside them the entries of journeys that were opened and of pictures that were traced."""
        found, _ = await self._walk(since_ns, MAX_ENTRIES, _OF_LOOKS | _BESIDE_LOOKS)
        beside = [one for one in found if one.record.kind in _BESIDE_LOOKS and one.utc_ns >= since_ns]
        return _viewings(found, since_ns), beside

    async def _walk(self, since_ns: Ns, max_entries: int, kinds: frozenset[AuditKind]) -> tuple[list[LogEntry], bool]:
        """Entries of some kinds, oldest first, a page beyond `since_ns`; and whether all since then were read."""
        size = (await self._warden.read_checkpoint()).size
        found: list[LogEntry] = []
        end, is_all = size, False
        while end > max(0, size - max_entries):
            start = max(0, end - _PAGE)
            entries = (await self._warden.read_log(start, end - start)).entries
            if not entries:
                break
            found += [entry for entry in entries if entry.record.kind in kinds]
            end = start
            if entries[0].utc_ns < since_ns:
                is_all = True
                break
        return sorted(found, key=lambda one: one.index), is_all or end <= 0

    def _looks(self, viewings: list[Viewing]) -> list[Look]:
        """Recordings alone: live duty is what an operator is there for."""
        people: dict[str, set[str]] = defaultdict(set)
        asked = [one for one in viewings if one.action in _PURPOSEFUL]
        for one in asked:
            people[one.reference.strip().casefold()].add(one.person)
        return [
            Look(
                index=one.index,
                utc_ns=one.utc_ns,
                user_id=one.person,
                name=one.person,
                place=f"camera {one.camera_id}",
                reference=one.reference.strip().casefold(),
                is_linked=bool(one.request_id) or len(people[one.reference.strip().casefold()]) > 1,
                hour=datetime.fromtimestamp(one.utc_ns // NS_PER_S, self._zone).hour,
            )
            for one in asked
        ]

    async def who_saw(self, camera_id: str, start_ns: Ns, end_ns: Ns) -> list[Viewing]:
        """Everybody who was permitted to see this camera's pictures of that time, live or later."""
        return (await self.all_who_saw(camera_id, start_ns, end_ns, max_entries=MAX_ENTRIES))[0]

    async def all_who_saw(
        self, camera_id: str, start_ns: Ns, end_ns: Ns, *, max_entries: int
    ) -> tuple[list[Viewing], bool]:
        """See `who_saw`; also whether the newest `max_entries` reach back to `start_ns`, so that nobody is missing.

        A live view could begin before `start_ns`: grants for watching end after `MAX_GRANT_NS` at the latest.
        """
        found, is_all = await self._read(Ns(max(0, start_ns - MAX_GRANT_NS)), max_entries)
        return [
            one for one in found if one.camera_id == camera_id and one.start_ns <= end_ns and one.end_ns >= start_ns
        ], is_all


def _viewings(found: Sequence[LogEntry], since_ns: Ns) -> list[Viewing]:
    ended = {one.record.details.get("session", ""): one for one in found if one.record.kind is AuditKind.VIEW_ENDED}
    return [
        _viewing(one, ended)
        for one in found
        if one.record.kind is AuditKind.ACCESS_GRANTED
        and one.utc_ns >= since_ns
        and one.record.details.get("action") in _LOOKS
    ]


def _viewing(entry: LogEntry, ended: dict[str, LogEntry]) -> Viewing:
    details = entry.record.details
    end = ended.get(details.get("session", ""))
    end_ns = _number(details.get("end_ns", ""))
    if end is not None and details.get("action") == Action.WATCH_LIVE.value:
        end_ns = min(end_ns, end.utc_ns)  # what was granted was longer than what was watched
    return Viewing(
        index=entry.index,
        utc_ns=entry.utc_ns,
        person=entry.record.actor,
        roles=details.get("roles", ""),
        camera_id=entry.record.subject,
        action=details.get("action", ""),
        fidelity=details.get("fidelity", "masked"),
        purpose=details.get("purpose", ""),
        reference=details.get("reference", ""),
        start_ns=_number(details.get("start_ns", "")),
        end_ns=end_ns,
        request_id=details.get("request", ""),
        shown=details.get("shown", ""),
        frames_shown=end.record.details.get("frames_shown", "") if end is not None else "",
    )


def _number(text: str) -> Ns:
    return Ns(int(text)) if text.isdigit() and len(text) < 20 else Ns(0)
