"""The real clock."""

import time

from custodes.units import Ns


class SystemClock:
    """`ports.clock.Clock` over the operating system's clocks."""

    def now_ns(self) -> Ns:
        """UTC in nanoseconds."""
        return Ns(time.time_ns())

    def monotonic_ns(self) -> Ns:
        """CLOCK_MONOTONIC in nanoseconds."""
        return Ns(time.monotonic_ns())
