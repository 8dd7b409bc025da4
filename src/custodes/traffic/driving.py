"""What a track's last places and boxes tell of how it moves: against the way, not at all, on two wheels.

A tracker's number that jumps to the next car, a box of two cars that becomes one, and a car that somebody hides from
below all change the foot of a box by metres while nothing drives.
"""

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import intersections
from custodes.geometry.homography import Floats
from custodes.types.vision import VEHICLES, ObjectClass

_MIN_PLACES = 4
_AGAINST_M = 4.0
_AGAINST_MIN_S = 0.6
_AGAINST_COSINE = 0.7
_ONE_STEP = 0.5
"""No single step may be more than this share of the way: a number that jumps to the car behind drives backwards,
too."""
_TOP_SHARE, _SIDE_SHARE = 0.2, 0.15
"""Of the foot's way in the picture, that the upper edge, or both sides, go at least: what is hidden from below or from
one side keeps the others. Of a car below a camera four metres up the upper edge goes six tenths as far as the foot."""
_RIDER_SHARE = 0.35
_RUNNER_MPS = 3.3
"""Who is faster along the road rides: joggers do 2.5 to 3.3 m/s. Across it, a child that runs does more."""
_ALONG_COSINE = 0.8
_RIDE_S = 0.6


def against_m(points: Floats, seconds: float, heading: Floats | None) -> float:
    """Metres driven against the way over (n, 2) points in metres; 0 if it is none, or not sure."""
    if heading is None or len(points) < _MIN_PLACES or seconds < _AGAINST_MIN_S:
        return 0.0
    way = points[-1] - points[0]
    back_m = -float(way @ heading)
    steps = -(np.diff(points, axis=0) @ heading)
    is_steady = float(steps.max()) <= _ONE_STEP * back_m and float((steps > 0).mean()) >= 0.7
    is_against = back_m >= _AGAINST_M and back_m >= _AGAINST_COSINE * float(np.hypot(*way))
    return back_m if is_against and is_steady else 0.0


def has_moved(first: Floats, last: Floats, aspect: float) -> bool:
    """Whether the thing moved, not only the lower edge of its box. Args: (4,) boxes in shares; aspect: width over
    height of the frame."""
    edges = np.abs(last - first) * np.array([aspect, 1.0, aspect, 1.0])
    foot = float(np.hypot(abs(last[0] + last[2] - first[0] - first[2]) / 2 * aspect, edges[3]))
    return bool(edges[1] >= _TOP_SHARE * foot or min(edges[0], edges[2]) >= _SIDE_SHARE * foot)


def riders(boxes: Floats, class_ids: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(n,) which persons sit on or in a vehicle: its box covers much of theirs; and which of them on two wheels."""
    is_person = class_ids == int(ObjectClass.PERSON)
    two = np.isin(class_ids, [int(ObjectClass.BICYCLE), int(ObjectClass.MOTORCYCLE)])
    is_vehicle = two | np.isin(class_ids, [int(one) for one in VEHICLES])
    nobody = np.zeros(len(boxes), bool)
    if not is_person.any() or not is_vehicle.any():
        return nobody, nobody
    own = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    covered = intersections(boxes, boxes) >= _RIDER_SHARE * own[:, None]
    return is_person & covered[:, is_vehicle].any(axis=1), is_person & covered[:, two].any(axis=1)


def along_mps(points: Floats, seconds: float, heading: Floats | None) -> float:
    """How fast (n, 2) points in metres go along the road; 0 where that is not known."""
    if heading is None or seconds <= 0:
        return 0.0
    return abs(float((points[-1] - points[0]) @ heading)) / seconds


def is_riding(points: Floats, seconds: float, heading: Floats | None) -> bool:
    """Whether a person over (n, 2) points in metres is too fast along the road to be on foot.

    Args: heading: None: not known, and nobody can be said to be.
    """
    if heading is None or len(points) < _MIN_PLACES or seconds < _RIDE_S:
        return False
    way = points[-1] - points[0]
    far_m = float(np.hypot(*way))
    return far_m >= _RUNNER_MPS * seconds and abs(float(way @ heading)) >= _ALONG_COSINE * far_m
