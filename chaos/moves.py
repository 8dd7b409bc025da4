"""A wall clock that is set by hours under recorder and warden; cameras that drop the connection over and over."""

import http.server
import random
import socketserver
import threading
import time
from collections import defaultdict
from pathlib import Path

import av

from chaos.footage import FPS, GOP_FRAMES, make_site, measure, sealed_segments, unsealed
from chaos.kills import observe, wait_for, wait_for_socket
from chaos.log_load import LogLoad, check_log, make_warden_site
from chaos.shim import Shim
from chaos.verdict import Verdict
from custodes.adapters.ipc.framing import Channel
from custodes.record.verify import Depth, verify_segments
from custodes.testing.process import Process
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_HOUR, CameraId


def set_recorder_clock(folder: Path, library: Path, clip: Path, *, steps: int, seed: int) -> Verdict:
    """±1 h under a recorder: nothing is lost, and no segment's time goes back."""
    verdict, rng = Verdict("clock set by ±1 h, recorder"), random.Random(seed)
    site = make_site(folder / "clock", clip, time.time_ns())
    shim = Shim(library, folder, site.data_dir)
    with Process("custodes.app.recorder", site.data_dir, env=shim.env) as recorder:
        observer = observe(site.paths.socket("hub-analysis"))
        wait_for(lambda: len(observer.seen) > GOP_FRAMES, "packets")
        for step in range(steps):
            time.sleep(rng.uniform(0.5, 1.5))
            shim.set_clock((1, 0, -1, 0)[step % 4] * NS_PER_HOUR)
        time.sleep(1.0)
        recorder.terminate()
        seen = observer.finish()
    loss = measure(site.data_dir, site.private_keys, seen)
    verdict.trials, verdict.taken = steps, loss.taken
    verdict.lost(loss.gops_lost)
    verdict.wrong += loss.wrong
    problems = verify_segments(site.data_dir, Depth.HASH).problems
    verdict.wrong += [f"custodes check: {one.path} {one.detail}" for one in problems]
    starts = [segment.header.start_ns for segment in sealed_segments(site.data_dir)]
    if max(starts) - min(starts) < NS_PER_HOUR:
        verdict.wrong.append("the clock was never set: the fault itself did not happen")
    for segment in sealed_segments(site.data_dir):
        times = [one.utc_ns for one in unsealed(site.data_dir, site.private_keys, segment)]
        if times != sorted(times) or segment.end_ns < segment.header.start_ns:
            verdict.wrong.append(f"{segment.path}: its time goes back")
    return verdict


def set_warden_clock(folder: Path, library: Path, *, steps: int) -> Verdict:
    """±1 h under a warden: the log goes on and verifies, keys of the day are there."""
    verdict = Verdict("clock set by ±1 h, warden", unit="log entries")
    paths = make_warden_site(folder / "clock-warden")
    shim = Shim(library, folder, paths.data_dir)
    load = LogLoad(paths.socket("warden-server"))
    with Process("custodes.app.warden", paths.data_dir, env=shim.env) as warden:
        wait_for_socket(paths.socket("warden-server"))
        channel = Channel.connect(paths.socket("warden-server"), timeout_s=10.0)
        for step in range(steps):
            shim.set_clock((1, 0, -1, 0)[step % 4] * NS_PER_HOUR)
            for _ in range(30):
                load.one(channel, 0)
            verdict.wrong += check_log(paths, load)
        channel.close()
        warden.terminate()
    verdict.trials, verdict.taken = steps, len(load.acknowledged)
    return verdict


class _Camera(http.server.BaseHTTPRequestHandler):
    """Plays an MPEG-TS clip in real time and drops the connection at a random picture."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, FlakyCameras)
        camera_id = CameraId(self.path.strip("/"))
        with server.lock:
            frames = server.rng.randint(GOP_FRAMES, 4 * FPS)
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        sent, began = 0, time.monotonic()
        try:
            for payload in server.pictures[:frames]:
                self.wfile.write(payload)
                sent += 1
                time.sleep(max(0.0, began + sent / FPS - time.monotonic()))
        except OSError:
            return  # the recorder was stopped
        with server.lock:
            server.sent[camera_id].append(sent)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class FlakyCameras(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """HTTP cameras by name; `sent[camera]` counts the pictures of each connection that it ended."""

    daemon_threads = True

    def __init__(self, clip: Path, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Camera)
        self.lock, self.rng = threading.Lock(), random.Random(seed)
        self.sent = defaultdict[CameraId, list[int]](list)
        self.pictures = _pictures(clip)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def _pictures(clip: Path) -> list[bytes]:
    """The clip as MPEG-TS, cut where each picture ends."""
    target = clip.with_suffix(".ts")
    parts: list[bytes] = []
    with av.open(str(clip)) as source, av.open(str(target), "w", options={"flush_packets": "1"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        at = 0
        for packet in source.demux(video=0):
            if packet.dts is None:
                continue
            packet.stream = stream
            out.mux(packet)
            size = target.stat().st_size
            parts.append(target.read_bytes()[at:size])
            at = size
    return parts


def drop_connections(folder: Path, clip: Path, *, cameras: int, reconnects: int, seed: int) -> Verdict:
    """Cameras that drop the connection: what the *camera* sent counts, not what the recorder says it got."""
    verdict = Verdict("camera drops the connection", unit="pictures")
    server = FlakyCameras(clip, seed)
    names = [CameraId(f"flaky-{number}") for number in range(cameras)]
    site = make_site(folder / "reconnects", clip, time.time_ns(), cameras=names)
    site.assign([_spec(name, server.server_address[1]) for name in names])
    with Process("custodes.app.recorder", site.data_dir) as recorder:
        wait_for(
            lambda: all(len(server.sent[name]) > reconnects for name in names),
            f"{reconnects} reconnects",
            bound_s=300.0,
        )
        recorder.terminate()
    server.shutdown()
    by_run = defaultdict[tuple[CameraId, str], int](int)
    started = dict[tuple[CameraId, str], int]()
    for segment in sealed_segments(site.data_dir):
        key = (segment.header.camera_id, segment.header.run)
        by_run[key] += len(unsealed(site.data_dir, site.private_keys, segment))
        started[key] = min(started.get(key, 2**63), segment.header.start_ns)
    for name in names:
        runs = sorted((key for key in by_run if key[0] == name), key=lambda key: started[key])
        sent = server.sent[name][: reconnects + 1]
        verdict.trials += len(sent) - 1
        verdict.taken += sum(sent)
        if len(runs) < len(sent):
            verdict.wrong.append(f"{name}: {len(sent)} connections, {len(runs)} recorded runs")
        for pictures, key in zip(sent, runs, strict=False):
            lost = max(pictures - by_run[key], 0)
            verdict.lost(-(-lost // GOP_FRAMES))
    problems = verify_segments(site.data_dir, Depth.HASH).problems
    verdict.wrong += [f"custodes check: {one.path} {one.detail}" for one in problems]
    return verdict


def _spec(name: CameraId, port: int) -> CameraSpec:
    return CameraSpec(
        camera_id=name,
        name=name,
        url=f"http://127.0.0.1:{port}/{name}",
        username="",
        password_ref="",
        transport="tcp",
        is_enabled=True,
        is_looped=False,
    )
