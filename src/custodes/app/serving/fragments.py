"""Does a chunk of fMP4 begin with a keyframe? Reads box heads only; decoding is no business of the server.

Source: ISO/IEC 14496-12, 8.8.7 (tfhd), 8.8.8 (trun), 8.8.3.1 (sample flags).
"""

import struct
from collections.abc import Iterator

_NON_SYNC = 0x0001_0000
_TFHD_BASE, _TFHD_DESCRIPTION, _TFHD_DURATION, _TFHD_SIZE, _TFHD_FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
_TRUN_OFFSET, _TRUN_FIRST, _TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS = 0x1, 0x4, 0x100, 0x200, 0x400


def starts_with_keyframe(payload: bytes) -> bool:
    """Whether the first sample of the first movie fragment is a sync sample; False for anything unreadable."""
    try:
        return not _first_flags(memoryview(payload)) & _NON_SYNC
    except (struct.error, StopIteration):
        return False


def _first_flags(payload: memoryview) -> int:
    moof = next(body for kind, body in _boxes(payload) if kind == b"moof")
    traf = next(body for kind, body in _boxes(moof) if kind == b"traf")
    inner = dict(_boxes(traf))
    default = _default_flags(inner[b"tfhd"]) if b"tfhd" in inner else 0
    trun = next(body for kind, body in _boxes(traf) if kind == b"trun")
    flags, count = struct.unpack_from(">II", trun)
    flags &= 0xFFFFFF
    place = 8 + (4 if flags & _TRUN_OFFSET else 0)
    if flags & _TRUN_FIRST:
        return int(struct.unpack_from(">I", trun, place)[0])
    if flags & _TRUN_FLAGS and count:
        place += (4 if flags & _TRUN_DURATION else 0) + (4 if flags & _TRUN_SIZE else 0)
        return int(struct.unpack_from(">I", trun, place)[0])
    return default


def _default_flags(tfhd: memoryview) -> int:
    flags = struct.unpack_from(">I", tfhd)[0] & 0xFFFFFF
    if not flags & _TFHD_FLAGS:
        return 0
    place = 8
    for bit, length in ((_TFHD_BASE, 8), (_TFHD_DESCRIPTION, 4), (_TFHD_DURATION, 4), (_TFHD_SIZE, 4)):
        place += length if flags & bit else 0
    return int(struct.unpack_from(">I", tfhd, place)[0])


def _boxes(payload: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    place = 0
    while place + 8 <= len(payload):
        length, kind = struct.unpack_from(">I4s", payload, place)
        if length < 8 or place + length > len(payload):
            return
        yield kind, payload[place + 8 : place + length]
        place += length
