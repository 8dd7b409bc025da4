"""Whose feet something hides: a box that is much shorter than its track, with the head where the head was.

Nobody shrinks within a look. A sign, a counter or somebody in front does that to the box, whose lower edge is then not
where somebody stands; the head and the height known before are.
"""

import numpy as np
import numpy.typing as npt

from custodes.track.kalman import Columns

SHORT_SHARE = 0.8
"""Of the height known before: a whole body's box errs by .06 of it, a step by as much (`track.plane.Optics`)."""
HEAD_SHARE = 0.12
"""So near to the predicted one, as a share of the height, the upper edge is the same head."""


def whole(predicted: Columns, found: Columns) -> tuple[Columns, npt.NDArray[np.bool_]]:
    """Boxes down to where the feet must be, and which ones were lengthened.

    Args: predicted, found: (k, 4) of the same objects, in one unit. Returns: (k, 4), (k,).
    """
    tall = predicted[:, 3] - predicted[:, 1]
    is_short = found[:, 3] - found[:, 1] < SHORT_SHARE * tall
    is_short &= np.abs(found[:, 1] - predicted[:, 1]) < HEAD_SHARE * tall
    boxes = found.copy()
    boxes[is_short, 3] = found[is_short, 1] + tall[is_short]
    return boxes, is_short
