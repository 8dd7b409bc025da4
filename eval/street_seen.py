"""What a camera and a detector make of a street: boxes that tremble, are missed, cut and doubled, as on real film.

Numbers by the packaged detector on `traffic/cdnet-highway.mp4` (five looks a second, 93 numbers of the product's own
tracker, 2026-11-27): 7 of 100 looks at a known vehicle find nothing, one to eleven in a row (22, 7, 10, 4, 1, 2, …);
edges are astray by .014 to .022 of a box; scores .40, .63, .87, .90, .93 (5, 25, 50, 75, 95 %); the class changes in 2
of 1,000; 37 short-lived boxes in 68 s with six vehicles in view, of parts and of pairs of vehicles. Night, rain and
what is small and far are made worse than that film.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.scene import CameraScene, Road
from custodes.types.vision import VEHICLES, Detections, ObjectClass
from eval.pinhole import Pinhole
from eval.street import SEEN_M, SOLIDS, Plan, Thing

Floats = npt.NDArray[np.float64]
_CORNERS = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0.0, 1.0)])
_SCORES = ((0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0), (0.3, 0.4, 0.63, 0.87, 0.9, 0.93, 0.95))
_LOST, _FOUND = 0.025, 0.35
"""A look: a vehicle that was found is not, and one that was not is again: 7 %, three looks on average."""
_EDGE_SD = 0.018
_STAYS = 0.6
"""Of an edge's error, from look to look: the same picture misleads the same way."""
_ODD = 0.09
"""A look: a box of a part or of a pair begins."""
_STRAY = 0.004
"""A look: a box begins where nothing is."""
_FLIP = 0.002
_HIDDEN = 0.75


def camera_of(plan: Plan, rng: np.random.Generator, number: int) -> Pinhole:
    """One of three kinds: along the street from a pole, from a house beside it, from high up."""
    edge = plan.edge_m + 2.5
    kind = number % 3
    if kind == 0:
        eye = (float(rng.uniform(-edge, edge)), float(rng.uniform(-10, -5)), float(rng.uniform(5, 9)))
        return Pinhole(eye, (0.0, float(rng.uniform(25, 33))), focal_px=float(rng.uniform(800, 1050)), name="street")
    if kind == 1:
        side = float(rng.choice([-1, 1]))
        eye = (side * (edge + float(rng.uniform(4, 9))), float(rng.uniform(-6, 0)), float(rng.uniform(6, 10)))
        return Pinhole(eye, (-side * 1.0, float(rng.uniform(26, 34))), focal_px=float(rng.uniform(700, 900)), name="s")
    eye = (float(rng.uniform(-edge, edge)), float(rng.uniform(-18, -8)), float(rng.uniform(11, 16)))
    return Pinhole(eye, (0.0, float(rng.uniform(28, 36))), focal_px=float(rng.uniform(850, 1150)), name="street")


def scene_of(plan: Plan, camera: Pinhole, *, stop_after_s: float, draws_parking: bool) -> CameraScene:
    """Both carriageways; parking strips where `draws_parking`, before them, as the guide says."""

    def shares(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        seen = camera.project(np.array([[x, y, 0.0] for x, y in points]))
        return tuple((float(x), float(y)) for x, y in seen)

    roads = []
    for name, sign in (("up", 1), ("down", -1)):
        edge, middle = sign * plan.edge_m, sign * plan.edge_m / 2
        if draws_parking:
            out = edge + sign * 2.2
            strip = shares([(edge, 4.0), (out, 4.0), (out, 72.0), (edge, 72.0)])
            roads.append(Road(name=f"places {name}", polygon=strip, stop_after_s=0.0, has_people=True))
        way = shares([(middle, 38 - 20 * sign), (middle, 38 + 20 * sign)])
        polygon = shares([(0.0, 4.0), (edge, 4.0), (edge, 72.0), (0.0, 72.0)])
        roads.append(Road(name=name, polygon=polygon, heading=(way[0], way[1]), stop_after_s=stop_after_s))
    return CameraScene(roads=tuple(sorted(roads, key=lambda one: not one.name.startswith("places"))))


@dataclass(slots=True)
class _State:
    """What the detector makes of one thing just now."""

    is_lost: bool
    edges: Floats
    object_class: ObjectClass


@dataclass(slots=True)
class _Odd:
    """A box that is none: beside a thing (`name`), shifted and scaled, or alone in the picture."""

    name: int
    box: Floats
    object_class: ObjectClass
    left: int
    score: float


class Sight:
    """One camera's detector. `is_bad`: rain or a dirty dome, as at night."""

    def __init__(self, camera: Pinhole, plan: Plan, rng: np.random.Generator, *, is_bad: bool) -> None:
        self._camera, self._rng = camera, rng
        rotation, translation, intrinsics = camera.pose()
        self._matrix = intrinsics @ np.column_stack([rotation, translation])
        self._worse = 2.0 if plan.is_night or is_bad else 1.0
        self._states: dict[tuple[int, bool], _State] = {}
        self._odd: list[_Odd] = []
        self._sway = rng.uniform(0, 2 * np.pi, 4)
        self._wind_px = float(rng.choice([0.2, 0.5, 2.5], p=[0.6, 0.3, 0.1]))

    def boxes_of(self, places: Floats, headings: Floats, solids: Floats) -> Floats:
        """(n, 4) shares, unclipped; NaN where a corner is behind the camera."""
        ahead = np.stack([np.cos(headings), np.sin(headings)], axis=1)
        left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
        flat = places[:, None] + _CORNERS[None, :, :1] * solids[:, None, :1] * ahead[:, None]
        flat = flat + _CORNERS[None, :, 1:2] * solids[:, None, 1:2] * left[:, None]
        height = _CORNERS[None, :, 2:] * solids[:, None, 2:]
        seen = np.concatenate([flat, height, np.ones_like(height)], axis=2) @ self._matrix.T
        depth = np.where(seen[..., 2:] > 0.5, seen[..., 2:], np.nan)
        points = seen[..., :2] / depth / np.array(self._camera.size)
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)

    def look(self, things: Sequence[Thing], now_s: float, late_s: float) -> tuple[Detections, list[int]]:
        """What is found `late_s` after `now_s`, and which of `things` are in the picture and could be found."""
        near = [row for row, one in enumerate(things) if -3 < one.place[1] < SEEN_M + 3]
        rows, classes, places, solids, headings = [], [], [], [], []
        for row in near:
            one = things[row]
            x, y = one.place
            y += np.sin(one.heading) * one.mps * late_s if one.road != "foot" else 0.0
            for is_person in (False, True) if one.is_rider else (False,):
                kind = ObjectClass.PERSON if is_person else one.object_class
                rows.append(row)
                classes.append(kind)
                places.append((x, y))
                solids.append((*SOLIDS[kind][:2], 1.75) if is_person else one.solid)
                headings.append(one.heading)
        if not rows:
            return self._found(np.zeros((0, 4)), [], []), []
        boxes = self.boxes_of(np.array(places), np.array(headings), np.array(solids))
        clipped = np.clip(boxes, 0, 1)
        size, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
        least = np.maximum(whole / 3, np.array([6.0, 10.0]) / np.array(self._camera.size))
        is_in = (size >= least).all(axis=1)  # never true of NaN
        keep = np.flatnonzero(is_in)
        clipped, hidden = clipped[keep], np.zeros(len(keep))
        if len(keep):
            clipped, hidden = _hide(clipped, [rows[index] for index in keep])
        seen, kinds, scores = [], [], []
        for index, box, share in zip(keep.tolist(), clipped, hidden.tolist(), strict=True):
            thing, is_rider = things[rows[index]], classes[index] is not things[rows[index]].object_class
            found = self._find(thing, classes[index], is_rider, box, share)
            if found is not None:
                seen.append(found[0])
                kinds.append(found[1])
                scores.append(self._score())
        self._make_odd(things, rows, keep.tolist(), clipped)
        for odd in self._odd:
            seen.append(odd.box)
            kinds.append(odd.object_class)
            scores.append(odd.score)
        shake = self._shake(now_s + late_s)
        in_view = sorted({rows[index] for index in keep.tolist()})
        return self._found(np.array(seen).reshape(-1, 4) + np.tile(shake, 2), kinds, scores), in_view

    def _score(self) -> float:
        drawn = float(np.interp(self._rng.random(), *_SCORES))
        return drawn if self._worse == 1.0 else 0.85 * drawn

    def _find(
        self, thing: Thing, kind: ObjectClass, is_rider: bool, box: Floats, hidden: float
    ) -> tuple[Floats, ObjectClass] | None:
        state = self._states.get((thing.name, is_rider))
        if state is None:
            state = self._states[thing.name, is_rider] = _State(False, np.zeros(4), kind)
        is_small = (box[3] - box[1]) * self._camera.size[1] < 24
        lost = _LOST * self._worse * (3 if is_small else 1) * (4 if kind is ObjectClass.BICYCLE else 1)
        lost = min(lost + max(hidden - 0.3, 0.0), 0.9)
        state.is_lost = self._rng.random() < (1 - _FOUND if state.is_lost else lost)
        fresh = self._rng.normal(0, _EDGE_SD * self._worse**0.5 * (1 - _STAYS**2) ** 0.5, 4)
        state.edges = _STAYS * state.edges + fresh
        if self._rng.random() < _FLIP and kind in (ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.BUS):
            state.object_class = ObjectClass(int(self._rng.choice([ObjectClass.CAR, ObjectClass.TRUCK])))
        if state.is_lost or hidden > _HIDDEN:
            return None
        size = np.tile(box[2:] - box[:2], 2)
        pixel = 0.7 / np.tile(self._camera.size, 2)
        return np.clip(box + state.edges * size + self._rng.normal(0, 1, 4) * pixel, 0, 1), state.object_class

    def _make_odd(self, things: Sequence[Thing], rows: list[int], keep: list[int], boxes: Floats) -> None:
        for odd in self._odd:
            odd.left -= 1
        self._odd = [one for one in self._odd if one.left > 0]
        vehicles = [n for n, index in enumerate(keep) if things[rows[index]].object_class in VEHICLES]
        if vehicles and self._rng.random() < _ODD * self._worse * min(len(vehicles) / 6, 3):
            box = boxes[int(self._rng.choice(vehicles))]
            other = boxes[int(self._rng.choice(vehicles))]
            gap = np.maximum(box[:2], other[:2]) - np.minimum(box[2:], other[2:])
            if (gap < 0.2 * (box[2:] - box[:2])).all() and other is not box:
                odd = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
            else:
                size = box[2:] - box[:2]
                low = box[:2] + self._rng.uniform(0, 0.5, 2) * size
                odd = np.concatenate([low, np.minimum(low + self._rng.uniform(0.4, 0.7, 2) * size, box[2:])])
            kind = ObjectClass.CAR if self._rng.random() < 0.9 else ObjectClass.TRUCK
            left = int(self._rng.geometric(0.5))
            self._odd.append(_Odd(1, odd, kind, left, float(self._rng.uniform(0.3, 0.65))))
        if self._rng.random() < _STRAY * self._worse:
            x, y, size = *self._rng.uniform(0.05, 0.9, 2), float(self._rng.uniform(0.02, 0.1))
            kind = ObjectClass.PERSON if self._rng.random() < 0.3 else ObjectClass.CAR
            box = np.array([x, y, min(x + size, 1.0), min(y + size * 1.4, 1.0)])
            left = int(self._rng.geometric(0.3))
            self._odd.append(_Odd(0, box, kind, left, float(self._rng.uniform(0.3, 0.7))))

    def _shake(self, second: float) -> Floats:
        """Wind on the pole, in shares."""
        slow = np.array([np.sin(0.9 * second + self._sway[0]), np.sin(1.3 * second + self._sway[1])])
        fast = self._rng.normal(0, 0.3, 2)
        return self._wind_px * (slow + fast) / np.array(self._camera.size)

    def _found(self, boxes: Floats, kinds: list[ObjectClass], scores: list[float]) -> Detections:
        return Detections(
            boxes_px=(np.clip(boxes, 0, 1) * np.tile(self._camera.size, 2)).astype(np.float32),
            scores=np.array(scores, np.float32),
            class_ids=np.array([int(kind) for kind in kinds], np.int16),
        )


def _hide(boxes: Floats, rows: list[int]) -> tuple[Floats, Floats]:
    """What stands in front (lower in the picture) hides: boxes as far as they are seen, and hidden shares."""
    own = np.array(rows)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None)
    is_front = (boxes[None, :, 3] > boxes[:, None, 3]) & (own[None] != own[:, None])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    # A solid fills some four fifths of its box.
    hidden = np.minimum((np.prod(shared, axis=2) * is_front).sum(axis=1) * 0.8 / area, 1.0)
    wide = shared[..., 0] >= 0.7 * (boxes[:, 2] - boxes[:, 0])[:, None]
    tops = np.where(is_front & wide & (shared[..., 1] > 0), boxes[None, :, 1], np.inf).min(axis=1)
    cut = boxes.copy()
    least = boxes[:, 1] + 0.3 * (boxes[:, 3] - boxes[:, 1])
    # Detectors guess half of what they do not see.
    cut[:, 3] = np.where(np.isfinite(tops), np.maximum((tops + boxes[:, 3]) / 2, least), boxes[:, 3])
    return cut, hidden
