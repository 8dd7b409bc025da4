"""Vehicles that stand one behind the other, and how far back they reach."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Floats
from custodes.traffic.placing import GroundPath
from custodes.types.traffic import Queue
from custodes.units import NS_PER_S

STANDING_MPS = 1.4
"""5 km/h. Source: Highway Capacity Manual, queued vehicles."""
GAP_M = 15.0
"""Middles of vehicles in one queue are at most this far apart: two lorries with room between."""
_STEP_NS = NS_PER_S
_REACH_NS = NS_PER_S


def longest_queue(paths: Iterable[GroundPath], start_ns: int, end_ns: int) -> Queue:
    """Over [start, end), once a second."""
    standing: dict[int, list[tuple[Floats, float]]] = {}
    for path in paths:
        times = np.arange(max(start_ns, int(path.utc_ns[0])), min(end_ns, int(path.utc_ns[-1]) + 1), _STEP_NS)
        if not len(times):
            continue
        places, moving = _smooth(path, times)
        for utc_ns, spot, mps in zip(times.tolist(), places, moving.tolist(), strict=True):
            if mps < STANDING_MPS:
                standing.setdefault((utc_ns - start_ns) // _STEP_NS, []).append((spot, path.length_m))
    best, total = (0, 0.0, 0), 0
    for step, several in standing.items():
        vehicles, length_m = queue_of(np.array([spot for spot, _ in several]), max(length for _, length in several))
        total += vehicles
        if (vehicles, length_m) > best[:2]:
            best = (vehicles, length_m, start_ns + step * _STEP_NS)
    steps = max((end_ns - start_ns) // _STEP_NS, 1)
    return Queue(vehicles=best[0], length_m=round(best[1], 1), utc_ns=best[2], mean_vehicles=round(total / steps, 3))


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
