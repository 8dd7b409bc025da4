"""The analyser as a process: packets from a real hub in, facts on a real socket out, clean at SIGTERM."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import msgspec.structs
import pytest

from custodes.adapters.ipc.hub import Hub, PlainForm
from custodes.app.analyser import share_of
from custodes.config import Assignment, SiteConfig, SitePaths, write_assignment, write_effective
from custodes.testing.ending import ended, kill, stop
from custodes.testing.media import make_clip
from custodes.types.event import AnalyserStatus, FrameAnalysed
from custodes.types.message import CameraSpec
from custodes.types.stream import SecondStream
from custodes.units import NS_PER_S, CameraId, RunId

T0 = 1_700_000_000 * NS_PER_S


def camera(camera_id, *, is_enabled=True):
    return CameraSpec(
        camera_id=CameraId(camera_id), name=camera_id, url="file:///x", username="", password_ref="", transport="tcp",
        is_enabled=is_enabled, is_looped=False,
    )  # fmt: skip


@pytest.fixture
def site(tmp_path):
    paths = SitePaths(tmp_path)
    paths.run_dir.mkdir(mode=0o700)
    write_effective(SiteConfig(data_dir=tmp_path), paths.effective_config)
    return paths


@pytest.fixture
def start(site):
    running = []

    def go():
        process = subprocess.Popen(
            [sys.executable, "-m", "custodes.app.analyser", "--data", str(site.data_dir), "--name", "analyser-0"],
            env={k: v for k, v in os.environ.items() if not k.startswith("CUSTODES_")},
        )
        running.append(process)
        return process

    yield go
    for process in running:
        kill(process)


def publish(hub, camera_id, run="0" * 12, frames=30):
    info, packets = make_clip(frames=frames, fps=10, gop=frames, start_ns=T0, camera_id=camera_id)
    info = replace(info, run=RunId(run))
    hub.open_stream(info.camera_id, PlainForm(info))
    for packet in packets:
        hub.publish(msgspec.structs.replace(packet, run=info.run))


def looks(facts, run=None):
    return [f.frame for f in facts if isinstance(f, FrameAnalysed) and run in (None, f.frame.run)]


def is_through(frames):
    """The clip of 3 s was looked at up to its end; under load (it comes in one burst) at 0.8 s intervals."""
    return len(frames) >= 4 and frames[-1].seq >= 21


def test_packets_become_facts_through_a_dead_hub_and_a_dead_server(site, start, fact_server):
    write_assignment(site.assignment, Assignment(version=1, cameras=(camera("a"), camera("off", is_enabled=False))))
    process = start()  # before there is a recorder or a server
    hub = Hub(site.socket("hub-analysis"))
    hub.start()
    publish(hub, "a")
    publish(hub, "off")
    with fact_server(site.socket("server-facts")) as server:
        facts = server.wait_for(lambda got: is_through(looks(got)) and any(isinstance(f, AnalyserStatus) for f in got))
    assert {f.camera_id for f in looks(facts)} == {"a"}
    assert [f.seq for f in looks(facts)] == sorted({f.seq for f in looks(facts)})
    hub.stop()
    hub = Hub(site.socket("hub-analysis"))
    hub.start()
    publish(hub, "a", run="b" * 12)
    with fact_server(site.socket("server-facts")) as server:
        server.wait_for(lambda got: is_through(looks(got, "b" * 12)))
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0
    hub.stop()


def test_a_camera_that_is_added_is_analysed_without_a_restart(site, start, fact_server):
    write_assignment(site.assignment, Assignment(version=1, cameras=(camera("a"),)))
    hub = Hub(site.socket("hub-analysis"))
    hub.start()
    publish(hub, "a")
    publish(hub, "b")
    start()
    with fact_server(site.socket("server-facts")) as server:
        server.wait_for(lambda got: is_through(looks(got)))
        assert {f.camera_id for f in looks(server.facts)} == {"a"}
        write_assignment(site.assignment, Assignment(version=2, cameras=(camera("a"), camera("b"))))
        server.wait_for(lambda got: is_through([f for f in looks(got) if f.camera_id == "b"]))
    hub.stop()


def reports(facts, run):
    """How often the analyser said that it works on `run` of camera a."""
    return sum(isinstance(f, AnalyserStatus) and f.run == run and (f.frames_analysed > 0 or not run) for f in facts)


def test_a_killed_analyser_leaves_a_checkpoint_that_goes_with_the_run(site, start, fact_server):
    write_assignment(site.assignment, Assignment(version=1, cameras=(camera("a"),)))
    hub = Hub(site.socket("hub-analysis"))
    hub.start()
    publish(hub, "a")
    process = start()
    checkpoint = site.run_dir / "tracks-a.bin"
    with fact_server(site.socket("server-facts")) as server:
        server.wait_for(lambda got: reports(got, "0" * 12) >= 2)  # the file is written after each report
        kill(process)
        assert checkpoint.stat().st_size > 0
        assert checkpoint.stat().st_mode & 0o077 == 0
        start()
        before = len(server.facts)
        server.wait_for(lambda got: any(isinstance(f, AnalyserStatus) and f.run for f in got[before:]))
        hub.close_stream(CameraId("a"))
        server.wait_for(lambda got: reports(got[before:], "") >= 2)
        assert not checkpoint.exists()
    hub.stop()


def test_what_the_gate_learnt_is_kept_when_the_analyser_is_stopped(site, start, fact_server):
    write_assignment(site.assignment, Assignment(version=1, cameras=(camera("a"),)))
    hub = Hub(site.socket("hub-analysis"))
    hub.start()
    publish(hub, "a")
    process = start()
    with fact_server(site.socket("server-facts")) as server:
        server.wait_for(lambda got: reports(got, "0" * 12) >= 1)
        assert stop(process) == 0
    learnt = site.run_dir / "gate-a.bin"
    assert learnt.stat().st_size > 0
    assert learnt.stat().st_mode & 0o077 == 0
    hub.stop()


def test_a_detector_that_does_not_exist_ends_the_process_with_one_sentence(site, start, capfd):
    config = SiteConfig.model_validate({"analyser": {"detector": "no-such-model"}})
    write_effective(config, site.effective_config)
    process = start()
    assert ended(process) == 1
    told = capfd.readouterr().err
    assert "no-such-model" in told
    assert "Traceback" not in told


def test_it_holds_no_private_key_no_catalog_and_no_gallery():
    code = "import sys, custodes.app.analyser; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    ).stdout.split()
    # `cryptography` is there for public keys alone: what verifies a camera's signature, and what seals its looks.
    for name in ("custodes.sealing.unwrap", "custodes.access", "custodes.adapters.sql", "custodes.adapters.keys",
                 "custodes.face.gallery", "custodes.watermark", "sqlalchemy", "sqlite3", "fastapi",
                 "starlette"):  # fmt: skip
        assert name not in loaded


def test_every_enabled_camera_has_exactly_one_analyser():
    cameras = [camera(f"cam-{n}", is_enabled=n % 5 > 0) for n in range(50)]
    shares = [share_of(cameras, index=index, processes=3) for index in range(3)]
    assert sum(map(len, shares)) == len(frozenset().union(*shares)) == 40


def test_second_stream_is_analysed_only_where_the_camera_says_so():
    streams = []
    for is_analysed in (True, False):
        second = SecondStream(url="rtsp://192.0.2.1/2", is_analysed=is_analysed)
        streams += replace(camera(f"cam-{is_analysed:d}"), second=second).streams()
    assert share_of(streams, index=0, processes=1) == {"cam-1", "cam-1.second", "cam-0"}
