"""Sweeping a real catalog, real files and a real warden: order, crashes, holds, full disks, keys."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import PATIENCE_S, SITE_ID, Site, until

from custodes.adapters.blob.disk import Disk
from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, serve
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving import retention
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.garbage import GarbageFiles
from custodes.app.serving.journal import JournalFollower
from custodes.app.serving.retention import RetentionSweeper
from custodes.app.warden import open_gate
from custodes.app.warden_gate import Gate
from custodes.config import SiteConfig, SiteIdentity, write_effective
from custodes.errors import SiteMismatch
from custodes.record.compaction import compact, current
from custodes.record.journal import DELETIONS, JournalWriter, read_all, read_from
from custodes.record.reconcile import reconcile
from custodes.record.verify import Depth, verify_segments
from custodes.runtime.clock import SystemClock
from custodes.sealing.container import FragmentSealer, encode_header
from custodes.sealing.published import key_id_of, latest_usable, published_path, read_pinned
from custodes.sealing.wrap import new_segment
from custodes.testing.catalog import ALL, CAMERA, make_frame, make_hold, make_spec, make_track
from custodes.testing.clock import ManualClock
from custodes.testing.ending import kill
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import GapRecorded, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Gap, GapCause, Segment
from custodes.types.message import CameraRow, CameraSpec
from custodes.types.stream import SecondStream, second_of
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SegmentId

START_NS = 1_700_000_000 * NS_PER_S
"""2023-11-14 22:13:20 UTC."""
DAY = "20231114"
RUN = RunId("0123456789ab")
FOOTAGE = os.urandom(2000)


class Rows:
    """What the recorder said last."""

    def __init__(self) -> None:
        self.state = "recording"

    def camera_rows(self) -> list[CameraRow]:
        return [
            CameraRow(
                camera_id=CAMERA,
                name="",
                state=self.state,
                detail="",
                is_recording=True,
                recorded_s=0,
                gaps_s=0,
                frames_decoded=0,
                frames_analysed=0,
                tracks=0,
                people=0,
                vehicles=0,
                live_people=0,
                live_vehicles=0,
            )
        ]

    async def site_status(self) -> Any:
        raise NotImplementedError


class SmallDisk(Disk):
    """The real disk; only its free room is told by the test: `room` minus what lies in the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.room = 2**50

    def free_bytes(self, path: Path) -> int:
        return self.room - sum(file.lstat().st_size for file in self._folder.rglob("*.seg"))


class Bench:
    """One site whose sweeper the test runs by hand."""

    def __init__(self, site: Site, **config: Any) -> None:
        self.site = site
        self.paths = site.paths
        self.clock = ManualClock(START_NS)
        self.live = Rows()
        self.disk = SmallDisk(site.paths.segments)
        tree: dict[str, Any] = {"retention": {"max_age_h": 1}, "recorder": {"min_free_mb": 0}} | config
        self.config = SiteConfig.model_validate({"data_dir": str(site.paths.data_dir)} | tree)
        self._journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
        self._numbers = itertools.count()

    @asynccontextmanager
    async def warden(self) -> AsyncIterator[WardenClient]:
        """A warden on this test's clock, behind its socket."""
        identity = SiteIdentity(site_id=SITE_ID, name="Test", created_ns=Ns(1))
        async with open_gate(self.paths, identity, passphrase=None, clock=self.clock) as gate:
            await gate.publish((CAMERA,))
            server = await serve(self.paths.socket("warden-server"), _answering(gate))
            client = WardenClient(self.paths.socket("warden-server"))
            try:
                yield client
            finally:
                await client.close()
                server.close()
                self.paths.socket("warden-server").unlink(missing_ok=True)

    def gone_warden(self) -> WardenClient:
        return WardenClient(self.paths.socket("warden-server"), timeout_s=0.2)

    def record(
        self,
        start_s: float,
        length_s: float = 60,
        *,
        is_sealed: bool = True,
        run: RunId = RUN,
        camera_id: CameraId = CAMERA,
    ) -> Segment:
        """A segment with its file and journal lines, as the recorder leaves it."""
        start_ns = Ns(START_NS + int(start_s * NS_PER_S))
        pinned = read_pinned(self.paths.warden_key)
        key = latest_usable(self.paths.public_keys, camera_id, DAY, pinned)
        name = SegmentId(f"{start_ns}-{run}-{next(self._numbers)}")
        header, data_key = new_segment(
            public_key=key.public_key,
            key_id=key.key_id,
            site_id=SITE_ID,
            camera_id=camera_id,
            run=run,
            segment_id=name,
            start_ns=start_ns,
        )
        end_ns = Ns(start_ns + int(length_s * NS_PER_S))
        sealer = FragmentSealer(header, data_key)
        content = encode_header(header) + sealer.seal(FOOTAGE, start_ns=start_ns, end_ns=end_ns, is_init=True)
        path = f"segments/{camera_id}/{DAY}/{name}.seg"
        (self.paths.data_dir / path).parent.mkdir(parents=True, exist_ok=True)
        (self.paths.data_dir / path).write_bytes(content)
        segment = Segment(
            header=header,
            path=path,
            end_ns=end_ns,
            bytes_on_disk=len(content),
            fragments=1,
            root=sealer.root,
            is_sealed=is_sealed,
        )
        self._journal.append(SegmentOpened(segment=segment))
        if is_sealed:
            self._journal.append(SegmentSealed(segment=segment))
        return segment

    def compact_journal(self) -> None:
        """As the recorder does when it starts again."""
        self._journal.close()
        self._journal = JournalWriter(Disk(), compact(Disk(), self.paths.journal_dir, "recorder", min_bytes=1))

    def gap(self, start_s: int, end_s: int) -> None:
        start_ns, end_ns = Ns(START_NS + start_s * NS_PER_S), Ns(START_NS + end_s * NS_PER_S)
        gap = Gap(camera_id=CAMERA, start_ns=start_ns, end_ns=end_ns, cause=GapCause.STALLED)
        self._journal.append(GapRecorded(gap=gap))

    @asynccontextmanager
    async def catalog(self) -> AsyncIterator[ThreadedCatalog]:
        """Opened, and caught up with the journals."""
        catalog = ThreadedCatalog(sqlite_catalog(self.paths.catalog, site_id=SITE_ID, clock=self.clock))
        try:
            await self.follow(catalog)
            yield catalog
        finally:
            await catalog.close()

    async def follow(self, catalog: ThreadedCatalog) -> None:
        await JournalFollower(
            self.paths.journal_dir, read_from, catalog=catalog, on_segments=lambda _: None
        ).take_all()

    def sweeper(self, catalog: Any, warden: Any) -> RetentionSweeper:
        return RetentionSweeper(
            paths=self.paths,
            site_id=SITE_ID,
            config=self.config,
            catalog=catalog,
            warden=warden,
            live=self.live,
            storage=self.disk,
            clock=self.clock,
        )

    def files(self) -> list[str]:
        return sorted(path.stem for path in self.paths.segments.rglob("*.seg"))

    def advance(self, seconds: float) -> None:
        self.clock.advance(int(seconds * NS_PER_S))


def _answering(gate: Gate) -> Callable[[AsyncChannel], Awaitable[None]]:
    async def on_connect(channel: AsyncChannel) -> None:
        await answer_requests(channel, gate.answer_server)

    return on_connect


def names(segments: list[Segment]) -> list[str]:
    return sorted(one.header.segment_id for one in segments)


async def deletions(warden: WardenClient) -> list[AuditRecord]:
    entries = (await warden.read_log(0, 1000)).entries
    return [entry.record for entry in entries if entry.record.kind is AuditKind.FOOTAGE_DELETED]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Site(tmp_path))


def test_old_segments_when_swept_are_gone_everywhere_and_logged_once(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            old = [bench.record(60 * n) for n in range(5)]
            new = [bench.record(3600), bench.record(3660, is_sealed=False)]
            bench.gap(300, 310)
            async with bench.catalog() as catalog:
                await catalog.put_analysis(
                    [make_frame(n, n, since=n) for n in range(0, 300, 10)], [make_track(1, 5, 20)]
                )
                sweeper = bench.sweeper(catalog, warden)
                assert await sweeper.sweep() == 0
                bench.advance(3600 + 310)
                assert await sweeper.sweep() == 5
                assert await sweeper.sweep() == 0
                assert bench.files() == names(new)
                assert await catalog.segments(CAMERA, *ALL, 99) == new
                assert await catalog.tracks(CAMERA, *ALL, 99) == []
                assert await catalog.gaps(CAMERA, *ALL) == []
                assert await catalog.analysed(CAMERA, *ALL) == []
                assert await catalog.garbage(9) == []
            (record,) = await deletions(warden)
            assert record.subject == CAMERA
            assert record.details["count"] == "5"
            assert record.details["bytes"] == str(sum(one.bytes_on_disk for one in old))
            assert record.details["until"] == "2023-11-14T22:18:20Z"
        report = verify_segments(bench.paths.data_dir, Depth.HASH)
        assert (report.problems, report.unknown, report.segments) == ([], [], 2)

    asyncio.run(main())


def test_camera_when_it_has_a_retention_of_its_own_keeps_to_it(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            segment = bench.record(0)
            async with bench.catalog() as catalog:
                spec = make_spec()
                object.__setattr__(spec, "retention_h", 2.0)
                await catalog.put_cameras([spec], is_exclusive=False)
                sweeper = bench.sweeper(catalog, warden)
                bench.advance(2 * 3600 + 59)
                assert await sweeper.sweep() == 0
                bench.advance(1)
                assert await sweeper.sweep() == 1
        assert segment.header.segment_id not in bench.files()

    asyncio.run(main())


def test_streams_of_a_camera_when_kept_for_different_times_go_apart_and_each_key_with_its_own(bench: Bench) -> None:
    stream_id = second_of(CAMERA)

    async def main() -> None:
        async with bench.warden() as warden:
            await warden.publish_keys((stream_id,))
            large, small = bench.record(0), bench.record(0, run=RunId("b" * 12), camera_id=stream_id)
            second = SecondStream(url="rtsp://192.0.2.1/2", retention_h=72.0)
            async with bench.catalog() as catalog:
                spec = replace(make_spec(), retention_h=2.0, second=second)
                await catalog.put_cameras([spec], is_exclusive=False)
                sweeper = bench.sweeper(catalog, warden)
                bench.advance(2 * 3600 + 60 + 10)
                assert await sweeper.sweep() == 1
                assert bench.files() == names([small])
                bench.advance(30 * 3600)
                await sweeper.sweep()
                keys = [published_path(bench.paths.public_keys, one.header.key_id) for one in (large, small)]
                assert [path.exists() for path in keys] == [False, True]
                bench.advance(40 * 3600)
                assert await sweeper.sweep() == 1
                assert bench.files() == []
                assert not keys[1].exists()
            assert [record.subject for record in await deletions(warden)] == [CAMERA, stream_id]
        assert verify_segments(bench.paths.data_dir, Depth.HASH).problems == []

    asyncio.run(main())


def test_clock_when_set_ahead_deletes_nothing_that_is_not_old(bench: Bench) -> None:
    async def run() -> None:
        async with bench.warden() as warden:
            bench.record(0)
            async with bench.catalog() as catalog:
                await step_ahead(catalog, warden)

    async def step_ahead(catalog: ThreadedCatalog, warden: WardenClient) -> None:
        sweeper = bench.sweeper(catalog, warden)
        bench.advance(120)
        bench.clock.jump(30 * 24 * 3600 * NS_PER_S)
        assert await sweeper.sweep() == 0
        assert len(bench.files()) == 1
        bench.advance(3600)
        assert await sweeper.sweep() == 1
        sweeper.close()

    asyncio.run(run())


def test_held_segment_when_old_stays_until_the_hold_expires(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            segments = [bench.record(60 * n, 59) for n in range(3)]
            async with bench.catalog() as catalog:
                await catalog.put_hold(make_hold(70, 80, expires_s=9000))
                sweeper = bench.sweeper(catalog, warden)
                bench.advance(8000)
                assert await sweeper.sweep() == 2
                assert bench.files() == names(segments[1:2])
                bench.advance(1000)
                assert await sweeper.sweep() == 1
                assert bench.files() == []

    asyncio.run(main())


def test_files_when_the_catalog_does_not_know_them_are_never_touched(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            bench.record(0)
            bench.advance(10 * 3600)
            lost = bench.paths.journal_dir / "recorder.journal"
            lost.rename(lost.with_suffix(".lost"))
            async with bench.catalog() as catalog:
                assert await bench.sweeper(catalog, warden).sweep() == 0
            assert len(bench.files()) == 1
            assert await deletions(warden) == []

    asyncio.run(main())


def test_data_directory_when_it_is_another_sites_is_left_alone(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            bench.record(0)
            bench.advance(10 * 3600)
            async with bench.catalog() as catalog:
                sweeper = bench.sweeper(catalog, warden)
                identity = bench.paths.identity.read_text()
                for content in (identity.replace(SITE_ID, "ff" * 8), None):
                    bench.paths.identity.unlink()
                    if content:
                        bench.paths.identity.write_text(content)
                    with pytest.raises(SiteMismatch, match="nothing is deleted"):
                        await sweeper.sweep()
        assert len(bench.files()) == 1

    asyncio.run(main())


def test_segments_when_their_disk_is_not_mounted_keep_their_rows(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            bench.record(0)
            bench.advance(10 * 3600)
            async with bench.catalog() as catalog:
                away = bench.paths.segments.with_name("away")
                bench.paths.segments.rename(away)
                assert await bench.sweeper(catalog, warden).sweep() == 0
                assert len(await catalog.segments(CAMERA, *ALL, 9)) == 1
                away.rename(bench.paths.segments)
                assert await bench.sweeper(catalog, warden).sweep() == 1

    asyncio.run(main())


@pytest.mark.parametrize("trick", ["header", "path"])
def test_file_when_it_is_not_the_segment_that_the_catalog_means_is_left_alone(bench: Bench, trick: str) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            segment, other = bench.record(0), bench.record(5000)
            victim = bench.paths.data_dir / segment.path
            async with bench.catalog() as catalog:
                if trick == "header":
                    victim.write_bytes((bench.paths.data_dir / other.path).read_bytes())
                else:
                    victim = bench.paths.data_dir / "site.json"
                    with catalog._catalog._write() as connection:
                        connection.exec_driver_sql("UPDATE segment SET path = 'segments/gate/../../site.json'")
                bench.advance(3700)
                assert await bench.sweeper(catalog, warden).sweep() == 1
                assert await catalog.garbage(9) == []
        assert victim.exists()

    asyncio.run(main())


class Crash(BaseException):
    """The process is gone."""


class CrashAt:
    """Passes calls on; after the `step`-th call over all wrapped objects (or before it), the process dies."""

    def __init__(self, step: int, *, is_before: bool) -> None:
        self._left = step
        self._is_before = is_before
        self.calls: list[str] = []

    def around(self, thing: Any, methods: set[str]) -> Any:
        outer = self

        class Around:
            def __getattr__(self, name: str) -> Any:
                real = getattr(thing, name)
                if name not in methods:
                    return real
                if asyncio.iscoroutinefunction(real):

                    async def call(*args: Any, **kwargs: Any) -> Any:
                        outer._step(name, before=True)
                        result = await real(*args, **kwargs)
                        outer._step(name, before=False)
                        return result

                    return call

                def plain(*args: Any, **kwargs: Any) -> Any:
                    outer._step(name, before=True)
                    result = real(*args, **kwargs)
                    outer._step(name, before=False)
                    return result

                return plain

        return Around()

    def _step(self, name: str, *, before: bool) -> None:
        if before:
            self.calls.append(name)
            self._left -= 1
        if self._left == 0 and before is self._is_before:
            raise Crash


WATCHED = {"condemn", "append", "note_deletion_logged", "delete", "sync_dir", "note_files_gone"}


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 8))
def test_sweep_when_it_dies_anywhere_is_finished_by_the_next_start(bench: Bench, step: int, is_before: bool) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            for n in range(2):
                bench.record(60 * n)
            kept = bench.record(4000)
            bench.advance(4200)
            crash = CrashAt(step, is_before=is_before)
            async with bench.catalog() as catalog:
                real = bench.disk
                bench.disk = crash.around(real, WATCHED)
                sweeper = bench.sweeper(crash.around(catalog, WATCHED), crash.around(warden, WATCHED))
                with pytest.raises(Crash):
                    await sweeper.sweep()
                bench.disk = real
            logged_first = "append" in crash.calls[: crash.calls.index("delete")] if "delete" in crash.calls else True
            assert logged_first, crash.calls
            async with bench.catalog() as catalog:
                await bench.sweeper(catalog, warden).sweep()
                assert await catalog.garbage(9) == []
                assert await catalog.segments(CAMERA, *ALL, 9) == [kept]
            assert bench.files() == names([kept])
            records = await deletions(warden)
            assert records and all(record.details["count"] == "2" for record in records)
            journalled = read_all(bench.paths.journal_dir / f"{DELETIONS}.journal")[0]
            assert len({record.segment_id for record in journalled if isinstance(record, SegmentDeleted)}) == 2
        assert verify_segments(bench.paths.data_dir, Depth.HASH).problems == []

    asyncio.run(main())


def test_steps_of_a_sweep_are_in_order(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            for n in range(2):
                bench.record(60 * n)
            bench.advance(4200)
            crash = CrashAt(-1, is_before=True)
            async with bench.catalog() as catalog:
                bench.disk = crash.around(bench.disk, WATCHED)
                await bench.sweeper(crash.around(catalog, WATCHED), crash.around(warden, WATCHED)).sweep()
        wanted = ["condemn", "append", "note_deletion_logged", "delete", "delete", "sync_dir"]
        assert crash.calls[:6] == wanted
        assert crash.calls[-1] == "note_files_gone"

    asyncio.run(main())


def test_catalog_when_lost_after_deletions_is_rebuilt_without_them(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden() as warden:
            bench.record(0)
            kept = bench.record(4000)
            bench.advance(4200)
            async with bench.catalog() as catalog:
                assert await bench.sweeper(catalog, warden).sweep() == 1
            bench.paths.catalog.unlink()
            async with bench.catalog() as catalog:
                assert await catalog.segments(CAMERA, *ALL, 9) == [kept]
                assert await bench.sweeper(catalog, warden).sweep() == 0
            assert len(await deletions(warden)) == 1
        found = reconcile(
            bench.paths.data_dir,
            Disk(),
            JournalWriter(Disk(), bench.paths.journal_dir / "again.journal"),
            site_id=SITE_ID,
        )
        assert (found.lost, found.adopted, found.unreadable) == (0, 0, ())

    asyncio.run(main())


def test_journal_of_deletions_when_it_has_grown_is_written_anew_and_a_lost_catalog_is_still_rebuilt(
    bench: Bench,
) -> None:
    async def main() -> None:
        async with bench.warden(), bench.catalog() as catalog:
            files = GarbageFiles(bench.paths, SITE_ID, bench.disk, compact_bytes=1)
            kept = []
            for number in range(4):
                gone, left = bench.record(120 * number), bench.record(120 * number + 60)
                kept.append(left)
                await bench.follow(catalog)
                await catalog.condemn({gone.header.segment_id: "x"}, {}, bench.clock.now_ns())
                assert files.delete(await catalog.garbage(9))
                await catalog.note_deletion_logged([gone.header.segment_id])
                await catalog.note_files_gone([gone.header.segment_id])
                bench.compact_journal()
            assert not (bench.paths.journal_dir / f"{DELETIONS}.journal").exists()
            journal = current(bench.paths.journal_dir, DELETIONS)
            assert 0 < len(read_all(journal)[0]) < 4
            files.close()
        bench.paths.catalog.unlink()
        async with bench.warden(), bench.catalog() as catalog:
            assert await catalog.segments(CAMERA, *ALL, 9) == kept
        report = verify_segments(bench.paths.data_dir, Depth.HASH)
        assert (report.problems, report.unknown, report.segments) == ([], [], 4)

    asyncio.run(main())


def test_warden_when_down_then_nothing_is_deleted(bench: Bench) -> None:
    async def main() -> None:
        async with bench.warden():
            bench.record(0)
        bench.advance(9000)
        async with bench.catalog() as catalog:
            warden = bench.gone_warden()
            assert await bench.sweeper(catalog, warden).sweep() == 0
            assert len(await catalog.segments(CAMERA, *ALL, 9)) == len(bench.files()) == 1
            await warden.close()

    asyncio.run(main())


def test_disk_when_full_and_warden_down_then_room_is_made_and_logged_later(tmp_path: Path) -> None:
    bench = Bench(Site(tmp_path), recorder={"min_free_mb": 1})

    async def main() -> None:
        async with bench.warden():
            segments = [bench.record(60 * n) for n in range(6)]
        size = segments[0].bytes_on_disk
        bench.advance(1000)
        bench.disk.room = 2 * 2**20 + 4 * size - 1
        async with bench.catalog() as catalog:
            gone = bench.gone_warden()
            sweeper = bench.sweeper(catalog, gone)
            assert await sweeper.sweep() == 0, "there is less than wanted, but recording goes on"
            bench.live.state = "disk_full"
            retention_step = retention.ROOM_STEP_BYTES
            assert retention_step > 6 * size
            assert await sweeper.sweep() == 6
            assert bench.files() == []
            assert {one.is_logged for one in await catalog.garbage(9)} == {False}
            await gone.close()
        async with bench.warden() as warden, bench.catalog() as catalog:
            bench.live.state = "recording"
            await bench.sweeper(catalog, warden).sweep()
            (record,) = await deletions(warden)
            assert record.details["count"] == "6" and "warden was down" in record.details["late"]
            assert await catalog.garbage(9) == []

    asyncio.run(main())


def test_disk_when_nearly_full_then_the_oldest_unheld_go_and_no_more(tmp_path: Path) -> None:
    bench = Bench(Site(tmp_path), recorder={"min_free_mb": 1}, retention={"max_age_h": 99})

    async def main() -> None:
        async with bench.warden() as warden:
            segments = [bench.record(60 * n, 59) for n in range(6)]
            bench.advance(1000)
            bench.disk.room = 2 * 2**20 + 4 * segments[0].bytes_on_disk
            async with bench.catalog() as catalog:
                await catalog.put_hold(make_hold(10, 20, expires_s=9000))
                sweeper = bench.sweeper(catalog, warden)
                assert await sweeper.sweep() == 2
                assert bench.files() == names([segments[0], *segments[3:]])
                assert await sweeper.sweep() == 0
            (record,) = await deletions(warden)
            assert record.details["reason"] == "the disk is full"

    asyncio.run(main())


def test_site_when_larger_than_max_gb_then_the_oldest_go(tmp_path: Path) -> None:
    bench = Bench(Site(tmp_path), retention={"max_age_h": 99, "max_gb": 1})

    async def main() -> None:
        async with bench.warden() as warden:
            segments = [bench.record(60 * n) for n in range(6)]
            bench.advance(1000)
            wanted = segments[0].bytes_on_disk * 4 / 10**9
            bench.config = bench.config.model_copy(
                update={"retention": bench.config.retention.model_copy(update={"max_gb": wanted})}
            )
            async with bench.catalog() as catalog:
                assert await bench.sweeper(catalog, warden).sweep() == 2
            assert bench.files() == names(segments[2:])

    asyncio.run(main())


def test_batch_when_full_then_the_rest_follows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)

    async def main() -> None:
        async with bench.warden() as warden:
            segments = [bench.record(60 * n) for n in range(10)]
            bench.advance(9000)
            async with bench.catalog() as catalog:
                sweeper = bench.sweeper(catalog, warden)
                assert [await sweeper.sweep() for _ in range(4)] == [4, 4, 2, 0]
            counts = [record.details["count"] for record in await deletions(warden)]
            assert counts == ["4", "4", "2"] and len(segments) == 10

    asyncio.run(main())


@pytest.mark.parametrize("stray", ["none", "unknown file", "open segment"])
def test_key_when_nothing_needs_it_is_destroyed_after_its_day(bench: Bench, stray: str) -> None:
    key = published_path(bench.paths.public_keys, key_id_of(CAMERA, DAY))

    async def kinds(warden: WardenClient) -> list[AuditKind]:
        return [entry.record.kind for entry in (await warden.read_log(0, 1000)).entries]

    async def main() -> None:
        async with bench.warden() as warden:
            bench.record(0)
            if stray == "open segment":
                bench.record(3000, is_sealed=False)
            async with bench.catalog() as catalog:
                if stray == "unknown file":
                    bench.record(60)  # its journal lines come too late for this catalog
                sweeper = bench.sweeper(catalog, warden)
                bench.advance(3700)
                assert await sweeper.sweep() == 1
                assert key.exists(), "the day is not over"
                bench.advance(2 * 3600)
                await sweeper.sweep()
                destroyed = AuditKind.KEYS_DESTROYED in await kinds(warden)
                assert destroyed is (stray == "none")
                assert key.exists() is (stray != "none")
                assert (bench.paths.segments / CAMERA / DAY).exists() is (stray != "none")
                bench.advance(3600)
                await sweeper.sweep()
                assert (await kinds(warden)).count(AuditKind.KEYS_DESTROYED) == (stray == "none")

    asyncio.run(main())


def test_sweeper_when_run_beside_a_warden_process_deletes_logs_and_outlives_its_kill(tmp_path: Path) -> None:
    site = Site(tmp_path)
    bench = Bench(site, retention={"max_age_h": 1})
    bench.clock = ManualClock(SystemClock().now_ns())
    bench.clock.jump(-(bench.clock.now_ns() - START_NS))
    write_effective(bench.config, site.paths.effective_config)

    def start() -> subprocess.Popen[bytes]:
        site.paths.socket("warden-server").unlink(missing_ok=True)
        return subprocess.Popen([sys.executable, "-m", "custodes.app.warden", "--data", str(tmp_path)])

    async def ready(client: WardenClient) -> None:
        async def answers() -> bool:
            return site.paths.socket("warden-server").exists()

        await until(answers)
        await client.publish_keys((CameraId(CAMERA),))

    async def main() -> None:
        client = WardenClient(site.paths.socket("warden-server"), timeout_s=PATIENCE_S)
        process = start()
        try:
            await ready(client)
            bench.record(0)
            async with bench.catalog() as catalog:
                bench.advance(9000)
                sweeper = bench.sweeper(catalog, client)
                assert await sweeper.sweep() == 1
                kill(process)
                bench.record(3600)
                await bench.follow(catalog)
                bench.advance(9000)
                assert await sweeper.sweep() == 0
                assert len(bench.files()) == 1
                process = start()
                await ready(client)
                assert await sweeper.sweep() == 1
                assert bench.files() == []
                assert [record.details["count"] for record in await deletions(client)] == ["1", "1"]
        finally:
            await client.close()
            kill(process)

    asyncio.run(main())


def test_quiet_segment_when_proven_goes_early_and_what_was_not_analysed_stays(site: Site) -> None:
    bench = Bench(site, retention={"max_age_h": 72, "quiet_after_h": 1})

    async def main() -> None:
        async with bench.warden() as warden:
            empty, busy, unknown, held, young = (bench.record(60 * n, 59) for n in (0, 2, 4, 6, 70))
            async with bench.catalog() as catalog:
                frames = [make_frame(1, 60, since=-1, tracks=0), make_frame(2, 180, since=119, tracks=1)]
                frames += [make_frame(3, 280, since=241, tracks=0), make_frame(4, 420, since=359, tracks=0)]
                frames += [make_frame(5, 4300, since=4199, tracks=0)]
                await catalog.put_analysis(frames, [])
                await catalog.put_hold(make_hold(370, 380, expires_s=10**6))
                sweeper = bench.sweeper(catalog, warden)
                bench.advance(2 * 3600)
                assert await sweeper.sweep() == 1
                assert bench.files() == names([busy, unknown, held, young])
                (record,) = await deletions(warden)
                assert record.details["reason"] == "analysis saw nothing in it"
                # What was seen in the others, and that it was looked at, is still known.
                assert len(await catalog.analysed(CAMERA, *ALL)) == 5
                assert await sweeper.sweep() == 0
                sweeper.close()
        assert empty.header.segment_id not in bench.files()

    asyncio.run(main())


def test_second_stream_when_the_first_shows_the_same_and_saw_nobody_around_it_goes_early(site: Site) -> None:
    bench = Bench(site, retention={"max_age_h": 72, "quiet_after_h": 1})
    stream_id, run = second_of(CAMERA), RunId("b" * 12)

    def spec(*, is_same: bool) -> CameraSpec:
        return replace(make_spec(), second=SecondStream(url="rtsp://192.0.2.1/2", has_same_view=is_same))

    async def main() -> None:
        async with bench.warden() as warden:
            await warden.publish_keys((stream_id,))
            quiet, late, seen, torn = (bench.record(s, 50, run=run, camera_id=stream_id) for s in (60, 155, 400, 600))
            async with bench.catalog() as catalog:
                # Somebody comes 5 s after `late`; `seen` had a detection of its own; in `torn` the first reconnects.
                frames = [make_frame(1, 130, since=20, tracks=0), make_frame(2, 209, since=130, tracks=0)]
                frames += [make_frame(3, 210, since=209, tracks=1), make_frame(4, 500, since=300, tracks=0)]
                frames += [make_frame(5, 420, since=410, tracks=1, camera_id=stream_id, run=run)]
                frames += [make_frame(6, 620, since=560, tracks=0)]
                frames += [make_frame(7, 700, since=620, tracks=0, run=RunId("c" * 12))]
                await catalog.put_analysis(frames, [])
                sweeper = bench.sweeper(catalog, warden)
                bench.advance(2 * 3600)
                await catalog.put_cameras([spec(is_same=False)], is_exclusive=False)
                assert await sweeper.sweep() == 0, "nobody said that both show the same"
                await catalog.put_cameras([spec(is_same=True)], is_exclusive=False)
                assert await sweeper.sweep() == 1
                assert bench.files() == names([late, seen, torn])
                (record,) = await deletions(warden)
                assert (record.subject, record.details["reason"]) == (stream_id, "analysis saw nothing in it")
                sweeper.close()
        assert quiet.header.segment_id not in bench.files()

    asyncio.run(main())
