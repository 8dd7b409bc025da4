"""Simulated cameras over simulated traffic: solids on a ground plane, seen by a pinhole camera, as a detector with
noise would box them, then tracked by the product's own tracker. Seeded; no picture is drawn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Homography, homography_from_camera, homography_from_points
from custodes.pipeline.scene import Crossings
from custodes.track.tracker import Tracker
from custodes.types.event import FrameAnalysed, LineCrossed
from custodes.types.scene import CameraScene
from custodes.types.vision import Detections, ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

Floats = npt.NDArray[np.float64]
T0_NS = 1_700_000_100 * NS_PER_S
RUN = RunId("00000000beef")
_CORNERS = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0.0, 1.0)])


@dataclass(frozen=True)
class Pinhole:
    """A camera of `size` px at `place` (x, y, height in metres) that looks at `target` on the ground."""

    place: tuple[float, float, float]
    target: tuple[float, float]
    focal_px: float = 1000.0
    size: tuple[int, int] = (1280, 720)
    name: str = "cam"

    @property
    def aspect(self) -> float:
        return self.size[0] / self.size[1]

    def pose(self) -> tuple[Floats, Floats, Floats]:
        """Rotation (3, 3), translation (3,), intrinsics (3, 3)."""
        eye = np.array(self.place)
        forward = np.array([*self.target, 0.0]) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        width, height = self.size
        intrinsics = np.array([[self.focal_px, 0, width / 2], [0, self.focal_px, height / 2], [0, 0, 1.0]])
        return rotation, -rotation @ eye, intrinsics

    def homography(self) -> Homography:
        """Exact."""
        return homography_from_camera(*self.pose(), self.size)

    def clicked(self, places: Floats, rng: np.random.Generator, *, click_px: float) -> Homography:
        """From points on the ground (n, 2) that somebody clicked with an error of `click_px`."""
        shares = self.project(np.column_stack([places, np.zeros(len(places))]))
        shares = shares + rng.normal(0, click_px, shares.shape) / np.array(self.size)
        return homography_from_points(
            [(float(x), float(y)) for x, y in shares],
            [(float(x), float(y)) for x, y in places],
            point_sd=click_px / self.size[0],
        )

    def project(self, points: Floats) -> Floats:
        """(…, 3) metres → (…, 2) shares; NaN behind the camera."""
        rotation, translation, intrinsics = self.pose()
        seen = (points @ rotation.T + translation) @ intrinsics.T
        depth = np.where(seen[..., 2:] > 0.5, seen[..., 2:], np.nan)
        return np.asarray(seen[..., :2] / depth / np.array(self.size))

    def box(self, place: Floats, heading: float, solid: tuple[float, float, float]) -> Floats | None:
        """x1 y1 x2 y2 in shares, unclipped; None where a corner is behind the camera."""
        ahead, left = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
        flat = place + _CORNERS[:, :1] * solid[0] * ahead + _CORNERS[:, 1:2] * solid[1] * left
        corners = self.project(np.column_stack([flat, _CORNERS[:, 2] * solid[2]]))
        if not np.isfinite(corners).all():
            return None
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


@dataclass(frozen=True)
class Mover:
    """Something that moves: `where(s)` gives place (2,) and heading in radians at a second, or None when absent."""

    name: int
    object_class: ObjectClass
    solid: tuple[float, float, float]
    where: Callable[[float], tuple[Floats, float] | None]


@dataclass(frozen=True)
class Noise:
    """What is wrong with detector and clock."""

    edge_px: float = 1.5
    missed: float = 0.0
    false_per_frame: float = 0.0
    jitter: float = 0.0
    """Frames come up to this share of the interval early or late; their timestamps say so."""
    score: float = 0.8


@dataclass
class Watched:
    """What the product's tracker and counter made of it."""

    frames: list[FrameAnalysed] = field(default_factory=list)
    crossings: list[LineCrossed] = field(default_factory=list)
    truth: dict[int, list[int]] = field(default_factory=dict)
    """Track → movers whose boxes it took, one a frame."""


def look(
    camera: Pinhole,
    movers: list[Mover],
    seconds: tuple[float, float],
    *,
    fps: float,
    noise: Noise,
    rng: np.random.Generator,
    scene: CameraScene | None = None,
    homography: Homography | None = None,
) -> Watched:
    """Everything the analyser would send of this camera between two seconds."""
    tracker, result = Tracker(homography=homography), Watched()
    crossings = Crossings(CameraId(camera.name), RUN, scene or CameraScene())
    for seq, second in enumerate(_moments(seconds, fps, noise.jitter, rng)):
        utc_ns = Ns(T0_NS + round(second * NS_PER_S))
        boxes, classes, names = _boxes(camera, movers, second, noise, rng)
        scores = np.full(len(boxes), noise.score, np.float32)
        detections = Detections(
            boxes_px=(boxes * np.tile(camera.size, 2)).astype(np.float32),
            scores=scores,
            class_ids=classes.astype(np.int16),
        )
        columns = tracker.step(detections, utc_ns, camera.size)
        for row in np.flatnonzero(columns.is_measured & (columns.track_ids >= 0)).tolist():
            fit = np.abs(boxes - columns.boxes_norm[row]).sum(axis=1)
            result.truth.setdefault(int(columns.track_ids[row]), []).append(names[int(fit.argmin())])
        frame = TrackedFrame(
            camera_id=CameraId(camera.name),
            run=RUN,
            seq=seq,
            utc_ns=utc_ns,
            track_ids=columns.track_ids,
            class_ids=columns.class_ids,
            boxes_norm=columns.boxes_norm,
            scores=columns.scores,
            is_measured=columns.is_measured,
        )
        result.frames.append(FrameAnalysed(frame=frame, valid_from_ns=Ns(utc_ns - round(NS_PER_S / fps))))
        result.crossings += crossings.take(columns, utc_ns, camera.aspect)
    return result


def _moments(seconds: tuple[float, float], fps: float, jitter: float, rng: np.random.Generator) -> Iterator[float]:
    count = int((seconds[1] - seconds[0]) * fps)
    steps = np.arange(count) + rng.uniform(-jitter, jitter, count)
    return iter(np.maximum.accumulate(seconds[0] + np.maximum(steps, 0) / fps).tolist())


def _boxes(
    camera: Pinhole, movers: list[Mover], second: float, noise: Noise, rng: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.int64], list[int]]:
    boxes, classes, names = [], [], []
    edge = noise.edge_px / np.tile(camera.size, 2)
    for mover in movers:
        found = mover.where(second)
        box = None if found is None else camera.box(found[0], found[1], mover.solid)
        if box is None or rng.random() < noise.missed:
            continue
        seen = np.clip(box + rng.normal(0, 1, 4) * edge, 0.0, 1.0)
        # A detector needs to see some of it: a third of its width and height, and four by ten pixels.
        least = np.maximum((box[2:] - box[:2]) / 3, np.array([4.0, 10.0]) / np.array(camera.size))
        if ((seen[2:] - seen[:2]) < least).any():
            continue
        boxes.append(seen)
        classes.append(int(mover.object_class))
        names.append(mover.name)
    for _ in range(rng.poisson(noise.false_per_frame)):
        x, y = rng.uniform(0, 0.9, 2)
        boxes.append(np.array([x, y, x + rng.uniform(0.02, 0.1), y + rng.uniform(0.02, 0.1)]))
        classes.append(int(ObjectClass.CAR))
        names.append(-1)
    return np.array(boxes).reshape(-1, 4), np.array(classes, np.int64), names
