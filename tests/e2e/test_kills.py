"""`kill -9` of any process: survived, visible, and recording goes on when it was not the recorder."""

import os
import signal
import time

import pytest

from custodes.errors import CustodesError
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp]


def restarts_of(site: RunningSite, kind: str) -> int:
    return sum(process["restarts"] for process in site.status()["processes"] if process["kind"] == kind)


@pytest.mark.parametrize("kind", ["analyser", "matcher", "warden", "server", "job", "recorder"])
def test_process_when_killed_comes_back_and_recording_goes_on(site: RunningSite, viewer: Viewer, kind: str) -> None:
    site.wait_for(lambda: site.camera("walkers")["recorded_s"] > 5, "recording")
    before, gaps_before = restarts_of(site, kind), site.camera("walkers")["gaps_s"]
    pid = site.kill(kind)
    site.wait_for(lambda: restarts_of(site, kind) > before, f"restart of {kind} in the status")
    site.wait_for(lambda: site.pids(kind) and pid not in site.pids(kind), f"a new {kind}")
    site.wait_for(lambda: site.camera("walkers").get("recording"), "recording after the kill")
    recorded_s = site.camera("walkers")["recorded_s"]
    site.wait_for(lambda: site.camera("walkers")["recorded_s"] > recorded_s + 2, "more recorded video")
    if kind != "recorder":
        assert site.camera("walkers")["gaps_s"] == pytest.approx(gaps_before, abs=0.5)
    site.wait_for(lambda: watches(viewer), "a live picture after the kill")


def watches(viewer: Viewer) -> bool:
    try:
        return len(viewer.watch("walkers", seconds=10, chunks=3).media) >= 3
    except (CustodesError, OSError):
        return False  # refused while a part is away: what counts is that it comes back


def test_warden_while_it_is_down_lets_nobody_see_anything(site: RunningSite, viewer: Viewer) -> None:
    pid = site.pids("warden")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises((CustodesError, OSError, TimeoutError)):
            seen = viewer.watch("walkers", seconds=15, chunks=1)
            if not seen.media:
                raise TimeoutError("nothing was shown")
        assert time.monotonic() - begun < 30
    finally:
        os.kill(pid, signal.SIGCONT)
    site.wait_for(lambda: watches(viewer), "a live picture with the warden back")
