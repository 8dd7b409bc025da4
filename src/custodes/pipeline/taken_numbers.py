"""Whose number went over to somebody else: a tracker that loses a walker behind another person may go on with that
one.

Nobody appears in the middle of a picture. Where a number begins there and none has just ended, whoever it is was there
before: hidden, or under a number that now follows another. The second shows in hindsight: up to some moment that
number walked towards where the new one begins, and then it left its course at once. The new number then has that past,
and for a count its side of each line; what the old one does from that moment on is the other's. Nothing is said of who
is who beyond that, and the tracker's numbers stay as they are.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from custodes.pipeline.path_points import PathPoint
from custodes.units import NS_PER_MS, NS_PER_S

TRAIL_NS = 4 * NS_PER_S
"""How far back a path is kept: a hidden stretch, and the course before it."""
_STEP_NS = 100 * NS_PER_MS
"""Points of a trail are as far apart at least; ten a second tell a course."""
HIDDEN_NS = 2_200_000_000
"""As long as the tracker itself waits for who was lost (`TrackerConfig.lost_s`)."""
_COURSE_S, _COURSE_LEAST_S, _COURSE_POINTS = 1.2, 0.7, 3
"""What a course is drawn through, and what it needs at least: two steps of a walker."""
_MISS, _MISS_PER_S = 0.35, 0.35
"""Sizes by which a new number may begin beside the course: boxes err, and people turn."""
_JUMP = 0.25
"""Sizes by which the number left its course from one look to the next: more than boxes tremble."""
_AWAY = 0.6
"""Sizes by which it is off that course when the new one begins: two people, not one that is doubled."""
_AWAY_RATIO = 1.5
"""And as much farther off it than the new one is."""
_SIZE_RATIO = 1.5

Trail = tuple[PathPoint, ...]


class Trails:
    """Ways of the believed numbers of one camera, some seconds back. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self._trails: dict[int, list[PathPoint]] = {}

    def put(self, track_id: int, point: PathPoint) -> None:
        """The newest measured place of one."""
        trail = self._trails.setdefault(track_id, [])
        if not trail or point.utc_ns - trail[-1].utc_ns >= _STEP_NS:
            trail.append(point)
        while trail[0].utc_ns < point.utc_ns - TRAIL_NS:
            del trail[0]

    def begin(self, track_id: int, trail: Iterable[PathPoint]) -> None:
        """A number that is believed from now on, with the way behind it."""
        self._trails[track_id] = []
        for point in trail:
            self.put(track_id, point)

    def keep(self, track_ids: Iterable[int]) -> None:
        """Forget all others."""
        known = set(track_ids)
        self._trails = {one: trail for one, trail in self._trails.items() if one in known}

    def take_over(self, start: PathPoint, live: Iterable[int], aspect: float) -> Trail:
        """The past of whoever begins at `start`, if one of the `live` numbers had it; it is that one's no more.

        Args: aspect: width of the frame over its height. Cost: about 0.1 ms for each number near there.
        """
        best: tuple[float, int, int] | None = None
        for track_id in live:
            trail = self._trails.get(track_id, [])
            found = None if start.is_cut else _left_course(trail, start, aspect)
            if found is not None and (best is None or found < best[:1] + best[2:]):
                best = (found[0], track_id, found[1])
        if best is None:
            return ()
        _, track_id, count = best
        past = tuple(self._trails[track_id][:count])
        del self._trails[track_id][:count]
        return past

    def state(self) -> list[tuple[int, PathPoint]]:
        """All points, in order, for `restore`."""
        return [(one, point) for one, trail in self._trails.items() for point in trail]

    def restore(self, state: Iterable[tuple[int, PathPoint]]) -> None:
        """Go on from `state`."""
        self._trails = {}
        for track_id, point in state:
            self._trails.setdefault(track_id, []).append(point)


def _left_course(trail: list[PathPoint], start: PathPoint, aspect: float) -> tuple[float, int] | None:
    """By how many sizes the course up to some moment misses `start`, and how many points it has up to there, at the
    moment at which the number left it that misses least."""
    points = [one for one in trail if one.utc_ns < start.utc_ns]
    if len(points) <= _COURSE_POINTS:
        return None
    seconds = np.array([one.utc_ns - start.utc_ns for one in points]) / NS_PER_S
    places = np.array([one.at for one in points]) * (aspect, 1.0)
    goal = np.array(start.at) * (aspect, 1.0)
    best: tuple[float, int] | None = None
    for count in range(_COURSE_POINTS, len(points)):
        last = count - 1
        before = (seconds[:count] >= seconds[last] - _COURSE_S).nonzero()[0]
        is_course = len(before) >= _COURSE_POINTS and seconds[last] - seconds[before[0]] >= _COURSE_LEAST_S
        size = points[last].size
        ratio = max(start.size, size) / max(min(start.size, size), 1e-6)
        if not is_course or seconds[last] < -HIDDEN_NS / NS_PER_S or ratio > _SIZE_RATIO:
            continue
        at, speed = _course(seconds[before] - seconds[last], places[before])
        miss, jump, away = (
            float(np.hypot(*(place - at - speed * (then - seconds[last])))) / size
            for place, then in ((goal, 0.0), (places[count], seconds[count]), (places[-1], seconds[-1]))
        )
        is_near = miss <= _MISS - _MISS_PER_S * seconds[last]
        is_left = jump >= _JUMP and away >= max(_AWAY, _AWAY_RATIO * miss)
        if is_near and is_left and (best is None or miss < best[0]):
            best = (miss, count)
    return best


def _course(
    seconds: npt.NDArray[np.float64], places: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Place at second 0 and speed of the straight line that fits best."""
    middle, centre = seconds.mean(), places.mean(axis=0)
    gap = seconds - middle
    speed = gap @ (places - centre) / (gap @ gap)
    return centre - speed * middle, speed
