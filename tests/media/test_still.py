"""Pictures that people give of themselves: whatever they hand over, the answer names what is wrong."""

import cv2
import numpy as np
import pytest

from custodes.errors import InvalidArgument
from custodes.media.still import MAX_PICTURE_BYTES, read_picture

DRAWN = np.random.default_rng(3).integers(0, 255, (240, 320, 3)).astype(np.uint8)
JPEG = cv2.imencode(".jpg", DRAWN)[1].tobytes()
PNG = cv2.imencode(".png", DRAWN)[1].tobytes()


@pytest.mark.parametrize("content", [JPEG, PNG, JPEG + JPEG, JPEG + bytes(100)], ids=["jpeg", "png", "two", "tail"])
def test_picture_when_it_is_whole_then_the_first_is_read(content: bytes) -> None:
    assert read_picture(content).shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "HEIC file"),
        (b"\0\0\0\x18ftypmif1" + bytes(99), "HEIC file"),
        (b"\0\0\0\x18ftypavif" + bytes(99), "AVIF file"),
        (b"\0\0\0\x18ftypisom" + bytes(99), "video file"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(99), "WebP file"),
        (b"GIF89a" + bytes(99), "GIF file"),
        (b"%PDF-1.7", "PDF file"),
        (b"<svg/>", "not a JPEG or PNG"),
        (JPEG[: len(JPEG) // 2], "cut off"),
        (PNG[: len(PNG) // 2], "cut off"),
        (JPEG[:4], "cut off"),
        (b"\xff\xd8\xff\xe0\0\2\xff\xd9", "0×0"),
        (PNG[:16] + (60_000).to_bytes(4, "big") * 2 + PNG[24:], "60000×60000"),
        (bytes(MAX_PICTURE_BYTES + 1), "at most"),
        (cv2.imencode(".png", DRAWN[:64, :64])[1].tobytes(), "64×64"),
    ],
)
def test_picture_when_it_cannot_be_taken_then_says_what_it_is(content: bytes, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        read_picture(content)
