"""Non-maximum suppression on columns of boxes. Nothing here knows of models or pictures."""

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import Boxes, iou_matrix, share_of_smaller

PART_SHARE = 0.6
"""Of the smaller box's area: a cabin and its lorry are one vehicle. Vehicles in a queue hide each other less."""


def suppress(
    boxes_px: Boxes,
    scores: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int16],
    *,
    iou_max: float,
    solid_group: int | None = None,
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression within each group.

    Args: boxes (n, 4), scores (n,), groups (n,). `iou_max`: a box is dropped if a kept one of its group with a
    higher score (on a tie: an earlier one) overlaps it by more. `solid_group`: one in which a box is also dropped when
    the smaller of the two lies in the other by more than `PART_SHARE`.
    Returns: indices kept, by falling score. O(n²) in memory and time; callers bound n.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = iou_matrix(boxes_px[order], boxes_px[order]) > iou_max
    if solid_group is not None:
        is_solid = groups[order] == solid_group
        overlaps |= is_solid[:, None] & (share_of_smaller(boxes_px[order], boxes_px[order]) > PART_SHARE)
    overlaps &= groups[order][:, None] == groups[order][None, :]
    is_alive = np.ones(len(order), dtype=bool)
    for row in range(len(order)):
        if is_alive[row]:
            is_alive[row + 1 :] &= ~overlaps[row, row + 1 :]
    return order[is_alive]
