"""A film file read frame by frame, and one written from frames alone: no sound, no metadata, nothing but pictures.

Stand-alone redaction reads the same film twice, so reading is repeatable: same frames, same times. Cameras and sealed
recordings are `media.demux`'s and `media.fmp4`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from custodes.errors import InvalidArgument, MediaError
from custodes.media.bounds import bound_allocations
from custodes.media.decode import MAX_SIDE_PX, planes_of
from custodes.media.film_faults import fault_of
from custodes.media.planes import to_picture
from custodes.types.media import Frame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

FILM_CAMERA = CameraId("film")
FILM_RUN = RunId("f" * 12)

_GUESSED_FPS = 25.0
_MIN_STEP_NS = 1_000_000
"""Pictures with one time, or a time that goes back, follow each other by this much."""

_TIME_BASE = Fraction(1, 90_000)
_X264_SEI = "6"
"""NAL unit type of SEI: x264 writes its version and settings into one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmInfo:
    """What a file says of its first video stream. Sizes are even and as shown, after rotation."""

    width_px: int
    height_px: int
    fps: float
    frames: int
    """An estimate, for a progress bar; 0 when the file does not say."""
    codec: str
    has_audio: bool
    turns: int
    """Quarter turns counter-clockwise that show the picture upright."""
    aspect: Fraction
    """Width of a pixel ÷ its height."""


class FilmReader:
    """Frames of the first video stream of a file. Owned by one thread; a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises: InvalidArgument when there is no such file, or nothing that can be read as video."""
        bound_allocations()
        self._path = path
        self.errors = 0
        """Packets that could not be decoded."""
        if not path.is_file():
            raise InvalidArgument(f"{path}: no such file" if not path.exists() else f"{path} is not a file")
        try:
            self._container = av.open(str(path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            fault = fault_of(path)
            words = f"cannot be read as a film; it is none, or of a kind that FFmpeg does not know ({_words(error)})"
            raise InvalidArgument(f"{path} {fault or words}") from error
        if not self._container.streams.video:
            kinds = _kinds(self._container)
            self._container.close()
            raise InvalidArgument(f"{path} holds no video, only {kinds}")
        self._stream: VideoStream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._turns = -1
        self._info: FilmInfo | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def info(self) -> FilmInfo:
        """What is known of the film. Raises: InvalidArgument for a size that is no picture's."""
        context = self._stream.codec_context
        width, height = context.width, context.height
        if not (2 <= width <= MAX_SIDE_PX and 2 <= height <= MAX_SIDE_PX):
            raise InvalidArgument(
                f"{self._path}: pictures of {width}×{height}; 2 to {MAX_SIDE_PX} pixels a side are read"
            )
        turns = max(self._turns, 0)
        width, height = (height, width) if turns % 2 else (width, height)
        rate = self._stream.average_rate or self._stream.guessed_rate
        fps = float(rate) if rate else _GUESSED_FPS
        seconds = (self._container.duration or 0) / 1_000_000
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        return FilmInfo(
            width_px=width & ~1,
            height_px=height & ~1,
            fps=fps,
            frames=self._stream.frames or round(seconds * fps),
            codec=context.name,
            has_audio=bool(self._container.streams.audio),
            turns=turns,
            aspect=1 / Fraction(aspect) if turns % 2 and aspect else Fraction(aspect or 1),
        )

    def frames(self) -> Iterator[Frame]:
        """Every picture in display order; `utc_ns` counts from 0 at the first. Once per reader.

        What follows a packet that cannot be decoded is marked corrupt up to the next keyframe. A broken end ends it.
        """
        first_ns: int | None = None
        last_ns, seq, is_tainted = -_MIN_STEP_NS, 0, False
        step_ns = round(NS_PER_S / self.info.fps)
        for picture in self._pictures():
            if picture is None:
                is_tainted = True
                continue
            if picture.key_frame:
                is_tainted = False
            time_ns = None if picture.time is None else round(picture.time * NS_PER_S)
            if time_ns is None:
                time_ns = last_ns + step_ns + (first_ns or 0)
            first_ns = time_ns if first_ns is None else first_ns
            last_ns = max(time_ns - first_ns, last_ns + _MIN_STEP_NS)
            try:
                y, u, v = planes_of(picture)
            except (av.error.FFmpegError, ValueError, MemoryError):
                self.errors += 1
                continue
            if self._turns < 0:
                self._turns = round(picture.rotation / 90) % 4
            if self._turns:
                y, u, v = (np.ascontiguousarray(np.rot90(plane, self._turns)) for plane in (y, u, v))
            yield Frame(
                camera_id=FILM_CAMERA, run=FILM_RUN, seq=seq, utc_ns=Ns(last_ns), y=y, u=u, v=v,
                is_keyframe=bool(picture.key_frame), is_corrupt=is_tainted or bool(picture.is_corrupt),
            )  # fmt: skip
            seq += 1

    def _pictures(self) -> Iterator[Any]:
        """Decoded pictures; None where a packet failed."""
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except (av.error.FFmpegError, ValueError, MemoryError):
                    self.errors += 1
                    yield None
        except (av.error.FFmpegError, OSError):
            self.errors += 1  # cut off: what was read so far is the film
            try:
                yield from self._stream.codec_context.decode(None)
            except (av.error.FFmpegError, ValueError, MemoryError):
                self.errors += 1


class FilmWriter:
    """An MP4 of one size, H.264. A context manager; what was written is complete only after it is left."""

    def __init__(self, path: Path, info: FilmInfo, *, crf: int, preset: str, threads: int) -> None:
        """Args: crf: 0 to 51, see x264. Raises: MediaError when the file cannot be written."""
        self._size = (info.width_px, info.height_px)
        try:
            self._container = av.open(str(path), "w", format="mp4",
                                      options={"movflags": "+faststart", "fflags": "+bitexact"})  # fmt: skip
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(f"{path} cannot be written: {_words(error)}") from error
        # No metadata of the input is given on, and bitexact keeps the muxer's name out.
        self._stream = self._container.add_stream("libx264", rate=Fraction(info.fps).limit_denominator(1001))
        self._stream.width, self._stream.height, self._stream.pix_fmt = *self._size, "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = _TIME_BASE
        self._stream.codec_context.sample_aspect_ratio = info.aspect
        self._stream.codec_context.thread_count = threads
        self._stream.codec_context.options = {"crf": str(crf), "preset": preset, "bf": "2"}
        self._filter = BitStreamFilterContext(f"filter_units=remove_types={_X264_SEI}", self._stream)
        self.frames = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._mux(self._stream.encode(None))
        self._container.close()

    def write(self, frame: Frame) -> None:
        """Append one picture at its time. Raises: MediaError."""
        height, width = frame.y.shape
        if (width, height) != self._size:
            raise MediaError(f"film of {self._size[0]}×{self._size[1]} got a frame of {width}×{height}")
        picture = to_picture(frame)
        picture.pts, picture.time_base = round(frame.utc_ns * _TIME_BASE.denominator / NS_PER_S), _TIME_BASE
        try:
            self._mux(self._stream.encode(picture))
        except av.error.FFmpegError as error:
            raise MediaError(f"frame {frame.seq} cannot be encoded: {_words(error)}") from error
        self.frames += 1

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            for clean in self._filter.filter(packet):
                self._container.mux(clean)


def fitted(frame: Frame, width_px: int, height_px: int) -> Frame:
    """The frame with its picture at the top left of another size, cut or padded with black.

    For films whose size changes midway; nothing is scaled, so that boxes stay where they are in pixels.
    """
    if frame.y.shape == (height_px, width_px):
        return frame

    def place(plane: npt.NDArray[np.uint8], height: int, width: int, fill: int) -> npt.NDArray[np.uint8]:
        out = np.full((height, width), fill, np.uint8)
        part = plane[:height, :width]
        out[: part.shape[0], : part.shape[1]] = part
        return out

    half = (height_px // 2, width_px // 2)
    return Frame(
        camera_id=frame.camera_id, run=frame.run, seq=frame.seq, utc_ns=frame.utc_ns,
        y=place(frame.y, height_px, width_px, 16), u=place(frame.u, *half, 128), v=place(frame.v, *half, 128),
        is_keyframe=frame.is_keyframe, is_corrupt=frame.is_corrupt,
    )  # fmt: skip


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _kinds(container: Any) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
