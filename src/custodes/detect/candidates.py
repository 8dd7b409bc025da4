"""What every decoder of network outputs returns. How outputs are read is `decode`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.float32]

CANDIDATES_MAX = 1000
"""Suppression is quadratic; no scene of ours has a tenth of that many objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """`boxes_px` (n, 4) float32 in input pixels, `scores` (n,), `indices` (n,) the network's class numbers."""

    boxes_px: Tensor
    scores: Tensor
    indices: npt.NDArray[np.int64]


def best(boxes_px: Tensor, scores: Tensor, indices: npt.NDArray[np.integer]) -> Candidates:
    """The `CANDIDATES_MAX` best, by falling score."""
    order = np.argsort(-scores, kind="stable")[:CANDIDATES_MAX]
    return Candidates(
        boxes_px=np.ascontiguousarray(boxes_px[order], dtype=np.float32),
        scores=np.ascontiguousarray(scores[order], dtype=np.float32),
        indices=indices[order].astype(np.int64),
    )


def peaks(heat: Tensor) -> npt.NDArray[np.bool_]:
    """Cells (h, w, c) that no neighbour of the 3×3 window exceeds. Separable maximum."""
    padded = np.pad(heat, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return heat >= np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
