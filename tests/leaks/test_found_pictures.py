"""Found files are hostile: what is read is what it says it is, and its size is known before anything is decoded."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.media.test_found_clip import clip

from custodes.errors import InvalidArgument
from custodes.leaks.found_file import media_type_of, size_of
from custodes.leaks.place import MAX_PICTURE_BYTES, found_pictures, read_picture
from custodes.leaks.post_table import read_table

GREY = Image.fromarray(cv2.resize(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5, (160, 120)))
COLOUR = GREY.convert("RGB")


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def sixteen_bits() -> bytes:
    return cv2.imencode(".png", np.asarray(GREY).astype(np.uint16) * 257)[1].tobytes()


@pytest.mark.parametrize(
    "encoded",
    [
        saved(COLOUR, "JPEG", quality=95),
        saved(COLOUR, "JPEG", quality=95, progressive=True),
        saved(COLOUR.convert("CMYK"), "JPEG", quality=95),
        saved(COLOUR.convert("RGBA"), "PNG"),
        saved(GREY.convert("LA"), "PNG"),
        sixteen_bits(),
        saved(COLOUR, "PNG", save_all=True, append_images=[COLOUR.rotate(90)]),
        saved(COLOUR, "WEBP", quality=95),
        saved(COLOUR, "WEBP", lossless=True),
        saved(COLOUR.convert("RGBA"), "WEBP", quality=95),
        saved(COLOUR, "WEBP", save_all=True, append_images=[COLOUR.rotate(90)]),
        saved(GREY, "GIF", save_all=True, append_images=[GREY.rotate(90)]),
        saved(COLOUR, "AVIF", quality=95),
        saved(COLOUR, "JPEG", quality=95) + b"PK\x03\x04" + bytes(100),
    ],
)
def test_picture_when_of_any_kind_that_is_posted_then_its_first_picture_is_read(encoded: bytes) -> None:
    assert size_of(encoded, media_type_of(encoded)) == (160, 120)
    y = read_picture(encoded)
    assert y.shape == (120, 160)
    assert y.dtype == np.uint8
    assert np.abs(y.astype(int) - np.asarray(GREY)).mean() < 4


def test_picture_when_turned_by_its_own_word_then_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_picture(saved(COLOUR, "JPEG", exif=exif)).shape == (160, 120)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large; nothing of it need be there to be refused."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        (b"", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='90' height='90'/>", "expected JPEG"),
        (saved(GREY, "TIFF"), "expected JPEG"),
        (struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(99), "HEIC.*save it as JPEG"),
        (saved(GREY.resize((1, 1)), "PNG"), "1×1 pixels; expected sides from 48"),
        (bomb(30_000, 30_000), "30000×30000 pixels; at most 64 million"),
        (bomb(2**32 - 1, 2**32 - 1), "at most 64 million"),
        (bomb(0, 0), "PNG picture is damaged"),
        (bomb(100, 100)[:40], "PNG picture is damaged or cut off"),
        (saved(COLOUR, "JPEG")[:300], "JPEG picture"),
        (b"\xff\xd8\xff" + b"\xff" * 5000, "JPEG picture is damaged"),
        (saved(COLOUR, "WEBP")[:20], "WEBP picture is damaged"),
        (bytes(MAX_PICTURE_BYTES + 1), "bytes; at most"),
    ],
)
def test_picture_when_hostile_then_refused_in_words(encoded: bytes, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        read_picture(encoded)


def test_found_file_when_a_clip_or_a_picture_then_pictures_of_it() -> None:
    assert len(found_pictures(clip(9), limit=3)) == 3
    assert [one.shape for one in found_pictures(saved(COLOUR, "AVIF"), limit=3)] == [(120, 160)]


@pytest.mark.parametrize(
    ("name", "table", "says"),
    [
        ("x.json", b"1" * 5000, "no JSON"),
        ("x.json", b"[" * 100_000, "no JSON"),
        ("x.json", b'{"posts": [1]}', "no list of posts"),
        ("x.csv", b"id,account\n1,a\n", "no column time"),
        ("x.csv", b"id,account,time\n1,a\n", "post 1 has the time ''"),
        ("x.csv", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_table_when_hostile_then_refused_in_words(name: str, table: bytes, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        read_table(name, table)
