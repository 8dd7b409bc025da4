"""NetFlow version 9 and IPFIX: export packets one after the other, whose records templates describe.

Sources: RFC 3954 (version 9), RFC 7011 (IPFIX, version 10), IANA's registry of IPFIX information elements. What an
exporter says is hostile: templates are bounded in number and width, a record has at least a byte, and sets that come
before their template wait in a bounded place.
"""

import ipaddress
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from custodes.errors import InvalidArgument
from custodes.fleet.flow import Flow

MAX_TEMPLATES = 4096
"""Of all exporters of a file; routers have a dozen each."""
MAX_FIELDS = 128
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Of sets before their template; routers repeat templates every few minutes."""
NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6"}
_V9_HEAD, _IPFIX_HEAD = struct.Struct("!HHIIII"), struct.Struct("!HHIII")
_SET = struct.Struct("!HH")
_VARIABLE = 0xFFFF
_BYTES, _PROTOCOL, _TARGET_PORT, _OUT_BYTES = 1, 4, 11, 23
_SOURCES, _TARGETS = (8, 27), (12, 28)
_TOTAL_BYTES, _SENT, _RECEIVED = 85, 231, 232
_FIRST_UPTIME, _SYSTEM_START_MS = 22, 160
_STARTS = {150: 1_000_000_000, 152: 1_000_000}
"""Element to nanoseconds a unit; micro- and nanoseconds (154, 156) come as NTP time stamps."""
_NTP_STARTS = (154, 156)
_NTP_TO_UNIX_S = 2_208_988_800
_KNOWN = {_BYTES, _PROTOCOL, _TARGET_PORT, _OUT_BYTES, *_SOURCES, *_TARGETS, _TOTAL_BYTES, _SENT, _RECEIVED,
          _FIRST_UPTIME, _SYSTEM_START_MS, *_STARTS, *_NTP_STARTS}  # fmt: skip

_Fields = tuple[tuple[int, int], ...]
"""(element, length) each; element 0: of no interest here."""
_Key = tuple[int, int, int]
"""(version, exporter's domain, template)."""


@dataclass(slots=True)
class _Packet:
    """What its head says."""

    version: int
    domain: int
    at_ns: int
    boot_ns: int
    """When the exporter started; 0 where the head does not say."""


@dataclass(slots=True)
class _Reader:
    where: str
    templates: dict[_Key, _Fields] = field(default_factory=dict)
    options: set[_Key] = field(default_factory=set)
    """Templates of what is said about the exporter itself."""
    waiting: dict[_Key, list[tuple[_Packet, bytes]]] = field(default_factory=dict)
    waiting_bytes: int = 0
    flows: int = 0

    def take(self, packet: _Packet, set_id: int, body: bytes) -> Iterator[Flow]:
        """One set of a packet."""
        v9 = packet.version == 9
        if set_id == (0 if v9 else 2):
            for key in self._templates(packet, body):
                for before, held in self.waiting.pop(key, ()):
                    self.waiting_bytes -= len(held)
                    yield from self._records(before, key, held)
        elif set_id == (1 if v9 else 3):
            self._options(packet, body)
        elif set_id >= 256:
            key = (packet.version, packet.domain, set_id)
            if key in self.templates:
                yield from self._records(packet, key, body)
            elif key not in self.options and self.waiting_bytes + len(body) <= MAX_WAITING_BYTES:
                self.waiting.setdefault(key, []).append((packet, body))
                self.waiting_bytes += len(body)

    def _templates(self, packet: _Packet, body: bytes) -> Iterator[_Key]:
        place = 0
        while place + 4 <= len(body):
            number, count = _SET.unpack_from(body, place)
            place += 4
            if number < 256:  # padding
                return
            if count == 0:  # IPFIX takes a template back
                self.templates.pop((packet.version, packet.domain, number), None)
                continue
            if count > MAX_FIELDS:
                raise InvalidArgument(f"{self.where}: template {number} of {count} fields; at most {MAX_FIELDS}")
            fields, place = self._fields(packet, body, place, count)
            key = (packet.version, packet.domain, number)
            if key not in self.templates and len(self.templates) >= MAX_TEMPLATES:
                raise InvalidArgument(f"{self.where}: more than {MAX_TEMPLATES} templates")
            self.templates[key] = fields
            yield key

    def _fields(self, packet: _Packet, body: bytes, place: int, count: int) -> tuple[_Fields, int]:
        fields = []
        for _ in range(count):
            if place + 4 > len(body):
                raise InvalidArgument(f"{self.where}: a template is cut off")
            element, length = _SET.unpack_from(body, place)
            place += 4
            if packet.version == 10 and element & 0x8000:  # a vendor's own
                place += 4
                element = 0
            fields.append((element if element in _KNOWN else 0, length))
        if not sum(length for _, length in fields):
            raise InvalidArgument(f"{self.where}: a template whose records are empty")
        return tuple(fields), place

    def _options(self, packet: _Packet, body: bytes) -> None:
        """Only their numbers, so that their records are not kept waiting; one set seldom has more than one."""
        if len(body) >= 4 and len(self.options) < MAX_TEMPLATES:
            number = _SET.unpack_from(body)[0]
            if number >= 256:
                self.options.add((packet.version, packet.domain, number))

    def _records(self, packet: _Packet, key: _Key, body: bytes) -> Iterator[Flow]:
        fields = self.templates[key]
        least = sum(length if length != _VARIABLE else 1 for _, length in fields)
        place = 0
        while len(body) - place >= least:
            record: dict[int, bytes] = {}
            for element, announced in fields:
                length = announced
                if announced == _VARIABLE:
                    length, place = self._length(body, place)
                if place + length > len(body):
                    raise InvalidArgument(f"{self.where}: a record of template {key[2]} is cut off")
                if element:
                    record[element] = body[place : place + length]
                place += length
            flow = _flow(packet, record)
            if flow is not None:
                self.flows += 1
                yield flow

    def _length(self, body: bytes, place: int) -> tuple[int, int]:
        """Of a field of variable length (RFC 7011, 7), and where it begins."""
        if place < len(body) and body[place] < 255:
            return body[place], place + 1
        if place + 3 <= len(body):
            return int.from_bytes(body[place + 1 : place + 3], "big"), place + 3
        raise InvalidArgument(f"{self.where}: a field of variable length is cut off")


def read_templated(payload: bytes, *, where: str) -> Iterator[Flow]:
    """Flows of version 9 or IPFIX packets.

    Raises: InvalidArgument naming the byte where it stops being either, or when no template fits what is there.
    """
    reader, place = _Reader(where), 0
    while place < len(payload):
        version = int.from_bytes(payload[place : place + 2], "big")
        if version == 9:
            place = yield from _version9(reader, payload, place)
        elif version == 10:
            place = yield from _ipfix(reader, payload, place)
        else:
            raise InvalidArgument(f"{where}: neither NetFlow version 9 nor IPFIX at byte {place}")
    if not reader.flows and reader.waiting:
        raise InvalidArgument(f"{where}: {len(reader.waiting)} kinds of records, and the templates of none of them")


def _version9(reader: _Reader, payload: bytes, place: int) -> Generator[Flow, None, int]:
    """The head tells how many records follow, not how many bytes: sets go on until the next head, since 9 names no
    set (RFC 3954, 5.2: 2 to 255 are reserved)."""
    if len(payload) - place < _V9_HEAD.size:
        raise InvalidArgument(f"{reader.where}: cut off at byte {place}")
    version, _, uptime_ms, seconds, _, domain = _V9_HEAD.unpack_from(payload, place)
    at_ns = seconds * 1_000_000_000
    packet = _Packet(version, domain, at_ns, at_ns - uptime_ms * 1_000_000)
    place += _V9_HEAD.size
    while place < len(payload):
        set_id = int.from_bytes(payload[place : place + 2], "big")
        if set_id in (9, 10):
            break
        place = yield from _set(reader, packet, payload, place, len(payload))
    return int(place)


def _ipfix(reader: _Reader, payload: bytes, place: int) -> Generator[Flow, None, int]:
    if len(payload) - place < _IPFIX_HEAD.size:
        raise InvalidArgument(f"{reader.where}: cut off at byte {place}")
    version, length, seconds, _, domain = _IPFIX_HEAD.unpack_from(payload, place)
    if not _IPFIX_HEAD.size <= length <= len(payload) - place:
        raise InvalidArgument(f"{reader.where}: a message of {length} bytes at byte {place} is cut off")
    packet, end = _Packet(version, domain, seconds * 1_000_000_000, 0), place + length
    place += _IPFIX_HEAD.size
    while place < end:
        place = yield from _set(reader, packet, payload, place, end)
    return place


def _set(reader: _Reader, packet: _Packet, payload: bytes, place: int, end: int) -> Generator[Flow, None, int]:
    if end - place < _SET.size:
        raise InvalidArgument(f"{reader.where}: cut off at byte {place}")
    set_id, length = _SET.unpack_from(payload, place)
    if not _SET.size <= length <= end - place:
        raise InvalidArgument(f"{reader.where}: a set of {length} bytes at byte {place}")
    yield from reader.take(packet, set_id, payload[place + _SET.size : place + length])
    return place + int(length)


def _flow(packet: _Packet, record: dict[int, bytes]) -> Flow | None:
    source = next((record[one] for one in _SOURCES if one in record), None)
    target = next((record[one] for one in _TARGETS if one in record), None)
    if source is None or target is None or len(source) not in (4, 16) or len(target) not in (4, 16):
        return None  # layer 2, or counters of interfaces
    protocol = _number(record, _PROTOCOL)
    sent = _number(record, _SENT) or _number(record, _BYTES) or _number(record, _TOTAL_BYTES)
    received = _number(record, _RECEIVED) or _number(record, _OUT_BYTES)
    return Flow(
        _start_ns(packet, record),
        str(ipaddress.ip_address(source)),
        str(ipaddress.ip_address(target)),
        _number(record, _TARGET_PORT) & 0xFFFF,
        NAMES.get(protocol, str(protocol)),
        sent,
        received,
    )


def _start_ns(packet: _Packet, record: dict[int, bytes]) -> int:
    for element, unit_ns in _STARTS.items():
        if element in record:
            return _number(record, element) * unit_ns
    for element in _NTP_STARTS:
        stamp = record.get(element, b"")
        if len(stamp) == 8:
            seconds, fraction = struct.unpack("!II", stamp)
            return (int(seconds) - _NTP_TO_UNIX_S) * 1_000_000_000 + (int(fraction) * 1_000_000_000 >> 32)
    if _FIRST_UPTIME in record:
        boot_ns = _number(record, _SYSTEM_START_MS) * 1_000_000 or packet.boot_ns
        if boot_ns:
            return boot_ns + _number(record, _FIRST_UPTIME) * 1_000_000
    return packet.at_ns


def _number(record: dict[int, bytes], element: int) -> int:
    """0 where it is not told. Eight bytes at most: a longer counter is none."""
    value = record.get(element, b"")
    return int.from_bytes(value, "big") if len(value) <= 8 else 0
