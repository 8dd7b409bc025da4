"""What one track did within the last seconds: where it was, since when it stands, whether it drove, walked or rode."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from custodes.geometry.homography import Floats
from custodes.traffic.driving import along_mps, is_riding
from custodes.traffic.stands import NEAR_M, Stand
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S

MEMORY_NS = 12 * NS_PER_S
"""How far back a track's places are kept."""
WINDOW_NS = 2 * NS_PER_S
STILL_M = 1.2
STOOD_NS = 2 * NS_PER_S
_MAX_PLACES = 400
_STILL_PLACES = 5
_STOPS_NS, _DRIFT_NS = NS_PER_S, 5 * NS_PER_S
_DRIFT_MPS = 0.3
"""Who comes farther in the time it is thought to stand creeps: half of what a slow jam does."""
_HERE_NS, _HERE_LEAST_NS = round(2.4 * NS_PER_S), round(1.8 * NS_PER_S)
_CREEP_M = 1.0
_WALK_S, _HURRY_S = 0.8, 2.0
_HURRY_MPS = 2.0
"""Who is faster along the road than people walk may ride, and is looked at for `_HURRY_S`."""
_STEP_M, _STAYS_S = 0.7, 3.0
"""Who appeared on the road and has not moved may be a bollard that looks like somebody, for a while."""
_WALK_PLACES = 3
_RIDES_NS = 60 * NS_PER_S
"""Who was seen on a bicycle is on it for so long, also where it is not found: between cars at a red light."""
_CAME_NS = 3 * NS_PER_S
_SAME_WAY = 0.7
_PERSON_M = 0.9
"""What a person's box (the root of its area) stands for where there is no ground."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at it. `at`: place as the watch has it; `road`: index or −1; `box`: (4,) shares of the frame."""

    utc_ns: int
    at: tuple[float, float]
    road: int
    is_sure: bool
    """That it is on that road."""
    box: Floats
    tremble_m: float


@dataclass(slots=True)
class Seen:
    """One track."""

    object_class: ObjectClass
    scale_m: float
    """Metres per unit of the places; 1 on a ground."""
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=_MAX_PLACES))
    still_since_ns: int = 0
    still_at: tuple[float, float] = (0.0, 0.0)
    spot: tuple[float, float] | None = None
    """The newest place, in shares of the frame."""
    first_at: tuple[float, float] = (0.0, 0.0)
    has_driven: bool = False
    """It went away from where it was first seen; else it stood there before."""
    rode_ns: int = 0
    """When a person was last seen to ride; 0: never."""
    stand: Stand | None = None
    """Where it stands and somebody knows of it."""

    @property
    def last(self) -> Look:
        """The newest look; there is one."""
        return self.looks[-1]

    def take(self, look: Look) -> None:
        """One more look, by time."""
        self.looks.append(look)
        while self.looks[0].utc_ns < look.utc_ns - MEMORY_NS:
            self.looks.popleft()
        recent = list(self.looks)[-_STILL_PLACES:]
        place = np.array([one.at for one in recent]).mean(axis=0)
        if self._far_m(place, self.still_at) > max(STILL_M, 2.5 * look.tremble_m / len(recent) ** 0.5):
            # It stands, if it does, since the middle of what the mean is over.
            self.still_since_ns, self.still_at = recent[len(recent) // 2].utc_ns, (float(place[0]), float(place[1]))
        # A box that changes because somebody passes before it drives nowhere: only who goes further does.
        if self._far_m(place, self.first_at) > max(NEAR_M, 2.5 * look.tremble_m):
            self.has_driven = True

    def has_left(self, at: tuple[float, float]) -> bool:
        """Whether it drove away from there."""
        place = np.array([one.at for one in list(self.looks)[-_STILL_PLACES:]]).mean(axis=0)
        return self._far_m(place, at) > max(NEAR_M, 2.5 * self.last.tremble_m)

    def stands_here(self, road: int) -> bool:
        """Whether it was where it stands, on that road, in each look of the last two seconds: a
        number that goes over from a parked car to one that passes has not stood there."""
        recent = [one for one in self.looks if one.utc_ns > self.last.utc_ns - _HERE_NS]
        near = [
            one.road == road and self._far_m(np.array(one.at), self.still_at) <= max(NEAR_M / 2, 2.5 * one.tremble_m)
            for one in recent
        ]
        is_long = recent[-1].utc_ns - recent[0].utc_ns >= _HERE_LEAST_NS
        return len(near) >= _WALK_PLACES and is_long and all(near) and self._drift_mps() <= _DRIFT_MPS

    def _drift_mps(self) -> float:
        """How fast it goes lately, while it stands: a jam that creeps moves less in some seconds than boxes far away
        tremble, and more in some more. Without the stand's first second, in which it came to stand."""
        begin_ns = max(self.still_since_ns + _STOPS_NS, self.last.utc_ns - _DRIFT_NS)
        mine = [one for one in self.looks if one.utc_ns >= begin_ns]
        if len(mine) < _WALK_PLACES:
            return np.inf
        seconds = np.array([(one.utc_ns - mine[0].utc_ns) / NS_PER_S for one in mine])
        seconds -= seconds.mean()
        way = seconds @ np.array([one.at for one in mine]) / max(float(seconds @ seconds), 1e-9)
        return float(np.hypot(*way)) * self.scale_m

    def speed_mps(self) -> float:
        """Over the last two seconds; not known of who has just come: as if it drove."""
        recent = [one for one in self.looks if one.utc_ns >= self.last.utc_ns - WINDOW_NS]
        seconds = (recent[-1].utc_ns - recent[0].utc_ns) / NS_PER_S
        return self._far_m(np.array(recent[-1].at), recent[0].at) / seconds if seconds > 1.0 else np.inf

    def came_from(self, road: int, headings: Sequence[Floats | None]) -> bool:
        """Whether it drove on another road, its way, three seconds ago: its foot is hidden, or it overtakes."""
        others = {one.road for one in self.looks if one.road not in (road, -1)}
        for other in others:
            mine = [one for one in self.looks if one.road == other]
            way = np.array(mine[-1].at) - np.array(mine[0].at)
            heading = headings[other]
            far_m = float(np.hypot(*way)) * self.scale_m
            is_its_way = heading is not None and float(way @ heading) * self.scale_m >= _SAME_WAY * far_m
            if is_its_way and far_m >= STILL_M and self.last.utc_ns - mine[-1].utc_ns < _CAME_NS:
                return True
        return False

    @property
    def creeps(self) -> bool:
        """It moved by less than a metre since the look before, if at all."""
        return len(self.looks) > 1 and self._far_m(np.array(self.last.at), self.looks[-2].at) < _CREEP_M

    def window(self, road: int) -> list[Look]:
        """Looks of the last two seconds at it on that road."""
        return [one for one in self.looks if one.utc_ns >= self.last.utc_ns - WINDOW_NS and one.road == road]

    def note_riding(self, heading: Floats | None, aspect: float, *, is_calibrated: bool, is_on_two: bool) -> None:
        """On two wheels, or too fast along the road for somebody on foot: bicycles are missed more often than who
        rides them."""
        if is_on_two or is_riding(*self._way(aspect, is_calibrated=is_calibrated), heading):
            self.rode_ns = self.last.utc_ns

    def walking_since_ns(
        self, roads: frozenset[int], heading: Floats | None, aspect: float, *, is_calibrated: bool
    ) -> int:
        """Since when a person is on any of `roads`, on foot, without a break; 0 if not, or if that is not sure yet."""
        now_ns = self.last.utc_ns
        if self.rode_ns and now_ns - self.rode_ns <= _RIDES_NS:
            return 0
        began_ns, count = 0, 0
        for one in reversed(self.looks):
            if one.road not in roads:
                break
            began_ns, count = one.utc_ns, count + 1
        way, seconds = self._way(aspect, is_calibrated=is_calibrated)
        # Without a ground nobody's speed away from the camera is known.
        least_s = _HURRY_S if not is_calibrated or along_mps(way, seconds, heading) > _HURRY_MPS else _WALK_S
        if self._far_m(np.array(self.last.at), self.first_at) < max(_STEP_M, 1.5 * self.last.tremble_m):
            least_s = _STAYS_S
        is_sure = count >= _WALK_PLACES and now_ns - began_ns >= least_s * NS_PER_S
        return began_ns if is_sure else 0

    def _way(self, aspect: float, *, is_calibrated: bool) -> tuple[Floats, float]:
        """A person's places in metres (n, 2) over the last two seconds, and how long that took."""
        recent = [one for one in self.looks if one.utc_ns >= self.last.utc_ns - WINDOW_NS]
        size = float(np.sqrt(np.prod(self.last.box[2:] - self.last.box[:2]) * aspect))
        scale_m = 1.0 if is_calibrated else _PERSON_M / max(size, 1e-3)
        return np.array([one.at for one in recent]) * scale_m, (recent[-1].utc_ns - recent[0].utc_ns) / NS_PER_S

    def _far_m(self, place: Floats, other: tuple[float, float]) -> float:
        return float(np.hypot(place[0] - other[0], place[1] - other[1])) * self.scale_m
