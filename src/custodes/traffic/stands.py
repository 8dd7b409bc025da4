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
SWAP_NS = 5 * NS_PER_S
"""One drives off and another one into its place in no less."""
HIDDEN_NS = 20 * NS_PER_S
"""While one passes, the other is hidden for as long, and has lost its number to it."""
_MAX_STANDS = 512


@dataclass(slots=True)
class Stand:
    """One vehicle that stands, or stood when last seen. `at`: place as the watch has it."""

    road: str
    at: tuple[float, float]
    seen_ns: int
    is_left: bool = False
    """The number that stood there drives: the vehicle, or only its number, which went over to one that passed."""

    def is_same(self, since_ns: int, *, has_driven: bool) -> bool:
        """Whether one that stands there since then is that vehicle, whatever its number did before.

        One that was seen to drive there is another one, unless no time was left to drive off and in; one that was not
        is the same one, found again, unless the first drove off some time before.
        """
        if has_driven or self.is_left:
            return since_ns - self.seen_ns < (SWAP_NS if has_driven else HIDDEN_NS)
        return True


class Stands:
    """Vehicles of one camera that somebody was told of because they stood. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self._stands: list[Stand] = []

    def put(self, stand: Stand) -> None:
        """Somebody was told of it. Of more than 512 the one that was seen longest ago is forgotten."""
        self._stands.append(stand)
        if len(self._stands) > _MAX_STANDS:
            self._stands.remove(min(self._stands, key=lambda one: one.seen_ns))

    def see(self, road: str, at: tuple[float, float], scale_m: float, utc_ns: int) -> None:
        """One stands, or creeps, there just now, under whatever number: who was seen to stand there a moment ago has
        not driven off. Args: as of `find`."""
        for one in self._stands:
            if one.road == road and utc_ns - one.seen_ns < SWAP_NS and _far(one.at, at) * scale_m <= NEAR_M:
                one.seen_ns = utc_ns

    def find(self, road: str, at: tuple[float, float], scale_m: float, utc_ns: int) -> Stand | None:
        """The nearest one that was told of there, within `NEAR_M`. Args: scale_m: metres of one unit of places."""
        self._stands = [one for one in self._stands if utc_ns - one.seen_ns <= REMEMBER_NS]
        near = [
            (far_m, number)
            for number, one in enumerate(self._stands)
            if one.road == road and (far_m := _far(one.at, at) * scale_m) <= NEAR_M
        ]
        return self._stands[min(near)[1]] if near else None

    def forget(self, stand: Stand) -> None:
        """Another one stands there now."""
        self._stands = [one for one in self._stands if one is not stand]


def _far(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))
