"""Tracks of one frame as measurements on the common ground."""

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import share_of_smaller
from custodes.geometry.homography import Homography
from custodes.journey.dots import PERSON_GROUP as PERSON_GROUP
from custodes.journey.dots import VEHICLE_GROUP as VEHICLE_GROUP
from custodes.journey.fusion import Placed
from custodes.types.vision import VEHICLES, ObjectClass, TrackedFrame

_BOX_SD = 0.03
"""How far detectors place an edge astray, as a share of the box's width or height."""
_FRAME_EDGE = 0.004
_CUT_SD = 0.3
"""The same for a lower edge that the frame's edge cuts: the feet are somewhere below."""


def placed_of(frame: TrackedFrame, ground: Homography) -> list[Placed]:
    """Measured tracks (people and vehicles) of one frame; the others say nothing new."""
    rows = np.flatnonzero(frame.is_measured & (frame.track_ids >= 0) & (frame.class_ids != int(ObjectClass.FACE)))
    if not len(rows):
        return []
    boxes = frame.boxes_norm[rows].astype(np.float64)
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    size = boxes[:, 2:] - boxes[:, :2]
    noise = np.zeros((len(rows), 2, 2))
    is_cut = boxes[:, 3] > 1 - _FRAME_EDGE
    noise[:, 0, 0] = np.square(_BOX_SD * size[:, 0])
    noise[:, 1, 1] = np.square(np.where(is_cut, _CUT_SD, _BOX_SD) * size[:, 1])
    places, spreads = ground.ground_of(feet), ground.spread_of(feet, noise)
    ground_m2 = ground.spread_of(feet, np.zeros_like(noise)).trace(axis1=1, axis2=2)
    is_mixed = overlapping(frame)[rows]
    vehicles = {int(one) for one in VEHICLES}
    return [
        Placed(
            key=(frame.camera_id, frame.run, int(frame.track_ids[row])),
            group=VEHICLE_GROUP if int(frame.class_ids[row]) in vehicles else PERSON_GROUP,
            place_m=place,
            spread_m2=spread,
            ground_m2=off_m2,
            is_mixed=mixed,
        )
        for row, place, spread, off_m2, mixed in zip(
            rows.tolist(), places, spreads, ground_m2.tolist(), is_mixed.tolist(), strict=True
        )
    ]


def overlapping(frame: TrackedFrame) -> npt.NDArray[np.bool_]:
    """(n,) whether a box touches another one's, also of what is only predicted or has no track; faces aside."""
    is_body = frame.class_ids != int(ObjectClass.FACE)
    boxes = frame.boxes_norm[is_body]
    shares = share_of_smaller(boxes, boxes)
    np.fill_diagonal(shares, 0.0)
    result = np.zeros(len(is_body), bool)
    result[is_body] = shares.max(axis=1, initial=0.0) > 0
    return result
