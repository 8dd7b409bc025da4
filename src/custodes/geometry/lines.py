"""Who crosses a line, when, and which way. Knows paths of numbered points, not what they are.

A point has crossed when it is clearly on the other side than it was clearly on before (hysteresis: a point that
trembles on the line is not counted again and again), and its path went through the line itself, not past its ends.
When and where is that of the path's last step over the line, however long it lingers near it before and after; within
the step it is interpolated, so that it does not depend on the rate.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.scene import CountLine
from custodes.units import NS_PER_S

MARGIN = 0.28
"""Clearly on a side: this share of the object's own size from the line. A crossing is a quarter of it (people sway,
ADR 52), and a foot is known to some .03 (ADR 142): of a path that trembles the farthest point lies too far, so that
who steps over a line by a little less would be told to have crossed it, there and back."""

LAST_MARGIN = 0.15
"""The same of somebody who is gone: there is no way back any more, only the trembling of the box."""

GONE_NS = 4 * NS_PER_S
"""A number that was not given for so long is gone (`TrackerConfig.lost_s`)."""

FORGET_NS = 30 * NS_PER_S
"""A number that was not given for so long is not kept; trackers end numbers long before."""

_LEAST_SIZE = 1e-6
_BEYOND_ENDS = 0.02
"""How far past a line's end, as a share of its length, still counts: people draw lines to the kerb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCrossing:
    """One crossing."""

    line: str
    track_id: int
    utc_ns: int
    """When the path met the line."""
    is_forward: bool
    at: tuple[float, float]
    """Where, shares of the frame."""


SideRow = tuple[int, int, int, float, float, int, float, float, float, int, float, float]
"""Line's index, track, side; x, y where last seen, and when; x, y and sizes from the line where it left if that was
the last; when and where (x, y) it last stepped over the line."""


@dataclass(slots=True)
class _Side:
    """Of one number and one line: the side it was last clearly on, its last point, and where it last met the line."""

    side: int
    point: tuple[float, float]
    seen_ns: int
    left: tuple[float, float]
    """Where it has gone if it is not seen again."""
    left_sizes: float
    """Distance of that from the line in sizes of the object; positive to the right of the line."""
    met_ns: int
    met: tuple[float, float]


class LineCounter:
    """All lines of one camera, in one run. Deterministic; not thread-safe."""

    def __init__(self, lines: tuple[CountLine, ...], *, margin: float = MARGIN) -> None:
        """`margin`: see `MARGIN`."""
        self._lines = lines
        self._margin = margin
        self._sides: dict[tuple[int, int], _Side] = {}

    def step(
        self,
        track_ids: npt.NDArray[np.int64],
        points: npt.NDArray[np.floating],
        sizes: npt.NDArray[np.floating],
        utc_ns: int,
        aspect: float,
        *,
        lefts: npt.NDArray[np.floating] | None = None,
    ) -> list[LineCrossing]:
        """Take one frame.

        Args: track_ids: (n,); points: (n, 2) shares of the frame; sizes: (n,) of the objects, in frame heights;
        aspect: width of the frame over its height; lefts: (n, 2) where each has gone to if it is not seen again, in
        shares of the frame; `points` without.
        """
        times_ns = np.full(len(track_ids), utc_ns, np.int64)
        crossings = self.follow(track_ids, points, sizes, times_ns, aspect, points if lefts is None else lefts)
        return [*crossings, *self._forget(utc_ns)]

    def follow(
        self,
        track_ids: npt.NDArray[np.int64],
        points: npt.NDArray[np.floating],
        sizes: npt.NDArray[np.floating],
        times_ns: npt.NDArray[np.int64],
        aspect: float,
        lefts: npt.NDArray[np.floating],
    ) -> list[LineCrossing]:
        """Take places of several times, in order: a path that was waited for. Args: as in `step`; times_ns: (n,)."""
        crossings = []
        times, ids = times_ns.tolist(), track_ids.tolist()
        for index, line in enumerate(self._lines):
            least = np.maximum(sizes, _LEAST_SIZE)
            distances, last = _signed(line, points, aspect) / least, _signed(line, lefts, aspect) / least
            for row, track_id in enumerate(ids):
                here = (float(points[row, 0]), float(points[row, 1]))
                found = self._take((index, track_id), float(distances[row]), here, times[row])
                if (index, track_id) in self._sides:
                    side = self._sides[index, track_id]
                    side.left, side.left_sizes = (float(lefts[row, 0]), float(lefts[row, 1])), float(last[row])
                if found is not None:
                    crossings.append(found)
        return crossings

    def seen_ns(self, track_id: int) -> int | None:
        """When that number was last given, if it ever was clearly on a side of any line."""
        keys = [(index, track_id) for index in range(len(self._lines))]
        return max((self._sides[key].seen_ns for key in keys if key in self._sides), default=None)

    def hand_over(self, before: int, after: int) -> None:
        """What was known of `before` is known of `after`: the same object under another number."""
        for index in range(len(self._lines)):
            side = self._sides.pop((index, before), None)
            if side is not None:
                self._sides[index, after] = side

    def _take(self, key: tuple[int, int], sizes: float, here: tuple[float, float], utc_ns: int) -> LineCrossing | None:
        side = _side(sizes, self._margin)
        before = self._sides.get(key)
        if before is None:
            if side:
                self._sides[key] = _Side(side, here, utc_ns, here, sizes, utc_ns, here)
            return None
        self._move(key, before, here, utc_ns)
        return self._settle(key, before, side)

    def _move(self, key: tuple[int, int], one: _Side, here: tuple[float, float], utc_ns: int) -> None:
        share = _meeting(self._lines[key[0]], one.point, here)
        if share is not None:
            (x, y), gap_x, gap_y = one.point, here[0] - one.point[0], here[1] - one.point[1]
            one.met = (x + share * gap_x, y + share * gap_y)
            one.met_ns = one.seen_ns + round(share * (utc_ns - one.seen_ns))
        one.point, one.seen_ns = here, utc_ns

    def _settle(self, key: tuple[int, int], one: _Side, side: int) -> LineCrossing | None:
        """A crossing, if it now is on another `side` than before; 0: on none."""
        if side in {0, one.side}:
            return None
        one.side = side
        line = self._lines[key[0]]
        if not -_BEYOND_ENDS <= _along(line, one.met) <= 1 + _BEYOND_ENDS:
            return None
        return LineCrossing(line=line.name, track_id=key[1], utc_ns=one.met_ns, is_forward=side > 0, at=one.met)

    def finish(self) -> list[LineCrossing]:
        """All are gone; returns crossings as `step` does."""
        crossings = [self._last(key, one) for key, one in self._sides.items()]
        self._sides = {}
        return [one for one in crossings if one is not None]

    def _last(self, key: tuple[int, int], one: _Side) -> LineCrossing | None:
        """Whoever is gone is on the side where they were last seen, or on that of the edge they left by."""
        self._move(key, one, one.left, one.seen_ns)
        return self._settle(key, one, _side(one.left_sizes, min(LAST_MARGIN, self._margin)))

    def _forget(self, utc_ns: int) -> list[LineCrossing]:
        gone = [(key, one) for key, one in self._sides.items() if utc_ns - one.seen_ns > GONE_NS]
        crossings = [self._last(key, one) for key, one in gone]
        for key, one in gone:
            if utc_ns - one.seen_ns > FORGET_NS:
                del self._sides[key]
        return [one for one in crossings if one is not None]

    def state(self) -> list[SideRow]:
        """All state, for `restore`."""
        return [
            (*key, one.side, *one.point, one.seen_ns, *one.left, one.left_sizes, one.met_ns, *one.met)
            for key, one in self._sides.items()
        ]

    def restore(self, state: list[SideRow]) -> None:
        """Go on from `state`; lines that are no longer there are left out."""
        self._sides = {
            (index, track_id): _Side(side, (x, y), seen_ns, (left_x, left_y), sizes, met_ns, (met_x, met_y))
            for index, track_id, side, x, y, seen_ns, left_x, left_y, sizes, met_ns, met_x, met_y in state
            if 0 <= index < len(self._lines)
        }


def _side(sizes: float, margin: float) -> int:
    return 0 if abs(sizes) < margin else 1 if sizes > 0 else -1


def _signed(line: CountLine, points: npt.NDArray[np.floating], aspect: float) -> npt.NDArray[np.float64]:
    """(n,) distance from the line's straight continuation, frame heights; positive to the right of start → end."""
    scale = np.array([aspect, 1.0])
    start, end = np.array(line.start) * scale, np.array(line.end) * scale
    along = end - start
    gap = points * scale - start
    result: npt.NDArray[np.float64] = (along[0] * gap[:, 1] - along[1] * gap[:, 0]) / np.hypot(*along)
    return result


def _meeting(line: CountLine, first: tuple[float, float], second: tuple[float, float]) -> float | None:
    """Share of a step at which it meets the line's straight continuation; None where it stays on one side."""
    before, after = _cross(line, first), _cross(line, second)
    if (before > 0) == (after > 0):
        return None
    return before / (before - after)


def _cross(line: CountLine, point: tuple[float, float]) -> float:
    """Positive to the right of start → end, whatever the picture's aspect."""
    (ax, ay), (bx, by) = line.start, line.end
    return (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)


def _along(line: CountLine, point: tuple[float, float]) -> float:
    """Where a point of the line's continuation is on it: 0 at its start, 1 at its end."""
    (ax, ay), (bx, by) = line.start, line.end
    if abs(bx - ax) >= abs(by - ay):
        return (point[0] - ax) / (bx - ax) if bx != ax else -1.0
    return (point[1] - ay) / (by - ay)
