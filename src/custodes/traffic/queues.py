"""Vehicles that stand one behind the other, and how far back they reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Floats
from custodes.geometry.polygon import is_inside
from custodes.traffic.placing import GroundPath
from custodes.traffic.stands import NEAR_M, PARKED_NS
from custodes.types.scene import Road
from custodes.types.traffic import Queue
from custodes.units import NS_PER_S

STANDING_MPS = 1.4
"""5 km/h. Source: Highway Capacity Manual, queued vehicles."""
GAP_M = 15.0
"""Middles of vehicles in one queue are at most this far apart: two lorries with room between."""
_STEP_NS = NS_PER_S
_REACH_NS = NS_PER_S
_ENDS_STEPS = 2
"""So near its first or last moment a path tells nothing of driving."""
_HIDDEN_STEPS = 60
"""A vehicle that stands may be hidden for a minute: by a queue in front of it."""


@dataclass(slots=True)
class _Stand:
    """One vehicle that stands without a break: steps of the clock, its places, and where in the picture."""

    steps: npt.NDArray[np.int64]
    spots: Floats
    feet: Floats
    length_m: float
    is_first: bool
    """It was never seen to drive before; so for `is_last` and after."""
    is_last: bool


def longest_queue(paths: Iterable[GroundPath], start_ns: int, end_ns: int, roads: Sequence[Road] = ()) -> Queue:
    """Over [start, end), once a second, of vehicles that wait.

    Who is parked does not: who stands for longer than `PARKED_NS`, or, where any road is drawn, on none, or on one
    where standing is usual. Paths that begin `PARKED_NS` before `start_ns` tell who was parked before.
    """
    waiting: dict[int, list[tuple[Floats, float]]] = {}
    for stand in _waiting([one for path in paths for one in _stands(path, start_ns)]):
        is_on = _are_on(stand.feet, roads)
        for step, spot, counts in zip(stand.steps.tolist(), stand.spots, is_on.tolist(), strict=True):
            if counts and 0 <= step * _STEP_NS < end_ns - start_ns:
                waiting.setdefault(step, []).append((spot, stand.length_m))
    best, total = (0, 0.0, 0), 0
    for step, several in sorted(waiting.items()):
        vehicles, length_m = queue_of(np.array([spot for spot, _ in several]), max(length for _, length in several))
        total += vehicles
        if (vehicles, length_m) > best[:2]:
            best = (vehicles, length_m, start_ns + step * _STEP_NS)
    steps = max((end_ns - start_ns) // _STEP_NS, 1)
    return Queue(vehicles=best[0], length_m=round(best[1], 1), utc_ns=best[2], mean_vehicles=round(total / steps, 3))


def _stands(path: GroundPath, start_ns: int) -> list[_Stand]:
    """Steps count from `start_ns`, negative before it."""
    first, last = int(path.utc_ns[0]) - start_ns, int(path.utc_ns[-1]) - start_ns
    steps = np.arange(-(-first // _STEP_NS), last // _STEP_NS + 1)
    if not len(steps):
        return []
    times = start_ns + steps * _STEP_NS
    places, moving = _smooth(path, times)
    feet = path.picture[np.minimum(np.searchsorted(path.utc_ns, times), len(path.utc_ns) - 1)]
    is_standing = moving < STANDING_MPS
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_standing, [False]]).astype(np.int8)))
    return [
        _Stand(
            steps[low:high],
            places[low:high],
            feet[low:high],
            path.length_m,
            is_first=low <= _ENDS_STEPS,
            is_last=high >= len(steps) - _ENDS_STEPS,
        )
        for low, high in edges.reshape(-1, 2).tolist()
    ]


def _waiting(stands: list[_Stand]) -> list[_Stand]:
    """Without those that are parked. A number that ends where it stands and one that begins there, standing, are one
    vehicle: trackers lose whom something hides. O(n²) in stands."""
    stands = sorted(stands, key=lambda one: int(one.steps[0]))
    began = [int(one.steps[0]) for one in stands]
    ended = [int(one.steps[-1]) for one in stands]
    whole = list(range(len(stands)))
    for later, one in enumerate(stands):
        if not one.is_first:
            continue
        for before in range(later - 1, -1, -1):
            other = stands[before]
            is_soon = -_ENDS_STEPS <= one.steps[0] - other.steps[-1] <= _HIDDEN_STEPS
            if other.is_last and is_soon and np.linalg.norm(one.spots[0] - other.spots[-1]) <= NEAR_M:
                whole[later] = whole[before]
                ended[whole[later]] = max(ended[whole[later]], ended[later])
                break
    least = PARKED_NS // _STEP_NS
    return [one for one, first in zip(stands, whole, strict=True) if ended[first] - began[first] < least]


def _are_on(feet: Floats, roads: Sequence[Road]) -> npt.NDArray[np.bool_]:
    """(n,) whether each is where vehicles wait; everywhere where no road is drawn."""
    if not roads:
        return np.ones(len(feet), bool)
    result = np.zeros(len(feet), bool)
    for road in reversed(roads):  # the first that holds a point is its road, as for incidents
        result[is_inside(feet, road.polygon)] = road.stop_after_s > 0
    return result


def queue_of(spots: Floats, length_m: float) -> tuple[int, float]:
    """(n, 2) metres of standing vehicles → vehicles and metres of the longest chain of near ones. O(n²)."""
    near = np.linalg.norm(spots[:, None] - spots[None], axis=2) <= GAP_M
    left, best = set(range(len(spots))), (0, 0.0)
    while left:
        chain, edge = set(), {left.pop()}
        while edge:
            one = edge.pop()
            chain.add(one)
            edge |= {other for other in left if near[one, other]}
            left -= edge
        rows = sorted(chain)
        reach = float(np.linalg.norm(spots[rows][:, None] - spots[rows][None], axis=2).max())
        best = max(best, (len(rows), reach + length_m))
    return best


def _smooth(path: GroundPath, times: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Places at `times`, each a mean over a second, and speeds over two."""
    before, now, after = (_mean_place(path, times + shift) for shift in (-_REACH_NS, 0, _REACH_NS))
    return now, np.linalg.norm(after - before, axis=1) / (2 * _REACH_NS / NS_PER_S)


def _mean_place(path: GroundPath, times: npt.NDArray[np.int64]) -> Floats:
    low = np.searchsorted(path.utc_ns, times - _REACH_NS // 2)
    high = np.maximum(np.searchsorted(path.utc_ns, times + _REACH_NS // 2, side="right"), low + 1)
    sums = np.vstack([np.zeros(2), np.cumsum(path.places_m, axis=0)])
    low, high = np.minimum(low, len(path.utc_ns) - 1), np.minimum(high, len(path.utc_ns))
    result: Floats = (sums[high] - sums[low]) / (high - low)[:, None]
    return result
