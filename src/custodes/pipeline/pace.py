"""Which decoded frames are analysed: so many per second of the camera's clock, fewer under load."""

from custodes.units import NS_PER_MS, NS_PER_S, Ns

SLOWEST_NS = 800 * NS_PER_MS
"""Under load the interval grows up to here and no further: beyond 1 s the masks in between are not vouched for."""

CALM_NS = 200 * NS_PER_MS
STRETCH_PER_S = 4
"""Two packets of a slow camera may wait without meaning anything. Beyond that the lag is what a viewer waits for: with
a threshold of 0.5 s, four cameras that just filled a core settled where live pictures came too late for masks."""

_JUMP_NS = 2 * NS_PER_S


class Pace:
    """Decides by frame time alone, so that the same frames are chosen live and in replay."""

    def __init__(self, fps: float) -> None:
        """`fps`: wanted analyses per second, > 0."""
        assert fps > 0
        self._interval_ns = round(NS_PER_S / fps)
        self._due_ns: int | None = None

    def is_due(self, utc_ns: Ns, backlog_ns: int = 0) -> bool:
        """Whether a frame of this time is to be analysed; if so, the next is due an interval later.

        Args: backlog_ns: how much media waits behind this frame; what is beyond `CALM_NS` slows the pace smoothly.
        """
        if self._due_ns is not None and -_JUMP_NS < utc_ns - self._due_ns < 0:
            return False
        interval_ns = self._interval_ns
        if backlog_ns > CALM_NS:
            stretched = round(interval_ns * (1 + STRETCH_PER_S * (backlog_ns - CALM_NS) / NS_PER_S))
            interval_ns = max(interval_ns, min(stretched, SLOWEST_NS))
        # From the due time, not from the frame's: 5 of 7 frames per second then come out as 5, not as 3.5.
        late_ns = utc_ns - self._due_ns if self._due_ns is not None else 0
        self._due_ns = utc_ns + interval_ns - (late_ns if 0 <= late_ns < interval_ns else 0)
        return True

    @property
    def due_ns(self) -> int | None:
        """When the next frame is due; None before the first."""
        return self._due_ns

    def resume(self, due_ns: int | None) -> None:
        """Go on with another pace's `due_ns`."""
        self._due_ns = due_ns
