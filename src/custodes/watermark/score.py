"""How well a picture fits the mark of one session and slot, given the unmarked original. Registration comes later.

The score is a comparison of the picture with secret random signs, so for every session that was not shown it,
P(z > t) ≤ exp(-t²/2) whatever the picture is (Hoeffding). House rule: z ≥ 9 names a session (field notes 4).
"""

import math

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.watermark.pattern import LAYERS, cell_means, chips

_CLIP_DEVIATIONS = 3.0
"""A pasted sticker must not outvote the rest of the picture."""


def _residual(original: npt.NDArray[np.uint8], suspect: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    residual = suspect.astype(np.float32) - original.astype(np.float32)
    residual -= np.median(residual)
    bound = _CLIP_DEVIATIONS * max(float(residual.std()), 0.5)
    return np.clip(residual, -bound, bound).astype(np.float32, copy=False)


def score(original: npt.NDArray[np.uint8], suspect: npt.NDArray[np.uint8], mark_key: bytes, slot: int) -> float:
    """z of one candidate.

    Args:
        original: (h, w) uint8 luma of the picture as it was before marking (redacted and scaled the same way).
        suspect: (h, w) uint8 luma of the picture found, registered to it.
        mark_key, slot: the candidate.

    Returns: about N(0, 1) for a session that was not shown the picture; tens for the one that was.
    Raises: InvalidArgument when the pictures differ in size.
    """
    if original.shape != suspect.shape:
        raise InvalidArgument(f"suspect of {suspect.shape} compared with an original of {original.shape}")
    residual = _residual(original, suspect)
    product = power = 0.0
    for layer, grid in zip(LAYERS, chips(mark_key, slot), strict=True):
        cells = cell_means(residual, layer)
        if layer is LAYERS[0]:
            # What the coarse layer and smooth coding errors put into fine cells is noise to them.
            cells = cells - _smoothed(cells)
        # Each layer counts by the signal it still carries: noise power of its own cells in the denominator.
        weight = layer.share / max(float(cells.var()), 1e-6)
        product += weight * float((cells * grid).sum())
        power += weight**2 * float((cells**2).sum())
    return product / math.sqrt(power) if power > 0 else 0.0


def _smoothed(cells: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    padded = np.pad(cells, 1, mode="edge")
    rows, columns = cells.shape
    total = sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
    return np.asarray(total / np.float32(9), dtype=np.float32)
