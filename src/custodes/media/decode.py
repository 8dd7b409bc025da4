"""Packets to pictures, in software. Whatever a packet holds, decoding never raises: it counts, drops and marks.

Scaling, encoding and any judgement of a picture do not belong here.
"""

from dataclasses import dataclass
from typing import Any

import av
import av.codec
import av.error
import av.video.codeccontext
import numpy as np
import numpy.typing as npt

from custodes.errors import MediaError
from custodes.types.media import Frame, FrameShape, Packet, StreamInfo
from custodes.units import Ns

MAX_SIDE_PX = 8192
"""8K UHD is 7680 × 4320; larger pictures are an attack on memory."""

_MAX_PENDING = 256
"""Packets whose picture has not come out; codecs reorder at most 16 (H.264 A.3.1), threads add a few."""

_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""

_LIMITED_RANGE = 1


@dataclass(slots=True)
class _Pending:
    seq: int
    utc_ns: Ns
    is_corrupt: bool


class FrameDecoder:
    """One decoder for one run. Owned by one thread. `errors` counts packets and pictures that were dropped."""

    def __init__(self, info: StreamInfo, *, threads: int = 1) -> None:
        """Raises: MediaError for an unknown codec or an announced size beyond `MAX_SIDE_PX`."""
        if not (0 <= info.width_px <= MAX_SIDE_PX and 0 <= info.height_px <= MAX_SIDE_PX):
            raise MediaError(f"picture of {info.width_px}×{info.height_px}; at most {MAX_SIDE_PX} on a side")
        self._info = info
        self._threads = threads
        self.errors = 0
        self._pending: dict[int, _Pending] = {}
        self._token = 0
        self._is_tainted = False
        self.shape: FrameShape | None = None
        """Of the newest picture, as it says itself; None before the first."""
        self._context = self._open()

    def decode(self, packet: Packet) -> list[Frame]:
        """Pictures that came out, in display order: zero or more, not always of this packet.

        After a failed or corrupt packet frames are marked `is_corrupt` up to the next keyframe.
        Arrays are read-only views of the decoder's memory; copy to change. Cost: 0.6 ms at 768×432, 4.4 ms at
        1080p on one core (nvr.md §5.1).
        """
        if packet.is_keyframe:
            self._is_tainted = False
        if packet.is_corrupt:
            self._is_tainted = True
        if not packet.payload:  # FFmpeg takes an empty packet for the end of the stream
            return self._failed()
        self._token += 1
        self._pending[self._token] = _Pending(seq=packet.seq, utc_ns=packet.utc_ns, is_corrupt=self._is_tainted)
        if len(self._pending) > _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        coded = av.Packet(packet.payload)
        coded.pts = self._token
        coded.is_keyframe = packet.is_keyframe
        try:
            pictures = self._context.decode(coded)
        except (av.error.FFmpegError, ValueError, MemoryError):
            self._pending.pop(self._token, None)
            return self._failed()
        return self._frames(pictures)

    def flush(self) -> list[Frame]:
        """What the decoder still held; it can be used on from the next keyframe."""
        try:
            pictures = self._context.decode(None)
        except (av.error.FFmpegError, ValueError, MemoryError):
            self.errors += 1
            pictures = []
        frames = self._frames(pictures)
        self._context.flush_buffers()
        self._pending.clear()
        self._is_tainted = False
        return frames

    def _open(self) -> av.video.codeccontext.VideoCodecContext:
        try:
            context = av.codec.CodecContext.create(self._info.codec, "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(f"no decoder for codec {self._info.codec!r}") from error
        if not isinstance(context, av.video.codeccontext.VideoCodecContext):
            raise MediaError(f"{self._info.codec!r} is not a video codec")
        if self._info.extradata:
            context.extradata = self._info.extradata
        context.thread_count = self._threads
        # Frame threads would add a picture of delay each; slices help where the camera uses them.
        context.thread_type = "SLICE"
        context.options = {"max_pixels": str(MAX_SIDE_PX * MAX_SIDE_PX)}
        context.width, context.height = self._info.width_px, self._info.height_px
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(f"{self._info.codec} decoder refuses the stream's parameters") from error
        return context

    def _failed(self) -> list[Frame]:
        self.errors += 1
        self._is_tainted = True
        return []

    def _frames(self, pictures: list[Any]) -> list[Frame]:
        frames: list[Frame] = []
        for picture in pictures:
            origin = self._pending.pop(picture.pts, None) if picture.pts is not None else None
            if origin is None or not (0 < picture.width <= MAX_SIDE_PX and 0 < picture.height <= MAX_SIDE_PX):
                self.errors += 1
                continue
            try:
                y, u, v = planes_of(picture)
            except (av.error.FFmpegError, ValueError, MemoryError):
                self.errors += 1
                continue
            self._note_shape(y)
            frames.append(
                Frame(
                    camera_id=self._info.camera_id,
                    run=self._info.run,
                    seq=origin.seq,
                    utc_ns=origin.utc_ns,
                    y=y,
                    u=u,
                    v=v,
                    is_keyframe=bool(picture.key_frame),
                    is_corrupt=origin.is_corrupt or bool(picture.is_corrupt),
                )
            )
        return frames

    def _note_shape(self, y: npt.NDArray[np.uint8]) -> None:
        self.shape = FrameShape(
            camera_id=self._info.camera_id,
            width_px=y.shape[1],
            height_px=y.shape[0],
            pixel_aspect=float(self._context.sample_aspect_ratio or self._info.pixel_aspect),
        )


def planes_of(picture: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Y, U, V of 4:2:0, 8 bit, limited range; odd last rows and columns are cut so that U and V are exact halves."""
    if picture.format.name != "yuv420p" or picture.color_range == _FULL_RANGE:
        picture = picture.reformat(format="yuv420p", dst_color_range=_LIMITED_RANGE)
    width, height = picture.width & ~1, picture.height & ~1
    if not (width and height):
        raise ValueError(f"picture of {picture.width}×{picture.height} is too small")
    y, u, v = (_plane(plane) for plane in picture.planes)
    return y[:height, :width], u[: height // 2, : width // 2], v[: height // 2, : width // 2]


def _plane(plane: Any) -> npt.NDArray[np.uint8]:
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    rows.flags.writeable = False
    return rows
