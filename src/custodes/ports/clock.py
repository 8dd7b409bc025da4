"""Time as a port, so that tests own it. Nothing but `app`, `cli` and `runtime` makes a real clock."""

from typing import Protocol

from custodes.units import Ns


class Clock(Protocol):
    """Wall and monotonic time."""

    def now_ns(self) -> Ns:
        """UTC in nanoseconds since 1970; may jump."""
        ...

    def monotonic_ns(self) -> Ns:
        """Nanoseconds from an arbitrary point; never goes back."""
        ...
