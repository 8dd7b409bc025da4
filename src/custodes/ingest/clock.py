"""When a picture was taken, from when its packet arrived. One `RunClock` per run; pure.

A packet arrives late by a varying delay, never early. So media time zero is the least of (arrival - media offset)
over the last packets, which forgets jitter and start-up bursts; it is applied at keyframes only, so that within a
GOP time is exactly the stream's own. Source: moonfire-nvr design/time.md.
"""

from collections import deque

from custodes.units import NS_PER_S, Ns

WINDOW_NS = 30 * NS_PER_S
"""How far back the least delay is looked for: a crystal that is 100 ppm off drifts 3 ms in it."""

SLEW_PPM = 500
"""How fast UTC may be corrected against media time (moonfire-nvr's bound, invisible in playback)."""

STEP_NS = 2 * NS_PER_S
"""An error beyond this is a stepped clock, not drift: a new anchor at once, counted."""


class RunClock:
    """Gives each packet its UTC. `anchors` counts steps, the first one included."""

    def __init__(self, *, time_base_num: int, time_base_den: int) -> None:
        self._num = time_base_num * NS_PER_S
        self._den = time_base_den
        self._first_pts: int | None = None
        self._anchor_ns = 0
        self._gop_pts = 0
        self._gop_utc_ns = 0
        self._gop_media_ns = 0
        self._least: deque[tuple[int, int]] = deque()
        self.anchors = 0

    def observe(self, pts: int, arrival_ns: Ns) -> None:
        """Note when a packet arrived, before it is stamped; also for packets that were only buffered."""
        if self._first_pts is None:
            self._first_pts = pts
        zero_ns = arrival_ns - self._media_ns(pts)
        # Monotone queue: least value of the window in O(1) amortised.
        while self._least and self._least[-1][1] >= zero_ns:
            self._least.pop()
        self._least.append((arrival_ns, zero_ns))
        while self._least[0][0] < arrival_ns - WINDOW_NS or self._least[0][0] > arrival_ns + WINDOW_NS:
            self._least.popleft()

    def utc_ns(self, pts: int, *, is_keyframe: bool) -> Ns:
        """UTC of a packet that was observed before."""
        assert self._first_pts is not None
        if is_keyframe or not self.anchors:
            self._adjust(self._media_ns(pts))
            self._gop_pts = pts
            self._gop_utc_ns = max(self._anchor_ns + self._media_ns(pts), 0)
        return Ns(max(self._gop_utc_ns + (pts - self._gop_pts) * self._num // self._den, 0))

    def has_stepped(self) -> bool:
        """Whether the machine's clock was set since the last keyframe: the next one would carry a time out of order.

        A source begins a new run then, so that no run carries one time twice (masks are vouched for by run and time).
        """
        return self.anchors > 0 and abs(self.error_ns()) > STEP_NS

    def error_ns(self) -> int:
        """How far the applied anchor is from the best estimate."""
        return self._least[0][1] - self._anchor_ns if self._least else 0

    def _adjust(self, media_ns: int) -> None:
        error = self.error_ns()
        if not self.anchors or abs(error) > STEP_NS:
            self._anchor_ns += error
            self.anchors += 1
        else:
            bound = max(media_ns - self._gop_media_ns, 0) * SLEW_PPM // 1_000_000
            self._anchor_ns += max(-bound, min(error, bound))
        self._gop_media_ns = media_ns

    def _media_ns(self, pts: int) -> int:
        assert self._first_pts is not None
        return (pts - self._first_pts) * self._num // self._den
