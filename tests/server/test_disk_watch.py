"""A disk that stops taking video is one event with a beginning and an end, in catalog and log."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.server.conftest import Site
from tests.server.test_live_state import camera_status
from tests.server.test_signers import RecordingLog

from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.disk_watch import SETTLE_NS, SILENT_NS, DiskWatch
from custodes.errors import Unavailable
from custodes.testing.clock import ManualClock
from custodes.types.access import AuditKind
from custodes.types.event import CameraState, SiteEvent, SiteEventKind
from custodes.units import NS_PER_S, CameraId, Ns

FULL, WELL = CameraState.DISK_FULL, CameraState.RECORDING


class Watched:
    """A watch over a real catalog, told of two cameras."""

    def __init__(self, catalog: ThreadedCatalog, log: RecordingLog, clock: ManualClock) -> None:
        self.catalog, self.log, self.clock = catalog, log, clock
        self.watch = DiskWatch(catalog=catalog, log=log, clock=clock)

    def say(self, camera: str, state: CameraState) -> None:
        status = camera_status(self.clock, state, "12 MB free" if state is FULL else "")
        self.watch.take(replace(status, camera_id=CameraId(camera)))

    async def pass_time(self, seconds_ns: int) -> list[SiteEvent]:
        self.clock.advance(seconds_ns)
        await self.watch.step()
        return await self.catalog.site_events(9)


def watching(site: Site, do: Callable[[Watched], Awaitable[None]], *, refusals: int = 0) -> RecordingLog:
    log = RecordingLog(refusals)

    async def main() -> None:
        async with site.catalog() as catalog:
            await do(Watched(catalog, log, ManualClock()))

    asyncio.run(main())
    return log


def test_disk_full_when_over_then_one_event_with_both_ends_and_two_entries_in_the_log(site: Site) -> None:
    async def do(watched: Watched) -> None:
        begun_ns = watched.clock.now_ns()
        watched.say("gate", FULL)
        watched.say("yard", FULL)
        (event,) = await watched.pass_time(NS_PER_S)
        assert event == SiteEvent(
            kind=SiteEventKind.DISK_FULL,
            start_ns=begun_ns,
            end_ns=Ns(0),
            camera_ids=(CameraId("gate"), CameraId("yard")),
            detail="12 MB free",
        )
        watched.say("gate", WELL)
        assert (await watched.pass_time(SETTLE_NS)) == [event]  # the other still has no room
        watched.say("yard", WELL)
        well_ns = watched.clock.now_ns()
        assert (await watched.pass_time(SETTLE_NS - 1)) == [event]
        assert (await watched.pass_time(1)) == [replace(event, end_ns=well_ns)]

    log = watching(site, do)
    assert [(one.kind, one.details["state"]) for one in log.records] == [
        (AuditKind.STORAGE_EVENT, "began"),
        (AuditKind.STORAGE_EVENT, "over"),
    ]
    assert log.records[1].details["cameras"] == "2"


def test_disk_full_when_it_comes_and_goes_within_seconds_then_it_is_one_event(site: Site) -> None:
    async def do(watched: Watched) -> None:
        for _ in range(5):
            watched.say("gate", FULL)
            await watched.pass_time(NS_PER_S)
            watched.say("gate", WELL)
            await watched.pass_time(SETTLE_NS // 2)
        (event,) = await watched.pass_time(SETTLE_NS)
        assert event.end_ns > event.start_ns

    assert len(watching(site, do).records) == 2


def test_disk_full_when_the_recorder_says_no_more_then_it_does_not_last_for_ever(site: Site) -> None:
    async def do(watched: Watched) -> None:
        watched.say("gate", FULL)
        assert [one.end_ns for one in await watched.pass_time(SILENT_NS + 1)] == [0]
        assert (await watched.pass_time(SETTLE_NS))[0].end_ns > 0

    watching(site, do)


@pytest.mark.parametrize("is_still_full", [False, True])
def test_disk_full_when_the_server_starts_anew_then_the_event_goes_on_or_ends(site: Site, is_still_full: bool) -> None:
    async def do(watched: Watched) -> None:
        watched.say("gate", FULL)
        (before,) = await watched.pass_time(NS_PER_S)
        again = Watched(watched.catalog, watched.log, watched.clock)
        watched.clock.advance(5 * NS_PER_S)
        again.say("yard", FULL if is_still_full else WELL)
        (after,) = await again.pass_time(NS_PER_S)
        assert (after.start_ns, after.end_ns) == (before.start_ns, 0)
        assert len(after.camera_ids) == (2 if is_still_full else 1)
        again.say("yard", WELL)
        assert (await again.pass_time(SETTLE_NS))[0].end_ns > 0

    assert [one.details["state"] for one in watching(site, do).records] == ["began", "over"]


def test_disk_full_when_the_warden_is_down_then_the_log_is_told_later(site: Site) -> None:
    async def do(watched: Watched) -> None:
        watched.say("gate", FULL)
        with pytest.raises(Unavailable):
            await watched.pass_time(NS_PER_S)
        assert len(await watched.catalog.site_events(9)) == 1
        watched.say("gate", WELL)
        await watched.pass_time(SETTLE_NS)

    log = watching(site, do, refusals=1)
    assert [one.details["state"] for one in log.records] == ["began", "over"]
