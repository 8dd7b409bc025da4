"""What is wrong with a file that cannot be read as a film, and what to do, told from its bytes. Decodes nothing.

FFmpeg says "invalid data found" of a film that was cut before its index, of a text, and of a file of zeros alike.
"""

import os
from pathlib import Path
from typing import BinaryIO

_HEAD = 16
_MAX_BOXES = 256
"""An MP4 has a handful at its top level; a fragmented one has two for each fragment, but its index before them."""

_LARGE = 1
"""Size of a box whose true size follows in 8 bytes."""

_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"sidx", b"pnot", b"uuid", b"styp"})
"""Types that an MP4 or MOV may begin with."""

_INDEXED_ADVICE = (
    "Copy or export it once more, all of it. If no whole one is left, a repair program that knows another film of the"
    " same camera can sometimes make a new index"
)


def fault_of(path: Path) -> str:
    """One or two sentences without a full stop, for behind the file's name; empty when nothing special is seen."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(_HEAD)
            if not size:
                return "is empty (0 bytes): it was made and never written"
            if head[4:8] in _BOXES:
                return _fault_of_boxes(file, size)
            if not any(head):
                return "begins with zeros: room was kept for it, and it was never written or is on a damaged disk"
    except OSError:
        pass  # FFmpeg's words have to do
    return ""


def _fault_of_boxes(file: BinaryIO, size: int) -> str:
    """Of an MP4 or MOV: whether its index (`moov`) is there, and whether it ends where it says."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > size:
            break
        file.seek(at)
        head = file.read(_HEAD)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        length = int.from_bytes(head[8:16], "big") if length == _LARGE else length or size - at
        if length < 8:
            return f"is damaged at byte {at}: a part of the MP4 there says that it is {length} bytes long"
        if kind == b"moov":
            if at + length <= size:
                return ""
            return f"ends in the middle of its index, at {size} of at least {at + length} bytes. {_INDEXED_ADVICE}"
        at += length
    if at > size:
        return (
            f"was cut off: it has {size} bytes of at least {at}, and an MP4's index, without which nothing in it can"
            f" be found, comes last. {_INDEXED_ADVICE}"
        )
    return f"has no index (moov): whoever wrote the MP4 was ended before it was done. {_INDEXED_ADVICE}"
