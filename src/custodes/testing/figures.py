"""A detector for the painted figures of `testing.media`: finds them by colour, without weights."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from custodes.errors import MediaError
from custodes.types.vision import Detections, ModelRef, ObjectClass

_MIN_PIXELS = 40


class FigureDetector:
    """`ports.model.Detector` for saturated shapes on grey ground.

    `min_pixels`: smaller shapes are not seen. `fails_on`: calls (from 0) that raise.
    """

    def __init__(self, *, min_pixels: int = _MIN_PIXELS, fails_on: Sequence[int] = ()) -> None:
        self._min_pixels = min_pixels
        self._fails_on = frozenset(fails_on)
        self.calls = 0

    @property
    def ref(self) -> ModelRef:
        """No weights."""
        return ModelRef(name="figures", sha256="0" * 64)

    def detect(self, pictures_rgb: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """One box per connected coloured shape, score 0.9, class PERSON."""
        self.calls += 1
        if self.calls - 1 in self._fails_on:
            raise MediaError(f"call {self.calls - 1} was told to fail")
        return [_shapes(picture, self._min_pixels) for picture in pictures_rgb]

    def detect_parts(self, pictures_rgb: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """The same."""
        return self.detect(pictures_rgb)


def _shapes(picture: npt.NDArray[np.uint8], min_pixels: int) -> Detections:
    spread = picture.max(axis=2).astype(np.int16) - picture.min(axis=2)
    labels, _ = ndimage.label(spread > 40)
    counts = np.bincount(labels.ravel())
    boxes = [
        (columns.start, rows.start, columns.stop, rows.stop)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1)
        if counts[number] >= min_pixels
    ]
    return Detections(
        boxes_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(len(boxes), 0.9, np.float32),
        class_ids=np.full(len(boxes), int(ObjectClass.PERSON), np.int16),
    )
