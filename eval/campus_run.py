"""Overlapping views through the product's trackers and `journey.fusion`: UCLA CAMPUS with noisy boxes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import iou_matrix
from custodes.geometry.homography import Homography
from custodes.journey.fusion import Fusion, Placed, numbers_of
from custodes.journey.sighting import placed_of
from custodes.track.tracker import TrackColumns, Tracker
from custodes.types.vision import Detections, ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval import campus, crossview

Floats = npt.NDArray[np.float64]
RUN = RunId("00000000beef")
STEP = 6
"""Frames: five looks a second."""
_OWN = 0.5
"""Overlap with a true box from which on a box is that person's."""
NOISE = {"missed": 0.10, "jitter": 0.03, "false": 0.05}
"""Shares: of boxes, of their size, of the number of boxes. As in the field notes' WILDTRACK base."""


@dataclass(frozen=True)
class Outcome:
    """Scores of one pair of views."""

    scores: dict[str, float]
    per_camera: dict[str, float]
    """With the local trackers' numbers, which are no one person's in two views."""


def noisy(rows: Floats, rng: np.random.Generator) -> Floats:
    """(k, 4) boxes in shares as a detector with these faults would give them."""
    boxes = rows[:, 2:6][rng.random(len(rows)) >= NOISE["missed"]]
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + rng.normal(0, NOISE["jitter"], boxes.shape) * size
    extra = rng.poisson(NOISE["false"] * max(len(rows), 1))
    corner = rng.uniform(0.05, 0.9, (extra, 2))
    false = np.concatenate([corner, corner + rng.uniform(0.02, 0.1, (extra, 2))], axis=1)
    return np.clip(np.concatenate([boxes, false]), 0.0, 1.0)


def looked(
    tracker: Tracker, name: str, rows: Floats, frame: int, utc_ns: Ns, rng: np.random.Generator
) -> tuple[TrackedFrame, TrackColumns]:
    """One look of a camera whose detector has these faults: what the product would know, and the tracker's own."""
    boxes = noisy(rows, rng)
    detections = Detections(
        boxes_px=(boxes * np.tile(campus.SIZE, 2)).astype(np.float32),
        scores=np.full(len(boxes), 0.8, np.float32),
        class_ids=np.full(len(boxes), int(ObjectClass.PERSON), np.int16),
    )
    columns = tracker.step(detections, utc_ns, campus.SIZE)
    tracked = TrackedFrame(
        camera_id=CameraId(name),
        run=RUN,
        seq=frame,
        utc_ns=utc_ns,
        track_ids=columns.track_ids,
        class_ids=columns.class_ids,
        boxes_norm=columns.boxes_norm,
        scores=columns.scores,
        is_measured=columns.is_measured,
    )
    return tracked, columns


Mix = tuple[float, float, float, float]
"""Of a look's squared length: what is everybody's, a person's, a person's in one view, one look's alone."""
SMALL_PICTURES: Mix = (0.70, 0.16, 0.08, 0.06)
"""As `track.colours` spreads on EPFL's terrace: one person's in one view .94 alike, in two .86, two people's .70."""
LARGE_PICTURES: Mix = (0.49, 0.24, 0.236, 0.034)
"""As in pose2sim's demo: .97, .73 and .49 (ADR 139)."""


def run(
    views: dict[str, campus.View],
    grounds: dict[str, Homography],
    frames: range,
    *,
    seed: int = 7,
    mix: Mix | None = None,
) -> Outcome:
    """Online over `frames`, with looks of such a mix or without; scores of the global numbers."""
    rng = np.random.default_rng(seed)
    wardrobe = Wardrobe(seed, mix) if mix is not None else None
    trackers = {name: Tracker(homography=grounds[name]) for name in views}
    fusion = Fusion()
    truth, found, local = {}, {}, {}
    by_frame = {name: _by_frame(view.rows) for name, view in views.items()}
    for frame in frames:
        utc_ns = Ns(1_700_000_000 * NS_PER_S + frame * NS_PER_S // campus.FPS)
        seen: list[Placed] = []
        shown = {}
        for index, name in enumerate(sorted(views)):
            rows = by_frame[name].get(frame, np.zeros((0, 7)))
            truth[name, frame] = rows[:, 1].astype(np.int64), rows[:, 2:6]
            tracked, columns = looked(trackers[name], name, rows, frame, utc_ns, rng)
            placed = placed_of(tracked, grounds[name])
            seen += placed if wardrobe is None else wardrobe.dressed(placed, tracked, rows)
            keep = np.flatnonzero(columns.is_measured & columns.is_confirmed)
            shown[name] = columns.track_ids[keep], columns.boxes_norm[keep].astype(np.float64)
            local[name, frame] = shown[name][0] + 1_000_000 * index, shown[name][1]
        numbers = numbers_of(fusion.step(utc_ns, seen))
        for name, (ids, boxes) in shown.items():
            known = np.array([numbers.get((CameraId(name), RUN, int(one)), 0) for one in ids], np.int64)
            found[name, frame] = known[known > 0], boxes[known > 0]
    return Outcome(crossview.score(truth, found), crossview.score(truth, local))


def _by_frame(rows: Floats) -> dict[int, Floats]:
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
    return {int(part[0, 0]): part for part in np.split(rows, starts[1:])}


class Wardrobe:
    """Looks that spread as clothes' colours do. One of five wears what another wears. Of nobody's boxes: any."""

    def __init__(self, seed: int, mix: Mix) -> None:
        self._rng = np.random.default_rng(seed + 1000)
        self._mix = np.sqrt(mix)
        self._drawn: dict[tuple[str, int], Floats] = {}

    def dressed(self, placed: list[Placed], tracked: TrackedFrame, rows: Floats) -> list[Placed]:
        """`rows`: the frame's truth."""
        boxes = {int(one): box for one, box in zip(tracked.track_ids, tracked.boxes_norm, strict=True)}
        overlap = iou_matrix(np.array([boxes[one.key[2]] for one in placed]).reshape(-1, 4), rows[:, 2:6])
        dressed = []
        for row, one in enumerate(placed):
            best = int(overlap[row].argmax()) if len(rows) else -1
            is_real = best >= 0 and overlap[row, best] >= _OWN
            dressed.append(replace(one, look=self._look(one.key[0], int(rows[best, 1]) if is_real else None)))
        return dressed

    def _look(self, camera: str, person: int | None) -> Floats:
        own = self._one("", -person if person % 5 else -person - 1) if person is not None else self._random()
        view = self._one(camera, person) if person is not None else self._random()
        look = self._mix @ np.stack([self._one("all", 0), own, view, self._random()])
        result: Floats = look / np.linalg.norm(look)
        return result

    def _one(self, kind: str, number: int) -> Floats:
        if (kind, number) not in self._drawn:
            self._drawn[kind, number] = self._random()
        return self._drawn[kind, number]

    def _random(self) -> Floats:
        vector: Floats = self._rng.normal(size=256)
        return vector / np.linalg.norm(vector)


def campus_pairs(folder: Path, *, last: int | None = None, mix: Mix | None = None) -> dict[str, Outcome]:
    """Both pairs of views that see one ground."""
    views = campus.load(folder)
    grounds = campus.grounds(views, folder)
    outcomes = {}
    for pair in (("HC3", "HC4"), ("IP2", "IP5")):
        end = int(max(views[name].rows[-1, 0] for name in pair)) if last is None else last
        mine = {name: views[name] for name in pair}
        outcomes["+".join(pair)] = run(mine, grounds, range(0, end, STEP), mix=mix)
    return outcomes
