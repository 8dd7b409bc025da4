"""When to start a crashed process again. Pure: the caller passes the time."""

from collections import deque

from custodes.units import NS_PER_S, Ns

FIRST_DELAY_S = 0.2
MAX_DELAY_S = 10.0
CRASHES_TO_DEGRADE = 5
CRASH_WINDOW_NS = 60 * NS_PER_S
DEGRADED_DELAY_S = 30.0
"""A degraded process is still tried, so that a cause that goes away (a disk, a camera) needs nobody's hand."""
STEADY_NS = 60 * NS_PER_S
"""Alive for this long, a process counts as well again."""


class RestartPolicy:
    """Exponential back-off of one process, 0.2 s doubling to 10 s; five crashes in 60 s make it degraded."""

    def __init__(self) -> None:
        self._crashes_ns: deque[Ns] = deque(maxlen=CRASHES_TO_DEGRADE)
        self._in_a_row = 0
        self.is_degraded = False

    def crashed(self, *, started_ns: Ns, now_ns: Ns) -> float:
        """Note a crash of an incarnation that began at `started_ns` (monotonic).

        Returns: seconds to wait before the next start.
        """
        if now_ns - started_ns >= STEADY_NS:
            self.steadied()
        self._crashes_ns.append(now_ns)
        self._in_a_row += 1
        if len(self._crashes_ns) == CRASHES_TO_DEGRADE and now_ns - self._crashes_ns[0] <= CRASH_WINDOW_NS:
            self.is_degraded = True
        if self.is_degraded:
            return DEGRADED_DELAY_S
        return float(min(FIRST_DELAY_S * 2.0 ** (self._in_a_row - 1), MAX_DELAY_S))

    def steadied(self) -> None:
        """It has been alive for `STEADY_NS`: forget its crashes."""
        self._crashes_ns.clear()
        self._in_a_row = 0
        self.is_degraded = False
