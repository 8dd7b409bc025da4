"""Journal into catalog into log: exactly once, whatever dies in between."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.server.conftest import Site

from custodes.adapters.blob.disk import Disk
from custodes.app.serving.journal import JournalFollower, SealLogger
from custodes.errors import Unavailable
from custodes.record.compaction import compact
from custodes.record.journal import JournalWriter, read_from
from custodes.testing.catalog import ALL, CAMERA, at, make_segment
from custodes.testing.ending import LIMIT_S
from custodes.types.access import AuditKind, AuditRecord, LogEntry
from custodes.types.event import GapRecorded, JournalRecord, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Gap, GapCause, Segment

SEGMENTS = [make_segment(10 * n, 10 * n + 10) for n in range(6)]
GAP = Gap(camera_id=CAMERA, start_ns=at(60), end_ns=at(63), cause=GapCause.STALLED)


def write_journal(site: Site, records: Sequence[JournalRecord], name: str = "recorder") -> Path:
    path = site.paths.journal_dir / f"{name}.journal"
    writer = JournalWriter(Disk(), path)
    for record in records:
        assert writer.append(record)
    writer.close()
    return path


def sealed_entries(entries: Sequence[LogEntry]) -> list[str]:
    return [entry.record.subject for entry in entries if entry.record.kind is AuditKind.SEGMENT_SEALED]


def records_of(segments: Sequence[Segment]) -> list[JournalRecord]:
    return [
        record
        for segment in segments
        for record in (
            SegmentOpened(segment=make_segment((segment.header.start_ns - at(0)) / 1e9, 0, is_sealed=False)),
            SegmentSealed(segment=segment),
        )
    ]


def ignore(_: Sequence[Segment]) -> None:
    """No view is open."""


def test_journal_when_followed_becomes_rows_and_entries_once(site: Site) -> None:
    path = write_journal(site, [*records_of(SEGMENTS[:3]), GapRecorded(gap=GAP)])
    with path.open("ab") as stream:
        stream.write(b"\0\0\1torn")

    async def main() -> None:
        async with site.catalog() as catalog, site.warden() as warden:
            seen: list[Segment] = []
            follower = JournalFollower(site.paths.journal_dir, read_from, catalog=catalog, on_segments=seen.extend)
            seals = SealLogger(catalog, warden, warden.append)
            assert await follower.take_all() == 7
            assert await seals.log_new() == 3
            assert await follower.take_all() == 0
            assert await seals.log_new() == 0
            write_journal(site, records_of(SEGMENTS[3:5]))
            write_journal(site, records_of(SEGMENTS[5:]), name="recorder-2")
            assert await follower.take_all() == 6
            assert await seals.log_new() == 3
            assert await catalog.segments(CAMERA, *ALL, 99) == SEGMENTS
            assert await catalog.gaps(CAMERA, *ALL) == [GAP]
            assert len(seen) == 12
            log = await site.log(warden)
            assert sealed_entries(log) == [segment.header.segment_id for segment in SEGMENTS]
            record = log[-1].record
            assert record.details["root"] == SEGMENTS[-1].root.hex()
            assert record.details["bytes"] == str(SEGMENTS[-1].bytes_on_disk)

    asyncio.run(main())


def test_journal_when_cut_and_grown_over_the_old_position_is_read_again(site: Site) -> None:
    path = write_journal(site, records_of(SEGMENTS[:3]))

    async def main() -> None:
        async with site.catalog() as catalog:
            follower = JournalFollower(site.paths.journal_dir, read_from, catalog=catalog, on_segments=ignore)
            await follower.take_all()
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(content)
            # the recorder cuts at the damage and goes on; no record begins where the catalog stopped reading
            write_journal(site, [GapRecorded(gap=GAP), *records_of(SEGMENTS[3:5])])
            assert path.stat().st_size > len(content)
            await follower.take_all()
            write_journal(site, records_of(SEGMENTS[5:]))
            await follower.take_all()
            assert await catalog.segments(CAMERA, *ALL, 99) == SEGMENTS
            assert await catalog.gaps(CAMERA, *ALL) == [GAP]

    asyncio.run(main())


def test_catalog_when_lost_is_rebuilt_and_logs_nothing_twice(site: Site) -> None:
    write_journal(site, records_of(SEGMENTS))

    async def main() -> None:
        async with site.warden() as warden:
            for _ in range(2):
                async with site.catalog() as catalog:
                    follower = JournalFollower(site.paths.journal_dir, read_from, catalog=catalog, on_segments=ignore)
                    await follower.take_all()
                    await SealLogger(catalog, warden, warden.append).log_new()
                    assert await catalog.segments(CAMERA, *ALL, 99) == SEGMENTS
                site.paths.catalog.unlink()
            assert len(sealed_entries(await site.log(warden))) == len(SEGMENTS)

    asyncio.run(main())


def test_log_when_the_answer_is_lost_is_looked_at_before_appending_again(site: Site) -> None:
    write_journal(site, records_of(SEGMENTS[:2]))

    async def main() -> None:
        async with site.catalog() as catalog, site.warden() as warden:
            await JournalFollower(site.paths.journal_dir, read_from, catalog=catalog, on_segments=ignore).take_all()
            lost = [True]

            async def append(record: AuditRecord) -> int:
                index = await warden.append(record)
                if lost and lost.pop():
                    raise Unavailable("the answer never came")
                return index

            seals = SealLogger(catalog, warden, append)
            with pytest.raises(Unavailable):
                await seals.log_new()
            await seals.log_new()
            assert len(sealed_entries(await site.log(warden))) == 2

    asyncio.run(main())


def test_journal_when_replaced_by_a_shorter_one_is_read_from_its_start(site: Site) -> None:
    path = write_journal(site, records_of(SEGMENTS))

    async def main() -> None:
        async with site.catalog() as catalog:
            follower = JournalFollower(site.paths.journal_dir, read_from, catalog=catalog, on_segments=ignore)
            await follower.take_all()
            path.unlink()
            write_journal(site, records_of(SEGMENTS[:1]))
            assert await follower.take_all() == 2
            assert await follower.take_all() == 0
            assert len(await catalog.segments(CAMERA, *ALL, 99)) == len(SEGMENTS)

    asyncio.run(main())


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.sql import recording, sqlite_catalog
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.journal import JournalFollower, SealLogger
from custodes.config import SitePaths
from custodes.record.journal import read_from
from custodes.runtime.clock import SystemClock

paths, site_id, point, left = SitePaths(Path(sys.argv[1])), sys.argv[2], sys.argv[3], [int(sys.argv[4])]

def die(where):
    if where == point:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

put_position = recording.put_journal_position
def put(*arguments):
    die("rows written, not committed")
    put_position(*arguments)
    die("position written, not committed")
recording.put_journal_position = put

async def main():
    catalog = ThreadedCatalog(sqlite_catalog(paths.catalog, site_id=site_id, clock=SystemClock()))
    warden = WardenClient(paths.socket("warden-server"))
    def read(path, offset):
        read_records = read_from(path, offset)
        die("read")
        return read_records
    async def append(record):
        die("before the log")
        index = await warden.append(record)
        die("logged, not marked")
        return index
    await JournalFollower(paths.journal_dir, read, catalog=catalog, on_segments=lambda _: die("committed")).take_all()
    await SealLogger(catalog, warden, append).log_new()
    await warden.close()
    await catalog.close()
asyncio.run(main())
"""

POINTS = [
    "read",
    "rows written, not committed",
    "position written, not committed",
    "committed",
    "before the log",
    "logged, not marked",
]


@pytest.mark.parametrize("point", POINTS)
def test_server_when_killed_between_journal_and_log_loses_and_doubles_nothing(site: Site, point: str) -> None:
    write_journal(site, [*records_of(SEGMENTS), GapRecorded(gap=GAP)])

    async def attempt(countdown: int, name: str) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, str(site.paths.data_dir), "00112233445566ff", name, str(countdown)
        )
        async with asyncio.timeout(LIMIT_S):
            return await process.wait()

    async def main() -> None:
        async with site.warden() as warden:
            assert await attempt(0, point) == -signal.SIGKILL
            if point == "logged, not marked":
                assert await attempt(2, point) == -signal.SIGKILL
            assert await attempt(0, "never") == 0
            entries = sealed_entries(await site.log(warden))
            assert entries == [segment.header.segment_id for segment in SEGMENTS]

    asyncio.run(main())
    catalog = site.open_catalog()
    assert catalog.segments(CAMERA, *ALL, 99) == SEGMENTS
    assert catalog.gaps(CAMERA, *ALL) == [GAP]
    assert catalog.totals()[CAMERA].recorded_ns == 60 * 10**9
    assert catalog.unlogged_segments(9) == []
    catalog.close()


def test_journal_when_written_anew_is_read_from_its_start_and_nothing_deleted_or_logged_comes_again(
    site: Site,
) -> None:
    write_journal(site, [*records_of(SEGMENTS), GapRecorded(gap=GAP)])

    async def main() -> None:
        async with site.catalog() as catalog, site.warden() as warden:
            follower = JournalFollower(site.paths.journal_dir, read_from, catalog=catalog, on_segments=ignore)
            seals = SealLogger(catalog, warden, warden.append)
            await follower.take_all()
            await seals.log_new()
            for deletions in (SEGMENTS[:4], SEGMENTS[4:5]):
                for one in deletions:  # as retention leaves it: row, log and file are gone
                    await catalog.condemn({one.header.segment_id: "x"}, {}, at(1000))
                    await catalog.note_deletion_logged([one.header.segment_id])
                    await catalog.note_files_gone([one.header.segment_id])
                gone = [
                    SegmentDeleted(camera_id=CAMERA, segment_id=one.header.segment_id, path=one.path)
                    for one in deletions
                ]
                write_journal(site, gone, "retention")
                # The second deletion comes after the journal was written anew and before it is read.
                path = compact(Disk(), site.paths.journal_dir, "recorder", min_bytes=1)
            assert path.name == "recorder.1.journal"
            assert await follower.take_all() > 0
            await seals.log_new()
            assert await catalog.segments(CAMERA, *ALL, 99) == SEGMENTS[5:]
            assert await catalog.garbage(9) == []
            assert await catalog.gaps(CAMERA, *ALL) == [GAP]
            assert len(sealed_entries(await site.log(warden))) == len(SEGMENTS)

    asyncio.run(main())
