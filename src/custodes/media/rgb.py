"""Pictures for models: RGB at the size a model wants, converted and scaled in one pass."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from custodes.media.planes import to_picture
from custodes.types.media import Frame


class RgbScaler:
    """Converts one stream's frames; keeps swscale's tables between calls. Owned by one thread."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def to_rgb(self, frame: Frame, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
        """(height_px, width_px, 3) uint8 RGB. Raises: MediaError when the frame's planes do not fit each other."""
        picture = self._reformatter.reformat(
            to_picture(frame),
            width=width_px,
            height=height_px,
            format="rgb24",
            interpolation=Interpolation.AREA if width_px < frame.y.shape[1] else Interpolation.BILINEAR,
            threads=1,
        )
        pixels: npt.NDArray[np.uint8] = np.asarray(picture.to_ndarray(), np.uint8)
        return pixels


def crop(frame: Frame, x1: int, y1: int, x2: int, y2: int) -> Frame:
    """A part of a frame, without copying: even pixels, x2 > x1, y2 > y1, within the frame."""
    chroma = (slice(y1 // 2, y2 // 2), slice(x1 // 2, x2 // 2))
    return replace(frame, y=frame.y[y1:y2, x1:x2], u=frame.u[chroma], v=frame.v[chroma])
