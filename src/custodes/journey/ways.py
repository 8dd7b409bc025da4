"""How likely somebody who left one picture is the one who comes into another: from what is known of the site, for a
few tracks without looks.

Three sources, the best that a pair of cameras has: measured ground (where they left, where they came, how people
walk), a way that was drawn or learnt, or two of them over a camera that missed somebody (`legs`; its usual seconds,
and what the stretch itself tells of it, `stretch`), the same picture (a track that was lost for a moment).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.journey.assignment import Links
from custodes.journey.fusion import TrackKey
from custodes.journey.legs import net
from custodes.journey.stretch import Possible, lanes_of, learn
from custodes.journey.usual import PLACE_ERROR_S, Way
from custodes.units import CameraId

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

WALK_MPS = 1.3
"""Median of free walking (Weidmann 1993: 1.34, standard deviation 0.26)."""
WALK_SPREAD = 0.45
"""Of its logarithm; wider than free walking, because ways bend and people stop."""
_LOST_S = 3.0
"""Mean of how long a tracker loses somebody who stays in the picture."""
_LOST_SHARE = 0.12
"""How far they are from where they were lost by then, in shares of the frame."""
HANDOVER_S = 1.0
"""Two pictures may show somebody at once for so long without their ground being measured."""
_REACH = 3.0
"""Deviations beyond which a way is not thought of."""
_HEADING = 1.2
"""Concentration (von Mises) of where people go around where they were heading."""
_HEADING_NORM = float(np.log(np.i0(_HEADING)))
_BEFORE_S = 3600.0
"""An arrival nobody explains is at least as likely as one an hour."""
MOST = 40
_BLOCK = 1000
"""Pairs of one picture at once, of thousands of tracks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One camera's track of somebody, from where and when it began to where and when it ended."""

    key: TrackKey
    start_s: float
    end_s: float
    first: tuple[float, float]
    last: tuple[float, float]
    """Feet, shares of the frame."""
    floor: str = ""
    enter_m: tuple[float, float] | None = None
    leave_m: tuple[float, float] | None = None
    """On the floor's ground; None where it is not measured."""

    @property
    def camera_id(self) -> CameraId:
        """Whose picture."""
        return self.key[0]


def links(passages: Sequence[Passage], ways: Mapping[tuple[CameraId, CameraId], Way], span_s: float) -> Links:
    """Which could be one person, with their odds.

    Args: passages: by start; ways: drawn or learnt; span_s: of the whole stretch.
    Cost: passages times those that begin within reach; 0.3 s for 2,000 in a day of 8 cameras, 1.3 s for 9,400 in an
    hour of 76.
    """
    if not passages:
        none = np.zeros(0, np.int64)
        return Links(none, none, np.zeros(0))
    table = _Table(passages)
    stayed_s = {camera: float(np.median((table.end - table.start)[rows])) for camera, rows in table.by_camera.items()}
    known = net(ways, list(table.by_camera), stayed_s)
    counts = np.bincount(table.camera, minlength=known.cameras)
    born_per_s = np.maximum(counts / max(span_s, 1.0), 1.0 / _BEFORE_S)
    firsts, seconds, densities, numbers = [], [], [], []
    for one_camera, one_rows in table.by_camera.items():
        for other_camera, other_rows in table.by_camera.items():
            way = known.way.get((one_camera, other_camera))
            found = _pairs(table, one_rows, other_rows, way)
            firsts.append(found[0])
            seconds.append(found[1])
            densities.append(found[2])
            is_by_way = way is not None and one_camera != other_camera and not _has_ground(table, one_rows, other_rows)
            numbers.append(np.full(len(found[0]), known.number[one_camera, other_camera] if is_by_way else -1))
    first, second, density, number = (np.concatenate(parts) for parts in (firsts, seconds, densities, numbers))
    possible = Possible(
        first=first,
        second=second,
        gap_s=table.start[second] - table.end[first],
        log_density=density,
        way=number,
        ways=known.columns,
        camera=table.camera,
        lane=lanes_of(table.first, table.last),
        born_per_s=born_per_s,
    )
    kept = possible.of(_likeliest(first, possible.log_odds()))
    return Links(kept.first, kept.second, learn(kept, span_s=span_s, least_born_per_s=1.0 / _BEFORE_S))


class _Table:
    """Passages as columns."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.start = np.array([one.start_s for one in passages])
        self.end = np.array([one.end_s for one in passages])
        self.first = np.array([one.first for one in passages])
        self.last = np.array([one.last for one in passages])
        unknown = (np.nan, np.nan)
        self.enter = np.array([one.enter_m or unknown for one in passages])
        self.leave = np.array([one.leave_m or unknown for one in passages])
        floors = {name: number for number, name in enumerate(dict.fromkeys(one.floor for one in passages))}
        self.floor = np.array([floors[one.floor] for one in passages])
        cameras = list(dict.fromkeys(one.camera_id for one in passages))
        numbers = {camera: number for number, camera in enumerate(cameras)}
        self.camera = np.array([numbers[one.camera_id] for one in passages], np.int64)
        self.by_camera = {camera: np.flatnonzero(self.camera == number) for camera, number in numbers.items()}


def _has_ground(table: _Table, ones: Rows, others: Rows) -> bool:
    """Whether both pictures' places are measured, on one floor."""
    return bool(
        table.floor[ones[0]] == table.floor[others[0]]
        and np.isfinite(table.leave[ones]).all()
        and np.isfinite(table.enter[others]).all()
    )


def _pairs(table: _Table, ones: Rows, others: Rows, way: Way | None) -> tuple[Rows, Rows, Floats]:
    """Pairs within reach of two cameras (or one), and the log density of their time, a second, and way."""
    is_same = bool(len(ones)) and bool(len(others)) and int(ones[0]) == int(others[0])
    has_ground = _has_ground(table, ones, others)
    reach_s = _reach_s(table, ones, others, way, has_ground=has_ground, is_same=is_same)
    if reach_s <= 0:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0)
    low = np.searchsorted(table.start[others], table.end[ones] - HANDOVER_S)
    high = np.searchsorted(table.start[others], table.end[ones] + reach_s, side="right")
    count = np.maximum(high - low, 0)
    first = np.repeat(ones, count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    second = others[np.repeat(low, count) + offset]
    keep = (first != second) & (table.start[second] > table.start[first])
    first, second = first[keep], second[keep]
    gap_s = table.start[second] - table.end[first]
    if is_same and len(first):
        density = _by_picture(table, first, second, gap_s)
    elif has_ground or not len(first):
        density = _by_ground(table, first, second, gap_s)
    else:
        assert way is not None, "pairs without any way are not within reach"
        density = _log_normal(gap_s + PLACE_ERROR_S, way.usual_s + PLACE_ERROR_S, way.spread)
    return first, second, density


def _reach_s(table: _Table, ones: Rows, others: Rows, way: Way | None, *, has_ground: bool, is_same: bool) -> float:
    if is_same:
        return _REACH * _LOST_S
    if has_ground:
        far = np.concatenate([table.leave[ones], table.enter[others]])
        metres = float(np.linalg.norm(far.max(axis=0) - far.min(axis=0)))
        return (metres / WALK_MPS + PLACE_ERROR_S) * float(np.exp(_REACH * WALK_SPREAD))
    return 0.0 if way is None else (way.usual_s + PLACE_ERROR_S) * float(np.exp(_REACH * way.spread))


def _by_ground(table: _Table, first: Rows, second: Rows, gap_s: Floats) -> Floats:
    way = table.enter[second] - table.leave[first]
    metres = np.linalg.norm(way, axis=1)
    time = _log_normal(gap_s + PLACE_ERROR_S, metres / WALK_MPS + PLACE_ERROR_S, WALK_SPREAD)
    walked = table.leave[first] - table.enter[first]
    lengths = metres * np.linalg.norm(walked, axis=1)
    cosine = np.where(lengths > 1.0, (way * walked).sum(axis=1) / np.maximum(lengths, 1e-9), 0.0)
    heading = np.where(lengths > 1.0, _HEADING * cosine - _HEADING_NORM, 0.0)
    result: Floats = time + heading
    return result


def _by_picture(table: _Table, first: Rows, second: Rows, gap_s: Floats) -> Floats:
    shares = np.linalg.norm(table.first[second] - table.last[first], axis=1)
    # A density over places as well: against arrivals where others arrive.
    place = -0.5 * (shares / _LOST_SHARE) ** 2 - np.log(2 * np.pi * _LOST_SHARE**2)
    place -= np.log(_arriving(table.first[table.camera == table.camera[second[0]]], table.first[second]))
    result: Floats = place - np.maximum(gap_s, 0.0) / _LOST_S - np.log(_LOST_S)
    return result


def _arriving(starts: Floats, places: Floats) -> Floats:
    """(k,) density of arrivals at places of one picture, one of them each, by where the other tracks of it begin:
    most come over an edge or through a door, where others have just gone.

    Args: starts: (n, 2), places: (k, 2), shares of the frame. One arrival of n is thought to be anywhere.
    """
    scale = 2 * np.pi * _LOST_SHARE**2
    density = np.empty(len(places))
    for low in range(0, len(places), _BLOCK):
        some = places[low : low + _BLOCK]
        squared = ((some[:, None] - starts) ** 2).sum(axis=2) / _LOST_SHARE**2
        density[low : low + _BLOCK] = np.exp(-0.5 * squared).sum(axis=1) - 1
    result: Floats = (1 + density / scale) / len(starts)
    return result


def _log_normal(gap_s: Floats, usual_s: Floats | float, spread: float) -> Floats:
    """Log density, a second, of a time whose logarithm is spread around the usual one's."""
    gap_s = np.maximum(gap_s, 0.05)
    away = (np.log(gap_s) - np.log(usual_s)) / spread
    result: Floats = -0.5 * away**2 - np.log(gap_s * spread * np.sqrt(2 * np.pi))
    return result


def _likeliest(first: Rows, log_odds: Floats) -> Rows:
    """Rows of the `MOST` best of each first."""
    order = np.lexsort((-log_odds, first))
    ordered = first[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
    rank = np.arange(len(ordered)) - np.repeat(begins, np.diff(np.r_[begins, len(ordered)]))
    result: Rows = order[rank < MOST]
    return result
