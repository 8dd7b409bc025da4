"""Is a picture that nobody looked at the same as one that was looked at, outside its masks?

By the measure by which the analyser leaves the detector out (`detect.motion`): what differs by less than that was
shown without a second look before, too. Which picture to compare with is the view's business.
"""

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import Boxes
from custodes.geometry.cells import Grid, beside_another, cell_means, clear_boxes, distance_from

_CELLS_ACROSS = 96
_SAMPLES = 2
_THRESHOLD = 6.0
"""Grey levels of a cell's mean, the least that pixel motion goes by. A person 12 × 30 pixels large in a picture 768
wide touches six cells."""

_MIN_CELLS = 3


def grid_of(luma: npt.NDArray[np.uint8]) -> Grid:
    """What is kept of a picture to compare others with. About 0.1 ms at 1080p."""
    return cell_means(luma, across=_CELLS_ACROSS, samples=_SAMPLES)[0]


def is_like(luma: npt.NDArray[np.uint8], looked_at: Grid, masks: Boxes) -> bool:
    """Whether nothing differs outside of `masks`. Fails closed: pictures of different sizes differ.

    Args: luma: (h, w) uint8; masks: (n, 4) shares of the picture, with their margin.
    """
    grid = grid_of(luma)
    if grid.shape != looked_at.shape:
        return False
    changed = distance_from(grid, looked_at) > _THRESHOLD
    clear_boxes(changed, masks)
    return beside_another(changed) < _MIN_CELLS
