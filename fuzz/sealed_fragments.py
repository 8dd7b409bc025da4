"""Records of a segment file: no bytes but those that were sealed are ever given out, whatever the file holds."""

import io
from functools import lru_cache

from custodes.errors import InvalidArgument, SealBroken
from custodes.sealing.container import (
    FragmentSealer,
    encode_header,
    read_fragment,
    read_fragment_range,
    read_header,
    scan_fragments,
)
from custodes.testing.keys import sample_segment
from custodes.types.media import SegmentHeader
from custodes.units import Ns

PAYLOADS = [b"init" * 10, b"g" * 20_000, b"", b"last"]


@lru_cache
def sealed() -> tuple[SegmentHeader, bytes, bytes]:
    """Header, data key, file."""
    header, key = sample_segment()
    sealer = FragmentSealer(header, key)
    file = encode_header(header)
    for number, payload in enumerate(PAYLOADS):
        at = Ns(header.start_ns + number)
        file += sealer.seal(payload, start_ns=at, end_ns=at, is_init=number == 0)
    return header, key, file


def one(case: bytes) -> None:
    """Two bytes say where the case is written over the true file, one whether it is inserted."""
    header, key, file = sealed()
    at = int.from_bytes(case[:2], "big") % (len(file) + 1)
    body = case[3:]
    changed = file[:at] + body + file[at if case[2:3] == b"\x01" else at + len(body) :]
    stream = io.BytesIO(changed)
    for checks_chain in (True, False):
        try:
            read_header(io.BytesIO(changed))
            fragments = scan_fragments(stream, checks_chain=checks_chain)
        except SealBroken:
            continue
        for fragment in fragments:
            try:
                plain = read_fragment(stream, header, key, fragment)
            except SealBroken:
                continue
            assert plain == PAYLOADS[fragment.index], "sealed bytes were changed and opened all the same"
            half = len(plain) // 2
            try:
                assert read_fragment_range(stream, header, key, fragment, half, half) == b""
            except (SealBroken, InvalidArgument):
                continue


def seeds() -> list[bytes]:
    """Changes in header, head, ciphertext, chain; and none."""
    return [
        b"\x00\x00\x00",
        b"\x00\x20\x00X",
        b"\x05\x00\x01inserted",
        b"\x06\x00\x00" + bytes(200),
        b"\xff\xff\x01FRAG",
    ]
