"""Names out of single packets: TLS server name (RFC 6066), DNS questions and answers (RFC 1035). Hostile bytes."""

import ipaddress
import struct
from collections.abc import Iterator

from custodes.fleet.flow import DnsAnswer, DnsQuestion, Told

MAX_LABELS = 32
MAX_ANSWERS = 64


def server_name_of(segment: bytes) -> str:
    """The server name of a ClientHello that begins in this TCP segment; empty when there is none."""
    if len(segment) < 20:
        return ""
    hello = segment[(segment[12] >> 4) * 4 :]
    if len(hello) < 44 or hello[0] != 22 or hello[5] != 1:
        return ""
    place = 43
    try:
        place += 1 + hello[place]
        place += 2 + int.from_bytes(hello[place : place + 2], "big")
        place += 1 + hello[place]
        end = min(place + 2 + int.from_bytes(hello[place : place + 2], "big"), len(hello))
        place += 2
        while place + 4 <= end:
            kind, length = struct.unpack_from("!HH", hello, place)
            if kind == 0:
                size = int.from_bytes(hello[place + 7 : place + 9], "big")
                return _clean(hello[place + 9 : place + 9 + size])
            place += 4 + length
    except (IndexError, struct.error):
        return ""
    return ""


def dns_of(message: bytes, *, at_ns: int, client: str) -> Iterator[Told]:
    """The question (once, from the client) or the answers with addresses."""
    if len(message) < 12:
        return
    flags, questions, answers = struct.unpack_from("!xxHHH", message)
    if questions != 1:
        return
    asked, place = _name(message, 12)
    if not asked:
        return
    if not flags & 0x8000:
        yield DnsQuestion(at_ns, client, asked)
        return
    place += 4
    for _ in range(min(answers, MAX_ANSWERS)):
        _, place = _name(message, place)
        if place + 10 > len(message):
            return
        kind, _, _, length = struct.unpack_from("!HHIH", message, place)
        content = message[place + 10 : place + 10 + length]
        place += 10 + length
        if (kind, len(content)) in ((1, 4), (28, 16)):
            yield DnsAnswer(asked, str(ipaddress.ip_address(content)))


def _name(message: bytes, place: int) -> tuple[str, int]:
    """(the name at a place, the place behind it); pointers lead backwards only, so that it ends."""
    labels: list[str] = []
    after, floor = 0, place
    for _ in range(MAX_LABELS):
        if place >= len(message):
            return "", len(message)
        size = message[place]
        if size == 0:
            return ".".join(labels).lower(), after or place + 1
        if size & 0xC0 == 0xC0:
            if place + 1 >= len(message):
                return "", len(message)
            after = after or place + 2
            place = (size & 0x3F) << 8 | message[place + 1]
            if place >= floor:
                return "", len(message)
            floor = place
            continue
        labels.append(_clean(message[place + 1 : place + 1 + size]))
        place += 1 + size
    return "", len(message)


def _clean(raw: bytes) -> str:
    return "".join(chr(one) if 33 <= one < 127 else "?" for one in raw[:255]).lower()
