"""When a picture was taken, from when its packet arrived and what the camera says. One `RunClock` per run; pure.

A packet arrives late by a varying delay, never early. So by arrival, media time zero is the least of (arrival - media
offset) over the last packets, which forgets jitter and start-up bursts (source: moonfire-nvr design/time.md). Arrivals
are counted in monotonic time, so that a machine whose clock is set does not disturb the estimate.

A camera that sends RTCP sender reports tells its own time (RFC 3550 6.4.1). It is believed as long as both clocks can
be right: not later than the arrival, not more than a second before. Else the camera's clock is wrong, by an offset
that is kept and shown, and arrivals count: no camera moves our time by more than a second.

What is believed is applied at keyframes only, slowly, so that within a GOP time is exactly the stream's own.
"""

from collections import deque
from statistics import median_low

from custodes.types.media import ClockReading, ClockSource
from custodes.units import NS_PER_S, Ns

WINDOW_NS = 30 * NS_PER_S
"""How far back the least delay is looked for: a crystal that is 100 ppm off drifts 3 ms in it."""

SLEW_PPM = 500
"""How fast UTC may be corrected against media time (moonfire-nvr's bound, invisible in playback)."""

CATCH_UP_NS = NS_PER_S // 10
CATCH_UP_PPM = 5_000
"""Beyond `CATCH_UP_NS`: a second that the camera's first report shows is caught up within 200 s."""

STEP_NS = 2 * NS_PER_S
"""An error beyond this is a stepped clock, not drift: a new anchor at once, counted."""

MAX_EARLY_NS = NS_PER_S
"""Encoder, camera's buffer and network rarely delay a picture by more; a camera's clock further behind is wrong."""

MAX_LATE_NS = NS_PER_S // 20
"""A picture is not taken after it arrived; two clocks that follow NTP agree this well."""

CAMERA_READINGS = 15
MIN_CAMERA_READINGS = 3
"""The first packet after a report carries its successor's time (FFmpeg's parser): a median forgets it."""

UNSEEN_DELAY_NS = NS_PER_S // 2
"""Error of a time by arrival: assumed, since encoder and buffer delay every packet alike and nothing measures it."""


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
        self._wall_ns = 0
        self._least: deque[tuple[int, int]] = deque()
        self._camera: deque[int] = deque(maxlen=CAMERA_READINGS)
        self.anchors = 0

    def observe(self, pts: int, *, arrival_ns: Ns, monotonic_ns: Ns, camera_ns: Ns | None = None) -> None:
        """Note when a packet arrived, before it is stamped; also for packets that were only buffered.

        Args:
            arrival_ns: UTC by this machine, read together with `monotonic_ns`.
            camera_ns: UTC of the picture by the camera's clock, where it tells one.
        """
        if self._first_pts is None:
            self._first_pts = pts
        media_ns = self._media_ns(pts)
        self._wall_ns = arrival_ns - monotonic_ns
        zero_ns = monotonic_ns - media_ns
        # Monotone queue: least value of the window in O(1) amortised.
        while self._least and self._least[-1][1] >= zero_ns:
            self._least.pop()
        self._least.append((monotonic_ns, zero_ns))
        while self._least[0][0] < monotonic_ns - WINDOW_NS:
            self._least.popleft()
        if camera_ns is not None:
            self._camera.append(camera_ns - media_ns)

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
        return self._best_ns() - self._anchor_ns if self._least else 0

    def reading(self) -> ClockReading:
        """How well the time of the last packets is known."""
        if not self._least:
            return ClockReading()
        offset_ns, believed_ns, lag_ns = self._camera_offset_ns(), self._believed_ns(), abs(self.error_ns())
        if believed_ns is None:
            error_ns, source = lag_ns + UNSEEN_DELAY_NS, ClockSource.ARRIVAL
        else:
            # The truth lies between the camera's word and the arrival, or near: they differ by the offset.
            error_ns, source = lag_ns + max(abs(believed_ns), self._camera_scatter_ns()), ClockSource.CAMERA
        return ClockReading(source=source, error_ns=error_ns, camera_offset_ns=offset_ns)

    def _best_ns(self) -> int:
        return self._arrival_zero_ns() + (self._believed_ns() or 0)

    def _arrival_zero_ns(self) -> int:
        return self._least[0][1] + self._wall_ns

    def _camera_offset_ns(self) -> int | None:
        """The camera's clock minus the estimate by arrival; None without enough reports."""
        if len(self._camera) < MIN_CAMERA_READINGS:
            return None
        return median_low(self._camera) - self._arrival_zero_ns()

    def _camera_scatter_ns(self) -> int:
        return max(self._camera) - min(self._camera)

    def _believed_ns(self) -> int | None:
        """The camera's offset if its clock can be right; None if arrivals count."""
        offset_ns = self._camera_offset_ns()
        if offset_ns is None or not -MAX_EARLY_NS <= offset_ns <= MAX_LATE_NS:
            return None
        return offset_ns if self._camera_scatter_ns() <= MAX_EARLY_NS else None

    def _adjust(self, media_ns: int) -> None:
        error = self.error_ns()
        if not self.anchors or abs(error) > STEP_NS:
            self._anchor_ns += error
            self.anchors += 1
        else:
            ppm = CATCH_UP_PPM if abs(error) > CATCH_UP_NS else SLEW_PPM
            bound = max(media_ns - self._gop_media_ns, 0) * ppm // 1_000_000
            self._anchor_ns += max(-bound, min(error, bound))
        self._gop_media_ns = media_ns

    def _media_ns(self, pts: int) -> int:
        assert self._first_pts is not None
        return (pts - self._first_pts) * self._num // self._den
