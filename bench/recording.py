"""The stream that `bench.record` records, and one run of the product's camera thread over it."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import psutil

from custodes.adapters.blob.disk import Disk
from custodes.adapters.camera import open_camera
from custodes.adapters.ipc.hub import Hub
from custodes.app.recorder_camera import CameraWorker
from custodes.errors import CameraEnded
from custodes.record.journal import JournalWriter
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.camera import START_NS, FastClock, file_spec
from custodes.testing.recorder import SITE_ID, RecorderProcess, RecorderSite
from custodes.testing.rtsp import RtspServer, prepare_clip
from custodes.types.media import Segment
from custodes.units import NS_PER_S, CameraId, KeyId

CAM = CameraId("cam")
FPS = 25
GOP_FRAMES = 50
BITRATE = 4_000_000


def make_stream(source: Path, target: Path, *, seconds: int) -> Path:
    """`seconds` of the source's pictures as 1080p25, H.264 at 4 Mbit/s with 2 s GOPs."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.bit_rate, stream.gop_size, stream.max_b_frames = BITRATE, GOP_FRAMES, 0
        rate = f"vbv-maxrate={BITRATE // 1000}:vbv-bufsize={BITRATE // 1000}"
        stream.options = {"preset": "ultrafast", "x264-params": f"scenecut=0:keyint={GOP_FRAMES}:{rate}"}
        for number, frame in zip(range(seconds * FPS), clip.decode(video=0), strict=False):
            picture = frame.reformat(width=1920, height=1080, format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            picture.pict_type = av.video.frame.PictureType.NONE  # else the source's keyframes are kept
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return target


def long_clip(short: Path, target: Path, *, seconds: int) -> tuple[Path, int, int]:
    """The clip again and again without a seam; returns it with its packets and their bytes."""
    packets = payload_bytes = 0
    with av.open(str(short)) as first, av.open(str(target), "w") as container:
        template = first.streams.video[0]
        step = int(1 / (FPS * template.time_base))
        stream = container.add_stream_from_template(template)
        while packets < seconds * FPS:
            with av.open(str(short)) as clip:
                for packet in clip.demux(video=0):
                    if packet.size == 0 or packets >= seconds * FPS:
                        continue
                    payload_bytes += packet.size
                    packet.pts = packet.dts = packets * step
                    packet.stream, packet.time_base = stream, template.time_base
                    container.mux(packet)
                    packets += 1
    return target, packets, payload_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSite:
    """What one run left."""

    data_dir: Path
    segments: list[Segment]
    private_keys: dict[KeyId, bytes]

    @property
    def bytes_on_disk(self) -> int:
        return sum((self.data_dir / segment.path).stat().st_size for segment in self.segments)


def record_once(
    clip: Path, folder: Path, cpu_of: Callable[[Callable[[], object]], float], spent: list[float]
) -> RecordedSite:
    """Record the clip through a `CameraWorker` with both hubs and no reader, as fast as it goes."""
    site = RecorderSite(folder / "site")
    site.create()
    site.publish(CAM, START_NS)
    pinned = read_pinned(site.paths.warden_key)
    clock = FastClock()
    hubs = [Hub(folder / f"{name}.sock") for name in "al"]
    for hub in hubs:
        hub.start()
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
    recording = CameraRecording(
        CAM,
        policy=RecordingPolicy(site_id=SITE_ID, data_dir=site.data_dir, segment_ns=60 * NS_PER_S, min_free_bytes=0),
        storage=Disk(),
        journal=journal,
        find_key=lambda camera_id, day: latest_usable(site.paths.public_keys, camera_id, day, pinned),
        scratch=Scratch(),
        last_end_ns=None,
    )
    worker = CameraWorker(
        file_spec(clip),
        make_source=lambda spec, wait: open_camera(spec, clock, wait=clock.wait),
        recording=recording,
        analysis_hub=hubs[0],
        live_hub=hubs[1],
        clock=clock,
        hang_ns=10**18,
    )
    spent.append(cpu_of(lambda: _to_its_end(worker)))
    recording.finish(START_NS)
    for hub in hubs:
        hub.stop()
    journal.close()
    return RecordedSite(data_dir=site.data_dir, segments=site.sealed(), private_keys=site.private_keys)


def _to_its_end(worker: CameraWorker) -> None:
    """What the camera's thread does for one connection, without the thread."""
    error = worker._one_connection()
    assert isinstance(error, CameraEnded), error


def cpu_of_processes(processes: list[psutil.Process]) -> float:
    """CPU seconds so far."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def over_rtsp(clip: Path, folder: Path, *, cameras: int, seconds: float) -> tuple[float, float]:
    """Share of a core per camera of a recorder, and of an FFmpeg that copies, at the same RTSP server at one time.

    Raises: FailedPrecondition without GStreamer.
    """
    names = [CameraId(f"cam{number}") for number in range(cameras)]
    prepared = prepare_clip(clip, folder / "prepared.mp4")
    with RtspServer({name: prepared for name in names}) as server:
        site = RecorderSite(folder / "rtsp")
        site.create(min_free_mb=0)
        for name in names:
            site.publish(name)
        site.assign([replace(file_spec(prepared, camera_id=name), url=server.url(name)) for name in names])
        peers = []
        for name in names:
            target = folder / "copied" / name
            target.mkdir(parents=True)
            command = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", server.url(name), "-map",
                       "0:v", "-c", "copy", "-f", "segment", "-segment_time", "60", "-segment_format", "mp4",
                       str(target / "%d.mp4")]  # fmt: skip
            peers.append(psutil.Popen(command, stderr=subprocess.DEVNULL))
        recorder = RecorderProcess(site)
        try:
            files = site.data_dir / "segments"
            recorder.wait_for(lambda: len(list(files.glob("*/*/*.seg"))) >= cameras, "all cameras", timeout_s=60)
            time.sleep(3.0)
            ours = [psutil.Process(recorder.pid)]
            before, began = (cpu_of_processes(ours), cpu_of_processes(peers)), time.monotonic()
            time.sleep(seconds)
            after, span = (cpu_of_processes(ours), cpu_of_processes(peers)), time.monotonic() - began
        finally:
            recorder.terminate(10.0)
            for peer in peers:
                peer.terminate()
                peer.wait(10)
    shares = [(end - start) / span / cameras for start, end in zip(before, after, strict=True)]
    return shares[0], shares[1]
