"""NetFlow: version 5 export packets one after the other, and nfdump's CSV (`nfdump -o csv`)."""

import csv
import socket
import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from custodes.errors import InvalidArgument
from custodes.fleet.flow import Flow

_HEAD = struct.Struct("!HHIIIIBBH")
_RECORD = struct.Struct("!4s4s4sHHIIIIHHBBBBHHBBH")
MAX_RECORDS = 30
"""Of one version 5 packet (Cisco)."""
_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6"}


def read_netflow5(payload: bytes, *, where: str) -> Iterator[Flow]:
    """Raises: InvalidArgument naming the byte where it stops being version 5."""
    place = 0
    while place < len(payload):
        if len(payload) - place < _HEAD.size:
            raise InvalidArgument(f"{where}: cut off at byte {place}")
        version, count, uptime_ms, seconds, fraction_ns, *_ = _HEAD.unpack_from(payload, place)
        if version != 5 or not 0 < count <= MAX_RECORDS:
            raise InvalidArgument(f"{where}: no NetFlow version 5 at byte {place}")
        boot_ns = seconds * 1_000_000_000 + fraction_ns - uptime_ms * 1_000_000
        place += _HEAD.size
        for _ in range(count):
            if len(payload) - place < _RECORD.size:
                raise InvalidArgument(f"{where}: cut off at byte {place}")
            source, target, _, _, _, _, octets, first_ms, _, _, port, _, _, protocol, *_ = _RECORD.unpack_from(
                payload, place
            )
            place += _RECORD.size
            yield Flow(
                boot_ns + first_ms * 1_000_000,
                socket.inet_ntoa(source),
                socket.inet_ntoa(target),
                port,
                _NAMES.get(protocol, str(protocol)),
                octets,
            )


def read_nfdump(lines: Iterable[str], *, where: str) -> Iterator[Flow]:
    """Raises: InvalidArgument when the head lacks a column that is needed."""
    rows = csv.DictReader(lines)
    wanted = {"ts", "sa", "da", "dp", "pr", "ibyt"}
    if not wanted <= set(rows.fieldnames or ()):
        raise InvalidArgument(f"{where}: nfdump's CSV has the columns {', '.join(sorted(wanted))}")
    for row in rows:
        try:
            moment = datetime.strptime((row["ts"] or "")[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            port, sent, received = int(row["dp"] or 0), int(row["ibyt"] or 0), int(row.get("obyt") or 0)
        except (ValueError, TypeError):
            continue  # the summary at the end
        at_ns = int(moment.timestamp()) * 1_000_000_000
        yield Flow(at_ns, row["sa"] or "", row["da"] or "", port, (row["pr"] or "").lower(), sent, received)
