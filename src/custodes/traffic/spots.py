"""Where what a camera sees is, and on which road: on its ground, or, without one, in its picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Floats, Homography
from custodes.geometry.polygon import is_inside
from custodes.geometry.pose import pose_of
from custodes.traffic.middles import middles
from custodes.traffic.placing import EDGE_SHARE
from custodes.types.scene import Road
from custodes.types.vision import are_vehicles

_BOX_SD = 0.03
_SURE = 2.0
"""Standard deviations of a place that must lie on a road for it to be on that one for sure."""
_NEARER = 0.08
"""Of a box's height, that the lower edge of one in front lies lower."""
_LIFT = 0.2
"""Of a vehicle's box, from its lower edge to the middle of what it stands on, where there is no ground: .12 to .31 for
cars along and across, seen 15 to 30 degrees from above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Of n boxes. `picture`: (n, 2) shares of the frame; `places`: (n, 2) metres, or frame heights where there is no
    ground; `tremble_m`: (n,) how far a place may be astray because boxes tremble, 0 without a ground; `road`: (n,)
    index of the road each is on, or −1; `is_sure`: (n,) it is that one, for all the trembling, and its foot seen."""

    picture: Floats
    places: Floats
    tremble_m: Floats
    road: npt.NDArray[np.int64]
    is_sure: npt.NDArray[np.bool_]


class Carriageways:
    """The roads of one camera. Args: aspect: width of the frame over its height."""

    def __init__(self, roads: Sequence[Road], ground: Homography | None, aspect: float) -> None:
        self._roads = tuple(roads)
        self._ground = ground
        self._aspect = aspect
        self._pose = None if ground is None else pose_of(ground, aspect)
        self.headings = [self._direction(road) for road in roads]
        """(2,) unit vectors; None where both ways are driven."""
        self.any_heading = next((one for one in self.headings if one is not None), None)
        """Who stands beside the road stands along it."""

    def places_of(self, points: Floats) -> Floats:
        """(n, 2) shares of the frame → `Spots.places`."""
        if self._ground is not None:
            return self._ground.ground_of(points)
        result: Floats = points * np.array([self._aspect, 1.0])
        return result

    def spots_of(
        self, boxes: Floats, class_ids: npt.NDArray[np.int16], last_roads: Sequence[int], all_boxes: Floats
    ) -> Spots:
        """Where they are.

        Args: boxes: (n, 4) shares; last_roads: (n,) where each was a look ago, −1: on none; all_boxes: (m, 4) of
        everything that may stand in front, these included.
        """
        is_seen = ~_have_hidden_feet(boxes, all_boxes)
        # The foot of a vehicle that the frame's edge cuts is outside, beside a road as well as on it.
        is_whole = (boxes > EDGE_SHARE).all(axis=1) & (boxes < 1 - EDGE_SHARE).all(axis=1)
        is_off = ~is_whole & are_vehicles(class_ids)
        if self._ground is None or not len(boxes):
            up = np.where(are_vehicles(class_ids), _LIFT, 0.0) * (boxes[:, 3] - boxes[:, 1])
            picture = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3] - up], axis=1)
            road = np.where(is_off, -1, self._road_of(picture))
            return Spots(
                picture=picture,
                places=self.places_of(picture),
                tremble_m=np.zeros(len(boxes)),
                road=road,
                is_sure=(road >= 0) & is_seen,
            )
        headings = np.full((len(boxes), 2), np.nan)
        for row, last in enumerate(last_roads):
            way = self.headings[last] if last >= 0 else self.any_heading
            if way is not None:
                headings[row] = way
        places = middles(boxes, class_ids, headings, self._ground, self._pose)
        picture = self._ground.picture_of(places)
        feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        noise = np.zeros((len(boxes), 2, 2))
        noise[:, 0, 0], noise[:, 1, 1] = np.square(_BOX_SD * (boxes[:, 2:] - boxes[:, :2])).T
        spread = self._ground.spread_of(feet, noise)
        road = np.where(is_off, -1, self._road_of(picture))
        axes = _SURE * _long_axes(spread)
        ends = [self._road_of(self._ground.picture_of(places + sign * axes)) for sign in (1.0, -1.0)]
        return Spots(
            picture=picture,
            places=places,
            tremble_m=np.sqrt(np.trace(spread, axis1=1, axis2=2)),
            road=road,
            is_sure=(road >= 0) & is_seen & (ends[0] == road) & (ends[1] == road),
        )

    def _direction(self, road: Road) -> Floats | None:
        if road.heading is None:
            return None
        ends = self.places_of(np.asarray(road.heading, np.float64))
        step = ends[1] - ends[0]
        result: Floats = step / max(float(np.hypot(*step)), 1e-9)
        return result

    def _road_of(self, points: Floats) -> npt.NDArray[np.int64]:
        on = np.full(len(points), -1, np.int64)
        for index in reversed(range(len(self._roads))):
            on[is_inside(points, self._roads[index].polygon)] = index
        return on


def _have_hidden_feet(boxes: Floats, others: Floats) -> npt.NDArray[np.bool_]:
    """(n,) whether one of (m, 4) that stands nearer, lower in the picture, begins above a box's lower edge and covers
    half of it: what was seen of the thing ends there, not the thing."""
    if not len(boxes):
        return np.zeros(0, bool)
    lower = boxes[:, None, 3]
    reaches = (others[None, :, 1] < lower) & (
        others[None, :, 3] > lower + _NEARER * (boxes[:, 3] - boxes[:, 1])[:, None]
    )
    shared = np.minimum(boxes[:, None, 2], others[None, :, 2]) - np.maximum(boxes[:, None, 0], others[None, :, 0])
    hidden = reaches & (shared >= 0.5 * (boxes[:, 2] - boxes[:, 0])[:, None])
    return np.asarray(hidden.any(axis=1), bool)


def _long_axes(spread: Floats) -> Floats:
    """(n, 2, 2) covariances → (n, 2) their longest standard deviation: seen flat, it is along the line of sight."""
    half_gap, across = (spread[:, 0, 0] - spread[:, 1, 1]) / 2, spread[:, 0, 1]
    longest = (spread[:, 0, 0] + spread[:, 1, 1]) / 2 + np.hypot(half_gap, across)
    angle = np.arctan2(across, half_gap) / 2
    result: Floats = np.sqrt(longest)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return result
