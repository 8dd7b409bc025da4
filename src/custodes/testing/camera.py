"""Clips, clocks and disks for tests of everything between a camera and its segments, and the source's suite."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from custodes.adapters.blob.disk import Disk
from custodes.errors import CameraEnded, StorageFull
from custodes.ports.camera import CameraSource
from custodes.ports.storage import AppendFile
from custodes.testing.media import draw_frame
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S, CameraId, Ns, RunId

START_NS = Ns(1_767_225_600 * NS_PER_S)
"""2026-01-01 00:00:00 UTC, where `FastClock` begins."""


class FastClock:
    """A clock that only `wait` moves: an hour of real-time playing takes no time."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self._start_ns = start_ns
        self._elapsed_ns = 0

    def now_ns(self) -> Ns:
        """UTC."""
        return Ns(self._start_ns + self._elapsed_ns)

    def monotonic_ns(self) -> Ns:
        """Since the start."""
        return Ns(self._elapsed_ns)

    def wait(self, seconds: float) -> None:
        """Let time pass at once."""
        self._elapsed_ns += int(seconds * NS_PER_S)


class TightDisk(Disk):
    """The real disk with a budget of bytes, as a full one; `budget` may be raised to make room again."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.budget = budget

    def create(self, path: Path) -> AppendFile:
        """A file that draws on the budget."""
        if self.budget <= 0:
            raise StorageFull(f"cannot create {path.name}: no space left on device")
        return _TightFile(super().create(path), self)

    def free_bytes(self, path: Path) -> int:
        """The budget."""
        return self.budget


class _TightFile:
    def __init__(self, real: AppendFile, disk: TightDisk) -> None:
        self._real = real
        self._disk = disk

    @property
    def size(self) -> int:
        return self._real.size

    def append(self, payload: bytes | memoryview) -> None:
        if len(payload) > self._disk.budget:
            raise StorageFull("cannot write: no space left on device")
        self._disk.budget -= len(payload)
        self._real.append(payload)

    def sync(self) -> None:
        self._real.sync()

    def close(self) -> None:
        self._real.close()


def write_clip(
    path: Path,
    *,
    frames: int = 30,
    fps: int = 10,
    gop: int = 10,
    size: tuple[int, int] = (320, 240),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    first_frame: int = 0,
    pixel_aspect: Fraction = Fraction(1),
) -> Path:
    """A clip of moving figures with a frame counter (`testing.media.read_counter`); the suffix says the container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.gop_size = gop
        stream.max_b_frames = 0
        if codec == "libx264":
            stream.options = {"x264-params": "scenecut=0:repeat-headers=1", "preset": "ultrafast"}
        for number in range(frames):
            drawn = draw_frame(first_frame + number, width=size[0], height=size[1])
            picture = av.VideoFrame(size[0], size[1], "yuv420p")
            for plane, pixels in zip(picture.planes, (drawn.y, drawn.u, drawn.v), strict=True):
                padded = bytearray(plane.buffer_size)
                for row in range(pixels.shape[0]):
                    padded[row * plane.line_size : row * plane.line_size + pixels.shape[1]] = pixels[row].tobytes()
                plane.update(bytes(padded))
            picture.pts, picture.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(picture.reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return path


def write_tone(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = 16_000
        for number in range(20):
            frame.pts = number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def file_spec(path: Path, *, camera_id: str = "cam", is_looped: bool = False) -> CameraSpec:
    """A file camera."""
    return CameraSpec(
        camera_id=CameraId(camera_id),
        name=camera_id,
        url=path.resolve().as_uri(),
        username="",
        password_ref="",
        transport="tcp",
        is_enabled=True,
        is_looped=is_looped,
    )


def stream_info(*, codec: str = "h264", extradata: bytes = b"", den: int = 1000) -> StreamInfo:
    """A StreamInfo for packets made by hand."""
    return StreamInfo(
        camera_id=CameraId("cam"),
        run=RunId("0123456789ab"),
        codec=codec,
        width_px=320,
        height_px=240,
        extradata=extradata,
        time_base_num=1,
        time_base_den=den,
        fps=10.0,
    )


def packet(
    seq: int, *, is_keyframe: bool = False, pts: int | None = None, payload: bytes = b"\xff\xd8picture"
) -> Packet:
    """A packet made by hand, 100 ms after the one before, in milliseconds."""
    at = seq * 100 if pts is None else pts
    return Packet(
        camera_id=CameraId("cam"),
        run=RunId("0123456789ab"),
        seq=seq,
        payload=payload,
        pts=at,
        dts=at,
        duration=100,
        is_keyframe=is_keyframe,
        is_corrupt=False,
        utc_ns=Ns(START_NS + at * 1_000_000),
    )


class CameraSourceSuite:
    """What `ports.camera.CameraSource` promises. Subclass it as `Test…` and give `make_source`: a source that ends."""

    make_source: Callable[[], CameraSource]

    def test_packets_when_played_to_the_end_then_keep_the_contract(self) -> None:
        """seq from 0 without holes, keyframe first, growing dts, plausible UTC, then CameraEnded."""
        source = self.make_source()
        info = source.open()
        seen: list[Packet] = []
        with pytest.raises(CameraEnded):
            for item in source.packets():
                seen.append(item)
        source.close()
        assert seen[0].is_keyframe
        assert [item.seq for item in seen] == list(range(len(seen)))
        assert all(after.dts > before.dts for before, after in pairwise(seen))
        assert {(item.camera_id, item.run) for item in seen} == {(info.camera_id, info.run)}
        unit = info.time_base_num / info.time_base_den
        media_s = (seen[-1].pts - seen[0].pts) * unit
        assert abs((seen[-1].utc_ns - seen[0].utc_ns) / 1e9 - media_s) < 0.25

    def test_open_when_opened_twice_by_two_sources_then_the_runs_differ(self) -> None:
        """A run id names one connection."""
        first, second = self.make_source(), self.make_source()
        try:
            assert first.open().run != second.open().run
        finally:
            first.close()
            second.close()

    def test_close_when_never_opened_or_twice_then_nothing_happens(self) -> None:
        """Idempotent."""
        source = self.make_source()
        source.close()
        source.open()
        source.close()
        source.close()
