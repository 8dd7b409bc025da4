"""libx264 as live views and recordings want it: each picture a packet at once, keyframes by the caller, one thread."""

from fractions import Fraction

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from custodes.errors import MediaError


def open_encoder(
    width_px: int, height_px: int, *, crf: int, preset: str, time_base: Fraction, framerate: Fraction
) -> VideoCodecContext:
    """Parameter sets are its `extradata`. Args: framerate: only for the level in the SPS. Raises: MediaError."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width_px, height_px, "yuv420p"
    codec.time_base, codec.framerate = time_base, framerate
    codec.thread_count = 1
    codec.flags |= Flags.global_header
    codec.options = {
        "preset": preset,
        "tune": "zerolatency",
        "crf": str(crf),
        "bf": "0",
        "forced-idr": "1",
        "sc_threshold": "0",
        "g": str(1 << 20),  # keyframes come from the caller
    }
    try:
        codec.open()
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"no H.264 encoder for {width_px}×{height_px}: {error}") from error
    return codec
