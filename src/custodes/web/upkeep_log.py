"""When a backup of the site was begun last, by the log: the entry is written before the first byte."""

import asyncio

from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind
from custodes.units import NS_PER_S

_PAGE = 1000
MAX_ENTRIES = 20_000
"""Of the log, newest first: a week of 16 cameras with segments of ten minutes. A backup that is older is overdue."""
_REMEMBER_NS = 300 * NS_PER_S


class BackupBook:
    """When the last backup was begun, as the log says; asked of the warden at most every five minutes."""

    def __init__(self, warden: Warden, clock: Clock) -> None:
        self._warden = warden
        self._clock = clock
        self._kept: tuple[int, dict[str, object]] | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> dict[str, object]:
        """`made_ns` (None: none in what was read), `since_ns`: how far back was read; None: all of the log.

        Raises: Unavailable while the warden is down.
        """
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._kept is None or now_ns - self._kept[0] > _REMEMBER_NS:
                self._kept = now_ns, await self._search()
            return self._kept[1]

    async def _search(self) -> dict[str, object]:
        size = (await self._warden.read_checkpoint()).size
        end, since_ns = size, None
        while end > max(0, size - MAX_ENTRIES):
            start = max(0, end - _PAGE)
            entries = (await self._warden.read_log(start, end - start)).entries
            if not entries:
                break
            for entry in reversed(entries):
                if entry.record.kind is AuditKind.BACKUP_MADE:
                    return {"made_ns": entry.utc_ns, "since_ns": None}
            end, since_ns = start, entries[0].utc_ns
        return {"made_ns": None, "since_ns": since_ns if end > 0 else None}
