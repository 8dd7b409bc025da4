"""What the log says about looking: as `Look`s for the notices, and as the list of who saw a camera at a time.

Reads the newest `MAX_ENTRIES` entries at most, once per quarter of an hour; decides nothing about anybody.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from custodes.access.insider import DAY_NS, Look, Notice, notices
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import Action, AuditKind, LogEntry
from custodes.units import NS_PER_S, Ns

MAX_ENTRIES = 100_000
_PAGE = 1000
_HISTORY_NS = 90 * DAY_NS
_REMEMBER_NS = 15 * 60 * NS_PER_S
_PURPOSEFUL = frozenset({Action.PLAY_BACK.value, Action.EXPORT.value})
_LOOKS = _PURPOSEFUL | {Action.WATCH_LIVE.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """Somebody was permitted to see a camera over an interval."""

    index: int
    utc_ns: Ns
    person: str
    camera_id: str
    action: str
    fidelity: str
    purpose: str
    reference: str
    start_ns: Ns
    end_ns: Ns
    request_id: str
    frames_shown: str
    """Empty while nobody has told the end."""


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
        size = (await self._warden.read_checkpoint()).size
        granted: list[LogEntry] = []
        shown: dict[str, str] = {}
        end = size
        while end > max(0, size - MAX_ENTRIES):
            start = max(0, end - _PAGE)
            entries = (await self._warden.read_log(start, end - start)).entries
            if not entries:
                break
            for entry in entries:
                if entry.record.kind is AuditKind.VIEW_ENDED:
                    details = entry.record.details
                    shown[details.get("session", "")] = details.get("frames_shown", "")
                elif entry.record.kind is AuditKind.ACCESS_GRANTED and entry.utc_ns >= since_ns:
                    granted.append(entry)
            end = start
            if entries[0].utc_ns < since_ns:
                break
        looks = [entry for entry in granted if entry.record.details.get("action") in _LOOKS]
        return [_viewing(entry, shown) for entry in sorted(looks, key=lambda one: one.index)]

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
        found = await self.viewings(start_ns)
        return [
            one for one in found if one.camera_id == camera_id and one.start_ns <= end_ns and one.end_ns >= start_ns
        ]


def _viewing(entry: LogEntry, shown: dict[str, str]) -> Viewing:
    details = entry.record.details
    return Viewing(
        index=entry.index,
        utc_ns=entry.utc_ns,
        person=entry.record.actor,
        camera_id=entry.record.subject,
        action=details.get("action", ""),
        fidelity=details.get("fidelity", "masked"),
        purpose=details.get("purpose", ""),
        reference=details.get("reference", ""),
        start_ns=_number(details.get("start_ns", "")),
        end_ns=_number(details.get("end_ns", "")),
        request_id=details.get("request", ""),
        frames_shown=shown.get(details.get("session", ""), ""),
    )


def _number(text: str) -> Ns:
    return Ns(int(text)) if text.isdigit() and len(text) < 20 else Ns(0)
