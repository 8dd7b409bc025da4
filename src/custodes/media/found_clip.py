"""Clips that people found: hostile bytes into some pictures, evenly over the clip. For jobs alone."""

import io

import av
import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.media.bounds import bound_allocations

Luma = npt.NDArray[np.uint8]

MAX_DECODED = 3600
"""Two minutes at 30 a second; what comes later is not looked at."""
MAX_PX = 4096 * 2304


def pictures_of(content: bytes, *, limit: int) -> list[Luma]:
    """Luma of at least one and at most `limit` pictures, evenly over the clip.

    Raises: InvalidArgument for what cannot be read or is too large.
    """
    bound_allocations()
    kept: list[Luma] = []
    every, number = 1, 0
    try:
        name = "mov" if content[4:8] == b"ftyp" else "matroska"
        with av.open(io.BytesIO(content), "r", format=name) as container:
            for frame in container.decode(video=0):
                if frame.width * frame.height > MAX_PX:
                    raise InvalidArgument(f"a clip of {frame.width}×{frame.height} pixels; at most {MAX_PX} in all")
                if number % every == 0:
                    kept.append(np.ascontiguousarray(frame.reformat(format="gray8").to_ndarray(), np.uint8))
                if len(kept) > 2 * limit:  # twice as long as it seemed so far
                    kept, every = kept[::2], 2 * every
                number += 1
                if number >= MAX_DECODED:
                    break
    except (av.FFmpegError, IndexError, ValueError) as error:
        if not kept:
            raise InvalidArgument("that is no clip that can be read; expected MP4, WebM or Matroska") from error
    if not kept:
        raise InvalidArgument("the clip has no picture")
    return [kept[at] for at in sorted({round(share * (len(kept) - 1)) for share in np.linspace(0, 1, limit)})]
