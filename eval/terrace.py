"""EPFL terrace, end to end from video: two views of one ground, up to nine people, against truth made by eye.

Packets go through the analyser's pipeline (gate, decoder, detector, tracker on the ground), its tracks through
`journey.sighting` and `journey.fusion`, online. Truth (`eval/truth/epfl-terrace.csv`): at every third second, boxes of
everybody of whom about half can be seen, with one number for both views; boxes are another detector's where it had
one, numbers and the rest were given by eye, and both views' feet agree on the ground (median 0.35 m). Person 0 marks
where somebody is mostly hidden or cut: what is found there is neither right nor wrong. Vehicles are not judged.

Looks are the product's (`app.analyser_colours`), as they come out of the wire.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.app.analyser_colours import looks_of
from custodes.geometry.homography import Homography, homography_from_points
from custodes.journey.fusion import Fusion, Look, Placed, numbers_of
from custodes.journey.sighting import placed_of
from custodes.pipeline.analysis import Looking
from custodes.pipeline.camera import CameraPipeline
from custodes.testing.media import read_clip
from custodes.track.colours import unpacked
from custodes.types.media import Frame
from custodes.types.message import StreamClosed, StreamOpened
from custodes.types.scene import CameraScene, GroundPoint
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, Ns
from eval import crossview
from eval.crossview import Boxes

Floats = npt.NDArray[np.float64]
CAMERAS = ("c0", "c1")
SIZE = (360, 288)
FPS = 25
T0 = Ns(1_700_000_000 * NS_PER_S)
M_PER_UNIT = 0.0191
"""The homographies' units have no name. People in both views are 1.75 m tall at 0.0190 and 0.0193 m a unit."""
_POINTS = ((0.1, 0.5), (0.9, 0.5), (0.1, 0.98), (0.9, 0.98), (0.5, 0.7))
_TRUTH = Path(__file__).parent / "truth" / "epfl-terrace.csv"
_IGNORED_SHARE = 0.5


@dataclass(frozen=True)
class Seen:
    """What the analyser told of both views: frames by time, and looks of their measured tracks by (camera, time)."""

    frames: tuple[TrackedFrame, ...]
    looks: Mapping[tuple[str, int], Mapping[int, Look]]


def grounds(folder: Path) -> dict[str, tuple[GroundPoint, ...]]:
    """Five points of each view with their places in metres."""
    known = json.loads((folder / "homographies-gnn-cca-metainfo.json").read_text())["terrace"]["homography"]
    found = {}
    for name, matrix in zip(CAMERAS, known[: len(CAMERAS)], strict=True):
        points = []
        for x, y in _POINTS:
            place = np.array(matrix) @ np.array([x * SIZE[0], y * SIZE[1], 1.0])
            place_m = place[:2] / place[2] * M_PER_UNIT
            points.append(GroundPoint(at=(x, y), place_m=(float(place_m[0]), float(place_m[1]))))
        found[name] = tuple(points)
    return found


def truth() -> dict[tuple[str, int], tuple[Boxes, Floats]]:
    """(camera, frame) → people with their boxes in shares, and (k, 4) where nothing is judged."""
    rows: dict[tuple[str, int], list[list[float]]] = {}
    with _TRUTH.open() as file:
        for row in csv.DictReader(file):
            box = [float(row[key]) for key in ("x1", "y1", "x2", "y2")]
            rows.setdefault((CAMERAS[int(row["camera"])], int(row["frame"])), []).append([float(row["person"]), *box])
    found = {}
    moments = sorted({frame for _, frame in rows})
    for key in ((name, frame) for name in CAMERAS for frame in moments):
        table = np.array(rows.get(key, np.zeros((0, 5)))).reshape(-1, 5)
        boxes, people = table[:, 1:] / np.tile(SIZE, 2), table[:, 0].astype(np.int64)
        found[key] = ((people[people > 0], boxes[people > 0]), boxes[people == 0])
    return found


def watch(folder: Path, looking: Looking, *, fps: float, seconds: float) -> Seen:
    """Both films through the analyser."""
    films = {name: folder / f"terrace1-{name}.mp4" for name in CAMERAS}
    return seen_of(films, grounds(folder), looking, fps=fps, frames=round(seconds * FPS))


def seen_of(
    films: Mapping[str, Path],
    points: Mapping[str, tuple[GroundPoint, ...]],
    looking: Looking,
    *,
    fps: float,
    frames: int,
) -> Seen:
    """Films of cameras of one ground through the analyser; `frames`: at most, of each."""
    tracked_frames: list[TrackedFrame] = []
    looks: dict[tuple[str, int], Mapping[int, Look]] = {}
    nothing = np.zeros((0, 4))

    def keep(frame: Frame, tracked: TrackedFrame) -> None:
        tracked_frames.append(tracked)
        seen = looks_of(frame, tracked, nothing)
        if seen is not None:
            rows = zip(seen.track_ids.tolist(), unpacked(seen.looks), strict=True)
            looks[tracked.camera_id, tracked.utc_ns] = dict(rows)

    for name, film in films.items():
        info, packets = read_clip(film, frames=frames, start_ns=T0, camera_id=name)
        scene = CameraScene(ground=points[name], floor="one")
        pipeline = CameraPipeline(info.camera_id, looking, fps=fps, scene=scene)
        pipeline.on_look = keep
        for item in (StreamOpened(info=info), *packets, StreamClosed(camera_id=info.camera_id, run=info.run)):
            pipeline.process(item)
    return Seen(tuple(sorted(tracked_frames, key=lambda one: one.utc_ns)), looks)


def fused(seen: Seen, folder: Path) -> dict[tuple[str, int, int], int]:
    """(camera, time, track) → the dot's number, online."""
    return fused_on(seen, grounds(folder))


def fused_on(seen: Seen, points: Mapping[str, tuple[GroundPoint, ...]]) -> dict[tuple[str, int, int], int]:
    """The same on any ground."""
    planes = {name: plane(some) for name, some in points.items()}
    fusion, found = Fusion(), {}
    for utc_ns, frames in _moments(seen.frames):
        placed: list[Placed] = []
        for frame in frames:
            looks = seen.looks.get((frame.camera_id, frame.utc_ns), {})
            placed += [
                replace(one, look=looks.get(one.key[2])) for one in placed_of(frame, planes[str(frame.camera_id)])
            ]
        numbers = numbers_of(fusion.step(utc_ns, placed))
        for frame in frames:
            for track in frame.track_ids.tolist():
                found[str(frame.camera_id), int(frame.utc_ns), track] = numbers.get(
                    (frame.camera_id, frame.run, track), 0
                )
    return found


def thinned(seen: Seen, seed: int, share: float = 0.1) -> Seen:
    """As if the detector had missed so many more of what it found, at random."""
    rng = np.random.default_rng(seed)
    frames = []
    for frame in seen.frames:
        keep = rng.random(len(frame.track_ids)) >= share
        columns = ("track_ids", "class_ids", "boxes_norm", "scores", "is_measured")
        frames.append(replace(frame, **{name: getattr(frame, name)[keep] for name in columns}))
    return Seen(tuple(frames), seen.looks)


def plane(points: tuple[GroundPoint, ...]) -> Homography:
    """The ground of one view."""
    return homography_from_points([point.at for point in points], [point.place_m for point in points])


def _moments(frames: tuple[TrackedFrame, ...]) -> Iterator[tuple[int, list[TrackedFrame]]]:
    """Frames by time; those within a twentieth of a second are one moment."""
    waiting: list[TrackedFrame] = []
    for frame in frames:
        if waiting and frame.utc_ns - waiting[0].utc_ns > NS_PER_S // 20:
            yield waiting[-1].utc_ns, waiting
            waiting = []
        waiting.append(frame)
    if waiting:
        yield waiting[-1].utc_ns, waiting


def scores(seen: Seen, numbers: Mapping[tuple[str, int, int], int] | None, *, seconds: float) -> dict[str, float]:
    """HOTA, IDF1, MOTA over both views; with `numbers` None the local tracks', which are nobody's in two views."""
    real, found = {}, {}
    for (name, frame), (people, ignored) in truth().items():
        if frame < seconds * FPS - 1:
            real[name, frame] = people
            found[name, frame] = _judged(_at(seen, numbers, name, frame), people[1], ignored)
    return crossview.score(real, found)


def _at(seen: Seen, numbers: Mapping[tuple[str, int, int], int] | None, name: str, frame: int) -> Boxes:
    """What is known of a camera at a frame: tracks that were measured before and after it, in between."""
    utc_ns = T0 + frame * NS_PER_S // FPS
    mine = [one for one in seen.frames if one.camera_id == name and abs(one.utc_ns - utc_ns) <= NS_PER_S]
    for before, after in pairwise(mine):
        if before.utc_ns <= utc_ns < after.utc_ns:
            share = (utc_ns - before.utc_ns) / (after.utc_ns - before.utc_ns)
            first, second = _measured(before), _measured(after)
            ids, boxes = [], []
            for track in sorted(first.keys() & second.keys()):
                number = (
                    track + 10**15 * CAMERAS.index(name)
                    if numbers is None
                    else numbers[name, int(before.utc_ns), track]
                )
                if number:
                    ids.append(number)
                    boxes.append((1 - share) * first[track] + share * second[track])
            return np.array(ids, np.int64), np.array(boxes).reshape(-1, 4)
    return np.zeros(0, np.int64), np.zeros((0, 4))


def _measured(frame: TrackedFrame) -> dict[int, Floats]:
    is_person = frame.class_ids == int(ObjectClass.PERSON)
    rows = np.flatnonzero(frame.is_measured & (frame.track_ids >= 0) & is_person)
    return {int(frame.track_ids[row]): frame.boxes_norm[row].astype(np.float64) for row in rows.tolist()}


def _judged(found: Boxes, people: Floats, ignored: Floats) -> Boxes:
    """Without what lies mostly where nothing is judged, unless it lies better on somebody."""
    ids, boxes = found
    keep = np.ones(len(ids), bool)
    for row, box in enumerate(boxes):
        hidden = max((_inside(box, other) for other in ignored), default=0.0)
        known = max((_inside(box, other) for other in people), default=0.0)
        keep[row] = hidden < _IGNORED_SHARE or known > hidden
    return ids[keep], boxes[keep]


def _inside(box: Floats, other: Floats) -> float:
    """Share of `box` that lies in `other`."""
    width, height = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    area = float(np.prod(box[2:] - box[:2]))
    return float(max(width, 0.0) * max(height, 0.0)) / max(area, 1e-9)
