"""Between our `Frame` (numpy planes) and PyAV's pictures (padded rows). Copies; nothing is scaled or coded here."""

from dataclasses import replace

import av
import av.video.plane
import numpy as np
import numpy.typing as npt

from custodes.errors import MediaError
from custodes.types.media import Frame


def _rows(plane: av.video.plane.VideoPlane) -> npt.NDArray[np.uint8]:
    """A plane's memory as (rows, line size), writable."""
    # PyAV's planes speak the buffer protocol, which numpy's type stubs know only for named types.
    return np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)


def to_picture(frame: Frame) -> av.VideoFrame:
    """A `yuv420p` picture with the frame's samples.

    Raises: MediaError when the planes do not fit each other (odd sizes: the chroma rounds up).
    """
    height, width = frame.y.shape
    expected = ((height + 1) // 2, (width + 1) // 2)
    if frame.u.shape != expected or frame.v.shape != expected:
        raise MediaError(f"planes {frame.y.shape}, {frame.u.shape}, {frame.v.shape} are not one 4:2:0 picture")
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane, samples in zip(picture.planes, (frame.y, frame.u, frame.v), strict=True):
        rows = _rows(plane)
        rows[: samples.shape[0], : samples.shape[1]] = samples
    return picture


def from_picture(picture: av.VideoFrame, like: Frame) -> Frame:
    """A frame with the samples of a `yuv420p` picture and the identity of `like`."""
    height, width = picture.height, picture.width
    chroma = ((height + 1) // 2, (width + 1) // 2)
    planes: list[npt.NDArray[np.uint8]] = []
    for plane, (rows_wanted, columns) in zip(picture.planes, ((height, width), chroma, chroma), strict=True):
        rows = _rows(plane)
        planes.append(rows[:rows_wanted, :columns].copy())
    y, u, v = planes
    return replace(like, y=y, u=u, v=v)
