"""A picture reduced to some thousand cells: what the content index keeps of a frame. Knows neither marks nor keys."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

COLUMNS = 48
"""Width of a sketch, in cells; the index has to stay below 20 MB a camera and day (64 cells take 33)."""

Luma = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A picture reduced to means of cells: (rows, COLUMNS) float32 luma; `seen` 0..1 says where it has any."""

    luma: Plane
    seen: Plane


def sketch(y: Luma, columns: int = COLUMNS) -> Sketch:
    """Of an archived frame. Below 1 ms."""
    height, width = y.shape
    size = (columns, max(round(columns * height / width), 8))
    luma = cv2.resize(y, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return Sketch(luma=luma, seen=np.ones_like(luma))
