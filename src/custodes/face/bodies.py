"""Whose body a face belongs to: the track that journeys, exports and masks know of somebody. Pure.

A face's own track ends where it turns away, and is known to nobody but its zone. What is told of a sighting is about
the person's track, so each look is given to a body, and a face track to the body that most of its looks had.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from custodes.geometry.boxes import intersections
from custodes.types.vision import ObjectClass, TrackedFrame

NO_BODY = -1
"""In place of a track: nobody's box held the face, or now one and now another one's did."""

_HELD = 0.7
"""Share of the face that lies in the box."""
_DEEP_MIN, _DEEP_MAX = -0.5, 1.5
"""How far below the box's upper edge a face begins, in heights of the face: hair and hats are half of one, and a box
is right to a tenth of a body, which is three quarters of one. Further down it is somebody small before another."""
_DEEP_USUAL = 0.3
_AGREED = 2 / 3
"""Share of the looks with a body that have to name the same one."""


def bodies_of(faces_norm: npt.NDArray[np.float32], found: TrackedFrame) -> list[int]:
    """The person's track for each face, one to one; NO_BODY for a face that is nobody's.

    Args: faces_norm: (n, 4) x1 y1 x2 y2, shares of the frame; found: whoever is in that frame.
    """
    rows = np.flatnonzero(found.is_measured & (found.track_ids >= 0) & (found.class_ids == int(ObjectClass.PERSON)))
    bodies = [NO_BODY] * len(faces_norm)
    if not len(rows) or not bodies:
        return bodies
    shared = intersections(faces_norm.astype(np.float64), found.boxes_norm[rows].astype(np.float64))
    faces, boxes = faces_norm.astype(np.float64)[:, None], found.boxes_norm[rows].astype(np.float64)[None]
    size = np.maximum(faces[..., 2:] - faces[..., :2], 1e-6)
    held = shared / size.prod(axis=2)
    deep = (faces[..., 1] - boxes[..., 1]) / size[..., 1]
    width = np.maximum(boxes[..., 2] - boxes[..., 0], 1e-6)
    aside = np.abs(faces[..., 0] + faces[..., 2] - boxes[..., 0] - boxes[..., 2]) / 2 / width
    is_possible = (held >= _HELD) & (deep >= _DEEP_MIN) & (deep <= _DEEP_MAX)
    cost = np.where(is_possible, np.abs(deep - _DEEP_USUAL) + aside, 1e3)
    for face, body in zip(*linear_sum_assignment(cost), strict=True):
        if is_possible[face, body]:
            bodies[face] = int(found.track_ids[rows[body]])
    return bodies


def agreed(looks: Counter[int]) -> int:
    """The body of a face track, from how often its looks had which one; NO_BODY where they do not agree."""
    named = {body: count for body, count in looks.items() if body != NO_BODY}
    if not named:
        return NO_BODY
    body = max(named, key=named.__getitem__)
    return body if named[body] >= _AGREED * sum(named.values()) else NO_BODY
