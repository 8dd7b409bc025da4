"""Two real recorder processes and the desk that gives them cameras: one is paused, wakes up, and one is killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from custodes.adapters.ipc.hubs import HubsSubscriber
from custodes.adapters.sql import sqlite_catalog
from custodes.errors import DeadlineExceeded
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.catalog import ALL
from custodes.testing.recorder import SITE_ID, RecorderProcess, RecorderSite
from custodes.testing.recorders import RecorderServer
from custodes.types.media import GapCause, Packet
from custodes.units import CameraId

CAMERAS = (CameraId("cam"), CameraId("two"))
PATIENCE_S = 90.0


@pytest.fixture
def site(tmp_path: Path) -> RecorderSite:
    made = RecorderSite(tmp_path / "site")
    made.create(segment_s=2.0, min_free_mb=0, processes=2, lease_s=2.0)
    clip = write_clip(tmp_path / "walk.mp4", frames=500, fps=25, gop=10)
    for camera_id in CAMERAS:
        made.publish(camera_id)
    made.assign([file_spec(clip, camera_id=one, is_looped=True) for one in CAMERAS])
    return made


@contextmanager
def running(site: RecorderSite, *names: str) -> Iterator[dict[str, RecorderProcess]]:
    started = {name: RecorderProcess(site, name=name) for name in names}
    try:
        yield started
    finally:
        for one in started.values():
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGCONT)
            one.kill()


def until(is_so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"waited in vain for {what}")
        time.sleep(0.05)


def recorders_of(desk: RecorderServer, camera_id: CameraId) -> list[int]:
    return [one.lease_epoch for one in desk.catalog.segments(camera_id, *ALL, 99) if one.fragments > 1]


def test_recorder_when_paused_or_killed_hands_its_cameras_over_and_nothing_is_lost_or_doubled(
    site: RecorderSite,
) -> None:
    desk = RecorderServer(site)
    desk.catalog.put_cameras([*site.cameras()], is_exclusive=True)
    desk.start()
    try:
        with running(site, "recorder", "recorder-2") as recorders:
            until(lambda: set(desk.owners().values()) == set(recorders), "one camera each")
            until(lambda: all(recorders_of(desk, one) for one in CAMERAS), "recordings of both")
            first = desk.owners()
            (moved,) = (one for one in CAMERAS if first[one] == "recorder")
            hubs = HubsSubscriber(site.paths.hubs("hub-analysis", recorders), CAMERAS)

            os.kill(recorders["recorder"].pid, signal.SIGSTOP)
            until(lambda: set(desk.owners().values()) == {"recorder-2"}, "the other one to have both")
            epochs = recorders_of(desk, moved)
            until(lambda: max(recorders_of(desk, moved)) > max(epochs), "it to record both")
            os.kill(recorders["recorder"].pid, signal.SIGCONT)
            # It asks, is told, seals what it had, and says so in its journal.
            stale = desk.catalog.segments(moved, *ALL, 99)[0].lease_epoch
            until(
                lambda: all(
                    one.is_sealed
                    for one in desk.catalog.segments(moved, *ALL, 99, with_spares=True)
                    if one.lease_epoch == stale
                ),
                "what it had to be sealed",
            )
            seen = {hubs.receive(timeout_s=PATIENCE_S).__class__ for _ in range(200)}
            assert Packet in seen
            hubs.close()

            recorders["recorder-2"].kill()
            until(lambda: set(desk.owners().values()) == {"recorder"}, "the first to have both again")
            newest = {
                one: max(state.epoch for state in desk.catalog.leases.leases(f"camera/{one}")) for one in CAMERAS
            }
            until(lambda: all(newest[one] in recorders_of(desk, one) for one in CAMERAS), "recordings of both again")
            assert recorders["recorder"].terminate() == 0
        until(lambda: desk.owners() == {}, "all to be let go")
    finally:
        desk.stop()
    _check_all_once(site)


def _check_all_once(site: RecorderSite) -> None:
    """Every file is a row, whole; no moment is shown twice; each time without video is a gap with its cause."""
    site.assign([])
    site.paths.hub("hub-analysis", "recorder-2").unlink()  # of the killed one
    with running(site, "recorder-2") as last:  # it seals what it left when it was killed
        last["recorder-2"].wait_for(site.paths.hub("hub-analysis", "recorder-2").exists, "it to be ready")
        assert last["recorder-2"].terminate() == 0
    desk = RecorderServer(site)
    desk.start()
    desk.stop()
    catalog = sqlite_catalog(site.paths.catalog, site_id=SITE_ID, clock=SystemClock())
    files = {str(path.relative_to(site.data_dir)) for path in site.paths.segments.rglob("*.seg")}
    rows = [one for camera_id in CAMERAS for one in catalog.segments(camera_id, *ALL, 999, with_spares=True)]
    assert {one.path for one in rows} == files
    assert all(one.is_sealed for one in rows)
    for camera_id in CAMERAS:
        shown = catalog.segments(camera_id, *ALL, 999)
        for before, after in pairwise(shown):
            assert after.header.start_ns >= before.end_ns - 500_000_000, "a second recorder's video of the same time"
        assert [one.lease_epoch for one in shown] == sorted(one.lease_epoch for one in shown)
        assert len({one.lease_epoch for one in shown}) >= 2
        gaps = catalog.gaps(camera_id, *ALL)
        assert {one.cause for one in gaps} == {GapCause.RECORDER_DOWN}
        assert catalog.totals()[camera_id].recorded_ns == sum(one.end_ns - one.header.start_ns for one in shown)
    catalog.close()
