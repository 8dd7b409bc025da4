"""Non-maximum suppression on columns of boxes. Nothing here knows of models or pictures."""

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import Boxes, iou_matrix


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
