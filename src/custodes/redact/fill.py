"""Solid fill of boxes in Y, U and V. Which boxes is `redact.timeline`'s to say."""

import dataclasses
import math

import numpy as np

from custodes.geometry.boxes import Boxes
from custodes.types.media import Frame

FILL_Y = 40
"""Dark grey, inside the limited range of luma (16 to 235)."""

FILL_UV = 128
"""No colour."""


def fill_boxes(frame: Frame, boxes_norm: Boxes) -> Frame:
    """Cover boxes so that nothing of what was there is left.

    Args: boxes_norm: (n, 4) float32 x1 y1 x2 y2, shares of the frame; parts outside 0..1 are cut off. Edges are moved
    outward to even pixels, so that no half of a chroma sample keeps its colour.
    Returns: a new frame; the given one is unchanged. A box with a NaN covers the whole frame.
    """
    if not len(boxes_norm):
        return frame
    if not np.isfinite(boxes_norm).all():
        return fill_frame(frame)
    y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()
    height_px, width_px = y.shape
    for left, top, right, bottom in np.clip(boxes_norm.astype(np.float64), 0.0, 1.0).tolist():
        rows = slice(math.floor(top * height_px / 2), math.ceil(bottom * height_px / 2))
        columns = slice(math.floor(left * width_px / 2), math.ceil(right * width_px / 2))
        y[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop] = FILL_Y
        u[rows, columns] = FILL_UV
        v[rows, columns] = FILL_UV
    return dataclasses.replace(frame, y=y, u=u, v=v)


def fill_frame(frame: Frame) -> Frame:
    """One flat picture of the same size; the given frame is unchanged."""
    return dataclasses.replace(
        frame,
        y=np.full_like(frame.y, FILL_Y),
        u=np.full_like(frame.u, FILL_UV),
        v=np.full_like(frame.v, FILL_UV),
    )
