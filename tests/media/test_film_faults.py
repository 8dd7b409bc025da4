"""What is said of files that are no whole films."""

from pathlib import Path

import pytest

from custodes.media.film_faults import fault_of


def box(kind: bytes, size: int, *, told: int | None = None) -> bytes:
    return (told or size).to_bytes(4, "big") + kind + b"\x01" * (size - 8)


HEAD = box(b"ftyp", 24)
WIDE = b"\0\0\0\1mdat" + (1 << 33).to_bytes(8, "big") + b"\x01" * 40


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (bytes(4096), "begins with zeros"),
        (b"no film at all, a text", ""),
        (HEAD, "has no index"),
        (HEAD + box(b"mdat", 64), "has no index"),
        (HEAD + box(b"mdat", 64, told=900), "has 88 bytes of at least 924"),
        (HEAD + WIDE, "of at least 8589934616"),
        (HEAD + box(b"mdat", 64) + box(b"moov", 30, told=99), "in the middle of its index, at 118 of at least 187"),
        (HEAD + box(b"mdat", 64) + box(b"moov", 99), ""),
        (HEAD + box(b"free", 20, told=5) + bytes(20), "is damaged at byte 24"),
        (HEAD + box(b"mdat", 64)[:6], "has no index"),
        (HEAD + box(b"free", 8) * 1000, "has no index"),
    ],
)
def test_fault_of_a_file_says_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    found = fault_of(path)
    assert said in found and bool(said) == bool(found)


def test_fault_of_what_cannot_be_opened_is_nothing(tmp_path: Path) -> None:
    assert fault_of(tmp_path) == fault_of(tmp_path / "gone") == ""
