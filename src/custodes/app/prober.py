"""The prober: looks at one camera, asks one network, or draws one floor's picture anew, and ends. For pages that
set a site up.

What a camera sends or somebody uploads is hostile, and the server decodes nothing: so this is a process of its own.
It holds no key, opens no picture of a camera (what comes is counted, not decoded), and what it was told of a password
goes when it ends.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from custodes.adapters.camera import open_camera
from custodes.adapters.camera.discovery import discover_cameras
from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif import OnvifCamera
from custodes.adapters.camera.rtsp import resolve_secret
from custodes.adapters.ipc.framing import Channel
from custodes.config import SitePaths, load_effective
from custodes.errors import CustodesError, InvalidArgument, Unavailable
from custodes.fleet.knowledge import load_knowledge
from custodes.media.still import read_picture, small_jpeg
from custodes.ports.clock import Clock
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.telemetry import logs
from custodes.types.media import ClockReading, Packet, StreamInfo
from custodes.types.message import CameraSpec, JobReady
from custodes.types.setup import (
    CameraProbed,
    DiscoverTask,
    FoundDevice,
    NetworkAsked,
    OfferedStream,
    PictureRedrawn,
    ProbeTask,
    RedrawTask,
)
from custodes.units import NS_PER_S

TASK_TIMEOUT_S = 60.0
LOOK_STALL_S = 10.0
MAX_LOOK_S = 10.0
MAX_WAIT_S = 30.0
_MAX_PACKETS = 5000
"""Ten seconds at 500 packets a second: more is a flood, not a camera."""
_TYPED = "CUSTODES_TYPED_PASSWORD"
"""Name in the mapping handed to the camera's source; never in the process's environment."""

NOTHING = CameraProbed(
    problem="",
    stream_url="",
    offered=(),
    codec="",
    width_px=0,
    height_px=0,
    fps=0.0,
    kbit_per_s=0.0,
    keyframe_every_s=0.0,
    device_clock_s=None,
    stream_clock_s=None,
    took_s=0.0,
)


def probe(task: ProbeTask, clock: Clock) -> CameraProbed:
    """What is there. Never raises what a camera can cause: that is `problem`."""
    started_ns = clock.monotonic_ns()
    spec, environ = task.spec, dict[str, str]()
    if task.password:
        spec, environ = replace(spec, password_ref=f"env:{_TYPED}"), {_TYPED: task.password}
    found = NOTHING
    try:
        if spec.url.startswith("onvif:"):
            found, spec = _ask_onvif(spec, environ, clock)
        found = _look(spec, environ, min(task.look_s, MAX_LOOK_S), clock, found)
    except CustodesError as error:
        found = replace(found, problem=str(error))
    return replace(found, took_s=(clock.monotonic_ns() - started_ns) / NS_PER_S)


def _ask_onvif(spec: CameraSpec, environ: Mapping[str, str], clock: Clock) -> tuple[CameraProbed, CameraSpec]:
    login = Login(username=spec.username, password=resolve_secret(spec, environ) if spec.username else "")
    camera = OnvifCamera(spec.url, login=login, clock=clock)
    url = camera.find_stream()
    offered = tuple(
        OfferedStream(token=_printable(one.token), width_px=one.width_px, height_px=one.height_px)
        for one in camera.profiles[:16]
    )
    offset_s = None if camera.offset_ns is None else camera.offset_ns / NS_PER_S
    return replace(NOTHING, stream_url=url, offered=offered, device_clock_s=offset_s), replace(spec, url=url)


def _printable(text: str) -> str:
    return "".join(char for char in text[:80] if char.isprintable())


def _look(
    spec: CameraSpec, environ: Mapping[str, str], look_s: float, clock: Clock, found: CameraProbed
) -> CameraProbed:
    source = open_camera(spec, clock, stall_s=LOOK_STALL_S, environ={**os.environ, **environ}, wait=lambda _: None)
    try:
        info = source.open()
        found = replace(
            found,
            stream_url=found.stream_url or spec.url,
            codec=info.codec,
            width_px=info.width_px,
            height_px=info.height_px,
        )
        end_ns = clock.monotonic_ns() + int(look_s * NS_PER_S)
        packets: list[tuple[Packet, int]] = []
        for packet in source.packets():
            packets.append((packet, clock.monotonic_ns()))
            if clock.monotonic_ns() >= end_ns or len(packets) >= _MAX_PACKETS:
                break
        return _measured(found, info, packets, source.clock())
    finally:
        source.close()


def _measured(
    found: CameraProbed, info: StreamInfo, packets: list[tuple[Packet, int]], reading: ClockReading
) -> CameraProbed:
    """Rates by the stream's own time: what FFmpeg had buffered arrives at once."""
    unit_s = info.time_base_num / info.time_base_den
    first, last = packets[0][0], packets[-1][0]
    span_s = (last.dts - first.dts) * unit_s
    keys = [packet.dts * unit_s for packet, _ in packets if packet.is_keyframe]
    has_span = span_s > 0.2
    offset_ns = reading.camera_offset_ns
    return replace(
        found,
        fps=(len(packets) - 1) / span_s if has_span else 0.0,
        kbit_per_s=sum(len(packet.payload) for packet, _ in packets[:-1]) * 8 / 1000 / span_s if has_span else 0.0,
        keyframe_every_s=(keys[-1] - keys[0]) / (len(keys) - 1) if len(keys) > 1 else 0.0,
        stream_clock_s=None if offset_ns is None else offset_ns / NS_PER_S,
    )


def discover(task: DiscoverTask, clock: Clock) -> NetworkAsked:
    """Who answers. Never raises what a network can cause: that is `problem`."""
    try:
        known = load_knowledge()
        devices = []
        for one in discover_cameras(task.interface, wait_s=min(task.wait_s, MAX_WAIT_S), clock=clock):
            stream = known.stream_of(one.name)
            path_url = f"rtsp://{one.address}{stream.main}" if stream else ""
            devices.append(
                FoundDevice(address=one.address, url=one.url, name=one.name, hardware=one.hardware, path_url=path_url)
            )
    except CustodesError as error:
        return NetworkAsked(problem=str(error), devices=())
    return NetworkAsked(problem="", devices=tuple(devices))


def redraw(task: RedrawTask) -> PictureRedrawn:
    """The pixels of a picture as a JPEG of our own. Never raises what the picture can cause: that is `problem`."""
    try:
        picture = read_picture(task.content)
        jpeg = small_jpeg(picture)
    except CustodesError as error:
        return PictureRedrawn(problem=str(error), jpeg=b"", width_px=0, height_px=0)
    return PictureRedrawn(problem="", jpeg=jpeg, width_px=picture.shape[1], height_px=picture.shape[0])


def serve(channel: Channel, name: str) -> None:
    """One task from the server, one answer. Raises: Unavailable when the server is gone."""
    channel.send(JobReady(job_id=name, pid=os.getpid()))
    match channel.receive():
        case ProbeTask() as task:
            channel.send(probe(task, SystemClock()))
        case DiscoverTask() as task:
            channel.send(discover(task, SystemClock()))
        case RedrawTask() as task:
            channel.send(redraw(task))
        case None:
            return
        case other:
            raise InvalidArgument(f"a prober got {type(other).__name__}")


def main() -> None:
    """Entry point of the process."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.prober")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="prober")
    arguments = parser.parse_args()
    paths = SitePaths(arguments.data.resolve())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends us with SIGTERM
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        serve(Channel.connect(paths.socket("server-probe"), timeout_s=TASK_TIMEOUT_S), arguments.name)
    except Unavailable as error:
        structlog.get_logger().info("no server", error=str(error))
    except CustodesError as error:
        structlog.get_logger().error("prober cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"prober: {error}")


if __name__ == "__main__":
    main()
