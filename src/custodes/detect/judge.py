"""How right detections are, against boxes that somebody drew. Pure counting; reading truth files is the caller's."""

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import Boxes, iou_matrix

IOU_MIN = 0.5
"""A detection that overlaps a true box by less is wrong (PASCAL VOC)."""


def count_hits(boxes_px: Boxes, scores: npt.NDArray[np.float32], truth_px: Boxes, *, iou_min: float = IOU_MIN) -> int:
    """How many detections are right: by falling score, each takes the best true box that is left.

    Args: boxes (n, 4), scores (n,), truth (m, 4), all of one picture and one kind of object.
    """
    if not len(boxes_px) or not len(truth_px):
        return 0
    overlap = iou_matrix(boxes_px, truth_px)
    hits = 0
    for row in np.argsort(-scores, kind="stable").tolist():
        column = int(overlap[row].argmax())
        if overlap[row, column] >= iou_min:
            overlap[:, column] = -1
            hits += 1
    return hits
