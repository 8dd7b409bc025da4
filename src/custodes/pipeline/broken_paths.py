"""Who goes on under another number: people lost in the middle of the picture, and who is found near there soon after.

Nobody appears in the middle of a picture, and nobody vanishes there: a number that ends within it and one that begins
within it, a few steps and about a second apart, are mostly one person whom somebody or something hid. For a count over
lines it is the same even where two such people are mistaken for each other: as many are on each side afterwards. The
tracker does not join them, because a wrong join lasts; here it is worth one crossing. Vehicles are `pipeline.scene`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from custodes.pipeline.path_points import PathPoint, PathRow, point_of, row_of
from custodes.pipeline.taken_numbers import Trail, Trails
from custodes.units import NS_PER_S

JOIN_NS = 2_200_000_000
"""As long as the tracker itself waits for who was lost (`TrackerConfig.lost_s`)."""

_KEEP_NS = 2 * JOIN_NS
"""Whoever begins may be waited for before they are believed."""

NEAR_SIZES, SIZES_PER_S = 0.5, 1.5
"""Geometric mean of a person's width and height is a metre: so far boxes err, and so fast people walk."""

SIZE_RATIO = 2.0
"""Half of somebody may be hidden when lost or when found."""

_PATH_MAX = 16
"""Points kept of somebody who is not believed yet, the first one and the latest; two looks are usual."""

_IMPOSSIBLE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A number that is believed from now on, its path so far, and the number it had before; None: it had none."""

    track_id: int
    path: Trail
    before: int | None
    past: Trail = ()
    """Its path under a number that follows another by now (`pipeline.taken_numbers`); what it crossed then is told."""


PathState = tuple[list[PathRow], list[PathRow], list[PathRow]]
"""Points of who is not believed yet, in order; last points of who is; their trails."""


class BrokenPaths:
    """People of one camera in one run. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[PathPoint]] = {}
        self._last: dict[int, PathPoint] = {}
        """Of each believed number."""
        self._trails = Trails()

    def is_believed(self, track_id: int) -> bool:
        """It was given back by `take`."""
        return track_id in self._last

    def take(self, points: Iterable[tuple[int, PathPoint, bool]], utc_ns: int, aspect: float) -> list[Believed]:
        """Take the people measured in one frame: number, place, whether the tracker has confirmed it.

        Args: aspect: width of the frame over its height. Returns: numbers confirmed now for the first time.
        Cost: some 20 µs for ten people; an assignment only when somebody begins.
        """
        new = []
        for track_id, point, is_confirmed in points:
            if track_id not in self._last:
                path = self._waiting.setdefault(track_id, [])
                path.append(point)
                if len(path) > _PATH_MAX:
                    del path[1]
                if not is_confirmed:
                    continue
                new.append(track_id)
            else:
                self._trails.put(track_id, point)
            self._last[track_id] = point
        before = self._joined(new, utc_ns, aspect) if new else {}
        believed = [self._believed(one, before.get(one), aspect) for one in new]
        self._forget(utc_ns)
        return believed

    def _believed(self, track_id: int, before: int | None, aspect: float) -> Believed:
        path, past = tuple(self._waiting.pop(track_id)), Trail()
        if before is None:
            live = [one for one, point in self._last.items() if one != track_id and point.utc_ns >= path[0].utc_ns]
            past = self._trails.take_over(path[0], live, aspect)
        self._trails.begin(track_id, (*past, *path))
        return Believed(track_id=track_id, path=path, before=before, past=past)

    def _joined(self, new: list[int], utc_ns: int, aspect: float) -> dict[int, int]:
        """Numbers that begin → numbers that ended, nearest pairs of all together; those are over."""
        ended = [one for one, point in self._last.items() if point.utc_ns < utc_ns and not point.is_cut]
        if not ended:
            return {}
        far = np.array([[_far(self._last[a], self._waiting[b][0], aspect) for a in ended] for b in new])
        rows, columns = linear_sum_assignment(far)
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        joined = {new[row]: ended[column] for row, column in pairs if far[row, column] < _IMPOSSIBLE}
        for before in joined.values():
            del self._last[before]
        return joined

    def _forget(self, utc_ns: int) -> None:
        self._last = {one: point for one, point in self._last.items() if utc_ns - point.utc_ns <= _KEEP_NS}
        self._waiting = {one: path for one, path in self._waiting.items() if utc_ns - path[-1].utc_ns <= _KEEP_NS}
        self._trails.keep(self._last)

    def state(self) -> PathState:
        """All state, for `restore`."""
        waiting = [row_of(one, point) for one, path in self._waiting.items() for point in path]
        trails = [row_of(*one) for one in self._trails.state()]
        return waiting, [row_of(one, point) for one, point in self._last.items()], trails

    def restore(self, state: PathState) -> None:
        """Go on from `state`."""
        waiting, last, trails = state
        self._waiting, self._last = {}, {row[0]: point_of(row) for row in last}
        for row in waiting:
            self._waiting.setdefault(row[0], []).append(point_of(row))
        self._trails.restore((row[0], point_of(row)) for row in trails)


def _far(end: PathPoint, start: PathPoint, aspect: float) -> float:
    """Sizes of a person from where one was lost to where the other was found; `_IMPOSSIBLE` if nobody goes so."""
    after_ns = start.utc_ns - end.utc_ns
    ratio = max(end.size, start.size) / max(min(end.size, start.size), 1e-6)
    if start.is_cut or not 0 < after_ns <= JOIN_NS or ratio > SIZE_RATIO:
        return _IMPOSSIBLE
    gap: npt.NDArray[np.float64] = (np.array(start.at) - end.at) * (aspect, 1.0)
    sizes = float(np.hypot(*gap)) / max(end.size, 1e-6)
    return sizes if sizes <= NEAR_SIZES + SIZES_PER_S * after_ns / NS_PER_S else _IMPOSSIBLE
