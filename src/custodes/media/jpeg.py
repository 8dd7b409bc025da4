"""Stills as JPEG, without metadata: no comment, no Exif, no encoder's name."""

from fractions import Fraction

import av
from av.codec.context import Flags
from av.video.reformatter import ColorRange, Colorspace

from custodes.errors import MediaError
from custodes.media.planes import to_picture
from custodes.types.media import Frame

_HD_HEIGHT_PX = 720
"""From here on cameras mean BT.709 when they say nothing, as browsers assume too; JFIF is BT.601."""

_BEST_QSCALE, _WORST_QSCALE = 2, 31

_ONE = Fraction(1, 1)


def _qscale(quality: int) -> int:
    """FFmpeg's quantiser scale for a quality of 1 to 100; 80 becomes 6, which looks like libjpeg's 85."""
    return round(_WORST_QSCALE - (_WORST_QSCALE - _BEST_QSCALE) * quality / 100)


def encode_jpeg(frame: Frame, quality: int) -> bytes:
    """A baseline JPEG of `frame`.

    Args:
        frame: limited range, as decoded; converted to the full range that JFIF means.
        quality: 1 (worst) to 100 (best).

    Raises: MediaError for a quality out of range or a picture the encoder refuses.
    """
    if not 1 <= quality <= 100:
        raise MediaError(f"JPEG quality {quality} is not within 1..100")
    source = Colorspace.ITU709 if frame.y.shape[0] >= _HD_HEIGHT_PX else Colorspace.ITU601
    try:
        picture = to_picture(frame).reformat(
            format="yuvj420p",
            src_colorspace=source,
            dst_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        )
        picture.pts = 0
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
        encoder.time_base = picture.time_base = _ONE
        encoder.flags |= Flags.bitexact  # keeps FFmpeg's name out of the file
        encoder.options = {"qmin": str(_qscale(quality)), "qmax": str(_qscale(quality))}
        encoder.thread_count = 1
        return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"cannot encode a JPEG of {frame.y.shape[1]}×{frame.y.shape[0]}: {error}") from error
