"""Polygons in the picture or on the ground."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def is_inside(points: npt.NDArray[np.floating], polygon: Sequence[tuple[float, float]]) -> npt.NDArray[np.bool_]:
    """(n,): which points lie in a polygon, by the even-odd rule; (n, 2) x y in the polygon's unit. O(n · corners)."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y1 != y2:
            is_between = (y1 > y) != (y2 > y)
            inside ^= is_between & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside
