"""Frames to H.264 for a browser: lowest delay, no B frames, each picture a fragment of its own.

The boxes are in `mse`; pacing and the choice of frames belong to `review`.
"""

from fractions import Fraction

import av
from av.video.frame import PictureType

from custodes.errors import MediaError
from custodes.media import mse
from custodes.media.planes import to_picture
from custodes.media.x264 import open_encoder
from custodes.types.mark import slot_of
from custodes.types.media import Frame
from custodes.units import NS_PER_S, Ns

KEYFRAME_EVERY_NS = 2 * NS_PER_S
"""A viewer who joins or lost a chunk waits no longer; at crf 28 it costs 5 to 10 % of the bits (field: leaks 2.10)."""

_NOMINAL_FPS = 25
"""Only for the level in the SPS; the pictures' times are what the caller says."""

_FIRST_DURATION = mse.TIMESCALE // 10
_MIN_DURATION = mse.TIMESCALE // 1000
"""Decode times must grow; frames nearer than 1 ms are spread."""


def _ticks(duration_ns: int) -> int:
    return duration_ns * mse.TIMESCALE // NS_PER_S


class LiveEncoder:
    """One stream of one size. libx264 with one thread: a view job is one of many on its machine."""

    def __init__(self, width: int, height: int, crf: int, *, preset: str = "ultrafast") -> None:
        """Args: width, height: even, pixels. crf: 0 to 51, see x264. Raises: MediaError."""
        if width % 2 or height % 2:
            raise MediaError(f"{width}×{height} has an odd side; scale it first")
        self._size = (width, height)
        self._codec = open_encoder(
            width,
            height,
            crf=crf,
            preset=preset,
            time_base=Fraction(1, mse.TIMESCALE),
            framerate=Fraction(_NOMINAL_FPS),
        )
        self._extradata = bytes(self._codec.extradata or b"")
        self._sequence = 0
        self._next_time = 0
        self._last_duration = _FIRST_DURATION
        self._last_keyframe_ns: Ns | None = None
        self._slot: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that `encode` takes."""
        return self._size

    def init(self) -> tuple[str, bytes]:
        """MSE type and initialisation segment."""
        return mse.mime_of(self._extradata), mse.init_segment(self._extradata, *self._size)

    def encode(self, frame: Frame, pts_ns: int, duration_ns: int | None = None) -> bytes:
        """Encode one picture.

        Args:
            frame: of this encoder's size.
            pts_ns: when it is to be shown, from 0, growing.
            duration_ns: until the next picture, where that is known; else the last step is taken again.

        Returns: one fMP4 fragment, ready to be appended.
        Raises: MediaError for another size or a failing encoder.
        """
        height, width = frame.y.shape
        if (width, height) != self._size:
            raise MediaError(f"encoder of {self._size[0]}×{self._size[1]} got a frame of {width}×{height}")
        # What stands still is only referred to: without a keyframe it would carry the mark of the ten seconds before.
        slot = slot_of(frame.utc_ns)
        is_due = slot != self._slot or (
            self._last_keyframe_ns is None or pts_ns - self._last_keyframe_ns >= KEYFRAME_EVERY_NS
        )
        self._slot = slot
        start = max(_ticks(pts_ns), self._next_time)
        picture = to_picture(frame)
        picture.pts, picture.time_base = start, self._codec.time_base
        picture.pict_type = PictureType.I if is_due else PictureType.NONE
        try:
            packets = self._codec.encode(picture)
        except av.FFmpegError as error:
            raise MediaError(f"H.264 encoder failed: {error}") from error
        if is_due:
            self._last_keyframe_ns = Ns(pts_ns)
        assert len(packets) == 1, "zerolatency without B frames gives a packet for each picture"
        return self._fragment(bytes(packets[0]), start, duration_ns, is_keyframe=packets[0].is_keyframe)

    def _fragment(self, annexb: bytes, start: int, duration_ns: int | None, *, is_keyframe: bool) -> bytes:
        if duration_ns is not None:
            self._last_duration = max(_ticks(duration_ns), _MIN_DURATION)
        sample = mse.Sample(
            payload=mse.to_length_prefixed(annexb), duration=self._last_duration, is_keyframe=is_keyframe
        )
        self._sequence += 1
        # The next picture may be earlier than this duration says (it was a guess), never earlier than this one.
        self._next_time = start + _MIN_DURATION
        return mse.fragment(self._sequence, start, [sample])

    def flush(self) -> bytes:
        """Nothing is ever held back, so this is empty; asserts that it is so."""
        left = self._codec.encode(None)
        assert not left, "zerolatency holds no picture back"
        return b""
