"""How fast an object went, with an error: a robust line through its places on the ground, by the clock.

Timestamps are the frames' own, so a camera that stutters changes nothing. No speed is a reading of a frame rate.
"""

from dataclasses import dataclass

import numpy as np

from custodes.geometry.homography import Floats, Homography
from custodes.traffic.placing import GroundPath
from custodes.units import NS_PER_S

WINDOW_S = 4.0
"""Of a path around the moment asked for; longer gives a surer mean of a car that keeps its speed, and a falser one of
a car that brakes (then the curved fit wins, below)."""
MIN_POINTS = 4
MIN_SPAN_S = 0.3
_HUBER = 1.5
_ROUNDS = 4
_SOLID_ERROR = 0.004
"""Of the speed: what a car that is not of its class's shape still leads astray (eval.traffic, cars ± 10 %)."""
_CURVED_GAIN = 12.0
"""A curved path needs three numbers more in each direction; it is taken when it explains that much more (Akaike's and
Bayes' criterion lie at 4 and about 12 for 50 points)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """At one moment."""

    utc_ns: int
    mps: float
    error_mps: float
    """One standard deviation: scatter of the boxes and the calibration's own uncertainty."""
    velocity_mps: tuple[float, float]


def speed_at(path: GroundPath, utc_ns: int | None = None, *, ground: Homography | None = None) -> Speed | None:
    """The speed at a moment, or at the middle of the path; None where too little was seen.

    Args: ground: its uncertainty goes into the error.
    """
    if utc_ns is None and len(path.utc_ns):
        utc_ns = int(path.utc_ns[0] + path.utc_ns[-1]) // 2
    if utc_ns is None:
        return None
    seconds = (path.utc_ns - utc_ns) / NS_PER_S
    rows = np.flatnonzero(np.abs(seconds) <= WINDOW_S / 2)
    if len(rows) < MIN_POINTS or seconds[rows[-1]] - seconds[rows[0]] < MIN_SPAN_S:
        return None
    seconds, places = seconds[rows], path.places_m[rows]
    weights: Floats = np.linalg.inv(path.spread_m2[rows] + 1e-6 * np.eye(2)).astype(np.float64)
    straight = _fit(seconds, places, weights, 1)
    best = straight
    if len(rows) >= 2 * MIN_POINTS:
        curved = _fit(seconds, places, weights, 2)
        if straight.misfit / max(curved.scale, 1e-12) - curved.misfit / max(curved.scale, 1e-12) > _CURVED_GAIN:
            best = curved
    velocity = best.coefficients[1]
    speed = float(np.hypot(*velocity))
    along = velocity / max(speed, 1e-9)
    variance = float(along @ best.covariance[2:4, 2:4] @ along) + (_SOLID_ERROR * speed) ** 2
    if ground is not None and speed > 0:
        ends = path.picture[rows[[0, -1]]]
        span_s = float(seconds[-1] - seconds[0])
        variance += float(along @ ground.gap_spread(ends[0], ends[1]) @ along) / span_s**2
    return Speed(
        utc_ns=utc_ns, mps=speed, error_mps=variance**0.5, velocity_mps=(float(velocity[0]), float(velocity[1]))
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    coefficients: Floats
    """(degree + 1, 2): of powers of seconds."""
    covariance: Floats
    """Of the coefficients, read row by row."""
    misfit: float
    scale: float
    """Mean squared normalised residual: 1 where the boxes scatter as assumed."""


def _fit(seconds: Floats, places: Floats, weights: Floats, degree: int) -> _Fit:
    """Weighted polynomial in both axes at once, with Huber's weights in the metric of each point's own spread."""
    powers = np.stack([seconds**power for power in range(degree + 1)], axis=1)
    design = np.einsum("np,ij->nipj", powers, np.eye(2)).reshape(len(seconds), 2, -1)
    robust = np.ones(len(seconds))
    for _ in range(_ROUNDS):
        weighted = weights * robust[:, None, None]
        normal = np.einsum("nia,nij,njb->ab", design, weighted, design)
        right = np.einsum("nia,nij,nj->a", design, weighted, places)
        solution = np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(len(normal)), right)
        gaps = places - design @ solution
        squared = np.einsum("ni,nij,nj->n", gaps, weights, gaps)
        usual = max(float(np.median(squared)) / 1.386, 1e-12)  # median of chi² with two degrees of freedom
        robust = np.minimum(1.0, _HUBER / np.sqrt(np.maximum(squared / usual, 1e-12)))
    misfit = float((robust * squared).sum())
    # What the weights leave out scatters, too: Huber (1981), 6.5.
    scale = misfit / max(2 * len(seconds) - 2 * (degree + 1), 1) / float(robust.mean()) ** 2
    return _Fit(solution.reshape(degree + 1, 2), np.linalg.inv(normal) * scale, misfit, scale)
