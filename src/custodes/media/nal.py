"""NAL units of H.264 and HEVC: splitting, Annex-B to length-prefixed and back, parameter sets.

Nothing below the unit's type is read here; slices and timing do not belong.
Sources: ITU-T H.264 Annex B and 7.4.1, H.265 Annex B and 7.4.2.2, ISO/IEC 14496-15 5.3.3.1 (avcC), 8.3.3.1 (hvcC).
"""

import struct
from collections.abc import Iterator

NAL_CODECS = frozenset({"h264", "hevc"})

_START = b"\x00\x00\x01"
_PREFIX = b"\x00\x00\x00\x01"
_U32 = struct.Struct(">I")
_MAX_PARAMETER_SETS = 64
"""avcC can count 31 SPS and 255 PPS; cameras have one to three of each."""


def split_annexb(payload: bytes) -> list[bytes]:
    """NAL units between start codes, without trailing zero bytes; empty ones are left out. O(n), C speed."""
    return [payload[begin:end] for begin, end in annexb_spans(payload)]


def annexb_spans(payload: bytes) -> list[tuple[int, int]]:
    """Where each NAL unit of a byte stream begins and ends, like `split_annexb` without copying."""
    spans: list[tuple[int, int]] = []
    at = payload.find(_START)
    while at >= 0:
        begin = at + 3
        at = payload.find(_START, begin)
        end = at if at >= 0 else len(payload)
        while end > begin and payload[end - 1] == 0:
            end -= 1
        if end > begin:
            spans.append((begin, end))
    return spans


def split_lengths(payload: bytes, length_size: int) -> list[bytes]:
    """NAL units of a length-prefixed sample; a unit that would pass the end is cut there."""
    units: list[bytes] = []
    at = 0
    while at + length_size <= len(payload):
        length = int.from_bytes(payload[at : at + length_size], "big")
        at += length_size
        unit = payload[at : at + length]
        if unit:
            units.append(unit)
        at += length
    return units


def join_lengths(units: list[bytes]) -> bytes:
    """Sample with 4-byte lengths."""
    return b"".join(part for unit in units for part in (_U32.pack(len(unit)), unit))


def join_annexb(units: list[bytes]) -> bytes:
    """Byte stream with 4-byte start codes."""
    return b"".join(part for unit in units for part in (_PREFIX, unit))


def is_annexb(payload: bytes) -> bool:
    """Whether it begins with a start code."""
    return payload.startswith((_START, _PREFIX))


def length_size(extradata: bytes, codec: str) -> int:
    """Bytes of each NAL length as avcC/hvcC announces them; 0 when the stream is Annex-B."""
    if not extradata or extradata[0] != 1:
        return 0
    if codec == "h264" and len(extradata) >= 7:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) >= 23:
        return (extradata[21] & 3) + 1
    return 0


def units_of(payload: bytes, codec: str, extradata: bytes) -> list[bytes]:
    """NAL units of one packet, whichever form the stream has."""
    size = length_size(extradata, codec)
    return split_lengths(payload, size) if size else split_annexb(payload)


def is_parameter_set(unit: bytes, codec: str) -> bool:
    """SPS or PPS (H.264 types 7, 8), VPS, SPS or PPS (HEVC types 32 to 34)."""
    if codec == "h264":
        return unit[0] & 0x1F in (7, 8)
    return codec == "hevc" and (unit[0] >> 1) & 0x3F in (32, 33, 34)


def is_sequence_set(unit: bytes, codec: str) -> bool:
    """SPS (H.264 type 7, HEVC type 33)."""
    if codec == "h264":
        return unit[0] & 0x1F == 7
    return codec == "hevc" and (unit[0] >> 1) & 0x3F == 33


def parameter_sets(extradata: bytes, codec: str) -> list[bytes]:
    """Parameter sets in Annex-B, avcC or hvcC extradata, in order; malformed tails are ignored."""
    if not length_size(extradata, codec):
        found = split_annexb(extradata)
    elif codec == "h264":
        found = list(_avcc_sets(extradata))
    else:
        found = list(_hvcc_sets(extradata))
    return [unit for unit in found if unit and is_parameter_set(unit, codec)][:_MAX_PARAMETER_SETS]


def _avcc_sets(extradata: bytes) -> Iterator[bytes]:
    at = 5
    for mask in (0x1F, 0xFF):
        if at >= len(extradata):
            return
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + length]
            at += 2 + length


def _hvcc_sets(extradata: bytes) -> Iterator[bytes]:
    at = 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            if not length or at + 2 + length > len(extradata):
                return
            yield extradata[at + 2 : at + 2 + length]
            at += 2 + length
