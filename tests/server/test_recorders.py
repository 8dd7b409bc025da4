"""The desk that gives recorders their cameras, on a real catalog and a real warden; time of leases is the test's."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.server.conftest import Site

from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.recorders import MOVE_EVERY_NS, SECOND_LOOK_NS, SPECS_NS, START_NS, RecorderDesk
from custodes.config.recorders import RecorderConfig
from custodes.errors import NotFound, ProtocolError
from custodes.testing.catalog import at, make_segment, make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.leases import FakeDatabaseClock
from custodes.types.access import AuditKind
from custodes.types.message import Ping
from custodes.types.recorders import (
    AskCameras,
    CamerasGiven,
    DrainRecorder,
    GivenCamera,
    HeldCamera,
    ReadRecorders,
    RecorderTable,
)
from custodes.units import NS_PER_S, CameraId

A, B = CameraId("a"), CameraId("b")
LEASE_NS = 5 * NS_PER_S


class Bench:
    def __init__(self, site: Site, desk: RecorderDesk, catalog: ThreadedCatalog, database: FakeDatabaseClock) -> None:
        self.site, self.desk, self.catalog, self.database = site, desk, catalog, database
        self.clock = ManualClock()
        self.warden: WardenClient

    async def ask(self, recorder: str, *, is_leaving: bool = False, **holds: int) -> dict[str, int]:
        given = await self.given(recorder, is_leaving=is_leaving, **holds)
        return {one.camera_id: one.epoch for one in given}

    async def given(self, recorder: str, *, is_leaving: bool = False, **holds: int) -> tuple[GivenCamera, ...]:
        held = tuple(HeldCamera(camera_id=CameraId(name), epoch=epoch) for name, epoch in holds.items())
        answer = await self.desk.respond(AskCameras(recorder=recorder, holds=held, is_leaving=is_leaving))
        assert isinstance(answer, CamerasGiven) and answer.ttl_ns == LEASE_NS
        return answer.cameras

    def pass_time(self, ns: int) -> None:
        self.database.now_ns += ns
        self.clock.advance(ns)


@asynccontextmanager
async def opened(site: Site, *, is_fresh: bool = False, **config: object) -> AsyncIterator[Bench]:
    async with site.warden() as warden:
        inner = site.open_catalog()
        catalog = ThreadedCatalog(inner)
        database = FakeDatabaseClock(inner)
        clock = ManualClock()
        desk = RecorderDesk(
            catalog=catalog,
            leases=inner.leases,
            warden=warden,
            paths=site.paths,
            config=RecorderConfig.model_validate({"processes": 2, "lease_s": 5.0, **config}),
            clock=clock,
        )
        await catalog.put_cameras([make_spec("a"), make_spec("b")], is_exclusive=True)
        bench = Bench(site, desk, catalog, database)
        bench.clock, bench.warden = clock, warden
        if not is_fresh:
            bench.pass_time(START_NS)
        try:
            yield bench
        finally:
            await catalog.close()


def played(scenario: Callable[[Bench], Awaitable[None]]) -> Callable[[Path], None]:
    """The scenario as a test, with a site of its own."""

    async def main(site: Site) -> None:
        async with opened(site) as bench:
            await scenario(bench)

    def test(tmp_path: Path) -> None:
        asyncio.run(main(Site(tmp_path / "site")))

    return test


def test_cameras_when_the_site_starts_wait_for_their_recorder_a_moment(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(Site(tmp_path / "site"), is_fresh=True) as bench:
            assert await bench.ask("recorder") == {"a": 1}
            assert await bench.ask("recorder-2") == {"b": 1}

    async def alone() -> None:
        async with opened(Site(tmp_path / "other"), is_fresh=True) as bench:
            assert await bench.ask("recorder") == {"a": 1}
            bench.pass_time(START_NS)
            assert await bench.ask("recorder", a=1) == {"a": 1, "b": 1}  # the other one does not come
            assert await bench.ask("recorder-2") == {}
            bench.pass_time(MOVE_EVERY_NS - NS_PER_S)
            assert await bench.ask("recorder", a=1, b=1) == {"a": 1, "b": 1}
            bench.pass_time(NS_PER_S)
            assert await bench.ask("recorder-2") == {}  # the idle one asks first, again and again
            assert await bench.ask("recorder-2") == {}
            assert await bench.ask("recorder", a=1, b=1) == {"b": 1}  # now it has come, and idles
            assert await bench.ask("recorder", b=1) == {"b": 1}
            assert await bench.ask("recorder-2") == {"a": 2}

    asyncio.run(main())
    asyncio.run(alone())


@played
async def test_cameras_when_asked_for_are_shared_and_each_has_one_recorder(bench: Bench) -> None:
    assert await bench.ask("recorder") == {"a": 1, "b": 1}  # nobody else is there
    assert await bench.ask("recorder-2") == {}
    assert await bench.ask("recorder", a=1, b=1) == {"a": 1, "b": 1}
    assert bench.desk.is_owner("recorder", CameraId("a.second"), 1)
    assert not bench.desk.is_owner("recorder", A, 2)
    assert not bench.desk.is_owner("recorder-2", A)
    assert bench.desk.is_owner("recorder-2", CameraId("unknown"))


@played
async def test_recorder_when_silent_loses_its_cameras_after_its_lease_and_a_second_look(bench: Bench) -> None:
    await bench.catalog.take_journal("j", 1, [make_segment(0, 60, camera_id="a")], [])
    await bench.ask("recorder")
    await bench.ask("recorder-2")
    bench.pass_time(LEASE_NS - 1)
    assert await bench.ask("recorder-2") == {}
    bench.pass_time(1)
    assert await bench.ask("recorder-2") == {}  # its question may lie right behind this one
    bench.pass_time(SECOND_LOOK_NS)
    given = await bench.given("recorder-2")
    assert [(one.camera_id, one.epoch, one.story) for one in given] == [("a", 2, ((A, at(60)),)), ("b", 2, ())]
    assert await bench.ask("recorder", a=1, b=1) == {}
    assert await bench.ask("recorder-2", a=2, b=2) == {"a": 2, "b": 2}


@played
async def test_recorder_when_late_but_asking_before_the_second_look_keeps_its_cameras(bench: Bench) -> None:
    await bench.ask("recorder")
    bench.pass_time(3 * LEASE_NS)  # this server hung, and both wait at its door
    assert await bench.ask("recorder-2") == {}
    assert await bench.ask("recorder", a=1, b=1) == {"a": 1, "b": 1}
    bench.pass_time(SECOND_LOOK_NS)
    assert await bench.ask("recorder-2") == {}


@played
async def test_recorder_when_its_process_is_gone_loses_its_cameras_at_once(bench: Bench) -> None:
    with bench.site.paths.recorder_lock("recorder").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        await bench.ask("recorder")
        assert await bench.ask("recorder-2") == {}
    assert await bench.ask("recorder-2") == {"a": 2, "b": 2}


@played
async def test_recorder_when_it_leaves_or_begins_anew_has_let_go(bench: Bench) -> None:
    await bench.ask("recorder")
    assert await bench.ask("recorder", b=1) == {"a": 2, "b": 1}  # it was restarted, or never heard of a
    assert await bench.ask("recorder", is_leaving=True) == {}
    assert await bench.ask("recorder-2") == {"a": 3, "b": 2}


@played
async def test_drain_when_ordered_moves_what_was_sealed_and_is_logged(bench: Bench) -> None:
    await bench.ask("recorder")
    await bench.ask("recorder-2")
    await bench.desk.respond(DrainRecorder(recorder="recorder"))
    assert await bench.ask("recorder-2") == {}  # not before the other one has sealed them
    assert await bench.ask("recorder", a=1, b=1) == {}
    assert await bench.ask("recorder-2") == {}
    assert await bench.ask("recorder", b=1) == {}
    assert await bench.ask("recorder-2") == {"a": 2}
    assert await bench.ask("recorder") == {}
    assert await bench.ask("recorder-2", a=2) == {"a": 2, "b": 2}
    assert await _states(bench) == {"recorder": "drained", "recorder-2": "recording"}
    bench.pass_time(10 * 366 * 86_400 * NS_PER_S)  # for as long as nobody says otherwise
    assert (await _states(bench))["recorder"] == "silent"
    assert await bench.ask("recorder") == {}
    assert await _states(bench) == {"recorder": "drained", "recorder-2": "silent"}
    await bench.desk.respond(DrainRecorder(recorder="recorder", is_over=True))
    assert await bench.ask("recorder") == {}  # the first look at what ran out
    bench.pass_time(SECOND_LOOK_NS)
    assert await bench.ask("recorder") == {"a": 3, "b": 3}
    with pytest.raises(NotFound, match="recorder, recorder-2"):
        await bench.desk.respond(DrainRecorder(recorder="recorder-9"))
    log = await bench.site.log(bench.warden)
    changes = [entry.record.details["change"] for entry in log if entry.record.kind is AuditKind.CONFIG_CHANGED]
    assert changes == ["drained", "taken back into work"]


@played
async def test_desk_when_asked_by_a_stranger_or_for_nonsense_refuses(bench: Bench) -> None:
    with pytest.raises(ProtocolError, match="recorder-3"):
        await bench.ask("recorder-3")
    with pytest.raises(ProtocolError, match="Ping"):
        await bench.desk.respond(Ping())
    table = await bench.desk.respond(ReadRecorders())
    assert isinstance(table, RecorderTable) and table.unowned == (A, B)
    await bench.catalog.put_cameras([make_spec("a", is_enabled=False)], is_exclusive=False)
    bench.pass_time(SPECS_NS)
    assert await bench.ask("recorder") == {"b": 1}


@played
async def test_two_asking_at_once_never_both_get_a_camera(bench: Bench) -> None:
    one, two = await asyncio.gather(bench.ask("recorder"), bench.ask("recorder-2"))
    assert not one.keys() & two.keys()
    assert one.keys() | two.keys() == {"a", "b"}


async def _states(bench: Bench) -> dict[str, str]:
    table = await bench.desk.table()
    return {one.name: one.state for one in table.recorders}
