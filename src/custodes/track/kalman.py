"""Constant-velocity Kalman filter of many boxes at once, in real seconds. Which box is whose is not decided here.

The state of a box is centre x, centre y, width, height (pixels) and their velocities. With diagonal noise the four
dimensions do not interact, so each is a filter of two states and all of them are one (n, 4) array operation.
Velocities decay (Ornstein-Uhlenbeck), which keeps a lost track from running away.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Columns = npt.NDArray[np.float64]

_POSITION_DECAY_S = 2.7
_SIZE_DECAY_S = 0.5
_DECAY_S = np.array([_POSITION_DECAY_S, _POSITION_DECAY_S, _SIZE_DECAY_S, _SIZE_DECAY_S])

_ACCELERATION = np.array([0.38, 0.19, 0.09, 0.09])
"""Square root of the spectral density of acceleration, in object sizes per s^1.5: people turn within a second."""

_MEASUREMENT = np.array([0.072, 0.072, 0.20, 0.20])
"""Standard deviation of a detector's box of score 1, in object sizes."""

_FIRST_SIZE_SPEED = 0.15


@dataclass(slots=True)
class Filter:
    """State of n boxes. All arrays (n, 4) float64: `place` and `speed` in px and px/s; `pp`, `ps`, `ss` their
    (co)variances."""

    place: Columns
    speed: Columns
    pp: Columns
    ps: Columns
    ss: Columns

    def take(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Filter":
        """The chosen rows, copied."""
        return Filter(*(getattr(self, column.name)[keep].copy() for column in fields(self)))

    def join(self, other: "Filter") -> "Filter":
        """Rows of both."""
        return Filter(*(np.concatenate([getattr(self, c.name), getattr(other, c.name)]) for c in fields(self)))

    @property
    def boxes_px(self) -> Columns:
        """(n, 4) float64 x1 y1 x2 y2; sides at least one pixel."""
        half = np.maximum(self.place[:, 2:], 1.0) / 2
        return np.concatenate([self.place[:, :2] - half, self.place[:, :2] + half], axis=1)


def empty_filter() -> Filter:
    """No boxes."""
    return Filter(*(np.zeros((0, 4)) for _ in fields(Filter)))


def places_of(boxes_px: npt.NDArray[np.floating]) -> Columns:
    """(n, 4) x1 y1 x2 y2 → (n, 4) float64 centre x, centre y, width, height."""
    boxes = boxes_px.astype(np.float64)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def sizes_of(places: Columns) -> Columns:
    """(n, 1) px: the yardstick of noise. The geometric mean of the sides, so that a cut box changes it less."""
    size: Columns = np.sqrt(np.maximum(places[:, 2:3], 1.0) * np.maximum(places[:, 3:4], 1.0))
    return size


def begin(places: Columns, scores: Columns, top_speed: Columns) -> Filter:
    """New boxes at rest.

    Args: places: (n, 4); scores: (n,); top_speed: (n,) standard deviation of an unknown velocity, object sizes/s.
    """
    size = sizes_of(places)
    spread = np.full((len(places), 4), _FIRST_SIZE_SPEED)
    spread[:, :2] = top_speed[:, None]
    return Filter(
        place=places.copy(),
        speed=np.zeros_like(places),
        pp=_measurement_noise(size, scores),
        ps=np.zeros_like(places),
        ss=(spread * size) ** 2,
    )


def predict(state: Filter, duration_s: float, agility: Columns) -> None:
    """Advance all rows in place.

    Args: duration_s: ≥ 0; agility: (n,) factor on acceleration noise (1 for people).
    """
    keep = np.exp(-duration_s / _DECAY_S)
    gain = _DECAY_S * (1 - keep)
    density = (_ACCELERATION * agility[:, None] * sizes_of(state.place)) ** 2
    state.place += gain * state.speed
    state.speed *= keep
    state.pp += 2 * gain * state.ps + gain**2 * state.ss + density * duration_s**3 / 3
    state.ps = keep * (state.ps + gain * state.ss) + density * duration_s**2 / 2
    state.ss = keep**2 * state.ss + density * duration_s


def distances(state: Filter, places: Columns, scores: Columns) -> Columns:
    """Squared Mahalanobis distance of each detection's centre and height from each box's prediction.

    Args: places: (m, 4), scores: (m,). Returns: (n, m), chi-square with 3 degrees of freedom if it is the same object.
    """
    noise = _measurement_noise(sizes_of(places), scores)
    used = np.array([0, 1, 3])
    gap = places[None][..., used] - state.place[:, None][..., used]
    spread = state.pp[:, None][..., used] + noise[None][..., used]
    result: Columns = (gap**2 / spread).sum(axis=-1)
    return result


def update(state: Filter, rows: npt.NDArray[np.int64], places: Columns, scores: Columns) -> None:
    """Correct `rows` in place by their detections.

    Args: rows: (k,); places: (k, 4); scores: (k,) 0 to 1.
    """
    noise = _measurement_noise(sizes_of(places), scores)
    total = state.pp[rows] + noise
    place_gain, speed_gain = state.pp[rows] / total, state.ps[rows] / total
    gap = places - state.place[rows]
    state.place[rows] += place_gain * gap
    state.speed[rows] += speed_gain * gap
    state.ss[rows] -= speed_gain * state.ps[rows]
    state.ps[rows] *= 1 - place_gain
    state.pp[rows] *= 1 - place_gain


def _measurement_noise(size: Columns, scores: Columns) -> Columns:
    # A detector's weak boxes are also its sloppy ones.
    noise: Columns = (_MEASUREMENT * size * (1.0 + 1.5 * (1.0 - scores[:, None]))) ** 2
    return noise
