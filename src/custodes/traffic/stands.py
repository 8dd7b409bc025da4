"""Where vehicles stand that somebody was told of: however often a camera loses and finds them again, they are no news.
And when a vehicle that stands is parked, not waiting."""

from dataclasses import dataclass

import numpy as np

from custodes.units import NS_PER_S

PARKED_NS = 300 * NS_PER_S
"""Who stands for longer waits for nothing: no light is red for so long. Source: Highway Capacity Manual, cycles up to
180 s, and the next one."""
REMEMBER_NS = 12 * 3600 * NS_PER_S
"""A vehicle that is found where one stood within this is that one: a night in which a camera finds nothing of it."""
NEAR_M = 3.0
"""So near is the same spot: half a car's length, and as much for boxes that err."""
_MAX_STANDS = 512


@dataclass(slots=True)
class Stand:
    """One vehicle that stands, or stood when last seen. `at`: place as the watch has it."""

    road: str
    at: tuple[float, float]
    seen_ns: int


class Stands:
    """Vehicles of one camera that somebody was told of because they stood. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self._stands: list[Stand] = []

    def put(self, stand: Stand) -> None:
        """Somebody was told of it. Of more than 512 the one that was seen longest ago is forgotten."""
        self._stands.append(stand)
        if len(self._stands) > _MAX_STANDS:
            self._stands.remove(min(self._stands, key=lambda one: one.seen_ns))

    def find(self, road: str, at: tuple[float, float], scale_m: float, utc_ns: int) -> Stand | None:
        """The nearest one that was told of there, within `NEAR_M`. Args: scale_m: metres of one unit of places."""
        self._stands = [one for one in self._stands if utc_ns - one.seen_ns <= REMEMBER_NS]
        near = [
            (far_m, number)
            for number, one in enumerate(self._stands)
            if one.road == road and (far_m := _far(one.at, at) * scale_m) <= NEAR_M
        ]
        return self._stands[min(near)[1]] if near else None

    def leave(self, stand: Stand) -> None:
        """It drove off."""
        self._stands = [one for one in self._stands if one is not stand]


def _far(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))
