"""Hostile cameras: each ends in one of our errors or plays; memory and time stay within their caps.

The whole set, each in a process of its own, with its figures: `make hostile`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from custodes.testing.camera import file_spec, write_clip
from custodes.testing.hostile import RTSP, Behaviour, clip_units
from custodes.testing.hostile_http import HTTP
from custodes.testing.recorder import RecorderProcess, RecorderSite
from custodes.testing.rtsp_script import ScriptedServer
from custodes.units import CameraId

ALL = {**RTSP, **HTTP}
QUICK = {name: one for name, one in ALL.items() if one.is_quick}
PEAK_MB = 256
"""A process with PyAV and numpy takes 70 MB; no single camera may add more than this leaves."""
SECRET = "s3cret"

Outcome = dict[str, Any]


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> list[list[bytes]]:
    return clip_units(tmp_path_factory.mktemp("hostile"))


def play(
    behaviours: Mapping[str, Behaviour],
    units: list[list[bytes]],
    *,
    seconds: float,
    open_timeout_s: float,
    stall_s: float,
) -> Iterator[tuple[str, Outcome]]:
    """All at the same time, against one client process."""
    with ExitStack() as servers:
        urls = [servers.enter_context(ScriptedServer(one.make(units))).url(one.scheme) for one in behaviours.values()]
        options = ["--seconds", str(seconds), "--open-timeout", str(open_timeout_s), "--stall", str(stall_s)]
        done = subprocess.run(
            [sys.executable, "-m", "custodes.testing.hostile_child", *options, *urls],
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    for name, url, line in zip(behaviours, urls, done.stdout.splitlines(), strict=True):
        outcome = json.loads(line)
        assert SECRET not in done.stdout + done.stderr
        assert outcome["sentence"].startswith(url) or not outcome["sentence"]
        yield name, outcome


def test_table_when_counted_then_there_are_enough() -> None:
    assert len(ALL) >= 60
    assert len(QUICK) >= 30


def test_quick_behaviours_when_all_come_at_once_then_each_ends_as_it_should_and_memory_is_bounded(
    units: list[list[bytes]],
) -> None:
    outcomes = dict(play(QUICK, units, seconds=0.5, open_timeout_s=60.0, stall_s=20.0))
    wrong = {name: one for name, one in outcomes.items() if one["verdict"] not in QUICK[name].expects}
    assert not wrong
    assert max(one["peak_mb"] for one in outcomes.values()) < 2 * PEAK_MB


@pytest.mark.slow
def test_each_behaviour_when_alone_with_a_client_then_ends_as_it_should_within_time_and_memory(
    units: list[list[bytes]],
) -> None:
    def alone(name: str) -> Outcome:
        ((_, outcome),) = play({name: ALL[name]}, units, seconds=3.0, open_timeout_s=5.0, stall_s=1.0)
        return outcome

    with ThreadPoolExecutor(3) as threads:
        outcomes = dict(zip(ALL, threads.map(alone, ALL), strict=True))
    for name, one in outcomes.items():
        print(f"{name:34} {one['verdict']:18} {one['seconds']:6} s {one['peak_mb']:6} MB  {one['sentence']}")
    assert {name: one for name, one in outcomes.items() if one["verdict"] not in ALL[name].expects} == {}
    assert {name: one for name, one in outcomes.items() if one["peak_mb"] > PEAK_MB} == {}
    # Two attempts to open, the wait for a keyframe, and a margin for a busy machine.
    assert {name: one for name, one in outcomes.items() if one["seconds"] > 2 * 5 + 20 + 15} == {}


@pytest.mark.slow
def test_recorder_when_a_good_camera_is_among_hostile_ones_then_it_loses_nothing(
    units: list[list[bytes]], tmp_path: Path
) -> None:
    site = RecorderSite(tmp_path / "site")
    site.create(segment_s=3.0, stall_s=2.0, min_free_mb=0)
    hostile = [name for name in RTSP if "redirects to itself" not in name]
    cameras = [file_spec(write_clip(tmp_path / "good.mp4", frames=100), camera_id="good", is_looped=True)]
    with ExitStack() as servers:
        for number, name in enumerate(hostile):
            server = servers.enter_context(ScriptedServer(RTSP[name].make(units)))
            cameras.append(replace(cameras[0], camera_id=CameraId(f"h{number}"), url=server.url(), is_looped=False))
        for spec in cameras:
            site.publish(spec.camera_id)
        site.assign(cameras)
        recorder = RecorderProcess(site)
        try:
            recorder.wait_for(
                lambda: sum(one.header.camera_id == "good" for one in site.sealed()) >= 8, "eight good segments", 120
            )
            peak_mb = psutil.Process(recorder.pid).memory_info().rss / 2**20
            assert recorder.terminate() == 0
        finally:
            recorder.kill()
    good = [one for one in site.sealed() if one.header.camera_id == "good"]
    assert len({one.header.run for one in good}) == 1
    packets = [packet for one in good for packet in site.packets(one)]
    assert [packet.seq for packet in packets] == list(range(len(packets)))
    assert not [gap for gap in site.gaps() if gap.camera_id == "good"]
    print(f"{len(hostile)} hostile cameras at once: {peak_mb:.0f} MB")
    assert peak_mb < 1500
