"""Where an object really is on the ground, from its boxes: the box's lower edge is not the middle of a car.

Seen from the side, the middle of a box's lower edge lies metres before the car's own middle, and by another amount at
each place; its speed would be wrong by 3 km/h at 50° (field notes, 4.1). So the camera's pose is taken from the
homography, a solid of the class's usual measures is drawn where the car is believed to be, and the box that solid
would have says how far the lower edge leads astray.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Floats, Homography
from custodes.geometry.pose import Pose
from custodes.traffic.paths import Path
from custodes.types.vision import ObjectClass

SOLIDS_M: dict[ObjectClass, tuple[float, float, float]] = {
    ObjectClass.PERSON: (0.4, 0.5, 1.7),
    ObjectClass.BICYCLE: (1.8, 0.6, 1.7),
    ObjectClass.MOTORCYCLE: (2.1, 0.8, 1.5),
    ObjectClass.CAR: (4.4, 1.8, 1.5),
    ObjectClass.BUS: (12.0, 2.55, 3.1),
    ObjectClass.TRUCK: (8.0, 2.5, 3.2),
    ObjectClass.FACE: (0.2, 0.2, 0.25),
}
"""Length, width, height: means of what drives in Europe (VDA vehicle statistics; StVZO § 32 for the largest)."""

EDGE_SHARE = 0.004
"""A box that ends so close to the frame's edge, in shares, goes on behind it: its lower edge tells nothing."""
_BOX_SD = 0.03
"""How far detectors place an edge astray, as a share of the box's width or height."""
_ROUNDS = 3
_STILL_M = 1.5
"""Who moved less than this has no heading."""
SCALE = (0.6, 1.7)
"""How far one vehicle's measures may differ from its class's."""
_CORNERS = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0.0, 1.0)])


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPath:
    """A path on the ground.

    `utc_ns`: (n,) int64 ascending; `places_m`: (n, 2) the object's middle; `spread_m2`: (n, 2, 2) covariance of a
    single place; `picture`: (n, 2) its foot in shares of the frame.
    """

    path: Path
    utc_ns: npt.NDArray[np.int64]
    places_m: Floats
    spread_m2: Floats
    picture: Floats
    length_m: float
    """As it was seen, scaled from the class's."""

    @property
    def object_class(self) -> ObjectClass:
        """Of the path."""
        return self.path.object_class


def place(path: Path, ground: Homography, pose: Pose | None) -> GroundPath:
    """Put a path on the ground. Boxes that the frame's edge cuts are left out; nothing may remain.

    Without a pose the lower edge's middle is taken as it is.
    """
    boxes, times = path.boxes_norm, path.utc_ns
    whole = (boxes[:, :2] > EDGE_SHARE).all(axis=1) & (boxes[:, 2:] < 1 - EDGE_SHARE).all(axis=1)
    boxes, times = boxes[whole], times[whole]
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    places = ground.ground_of(feet)
    solid = np.array(SOLIDS_M[path.object_class])
    scale = 1.0
    if pose is not None and len(places) > 1 and np.ptp(places, axis=0).max() > _STILL_M:
        measured = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
        first = places
        for _ in range(_ROUNDS):
            drawn = drawn_boxes(places, _headings(times, places), solid * scale, pose)
            if not np.isfinite(drawn).all():
                places, scale = first, 1.0
                break
            ratio = measured / np.sqrt(np.prod(drawn[:, 2:] - drawn[:, :2], axis=1))
            scale = float(np.clip(scale * np.median(ratio), *SCALE))
            drawn_feet = np.stack([(drawn[:, 0] + drawn[:, 2]) / 2, drawn[:, 3]], axis=1)
            places = first - (ground.ground_of(drawn_feet) - places)
    noise = np.zeros((len(boxes), 2, 2))
    noise[:, 0, 0] = np.square(_BOX_SD * (boxes[:, 2] - boxes[:, 0]))
    noise[:, 1, 1] = np.square(_BOX_SD * (boxes[:, 3] - boxes[:, 1]))
    return GroundPath(
        path=path,
        utc_ns=times,
        places_m=places,
        spread_m2=ground.spread_of(feet, noise),
        picture=feet,
        length_m=float(solid[0]) * scale,
    )


def _headings(times: npt.NDArray[np.int64], places: Floats) -> Floats:
    """(n, 2) unit vectors: over a second and a half around each moment, and over the whole path where it stands."""
    seconds = (times - times[0]) / 1e9
    low = np.searchsorted(seconds, seconds - 0.75)
    high = np.searchsorted(seconds, seconds + 0.75, side="right") - 1
    step = places[high] - places[low]
    overall = places[-1] - places[0]
    length = np.linalg.norm(step, axis=1)
    step = np.where((length > _STILL_M)[:, None], step, overall if np.linalg.norm(overall) > 0 else [1.0, 0.0])
    result: Floats = step / np.linalg.norm(step, axis=1)[:, None]
    return result


def drawn_boxes(places: Floats, headings: Floats, solid: Floats, pose: Pose) -> Floats:
    """(n, 4) boxes in shares around solids (length, width, height; one for all, or (n, 3)) that stand at `places`."""
    solid = np.broadcast_to(solid, (len(places), 3))[:, None]
    across = np.stack([-headings[:, 1], headings[:, 0]], axis=1)
    flat = (
        places[:, None, :]
        + _CORNERS[None, :, :1] * solid[..., 0:1] * headings[:, None, :]
        + _CORNERS[None, :, 1:2] * solid[..., 1:2] * across[:, None, :]
    )
    height = np.broadcast_to(_CORNERS[None, :, 2:] * solid[..., 2:3], (len(places), len(_CORNERS), 1))
    corners = pose.project(np.concatenate([flat, height], axis=2))
    result: Floats = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return result
