"""Who crosses a line, when, and which way. Knows paths of numbered points, not what they are.

A point has crossed when it is clearly on the other side than it was clearly on before (hysteresis: a point that
trembles on the line is not counted again and again), and its path went through the line itself, not past its ends. The
moment is interpolated where the path met the line, so that it does not depend on the rate.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.scene import CountLine
from custodes.units import NS_PER_S

MARGIN = 0.25
"""Clearly on a side: this share of the object's own size from the line. Boxes tremble by .03 to .14 of it, and
who stands at a line sways: with .15 twelve crossings of 116 on PETS were not as the true boxes had them, with .25 six
(2026-11)."""

FORGET_NS = 30 * NS_PER_S
"""A number that was not given for so long is not kept; trackers end numbers long before."""

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


SideRow = tuple[int, int, int, float, float, int, int]
"""Line's index, track, side, x, y, time of that point, time last seen."""


@dataclass(slots=True)
class _Side:
    """Of one number and one line: the side it was last clearly on, and its last point there."""

    side: int
    point: tuple[float, float]
    utc_ns: int
    seen_ns: int


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
    ) -> list[LineCrossing]:
        """Take one frame.

        Args: track_ids: (n,); points: (n, 2) shares of the frame; sizes: (n,) of the objects, in frame heights;
        aspect: width of the frame over its height.
        """
        crossings = []
        for index, line in enumerate(self._lines):
            distances = _signed(line, points, aspect)
            for row, track_id in enumerate(track_ids.tolist()):
                distance, margin = float(distances[row]), self._margin * float(sizes[row])
                side = 0 if abs(distance) < margin else 1 if distance > 0 else -1
                here = (float(points[row, 0]), float(points[row, 1]))
                found = self._take((index, track_id), side, here, utc_ns)
                if found is not None:
                    crossings.append(found)
        self._forget(utc_ns)
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

    def _take(self, key: tuple[int, int], side: int, here: tuple[float, float], utc_ns: int) -> LineCrossing | None:
        before = self._sides.get(key)
        if before is None:
            if side:
                self._sides[key] = _Side(side, here, utc_ns, utc_ns)
            return None
        before.seen_ns = utc_ns
        if side == 0:
            return None
        crossing = None
        if side != before.side:
            line = self._lines[key[0]]
            share, along = _meeting(line, before.point, here)
            if -_BEYOND_ENDS <= along <= 1 + _BEYOND_ENDS:
                met_ns = before.utc_ns + round(share * (utc_ns - before.utc_ns))
                at = (
                    before.point[0] + share * (here[0] - before.point[0]),
                    before.point[1] + share * (here[1] - before.point[1]),
                )
                crossing = LineCrossing(line=line.name, track_id=key[1], utc_ns=met_ns, is_forward=side > 0, at=at)
        before.side, before.point, before.utc_ns = side, here, utc_ns
        return crossing

    def _forget(self, utc_ns: int) -> None:
        for key in [key for key, one in self._sides.items() if utc_ns - one.seen_ns > FORGET_NS]:
            del self._sides[key]

    def state(self) -> list[SideRow]:
        """All state, for `restore`."""
        return [(*key, one.side, *one.point, one.utc_ns, one.seen_ns) for key, one in self._sides.items()]

    def restore(self, state: list[SideRow]) -> None:
        """Go on from `state`; lines that are no longer there are left out."""
        self._sides = {
            (index, track_id): _Side(side, (x, y), utc_ns, seen_ns)
            for index, track_id, side, x, y, utc_ns, seen_ns in state
            if 0 <= index < len(self._lines)
        }


def _signed(line: CountLine, points: npt.NDArray[np.floating], aspect: float) -> npt.NDArray[np.float64]:
    """(n,) distance from the line's straight continuation, frame heights; positive to the right of start → end."""
    scale = np.array([aspect, 1.0])
    start, end = np.array(line.start) * scale, np.array(line.end) * scale
    along = end - start
    gap = points * scale - start
    result: npt.NDArray[np.float64] = (along[0] * gap[:, 1] - along[1] * gap[:, 0]) / np.hypot(*along)
    return result


def _meeting(line: CountLine, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Where a path meets the line: share of the path, share of the line. The path does cross its continuation."""
    ax, ay = line.start
    bx, by = line.end[0] - ax, line.end[1] - ay
    px, py = second[0] - first[0], second[1] - first[1]
    cross = px * by - py * bx
    if cross == 0.0:
        return 0.5, -1.0
    share = ((ax - first[0]) * by - (ay - first[1]) * bx) / cross
    along = ((ax - first[0]) * py - (ay - first[1]) * px) / cross
    return min(max(share, 0.0), 1.0), along
