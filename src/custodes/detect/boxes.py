"""Overlap and non-maximum suppression on arrays of boxes. Nothing here knows of models or pictures."""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]


def iou_matrix(first_px: Boxes, second_px: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union of every pair.

    Args: `first_px` (n, 4), `second_px` (m, 4): x1 y1 x2 y2. Returns: (n, m) float32, 0 to 1; 0 for empty boxes.
    """
    low = np.maximum(first_px[:, None, :2], second_px[None, :, :2])
    high = np.minimum(first_px[:, None, 2:], second_px[None, :, 2:])
    overlap = np.prod(np.clip(high - low, 0, None), axis=2)
    first_area = np.prod(np.clip(first_px[:, 2:] - first_px[:, :2], 0, None), axis=1)
    second_area = np.prod(np.clip(second_px[:, 2:] - second_px[:, :2], 0, None), axis=1)
    union = first_area[:, None] + second_area[None, :] - overlap
    shares = np.zeros(overlap.shape, dtype=np.float32)
    np.divide(overlap, union, out=shares, where=union > 0)
    return shares


def suppress(
    boxes_px: Boxes, scores: npt.NDArray[np.float32], groups: npt.NDArray[np.int16], *, iou_max: float
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression within each group.

    Args: boxes (n, 4), scores (n,), groups (n,). `iou_max`: a box is dropped if a kept one of its group with a
    higher score (on a tie: an earlier one) overlaps it by more.
    Returns: indices kept, by falling score. O(n²) in memory and time; callers bound n.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = iou_matrix(boxes_px[order], boxes_px[order]) > iou_max
    overlaps &= groups[order][:, None] == groups[order][None, :]
    is_alive = np.ones(len(order), dtype=bool)
    for row in range(len(order)):
        if is_alive[row]:
            is_alive[row + 1 :] &= ~overlaps[row, row + 1 :]
    return order[is_alive]
