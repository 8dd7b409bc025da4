"""One vehicle that the tracker lost and found again under another number: its parts made one, so that its movement
counts.

Only parts of which the second begins where the first would have been by then are joined, one to one, the likeliest
first.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Floats
from custodes.traffic.placing import GroundPath
from custodes.units import NS_PER_S, RunId

MAX_GAP_S = 4.0
_SLACK_M = 2.5
"""Of a prediction over no time at all: the scatter of two places, and half a car."""
_DRIFT_MPS = 2.0
"""How much more may be astray per second."""
_END_POINTS = 6
_FAR = 1e6

_TURN_S = 1.2
_TURN_MPS = 3.0
_TURN_COSINE = -0.5

Key = tuple[RunId, int, int]
"""Run, the tracker's number, and which vehicle of those that it gave the number to, from 0."""


def reversal_ns(path: GroundPath) -> int | None:
    """When a number went over to another vehicle that drives the other way; None where it did not.

    A car at more than 11 km/h does not turn round within two seconds and a half; a tracker that lost it at the frame's
    edge may find it in one that comes towards it there.
    """
    seconds, reach = path.utc_ns / NS_PER_S, len(path.utc_ns)
    sharpest, found_ns = 0.0, None
    for row in range(2, reach - 2):
        before = np.flatnonzero((seconds < seconds[row]) & (seconds >= seconds[row - 1] - _TURN_S))
        after = np.flatnonzero((seconds >= seconds[row]) & (seconds <= seconds[row] + _TURN_S))
        if len(before) < 2 or len(after) < 2:
            continue
        way_in, way_out = _mean_velocity(path, before), _mean_velocity(path, after)
        speeds = float(np.hypot(*way_in)), float(np.hypot(*way_out))
        product = float(way_in @ way_out)
        if min(speeds) > _TURN_MPS and product < min(sharpest, _TURN_COSINE * speeds[0] * speeds[1]):
            sharpest, found_ns = product, int(path.utc_ns[row])
    return found_ns


def _mean_velocity(path: GroundPath, rows: npt.NDArray[np.intp]) -> Floats:
    span_s = (path.utc_ns[rows[-1]] - path.utc_ns[rows[0]]) / NS_PER_S
    result: Floats = (path.places_m[rows[-1]] - path.places_m[rows[0]]) / max(span_s, 1e-3)
    return result


def stitched(paths: Mapping[Key, GroundPath]) -> dict[Key, Key]:
    """Each path's key → the key of the first part of its vehicle. O(n²) over paths that end and begin."""
    keys = [key for key, path in paths.items() if len(path.utc_ns) >= 2]
    whole = {key: key for key in paths}
    if len(keys) < 2:
        return whole
    starts = np.array([paths[key].utc_ns[0] for key in keys]) / NS_PER_S
    ends = np.array([paths[key].utc_ns[-1] for key in keys]) / NS_PER_S
    first = [_motion(paths[key], at_end=False) for key in keys]
    last = [_motion(paths[key], at_end=True) for key in keys]
    gap_s = starts[None, :] - ends[:, None]
    cost = np.full(gap_s.shape, _FAR)
    for row, column in np.argwhere((gap_s > 0) & (gap_s <= MAX_GAP_S)).tolist():
        if keys[row][0] != keys[column][0]:
            continue
        gap = float(gap_s[row, column])
        there, back = last[row][0] + last[row][1] * gap, first[column][0] - first[column][1] * gap
        ahead, behind = np.hypot(*(first[column][0] - there)), np.hypot(*(last[row][0] - back))
        # From either side: a car that begins to brake in the gap is where only the second part says.
        off_m = float(min(ahead, behind))
        if off_m <= _SLACK_M + _DRIFT_MPS * gap and float(max(ahead, behind)) <= 3 * (_SLACK_M + _DRIFT_MPS * gap):
            cost[row, column] = off_m + gap
    # Importing it takes a third of a second, which each start of the server would pay before the first page.
    from scipy.optimize import linear_sum_assignment

    for row, column in zip(*(axis.tolist() for axis in linear_sum_assignment(cost)), strict=True):
        if cost[row, column] < _FAR:
            whole[keys[column]] = keys[row]
    return {key: _root(whole, key) for key in whole}


def _root(whole: Mapping[Key, Key], key: Key) -> Key:
    while whole[key] != key:
        key = whole[key]
    return key


def _motion(path: GroundPath, *, at_end: bool) -> tuple[Floats, Floats]:
    """Place (2,) and velocity (2,) at one end: a straight line through its last places."""
    rows = slice(-_END_POINTS, None) if at_end else slice(0, _END_POINTS)
    seconds = path.utc_ns[rows] / NS_PER_S
    at = seconds[-1] if at_end else seconds[0]
    design = np.stack([np.ones(len(seconds)), seconds - at], axis=1)
    solution: Floats = np.linalg.lstsq(design, path.places_m[rows], rcond=None)[0]
    return solution[0], solution[1]
