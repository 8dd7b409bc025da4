"""Opens what other tools wrote about traffic and finds out what it is: by content, not by name. Streams; gzip too."""

import gzip
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from custodes.adapters.fleet.conntrack import read_conntrack
from custodes.adapters.fleet.dns_log import read_dns_log
from custodes.adapters.fleet.netflow import read_netflow5, read_nfdump
from custodes.adapters.fleet.netflow_templates import read_templated
from custodes.adapters.fleet.pcap import read_pcap
from custodes.adapters.fleet.zeek import read_zeek
from custodes.errors import InvalidArgument, StorageFailed
from custodes.fleet.flow import Told

MAX_LINE_BYTES = 1 << 20
MAX_NETFLOW_BYTES = 1 << 30
_LOOK_LINES = 20
_EXPORTS = (b"\x00\x05", b"\x00\x09", b"\x00\x0a")
"""NetFlow versions 5 and 9, IPFIX: packets as a collector wrote them, one after the other."""
_CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")


def read_traffic(path: Path) -> Iterator[Told]:
    """Flows and names of one file.

    Raises: InvalidArgument for what is none of the known forms, StorageFailed.
    """
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            if is_packed:
                with gzip.open(plain) as packed:
                    yield from _read(cast(BinaryIO, packed), path)
            else:
                yield from _read(plain, path)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise StorageFailed(f"{path} cannot be read: {reason.lower()}") from error


def _read(stream: BinaryIO, path: Path) -> Iterator[Told]:
    start = stream.read(4)
    stream.seek(0)
    if start in _CAPTURES:
        yield from read_pcap(stream, where=path.name)
        return
    if start[:2] in _EXPORTS:
        payload = stream.read(MAX_NETFLOW_BYTES + 1)
        if len(payload) > MAX_NETFLOW_BYTES:
            raise InvalidArgument(f"{path.name} is larger than {MAX_NETFLOW_BYTES} bytes; split it")
        yield from (read_netflow5 if start[1] == 5 else read_templated)(payload, where=path.name)
        return
    lines = _lines(stream)
    first = list(itertools.islice(lines, _LOOK_LINES))
    rest = itertools.chain(first, lines)
    text = "".join(first)
    if text.startswith(("#separator", "#fields", "{")):
        yield from read_zeek(rest)
    elif " src=" in text and " dst=" in text:
        yield from read_conntrack(rest)
    elif text.startswith("ts,"):
        yield from read_nfdump(rest, where=path.name)
    elif "query[" in text or "unbound[" in text or "dnsmasq[" in text:
        yield from read_dns_log(rest, year=datetime.fromtimestamp(path.stat().st_mtime, UTC).year)
    else:
        raise InvalidArgument(
            f"{path.name} is none of: conntrack, Zeek's conn, dns or ssl log, a capture, NetFlow 5 or 9, IPFIX, "
            "nfdump's CSV, dnsmasq's or unbound's log"
        )


def _lines(stream: BinaryIO) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_BYTES):
        yield line.decode("utf-8", "replace")
