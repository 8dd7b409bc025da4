"""Connections out of a capture (pcap, pcapng), read as a stream: who began, bytes each way, TLS server names, DNS.

No reassembly: a server name or a question that one packet does not hold whole is not found. Every length is checked;
what is cut ends the reading with what was found before.
"""

import ipaddress
import struct
from collections.abc import Iterator
from typing import BinaryIO

from custodes.adapters.fleet.wire_names import dns_of, server_name_of
from custodes.errors import InvalidArgument
from custodes.fleet.flow import Flow, Told

MAX_PACKET_BYTES = 1 << 18
"""Snap lengths are at most 262,144 (libpcap's MAXIMUM_SNAPLEN)."""
MAX_CONNECTIONS = 1_000_000

_ETHERNET, _RAW, _RAW_BSD, _LINUX_COOKED, _LINUX_COOKED2 = 1, 101, 12, 113, 276
_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6"}


def read_pcap(stream: BinaryIO, *, where: str) -> Iterator[Told]:
    """Raises: InvalidArgument when it is no capture."""
    seen: dict[tuple[str, str, int, int, str], bool] = {}
    for at_ns, link, frame in _frames(stream, where):
        packet = _ip_of(link, frame)
        if packet is not None:
            yield from _told(at_ns, packet, seen)


def _frames(stream: BinaryIO, where: str) -> Iterator[tuple[int, int, bytes]]:
    magic = stream.read(4)
    kinds = {
        b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
        b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
    }  # fmt: skip
    if magic == b"\x0a\x0d\x0d\x0a":
        yield from _blocks(stream, where)
        return
    if magic not in kinds:
        raise InvalidArgument(f"{where} is no capture (pcap or pcapng)")
    order, unit_ns = kinds[magic]
    head = stream.read(20)
    if len(head) < 20:
        raise InvalidArgument(f"{where} is cut off in its head")
    link = struct.unpack(f"{order}I", head[16:20])[0] & 0xFFFF
    record = struct.Struct(f"{order}IIII")
    while len(prefix := stream.read(16)) == 16:
        seconds, part, length, _ = record.unpack(prefix)
        if length > MAX_PACKET_BYTES:
            raise InvalidArgument(f"{where} has a packet of {length} bytes; at most {MAX_PACKET_BYTES} are read")
        frame = stream.read(length)
        if len(frame) < length:
            return
        yield seconds * 1_000_000_000 + part * unit_ns, link, frame


def _blocks(stream: BinaryIO, where: str) -> Iterator[tuple[int, int, bytes]]:
    """pcapng (draft-ietf-opsawg-pcapng): section heads, interfaces, packets; others are passed over."""
    head = stream.read(8)
    if len(head) < 8:
        raise InvalidArgument(f"{where} is cut off in its head")
    order = "<" if head[4:8] == b"\x4d\x3c\x2b\x1a" else ">"
    _skip(stream, struct.unpack(f"{order}I", head[:4])[0] - 12, where)
    links: list[tuple[int, int]] = []
    while len(prefix := stream.read(8)) == 8:
        kind, length = struct.unpack(f"{order}II", prefix)
        if kind == 0x0A0D0D0A:
            order = "<" if stream.read(4) == b"\x4d\x3c\x2b\x1a" else ">"
            length = struct.unpack(f"{order}I", prefix[4:])[0]
            _skip(stream, length - 12, where)
            links = []
            continue
        body = _block(stream, length - 8, where)
        if body is None:
            return
        if kind == 1 and len(body) >= 8 and len(links) < 256:
            links.append((struct.unpack_from(f"{order}H", body)[0], _unit_ns(body[8:-4], order)))
        elif kind == 6 and len(body) >= 20:
            interface, high, low, captured, _ = struct.unpack_from(f"{order}IIIII", body)
            if interface < len(links):
                link, unit_ns = links[interface]
                yield ((high << 32) | low) * unit_ns, link, body[20 : 20 + captured]


def _block(stream: BinaryIO, length: int, where: str) -> bytes | None:
    if not 4 <= length <= MAX_PACKET_BYTES + 4096:
        raise InvalidArgument(f"{where} has a block of {length} bytes")
    body = stream.read(length)
    return body if len(body) == length else None


def _skip(stream: BinaryIO, length: int, where: str) -> None:
    if not 0 <= length <= MAX_PACKET_BYTES:
        raise InvalidArgument(f"{where} has a section head of {length} bytes")
    stream.read(length)


def _unit_ns(options: bytes, order: str) -> int:
    """if_tsresol: 1000 ns unless it says 10⁻⁹."""
    place = 0
    while place + 4 <= len(options):
        code, length = struct.unpack_from(f"{order}HH", options, place)
        if code == 9 and length == 1 and place + 4 < len(options):
            return 1 if options[place + 4] == 9 else 1000
        if code == 0:
            break
        place += 4 + length + (-length % 4)
    return 1000


def _ip_of(link: int, frame: bytes) -> bytes | None:
    if link in (_RAW, _RAW_BSD):
        return frame
    if link == _ETHERNET:
        place = 12
    elif link == _LINUX_COOKED:
        place = 14
    elif link == _LINUX_COOKED2:
        return frame[20:] if frame[:2] in (b"\x08\x00", b"\x86\xdd") else None
    else:
        return None
    kind = frame[place : place + 2]
    while kind in (b"\x81\x00", b"\x88\xa8"):
        place += 4
        kind = frame[place : place + 2]
    return frame[place + 2 :] if kind in (b"\x08\x00", b"\x86\xdd") else None


def _told(at_ns: int, packet: bytes, seen: dict[tuple[str, str, int, int, str], bool]) -> Iterator[Told]:
    parts = _parts(packet)
    if parts is None:
        return
    source, target, number, length, payload = parts
    protocol = _NAMES.get(number, str(number))
    sport = dport = 0
    if number in (6, 17) and len(payload) >= 8:
        sport, dport = struct.unpack_from("!HH", payload)
    key, back = (source, target, sport, dport, protocol), (target, source, dport, sport, protocol)
    if back in seen:
        yield Flow(at_ns, target, source, sport, protocol, 0, length, 0)
    else:
        is_new = key not in seen
        is_answer = number == 6 and len(payload) > 13 and payload[13] & 0x12 == 0x12
        if is_new and is_answer:
            # The capture began after the SYN: who answers is the target.
            seen[back] = True
            yield Flow(at_ns, target, source, sport, protocol, 0, length, 1)
            return
        if is_new and len(seen) < MAX_CONNECTIONS:
            seen[key] = True
        name = server_name_of(payload) if number == 6 else ""
        yield Flow(at_ns, source, target, dport, protocol, length, 0, 1 if is_new else 0, name)
    if number == 17 and 53 in (sport, dport):
        yield from dns_of(payload[8:], at_ns=at_ns, client=source if dport == 53 else target)


def _parts(packet: bytes) -> tuple[str, str, int, int, bytes] | None:
    """(source, target, protocol, bytes, what IP carries); None for what is no whole IP head."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        head = (packet[0] & 15) * 4
        length = int.from_bytes(packet[2:4], "big")
        if head < 20 or len(packet) < head:
            return None
        source, target = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
        later = int.from_bytes(packet[6:8], "big") & 0x1FFF
        return str(source), str(target), packet[9], length, b"" if later else packet[head:]
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        source6, target6 = ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40])
        return str(source6), str(target6), packet[6], 40 + int.from_bytes(packet[4:6], "big"), packet[40:]
    return None
