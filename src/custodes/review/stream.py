"""Rendered frames to what a browser plays: initialisation segments and chunks, with times that never jump.

Which frames and when is the views' business.
"""

from custodes.media.encode import LiveEncoder
from custodes.ports.clock import Clock
from custodes.review.render import Rendered
from custodes.review.view import Output
from custodes.types.message import MediaChunk, MediaInit
from custodes.units import NS_PER_MS, NS_PER_S, Ns

CRF = 28
"""Delivery quality: the mark is read at z ≥ 34 in each frame here (tests/watermark, bench in docs/adr/0008)."""

_MAX_STEP_NS = NS_PER_S
_MIN_STEP_NS = NS_PER_MS
_FIRST_STEP_NS = 100 * NS_PER_MS


class PresentationTime:
    """Capture time to play time: divided by the speed, and without the jumps that would stall a player."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._last_utc_ns: Ns | None = None
        self._last_pts_ns = 0
        self._last_step_ns = _FIRST_STEP_NS

    def peek(self, utc_ns: Ns) -> int:
        """When a frame of `utc_ns` would be shown, in ns from the start, were it the next one."""
        return self._last_pts_ns + self._step(utc_ns)

    def take(self, utc_ns: Ns) -> int:
        """Like `peek`, and it is the next one."""
        step_ns = self._step(utc_ns)
        if self._last_utc_ns is not None:
            self._last_step_ns = step_ns
        self._last_utc_ns = utc_ns
        self._last_pts_ns += step_ns
        return self._last_pts_ns

    def _step(self, utc_ns: Ns) -> int:
        if self._last_utc_ns is None:
            return 0
        step_ns = round((utc_ns - self._last_utc_ns) / self._speed)
        # A gap, or a clock that went back: go on at the pace of before.
        return step_ns if _MIN_STEP_NS <= step_ns <= _MAX_STEP_NS else self._last_step_ns


class MediaStream:
    """Encodes one view's frames; a new size, or `reset`, begins a new stream with its own MediaInit."""

    def __init__(self, *, clock: Clock, speed: float = 1.0, crf: int = CRF) -> None:
        self._clock = clock
        self._speed = speed
        self._crf = crf
        self._encoder: LiveEncoder | None = None
        self._time = PresentationTime(speed)
        self.frames_shown = 0

    @property
    def time(self) -> PresentationTime:
        """Of the current stream."""
        return self._time

    def reset(self) -> None:
        """The next frame begins a new stream at play time 0."""
        self._encoder = None
        self._time = PresentationTime(self._speed)

    def show(self, rendered: Rendered, next_utc_ns: Ns | None) -> list[Output]:
        """Encode one frame.

        Args: next_utc_ns: capture time of the frame that will follow, where it is known.
        """
        frame = rendered.frame
        height, width = frame.y.shape
        outputs: list[Output] = []
        if self._encoder is None or self._encoder.size != (width, height):
            self.reset()
            self._encoder = LiveEncoder(width, height, self._crf)
            mime, init = self._encoder.init()
            outputs.append(MediaInit(mime=mime, payload=init))
        pts_ns = self._time.take(frame.utc_ns)
        duration_ns = None if next_utc_ns is None else self._time.peek(next_utc_ns) - pts_ns
        payload = self._encoder.encode(frame, pts_ns, duration_ns)
        self.frames_shown += 1
        outputs.append(
            MediaChunk(
                utc_ns=frame.utc_ns,
                age_ns=Ns(self._clock.now_ns() - frame.utc_ns),
                frames=1,
                is_fully_masked=rendered.is_fully_masked,
                payload=payload,
            )
        )
        return outputs
