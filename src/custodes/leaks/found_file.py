"""What a found file is, and how large a picture it says it holds: by its first bytes, before anything is decoded."""

from typing import Literal

from custodes.errors import InvalidArgument
from custodes.types.jpeg_header import size_of_jpeg

CLIPS = frozenset({"video/mp4", "video/webm"})
EXPECTED = "expected JPEG, PNG, WebP, AVIF, GIF, or a clip (MP4, WebM, Matroska)"

_SIGNS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})
_MAX_BOX = 65_536
"""Where an AVIF's own header lies; sizes are in it."""


def media_type_of(content: bytes) -> str:
    """Of a found file; its first 64 bytes are enough.

    Raises: InvalidArgument for what is neither a picture nor a clip that is read here.
    """
    for sign, media_type in _SIGNS:
        if content.startswith(sign):
            return media_type
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        brands = {content[at : at + 4] for at in (8, *range(16, min(int.from_bytes(content[:4], "big"), 64), 4))}
        if brands & _AVIF:
            return "image/avif"
        if content[8:12] in _HEIF:
            # Phones write it as tiles of 512 pixels, of which a decoder of clips shows one: a wrong answer.
            raise InvalidArgument(f"That is a HEIC picture, which is not read; save it as JPEG or PNG; {EXPECTED}")
        return "video/mp4"
    raise InvalidArgument(f"That is no picture that can be read; {EXPECTED}")


def size_of(content: bytes, media_type: str) -> tuple[int, int]:
    """(width, height) that a picture's header tells; (0, 0) where it tells none, which is no picture to decode."""
    match media_type:
        case "image/png":
            return _pair(content[16:24], 4, "big")
        case "image/gif":
            return _pair(content[6:10], 2, "little")
        case "image/jpeg":
            return size_of_jpeg(content)
        case "image/webp":
            return _webp(content)
        case "image/avif":
            return _avif(content)
    return 0, 0


def _pair(raw: bytes, each: int, order: Literal["big", "little"]) -> tuple[int, int]:
    return int.from_bytes(raw[:each], order), int.from_bytes(raw[each : 2 * each], order)


def _webp(content: bytes) -> tuple[int, int]:
    """Of the canvas, or of the only frame: https://developers.google.com/speed/webp/docs/riff_container."""
    kind = content[12:16]
    if kind == b"VP8X" and len(content) >= 30:
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L" and len(content) >= 25:
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(content) >= 30:
        width, height = _pair(content[26:30], 2, "little")
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _avif(content: bytes) -> tuple[int, int]:
    """The largest that its header tells (`ispe`, ISO 23008-12): grids name their tiles, too."""
    largest, at = (0, 0), content.find(b"ispe", 0, _MAX_BOX)
    while at >= 0:
        size = _pair(content[at + 8 : at + 16], 4, "big")
        largest = max(largest, size, key=lambda one: one[0] * one[1])
        at = content.find(b"ispe", at + 4, _MAX_BOX)
    return largest
