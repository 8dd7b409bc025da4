"""Kalman filter of many objects at once on a plane, in real seconds. Which box is whose is not decided here.

An object has a place and a velocity on the plane (two dimensions that interact, because a camera sees depth far less
precisely than width) and the logarithms of its width and height, which wander. Velocities decay (Ornstein-Uhlenbeck),
which keeps a lost track from running away.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Columns = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How objects move and change, in yardsticks (geometric mean of width and height; see `Plane.units`)."""

    acceleration: tuple[float, float]
    """Square root of the spectral density along each axis, yardsticks per s^1.5: people turn within a second."""
    speed_decay_s: float
    first_speed: float
    """Standard deviation of an unknown velocity, yardsticks/s."""
    size_drift: float
    """Of the logarithm of width and height, per square root of a second."""


@dataclass(slots=True)
class Filter:
    """State of n objects, all float64.

    `place`, `speed`: (n, 2) plane units and units/s; `pp`, `ps`, `ss`: (n, 2, 2) covariances of place with place,
    place with speed, speed with speed; `size`, `size_spread`: (n, 2) logarithms of width and height, their variances.
    """

    place: Columns
    speed: Columns
    pp: Columns
    ps: Columns
    ss: Columns
    size: Columns
    size_spread: Columns

    def take(self, keep: npt.NDArray[np.bool_] | Rows) -> "Filter":
        """The chosen rows, copied."""
        return Filter(*(getattr(self, column.name)[keep].copy() for column in fields(self)))

    def join(self, other: "Filter") -> "Filter":
        """Rows of both."""
        return Filter(*(np.concatenate([getattr(self, c.name), getattr(other, c.name)]) for c in fields(self)))


def empty_filter() -> Filter:
    """No objects."""
    flat, square = np.zeros((0, 2)), np.zeros((0, 2, 2))
    return Filter(flat, flat, square, square, square, flat, flat)


def begin(place: Columns, noise: Columns, size: Columns, size_noise: Columns, first_speed: Columns) -> Filter:
    """New objects at rest.

    Args: place: (n, 2), noise: (n, 2, 2), of the first measurement; size: (n, 2) logarithms, size_noise: (n, 2);
    first_speed: (n,) standard deviation, plane units/s.
    """
    count = len(place)
    return Filter(
        place=place.copy(),
        speed=np.zeros((count, 2)),
        pp=noise.copy(),
        ps=np.zeros((count, 2, 2)),
        ss=np.eye(2) * (first_speed**2)[:, None, None],
        size=size.copy(),
        size_spread=size_noise.copy(),
    )


def predict(state: Filter, duration_s: float, motion: Motion, scale: Columns) -> None:
    """Advance all rows in place.

    Args: duration_s: ≥ 0; scale: (n,) factor on `motion.acceleration`, plane units per yardstick times agility.
    """
    keep = float(np.exp(-duration_s / motion.speed_decay_s))
    gain = motion.speed_decay_s * (1 - keep)
    density = np.zeros((len(scale), 2, 2))
    density[:, 0, 0] = (motion.acceleration[0] * scale) ** 2
    density[:, 1, 1] = (motion.acceleration[1] * scale) ** 2
    state.place += gain * state.speed
    state.speed *= keep
    state.pp += gain * (state.ps + state.ps.transpose(0, 2, 1)) + gain**2 * state.ss + density * duration_s**3 / 3
    state.ps = keep * (state.ps + gain * state.ss) + density * duration_s**2 / 2
    state.ss = keep**2 * state.ss + density * duration_s
    state.size_spread += motion.size_drift**2 * duration_s


@dataclass(frozen=True, slots=True)
class Surprise:
    """How well each measurement fits each object, (n, m) each."""

    squared: Columns
    """Mahalanobis distance of the place: chi-square with 2 degrees of freedom if it is the same object."""
    volume: Columns
    """Logarithm of the determinant of the place's predicted covariance."""
    size_squared: Columns
    """The same of width and height."""
    size_volume: Columns


def surprise(state: Filter, place: Columns, noise: Columns, size: Columns, size_noise: Columns) -> Surprise:
    """Each of n objects against each of m measurements.

    Args: place: (m, 2), noise: (m, 2, 2), size, size_noise: (m, 2), as in `begin`.
    """
    gap_x = place[None, :, 0] - state.place[:, None, 0]
    gap_y = place[None, :, 1] - state.place[:, None, 1]
    xx = state.pp[:, None, 0, 0] + noise[None, :, 0, 0]
    yy = state.pp[:, None, 1, 1] + noise[None, :, 1, 1]
    xy = state.pp[:, None, 0, 1] + noise[None, :, 0, 1]
    # A sum of covariances is no smaller than either. Of one that the horizon made a kilometre long and a step wide,
    # digits cancel.
    least = noise[:, 0, 0] * noise[:, 1, 1] - noise[:, 0, 1] * noise[:, 1, 0]
    volume = np.maximum(xx * yy - xy * xy, least[None])
    squared = (yy * gap_x**2 - 2 * xy * gap_x * gap_y + xx * gap_y**2) / volume
    total = state.size_spread[:, None] + size_noise[None]
    size_gap = size[None] - state.size[:, None]
    size_squared, size_volume = size_gap**2 / total, np.log(total)
    # Two columns are added by name: a sum over an axis takes three times as long on so little.
    return Surprise(
        squared,
        np.log(volume),
        size_squared[..., 0] + size_squared[..., 1],
        size_volume[..., 0] + size_volume[..., 1],
    )


def update(state: Filter, rows: Rows, place: Columns, noise: Columns, size: Columns, size_noise: Columns) -> None:
    """Correct `rows` (k,) in place by their measurements; the others as in `begin` with k rows."""
    pp, ps = state.pp[rows], state.ps[rows]
    total = pp + noise
    inverse = _inverse(total)
    place_gain, speed_gain = pp @ inverse, ps.transpose(0, 2, 1) @ inverse
    gap = (place - state.place[rows])[:, :, None]
    state.place[rows] += (place_gain @ gap)[:, :, 0]
    state.speed[rows] += (speed_gain @ gap)[:, :, 0]
    # What is left of a doubt is written as a product. As a difference (pp - gain · pp) it is noise where a place near
    # the horizon, uncertain by kilometres, becomes certain to a metre: no covariance at all.
    left = noise @ inverse
    state.pp[rows] = _even(left @ pp)
    state.ps[rows] = left @ ps
    state.ss[rows] = _even(state.ss[rows] - speed_gain @ ps)
    size_gain = state.size_spread[rows] / (state.size_spread[rows] + size_noise)
    state.size[rows] += size_gain * (size - state.size[rows])
    state.size_spread[rows] *= 1 - size_gain


def _even(matrices: Columns) -> Columns:
    """(k, 2, 2) of what is symmetric but for rounding."""
    result: Columns = (matrices + matrices.transpose(0, 2, 1)) / 2
    return result


def _inverse(matrices: Columns) -> Columns:
    """(k, 2, 2), symmetric and positive definite."""
    result = np.empty_like(matrices)
    determinant = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
    result[:, 0, 0], result[:, 1, 1] = matrices[:, 1, 1], matrices[:, 0, 0]
    result[:, 0, 1], result[:, 1, 0] = -matrices[:, 0, 1], -matrices[:, 1, 0]
    return result / determinant[:, None, None]
