"""How something is coloured, below the head: a weak look, which tells who of some few it was, not who somebody is.

It exists in memory for as long as it may still tell two tracks apart, and is written nowhere (ADR 132). Heads are left
out, so that neither skin nor hair is most of it; it fits everybody who is dressed alike.
"""

import numpy as np
import numpy.typing as npt

from custodes.types.media import Frame

Looks = npt.NDArray[np.float32]

SIZE = 512
"""Two halves of 8 × 8 steps of chroma with 4 of brightness."""
_STEPS = 8
_SHADES = 4
_CELLS = _STEPS * _STEPS * _SHADES
_GREY = 128
_STEP = 8
"""Clothes differ within a small part of the chroma plane: 8 units a step around grey, the outermost open."""
_MARGIN = 0.2
"""Of the width, on each side: what is behind somebody shows there."""
_PARTS = ((0.2, 0.5), (0.5, 0.85))
"""Of the height: upper and lower clothes, without head and feet. Of a vehicle: roof and glass, body."""


def colours(frame: Frame, boxes_norm: npt.NDArray[np.floating]) -> Looks:
    """Looks of what is in boxes.

    Args: boxes_norm: (n, 4) x1, y1, x2, y2 in shares of the frame; parts outside it are left out.
    Returns: (n, 512) rows of unit length (square roots of shares, so that a dot product is one minus half the squared
    Hellinger distance of halves); zeros where a box has no pixel in the frame. Cost: about 60 µs a box.
    """
    height, width = frame.u.shape
    found = np.zeros((len(boxes_norm), SIZE))
    luma = frame.y[::2, ::2][:height, :width]
    for row, (x1, y1, x2, y2) in enumerate(np.asarray(boxes_norm, np.float64).tolist()):
        left, right = x1 + _MARGIN * (x2 - x1), x2 - _MARGIN * (x2 - x1)
        columns = _pixels(left, right, width)
        for part, (top, bottom) in enumerate(_PARTS):
            rows = _pixels(y1 + top * (y2 - y1), y1 + bottom * (y2 - y1), height)
            counts = _histogram(luma[rows, columns], frame.u[rows, columns], frame.v[rows, columns])
            found[row, part * _CELLS : (part + 1) * _CELLS] = np.sqrt(counts / max(float(counts.sum()), 1.0))
    return unit(found)


def unit(looks: npt.NDArray[np.floating]) -> Looks:
    """(n, d) rows of unit length; zeros stay zeros."""
    lengths = np.linalg.norm(looks, axis=1, keepdims=True)
    return np.asarray(looks / np.where(lengths > 0, lengths, 1.0), np.float32)


def packed(looks: Looks) -> npt.NDArray[np.uint8]:
    """(n, 512) as they travel between two processes: a byte a number, shares of the row's largest."""
    most = looks.max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(np.rint(255 * looks / np.where(most > 0, most, 1.0)), np.uint8)


def unpacked(wire: npt.NDArray[np.uint8]) -> Looks:
    """(n, d) of unit length again, from what `packed` made; zeros stay zeros."""
    return unit(wire.astype(np.float32))


def _pixels(low: float, high: float, size: int) -> slice:
    return slice(min(max(int(low * size), 0), size), min(max(int(high * size) + 1, 0), size))


def _histogram(y: npt.NDArray[np.uint8], u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    reach = _STEPS // 2 * _STEP
    near_u = np.clip((u.astype(np.int16) - (_GREY - reach)) // _STEP, 0, _STEPS - 1)
    near_v = np.clip((v.astype(np.int16) - (_GREY - reach)) // _STEP, 0, _STEPS - 1)
    cells = (near_u * _STEPS + near_v) * _SHADES + y // (256 // _SHADES)
    return np.bincount(cells.ravel(), minlength=_CELLS)
