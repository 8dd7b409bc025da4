"""Footage that is gone from the disk comes back from an S3 store, when somebody looks, and never what was deleted."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import SITE_ID, ScriptedSupervisor, Site, listening, running, until
from tests.server.test_retention import Bench
from tests.server.test_views import ADA

from custodes.adapters.blob.disk import Disk
from custodes.adapters.blob.s3 import S3Store
from custodes.app.recall import FOLDER, Recall
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.recall import RecallService
from custodes.app.serving.tiers import OffsiteTier
from custodes.app.serving.views import ServerViewBroker
from custodes.cli.main import run as cli
from custodes.config import SiteConfig, write_effective
from custodes.errors import DataLoss, NotFound, SiteMismatch, StorageFull
from custodes.record.verify import Depth, verify_segments
from custodes.testing.catalog import CAMERA, make_spec
from custodes.types.access import Fidelity, Purpose, PurposeKind
from custodes.types.media import Segment
from custodes.types.message import MoreSegments, StopView, ViewKind, ViewTask
from custodes.units import NS_PER_S, Ns, SessionId

VIEW = SessionId("view")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto's server on loopback: speaks the S3 API over HTTP."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Elsewhere:
    """A site whose segments were copied to a bucket."""

    def __init__(self, site: Site, bench: Bench, catalog: ThreadedCatalog, warden: Any, store: S3Store) -> None:
        self.site, self.bench, self.catalog, self.warden, self.store = site, bench, catalog, warden, store
        self.lock = asyncio.Lock()
        self.recall = Recall(store=store, paths=site.paths, site_id=SITE_ID, storage=bench.disk)
        self.service = RecallService(recall=self.recall, catalog=catalog, lock=self.lock)

    async def copied(self, *starts_s: float) -> list[Segment]:
        """Recorded, copied, and gone from the disk."""
        segments = [self.bench.record(start_s) for start_s in starts_s]
        await self.bench.follow(self.catalog)
        tier = OffsiteTier(self.store, after_h=0, site_id=SITE_ID)
        for segment in segments:
            assert await asyncio.to_thread(tier.take, self.site.paths, segment)
            self.path(segment).unlink()
        return segments

    def path(self, segment: Segment) -> Path:
        return self.site.paths.data_dir / segment.path

    def problems(self) -> list[str]:
        return [one.path for one in verify_segments(self.site.paths.data_dir, Depth.HASH, site_id=SITE_ID).found]


@pytest.fixture
def run(site: Site, endpoint: str, request: pytest.FixtureRequest) -> Callable[[Callable[[Elsewhere], Any]], None]:
    bucket = f"b{abs(hash(request.node.nodeid)):x}"
    store = S3Store(endpoint=endpoint, bucket=bucket, access_key="test", secret_key="test")
    store._client.create_bucket(Bucket=bucket)

    def go(test: Callable[[Elsewhere], Any]) -> None:
        async def main() -> None:
            bench = Bench(site)
            async with bench.warden() as warden, bench.catalog() as catalog:
                await test(Elsewhere(site, bench, catalog, warden, store))

        asyncio.run(main())

    return go


def test_segment_when_gone_from_the_disk_comes_back_for_its_moment_alone_and_is_what_was_sealed(run: Any) -> None:
    async def test(there: Elsewhere) -> None:
        first, second = await there.copied(0, 600)
        assert there.problems() == sorted([first.path, second.path])
        await there.service.begin(VIEW, [first, second])
        assert await there.service.around(VIEW, Ns(first.header.start_ns + 1), ahead_ns=0) == [first]
        assert there.problems() == [second.path]
        assert await there.service.around(VIEW, first.header.start_ns, ahead_ns=0) == []
        assert await there.service.all(VIEW) == [second]
        assert there.problems() == []
        assert list((there.site.paths.data_dir / FOLDER).iterdir()) == []

    run(test)


def test_segment_when_its_copy_was_changed_is_not_taken_for_it(run: Any) -> None:
    async def test(there: Elsewhere) -> None:
        changed, cut, gone = await there.copied(0, 60, 120)
        for segment, spoil in ((changed, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])), (cut, lambda raw: raw[:-40])):
            key = f"{SITE_ID}/{segment.path}"
            raw = there.store._client.get_object(Bucket=there.store._bucket, Key=key)["Body"].read()
            there.store._client.put_object(Bucket=there.store._bucket, Key=key, Body=spoil(raw))
        there.store.delete(f"{SITE_ID}/{gone.path}")
        for segment, error in ((changed, DataLoss), (cut, DataLoss), (gone, NotFound)):
            with pytest.raises(error):
                there.recall.fetch(segment)
        await there.service.begin(VIEW, [changed, cut, gone])
        assert await there.service.all(VIEW) == []
        assert len(there.problems()) == 3

    run(test)


def test_segment_when_deleted_while_it_was_fetched_stays_deleted(run: Any) -> None:
    async def test(there: Elsewhere) -> None:
        (segment,) = await there.copied(0)
        await there.service.begin(VIEW, [segment])
        async with there.lock:  # retention is at work
            bringing = asyncio.create_task(there.service.all(VIEW))
            await until(lambda: any((there.site.paths.data_dir / FOLDER).glob("*-0")))
            await there.catalog.condemn({segment.header.segment_id: "x"}, {}, there.bench.clock.now_ns())
        assert await bringing == []
        assert not there.path(segment).exists()
        assert list((there.site.paths.data_dir / FOLDER).iterdir()) == []

    run(test)


def test_segment_when_there_is_no_room_or_the_disk_is_not_mounted_is_not_fetched(run: Any) -> None:
    async def test(there: Elsewhere) -> None:
        (segment,) = await there.copied(0)
        crowded = Recall(
            store=there.store, paths=there.site.paths, site_id=SITE_ID, storage=Disk(), min_free_bytes=2**62
        )
        with pytest.raises(StorageFull):
            crowded.fetch(segment)
        there.site.paths.identity.unlink()
        with pytest.raises(SiteMismatch):
            there.recall.fetch(segment)
        assert not (there.site.paths.data_dir / FOLDER).exists()

    run(test)


def test_playback_of_what_is_elsewhere_waits_for_its_first_segment_and_gets_the_next_ahead(run: Any) -> None:
    async def test(there: Elsewhere) -> None:
        first, second = await there.copied(0, 60)
        await there.catalog.put_cameras([make_spec()], is_exclusive=False)
        path, clock = there.site.paths.socket("server-jobs"), there.bench.clock
        supervisor = ScriptedSupervisor(path)
        pool = JobPool(supervisor, clock, spare=1)
        broker = ServerViewBroker(
            catalog=there.catalog, warden=there.warden, jobs=pool, clock=clock, config=SiteConfig()
        )
        broker.recall_with(there.service)
        async with listening(path, pool.serve_peer), running(pool.run()):
            view = await broker.open_view(
                principal=ADA,
                purpose=Purpose(kind=PurposeKind.MAINTENANCE, reference="ticket 7"),
                kind=ViewKind.PLAYBACK,
                camera_id=CAMERA,
                start_ns=first.header.start_ns,
                end_ns=Ns(first.header.start_ns + 120 * NS_PER_S),
                fidelity=Fidelity.MASKED,
                speed=1.0,
                max_height_px=720,
            )
            job = supervisor.jobs[0]
            task = await job.expect(ViewTask)
            assert [one.path for one in task.segments] == [first.path, second.path]
            assert first.path not in there.problems()
            more = await job.expect(MoreSegments)
            assert [one.path for one in more.segments] == [second.path]
            assert there.problems() == []
            stopping = asyncio.create_task(view.stop())
            await job.expect(StopView)
            await job.channel.close()
            await stopping
            await broker.close()

    run(test)


def test_restored_site_when_its_footage_is_elsewhere_gets_it_all_by_one_command(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(there: Elsewhere) -> None:
        segments = await there.copied(0, 60, 120)
        here = there.bench.record(180)
        endpoint = there.store._client.meta.endpoint_url
        offsite = {"endpoint": endpoint, "bucket": there.store._bucket}
        offsite |= {"access_key": "env:S3_ID", "secret_key": "env:S3_ID"}
        tree = {"data_dir": there.site.paths.data_dir, "recorder": {"min_free_mb": 0}, "tiers": {"offsite": offsite}}
        write_effective(SiteConfig.model_validate(tree), there.site.paths.effective_config)
        monkeypatch.setenv("S3_ID", "test")
        command = ["backup", "footage", "--data", str(there.site.paths.data_dir)]
        assert await asyncio.to_thread(cli, command) == 0
        said = capsys.readouterr().out
        assert "3 segments fetched" in said
        assert "1 were here, 0 are nowhere" in said
        assert there.problems() == []
        assert all(there.path(one).is_file() for one in (*segments, here))

    run(test)
