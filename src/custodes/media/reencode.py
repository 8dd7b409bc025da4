"""Pictures to packets of H.264, in the shape of a camera's: Annex-B, parameter sets in each keyframe, no B frames.

What is done to the pictures in between is the caller's.
"""

from fractions import Fraction

import av
from av.video.frame import PictureType

from custodes.errors import MediaError
from custodes.media import nal
from custodes.media.planes import to_picture
from custodes.media.x264 import open_encoder
from custodes.types.media import Frame, StreamInfo

CODEC = "h264"
CRF = 21
"""Made once and kept as evidence; of a camera's own stream hardly anything is lost at it."""

PRESET = "superfast"

_SEI = 6
_NOMINAL_FPS = 25
"""Only for the level in the SPS."""


class PacketEncoder:
    """One run of one size, one thread. Each picture gives one packet, at once."""

    def __init__(self, info: StreamInfo, width_px: int, height_px: int, *, note: bytes) -> None:
        """Args: info: whose time base is kept. note: a NAL unit that goes into each keyframe. Raises: MediaError."""
        self._size = (width_px, height_px)
        self._time_base = Fraction(info.time_base_num, info.time_base_den)
        self._note = note
        self._last_pts: int | None = None
        fps = Fraction(info.fps).limit_denominator(1001) if info.fps > 0 else Fraction(_NOMINAL_FPS)
        self._codec = open_encoder(
            width_px, height_px, crf=CRF, preset=PRESET, time_base=self._time_base, framerate=fps
        )
        self._sets = nal.parameter_sets(bytes(self._codec.extradata or b""), CODEC)
        if not self._sets:
            raise MediaError("the H.264 encoder gave no parameter sets")

    @property
    def extradata(self) -> bytes:
        """Parameter sets, Annex-B."""
        return nal.join_annexb(self._sets)

    def encode(self, frame: Frame, pts: int, *, is_keyframe: bool) -> tuple[bytes, int, bool]:
        """One picture.

        Args: pts: in the stream's time base. What does not grow is moved up by one tick.
        Returns: payload, its pts, and whether it is a keyframe.
        Raises: MediaError for another size or a failing encoder.
        """
        height, width = frame.y.shape
        if (width, height) != self._size:
            raise MediaError(f"encoder of {self._size[0]}×{self._size[1]} got a picture of {width}×{height}")
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        picture = to_picture(frame)
        picture.pts, picture.time_base = pts, self._time_base
        picture.pict_type = PictureType.I if is_keyframe else PictureType.NONE
        try:
            packets = self._codec.encode(picture)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise MediaError(f"H.264 encoder failed: {error}") from error
        if len(packets) != 1:
            raise MediaError(f"H.264 encoder gave {len(packets)} packets for a picture")
        units = [
            unit
            for unit in nal.split_annexb(bytes(packets[0]))
            if unit[0] & 0x1F != _SEI and not nal.is_parameter_set(unit, CODEC)
        ]
        if packets[0].is_keyframe:
            units = [*self._sets, self._note, *units]
        return nal.join_annexb(units), pts, bool(packets[0].is_keyframe)
