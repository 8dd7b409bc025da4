"""A camera that moves: its pictures brought back to where it looked first. Finding the motion is not done here."""

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.track.kalman import Columns

STILL: Columns = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""No motion: (2, 3)."""


def after(steady: Columns, shift: npt.NDArray[np.floating]) -> Columns:
    """The map from the newest picture to the first.

    Args: steady: (2, 3) of the picture before; shift: (2, 3) affine, shares of the newest frame → shares of the one
    before. Raises: InvalidArgument if `shift` is no invertible affine map.
    """
    step = np.asarray(shift, np.float64)
    if step.shape != (2, 3) or not np.isfinite(step).all() or abs(np.linalg.det(step[:, :2])) < 1e-6:
        raise InvalidArgument("a camera's motion is an invertible 2×3 affine map of finite numbers")
    return np.column_stack([steady[:, :2] @ step[:, :2], steady[:, :2] @ step[:, 2] + steady[:, 2]])


def inverse(steady: Columns) -> Columns:
    """The map from the first picture to the newest."""
    back = np.linalg.inv(steady[:, :2])
    return np.column_stack([back, -back @ steady[:, 2]])


def moved(boxes: Columns, mapping: Columns, aspect: float) -> Columns:
    """(n, 4) boxes in frame heights, their corners mapped (`mapping` is in shares) and made upright again."""
    scale = np.array([aspect, 1.0])
    linear = mapping[:, :2] * scale[:, None] / scale[None, :]
    first = boxes[:, :2] @ linear.T + mapping[:, 2] * scale
    second = boxes[:, 2:] @ linear.T + mapping[:, 2] * scale
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
