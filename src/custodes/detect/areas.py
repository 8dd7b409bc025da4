"""Detection zones and object masks: where in the picture objects of which class count. Pure.

They decide what is tracked and counted, never what is looked at or masked: a person outside every zone is still a
person to a viewer. Privacy masks are `redact`'s.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custodes.geometry.polygon import is_inside
from custodes.types.vision import DetectArea, Detections, ObjectClass


def counted(detections: Detections, areas: Sequence[DetectArea], frame_size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(n,): detections that count, by where they stand (the middle of the lower edge).

    A class that zones name counts inside one of them only; no class counts inside a mask that names it. An area
    without classes names all. Args: frame_size: width and height in pixels.
    """
    wanted = np.ones(len(detections.scores), bool)
    if not areas or not len(wanted):
        return wanted
    boxes = detections.boxes_px
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1) / np.array(frame_size)
    # A box that reaches the frame's lower edge stands just inside it.
    feet = np.minimum(feet, 1 - 1e-6)
    is_zoned, is_in_zone = np.zeros(len(wanted), bool), np.zeros(len(wanted), bool)
    for area in areas:
        classes = [int(item) for item in (area.classes or tuple(ObjectClass))]
        is_named = np.isin(detections.class_ids, classes)
        inside = is_named & is_inside(feet, area.polygon)
        if area.is_mask:
            wanted &= ~inside
        else:
            is_zoned |= is_named
            is_in_zone |= inside
    return np.asarray(wanted & (is_in_zone | ~is_zoned), np.bool_)
