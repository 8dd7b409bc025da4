"""Follows the recorders' journals into the catalog, and tells the audit log of each sealed segment exactly once.

Rows and journal position are one transaction, so a crash anywhere re-reads what was not committed. The log is another
process: a segment counts as told once its entry's index is in its row. After a crash or an answer that never came, the
log itself is read from the newest known index on, before anything is appended again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from custodes.errors import CustodesError
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.warden import Warden
from custodes.record.compaction import current, is_of
from custodes.record.journal import DELETIONS
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import GapRecorded, JournalRecord, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Segment
from custodes.units import SegmentId

POLL_S = 0.3
LOG_RETRY_S = 1.0
CATCH_UP = 16
"""Segments read at once beyond which it is the past that is read, in which deletions may have happened since."""
_LOG_BATCH = 64
_LOG_PAGE = 1000

ReadFrom = Callable[[Path, int], tuple[Sequence[JournalRecord], int]]
"""`record.journal.read_from`: whole records from a byte offset on, and the offset behind them."""


class JournalFollower:
    """One task for all journals of the site."""

    def __init__(
        self,
        folder: Path,
        read_from: ReadFrom,
        *,
        catalog: AsyncCatalog,
        on_segments: Callable[[Sequence[Segment]], None],
    ) -> None:
        """`on_segments` gets what was committed, on the loop."""
        self._folder = folder
        self._read_from = read_from
        self._catalog = catalog
        self._on_segments = on_segments
        self._wake = asyncio.Event()
        self._stuck: dict[str, int] = {}
        """Size of each journal whose next record could not be read."""

    def wake(self) -> None:
        """There may be news."""
        self._wake.set()

    async def take_all(self) -> int:
        """Take over what the journals hold; returns how many records. Raises: what the catalog raises."""
        taken = 0
        # Deletions last: a catalog that is rebuilt must know a segment before it can forget it.
        found = await asyncio.to_thread(lambda: list(self._folder.glob("*.journal")))
        for path in sorted(found, key=lambda path: (is_of(path, DELETIONS), path.name)):
            while records := await self._take(path):
                taken += records
        return taken

    async def _take(self, path: Path) -> int:
        position = await self._catalog.journal_position(path.name)
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        if size < position:
            structlog.get_logger().error("journal is shorter than it was; read again", journal=path.name, size=size)
            position = 0
        elif size == position:
            return 0
        records, end = await asyncio.to_thread(self._read_from, path, position)
        if end == position and self._stuck.get(path.name, size) < size:
            # It grew and still no record begins here: the recorder found damage further up and cut it away.
            structlog.get_logger().error("journal was rewritten; read again", journal=path.name, position=position)
            records, end = await asyncio.to_thread(self._read_from, path, 0)
        if not records:
            self._stuck[path.name] = size
            return 0
        self._stuck.pop(path.name, None)
        segments = [record.segment for record in records if isinstance(record, SegmentOpened | SegmentSealed)]
        gaps = [record.gap for record in records if isinstance(record, GapRecorded)]
        deleted = [record.segment_id for record in records if isinstance(record, SegmentDeleted)]
        if position == 0 or len(segments) > CATCH_UP:
            deleted += await asyncio.to_thread(self._deleted_among, segments)
        await self._catalog.take_journal(path.name, end, segments, gaps, deleted)
        self._on_segments(segments)
        return len(records)

    def _deleted_among(self, segments: Sequence[Segment]) -> list[SegmentId]:
        """Those that retention deleted: a journal that was written anew is read from its start, long after."""
        named = {segment.header.segment_id for segment in segments}
        deletions = current(self._folder, DELETIONS)
        found, offset = set[SegmentId](), 0
        while named:
            records, end = self._read_from(deletions, offset)
            found |= {one.segment_id for one in records if isinstance(one, SegmentDeleted)} & named
            if not records:
                break
            offset = end
        return sorted(found)

    async def run(self) -> None:
        """Follow for ever; what cannot be read now is tried again."""
        while True:
            try:
                await self.take_all()
            except (CustodesError, OSError) as error:
                structlog.get_logger().error("journal cannot be taken over", error=str(error))
                await asyncio.sleep(LOG_RETRY_S)
            try:
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()


class SealLogger:
    """Appends SEGMENT_SEALED entries."""

    def __init__(
        self, catalog: AsyncCatalog, warden: Warden, append_once: Callable[[AuditRecord], Awaitable[int]]
    ) -> None:
        """`append_once` must not send a record a second time by itself: that is decided here, after a look."""
        self._catalog = catalog
        self._warden = warden
        self._append_once = append_once
        self._is_certain = False

    async def log_new(self) -> int:
        """Tell the log of all segments it does not know; returns how many. Raises: Unavailable and others."""
        logged = 0
        while pending := await self._catalog.unlogged_segments(_LOG_BATCH):
            if not self._is_certain:
                await self._find_told()
                self._is_certain = True
                continue
            for segment in pending:
                self._is_certain = False
                index = await self._append_once(_record(segment))
                await self._catalog.mark_logged({segment.header.segment_id: index})
                self._is_certain = True
                logged += 1
        return logged

    async def _find_told(self) -> None:
        """Read the log behind the newest known index, for entries whose index was never noted down."""
        start = await self._catalog.newest_log_index() + 1
        while True:
            page = await self._warden.read_log(start, _LOG_PAGE)
            told = {
                SegmentId(entry.record.subject): entry.index
                for entry in page.entries
                if entry.record.kind is AuditKind.SEGMENT_SEALED
            }
            await self._catalog.mark_logged(told)
            start += len(page.entries)
            if not page.entries or start >= page.checkpoint.size:
                return

    async def run(self) -> None:
        """Log for ever; while the warden is down nothing is lost, only later."""
        is_told = False
        while True:
            try:
                await self.log_new()
                is_told = False
                await asyncio.sleep(POLL_S)
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().warning("sealed segments wait for the log", error=str(error))
                is_told = True
                await asyncio.sleep(LOG_RETRY_S)


def _record(segment: Segment) -> AuditRecord:
    header = segment.header
    return AuditRecord(
        kind=AuditKind.SEGMENT_SEALED,
        actor="process:recorder",
        subject=header.segment_id,
        details={
            "camera": header.camera_id,
            "key_id": header.key_id,
            "start_ns": str(header.start_ns),
            "end_ns": str(segment.end_ns),
            "bytes": str(segment.bytes_on_disk),
            "fragments": str(segment.fragments),
            "root": segment.root.hex(),
            "media_ns": str(segment.media_ns),
            "clock": segment.clock.source.value,
            "clock_error_ns": str(segment.clock.error_ns),
            "camera_offset_ns": "" if segment.clock.camera_offset_ns is None else str(segment.clock.camera_offset_ns),
        },
    )
