"""How long the ways between cameras usually take, and how far that spreads: as drawn, and as flows of groups tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np

from custodes.types.flow import FlowCell, FlowGroup, FlowHour, TimeBand
from custodes.types.place import DrawnWay
from custodes.units import CameraId

DRAWN_SPREAD = 0.4
"""Of the logarithm of a drawn way's seconds: somebody paced it once."""
PLACE_ERROR_S = 0.8
"""Feet are known to a metre or so: added to every expected time."""
LEAST_SPREAD = 0.2
"""Free walking alone spreads so far (Weidmann 1993: 0.26 of 1.34 m/s)."""
_DOUBT = 0.35
"""Of the logarithm of the spread, about that of a drawn way: what tells nothing leaves it at that."""
_STEPS = 13
_NONE = 1e-6

Pair = tuple[CameraId, CameraId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From one camera to another: half take less than `usual_s`; `spread` is the standard deviation of the logarithm
    of the seconds."""

    usual_s: float
    spread: float = DRAWN_SPREAD


def ways_of(hours: Iterable[FlowHour], drawn: Iterable[DrawnWay]) -> dict[Pair, Way]:
    """Between each two cameras that something is known of: seconds as drawn, else as hours of flows of people say
    (means of medians, by count); how far they spread about that, as the flows' bands say."""
    cells: dict[Pair, list[FlowCell]] = {}
    for hour in hours:
        for cell in hour.cells if hour.group is FlowGroup.PEOPLE else ():
            cells.setdefault((cell.from_camera, cell.to_camera), []).append(cell)
    usual = {
        pair: sum(one.median_s * one.count for one in some) / sum(one.count for one in some)
        for pair, some in cells.items()
    } | {(one.from_camera, one.to_camera): one.seconds for one in drawn}
    return {
        pair: Way(usual_s=usual_s, spread=spread_of([one.times for one in cells.get(pair, ())], usual_s))
        for pair, usual_s in usual.items()
    }


def spread_of(hours: Sequence[Sequence[TimeBand]], usual_s: float) -> float:
    """Likeliest spread of log-normal times about a way's usual ones, from how many of each hour were in each band.

    A band of all, or few counts, hardly move it from `DRAWN_SPREAD`. Never wider: bands of ten hold who stopped or
    went around, and a spread that covers them hides the rest (ADR 134).
    """
    some = np.geomspace(LEAST_SPREAD, DRAWN_SPREAD, _STEPS)
    best, found = -np.inf, DRAWN_SPREAD
    for spread in some.tolist():
        fits = -0.5 * (np.log(spread / DRAWN_SPREAD) / _DOUBT) ** 2
        for times in hours:
            fits += sum(one.count * np.log(max(_share(one, usual_s, spread), _NONE)) for one in times)
        if fits > best:
            best, found = float(fits), float(spread)
    return found


def _share(band: TimeBand, usual_s: float, spread: float) -> float:
    """Of log-normal times, what is within a band."""
    high = 1.0 if band.to_s is None else _below(band.to_s, usual_s, spread)
    return high - (_below(band.from_s, usual_s, spread) if band.from_s > 0 else 0.0)


def _below(seconds: float, usual_s: float, spread: float) -> float:
    away = np.log((seconds + PLACE_ERROR_S) / (usual_s + PLACE_ERROR_S)) / spread
    return 0.5 * (1 + erf(float(away) / sqrt(2)))
