"""Pictures for models: RGB at the size a model wants, converted and scaled in one pass."""

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
