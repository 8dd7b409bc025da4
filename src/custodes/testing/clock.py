"""A clock that moves only when told."""

from custodes.units import Ns


class ManualClock:
    """`ports.clock.Clock` for tests: `advance` moves both times, `jump` only the wall clock."""

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self._wall_ns = start_ns
        self._monotonic_ns = 0

    def now_ns(self) -> Ns:
        """The wall clock as set."""
        return Ns(self._wall_ns)

    def monotonic_ns(self) -> Ns:
        """Nanoseconds since the start."""
        return Ns(self._monotonic_ns)

    def advance(self, duration_ns: int) -> None:
        """Let time pass. `duration_ns` ≥ 0."""
        assert duration_ns >= 0
        self._wall_ns += duration_ns
        self._monotonic_ns += duration_ns

    def jump(self, offset_ns: int) -> None:
        """Step the wall clock, as NTP or a person does."""
        self._wall_ns += offset_ns
