"""What a browser would see of a view's outputs: streams of decoded pictures with their play times."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field

import av
import av.video.plane
import numpy as np
import numpy.typing as npt

from custodes.types.message import MediaChunk, MediaInit


@dataclass
class PlayedStream:
    """One MediaInit and its chunks, decoded. `pictures[i]`: (y, u, v) as shown at `times_s[i]`."""

    mime: str
    utc_ns: list[int] = field(default_factory=list)
    is_fully_masked: list[bool] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    pictures: list[tuple[npt.NDArray[np.uint8], ...]] = field(default_factory=list)


def play(outputs: Iterable[object]) -> list[PlayedStream]:
    """Decode with FFmpeg's MP4 demuxer what a MediaSource would be given; one PlayedStream per MediaInit.

    Asserts that every chunk decodes to as many pictures as it announces.
    """
    streams: list[tuple[PlayedStream, bytearray]] = []
    announced = 0
    for output in outputs:
        if isinstance(output, MediaInit):
            streams.append((PlayedStream(mime=output.mime), bytearray(output.payload)))
        elif isinstance(output, MediaChunk):
            assert streams, "a chunk came before any MediaInit"
            stream, blob = streams[-1]
            blob += output.payload
            announced += output.frames
            stream.utc_ns.append(output.utc_ns)
            stream.is_fully_masked.append(output.is_fully_masked)
    for stream, blob in streams:
        with av.open(io.BytesIO(bytes(blob)), "r", format="mp4") as container:
            for picture in container.decode(video=0):
                assert picture.time is not None
                stream.times_s.append(picture.time)
                stream.pictures.append(tuple(_plane(plane) for plane in picture.planes))
    assert sum(len(stream.pictures) for stream, _ in streams) == announced
    return [stream for stream, _ in streams]


def _plane(plane: av.video.plane.VideoPlane) -> npt.NDArray[np.uint8]:
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].copy()
