"""Single pictures that people hand over: hostile bytes into RGB, and small RGB pictures into JPEG."""

import io
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags

from custodes.errors import InvalidArgument, MediaError
from custodes.types.jpeg_header import size_of_jpeg

Picture = npt.NDArray[np.uint8]

MAX_PICTURE_BYTES = 4 << 20
MAX_SIDE_PX = 6000
LEAST_SIDE_PX = 96
KEPT_SIDE_PX = 1600
"""Larger pictures are scaled down: a face that fills a quarter of it still has 400 pixels."""

_MAGIC = ((b"\xff\xd8\xff", "mjpeg"), (b"\x89PNG\r\n\x1a\n", "png"))
_LAST = {"mjpeg": b"\xff\xd9", "png": b"IEND"}
"""What stands at or near the end of a whole one: decoders fill the rest of half a picture with grey."""
_OTHERS = (
    (b"GIF8", 0, "GIF"),
    (b"WEBP", 8, "WebP"),
    (b"ftyphe", 4, "HEIC"),
    (b"ftypmif1", 4, "HEIC"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftyp", 4, "video"),
    (b"%PDF", 0, "PDF"),
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
    (b"BM", 0, "BMP"),
)
"""What people hand over instead: first bytes, where, name."""
_QSCALE = 5
_SECOND = Fraction(1, 1)


def read_picture(content: bytes) -> Picture:
    """(h, w, 3) uint8 RGB, sides at most `KEPT_SIDE_PX`. Raises: InvalidArgument in words for who sent it."""
    if len(content) > MAX_PICTURE_BYTES:
        raise InvalidArgument(f"The picture has {len(content)} bytes; at most {MAX_PICTURE_BYTES} are taken.")
    codec = next((name for magic, name in _MAGIC if content.startswith(magic)), None)
    if codec is None:
        raise InvalidArgument(_not_taken(content))
    if _LAST[codec] not in content:
        raise InvalidArgument("The picture is cut off: its end is missing. Send it again.")
    width, height = _size(content, codec)
    if not (LEAST_SIDE_PX <= width <= MAX_SIDE_PX and LEAST_SIDE_PX <= height <= MAX_SIDE_PX):
        raise InvalidArgument(
            f"The picture has {width}×{height} pixels; expected {LEAST_SIDE_PX} to {MAX_SIDE_PX} a side."
        )
    scale = min(1.0, KEPT_SIDE_PX / max(width, height))
    try:
        # The demuxer by name: no probing, no protocol, no other format.
        with av.open(io.BytesIO(content), "r", format="image2pipe", options={"framerate": "1"}) as container:
            stream = container.streams.video[0]
            if stream.codec_context.name != codec:
                raise InvalidArgument("The picture is not what its first bytes say.")
            frame = next(container.decode(stream))
            if (frame.width, frame.height) != (width, height):
                raise InvalidArgument("The picture has another size than it says.")
            scaled = frame.reformat(
                width=max(round(width * scale), 1), height=max(round(height * scale), 1), format="rgb24"
            )
            return np.ascontiguousarray(scaled.to_ndarray(), np.uint8)
    except (av.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise InvalidArgument("The picture cannot be read; it may be damaged.") from error


def _not_taken(content: bytes) -> str:
    if not content:
        return "The picture is empty: no byte of it came."
    name = next((name for magic, at, name in _OTHERS if content[at : at + len(magic)] == magic), "")
    if name:
        return f"That is a {name} file, not a JPEG or PNG picture. Save it as JPEG."
    return "That is not a JPEG or PNG picture."


def _size(content: bytes, codec: str) -> tuple[int, int]:
    """Width and height from the header alone, before anything is decoded; 0 when there is none."""
    if codec == "png":
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    return size_of_jpeg(content)


def small_jpeg(picture: Picture) -> bytes:
    """A baseline JPEG without metadata of a small RGB picture (h, w, 3) uint8. Raises: MediaError."""
    try:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format="yuvj420p")
        frame.pts = 0
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
        encoder.time_base = frame.time_base = _SECOND
        encoder.flags |= Flags.bitexact  # keeps FFmpeg's name out of the file
        encoder.options = {"qmin": str(_QSCALE), "qmax": str(_QSCALE)}
        encoder.thread_count = 1
        return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"cannot encode a JPEG of {picture.shape[1]}×{picture.shape[0]}: {error}") from error
