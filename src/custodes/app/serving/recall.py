"""Footage that is gone from the disk and has a copy elsewhere comes back while somebody looks at it.

A still waits for the segment of its moment, a playback has some segments ahead of it fetched, an export waits for all.
Before a fetched file gets its name, the catalog is asked once more, under retention's lock: what was deleted meanwhile
stays deleted.
"""

import asyncio
from collections.abc import Sequence

import structlog

from custodes.app.recall import Recall
from custodes.errors import CustodesError
from custodes.ports.catalog_async import AsyncCatalog
from custodes.types.media import Segment
from custodes.units import NS_PER_S, Ns, SessionId

AHEAD_NS = 150 * NS_PER_S
"""Of a playback: two segments at least. Fetching a minute of 4 Mbit/s takes a second at 240 Mbit/s."""
MAX_VIEWS = 1024


class RecallService:
    """Used on the event loop only."""

    def __init__(self, *, recall: Recall, catalog: AsyncCatalog, lock: asyncio.Lock) -> None:
        """`lock`: retention's, held while anything is deleted."""
        self._recall = recall
        self._catalog = catalog
        self._lock = lock
        self._one_at_a_time = asyncio.Lock()
        self._missing: dict[SessionId, list[Segment]] = {}
        self._log = structlog.get_logger()

    async def begin(self, session_id: SessionId, segments: Sequence[Segment]) -> None:
        """Note what a view cannot read here."""
        missing = await asyncio.to_thread(self._recall.missing, segments)
        if missing and len(self._missing) < MAX_VIEWS:
            self._missing[session_id] = missing

    def end(self, session_id: SessionId) -> None:
        """The view is over."""
        self._missing.pop(session_id, None)

    async def around(self, session_id: SessionId, utc_ns: Ns, *, ahead_ns: int = AHEAD_NS) -> list[Segment]:
        """Bring back what the view needs from a moment on; returns what is here now. A failure is a gap, and said."""
        missing = self._missing.get(session_id)
        if not missing:
            return []
        async with self._one_at_a_time:
            due = [one for one in missing if one.end_ns >= utc_ns and one.header.start_ns <= utc_ns + ahead_ns]
            back: list[Segment] = []
            for segment in due:
                missing.remove(segment)  # one try a view: what failed is not asked for at every step of a scrub
                if await self._bring(segment):
                    back.append(segment)
            return back

    async def all(self, session_id: SessionId) -> list[Segment]:
        """Everything that the view needs."""
        return await self.around(session_id, Ns(0), ahead_ns=2**62)

    async def _bring(self, segment: Segment) -> bool:
        try:
            if not await asyncio.to_thread(self._recall.missing, [segment]):
                return True  # another view had it fetched
            fetched = await asyncio.to_thread(self._recall.fetch, segment)
            async with self._lock:
                if not await self._is_known(segment):
                    fetched.unlink(missing_ok=True)
                    return False
                await asyncio.to_thread(self._recall.place, segment, fetched)
        except (CustodesError, OSError) as error:
            self._log.warning("footage cannot be fetched back", segment=segment.header.segment_id, error=str(error))
            return False
        self._log.info("footage fetched back", segment=segment.header.segment_id, mb=segment.bytes_on_disk >> 20)
        return True

    async def _is_known(self, segment: Segment) -> bool:
        header = segment.header
        found = await self._catalog.segments(header.camera_id, header.start_ns, segment.end_ns, 64)
        return any(one.header.segment_id == header.segment_id for one in found)
