"""How slow the vehicles of one road are, over a minute or a light's cycles: congestion. Of vehicles, not of looks: one
that stands is looked at for as long as all who pass it together.
"""

from collections import deque

from custodes.units import NS_PER_S

BUSY_NS = 60 * NS_PER_S
BUSY_VEHICLES = 5
_MAX_LOOKS = 40_000


class Slowness:
    """One road. Deterministic; a look costs the same however long the window is."""

    def __init__(self, stop_after_s: float) -> None:
        # Before lights (standing for longer than they are red is an incident there) two of their cycles, about: over
        # less, the queue of every red would be congestion.
        self._window_ns = max(BUSY_NS, round(2 * stop_after_s * NS_PER_S))
        self._least_ns = self._window_ns - BUSY_NS // 2
        self._looks: deque[tuple[int, int, bool]] = deque()
        self._sums: dict[int, list[int]] = {}
        """Looks and slow ones, by track."""
        self._shares = 0.0

    @property
    def vehicles(self) -> int:
        """Seen within the window."""
        return len(self._sums)

    @property
    def since_ns(self) -> int:
        """The first look within the window; there must be one."""
        return self._looks[0][0]

    def take(self, utc_ns: int, track_id: int, *, is_slow: bool) -> None:
        """One look at one vehicle that is in the traffic; looks come by time."""
        if len(self._looks) >= _MAX_LOOKS:
            self._drop()
        self._looks.append((utc_ns, track_id, is_slow))
        self._change(track_id, 1, int(is_slow))

    def share(self, utc_ns: int) -> float:
        """Of the time it was seen, that the mean vehicle was slow; 0 where too few, or over too short a time, were."""
        while self._looks and self._looks[0][0] < utc_ns - self._window_ns:
            self._drop()
        is_enough = self.vehicles >= BUSY_VEHICLES and self._looks[-1][0] - self._looks[0][0] >= self._least_ns
        return self._shares / self.vehicles if is_enough else 0.0

    def _drop(self) -> None:
        _, track_id, is_slow = self._looks.popleft()
        self._change(track_id, -1, -int(is_slow))

    def _change(self, track_id: int, looks: int, slow: int) -> None:
        sums = self._sums.setdefault(track_id, [0, 0])
        if sums[0]:
            self._shares -= sums[1] / sums[0]
        sums[0] += looks
        sums[1] += slow
        if sums[0]:
            self._shares += sums[1] / sums[0]
        else:
            del self._sums[track_id]
            if not self._sums:
                self._shares = 0.0  # what rounding left of a sum of nothing
