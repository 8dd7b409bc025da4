"""Zeek's logs, in its own tab-separated form and as JSON lines: conn.log, dns.log, ssl.log."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from custodes.fleet.flow import DnsAnswer, DnsQuestion, Flow, Told, is_address

MAX_LINE_CHARS = 1_000_000
_DECODER = msgspec.json.Decoder(dict[str, Any])
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?")


def read_zeek(lines: Iterable[str]) -> Iterator[Told]:
    """Which log it is follows from its columns. Lines that cannot be read are passed over."""
    heads: list[str] = []
    for line in lines:
        if len(line) > MAX_LINE_CHARS:
            continue
        if line.startswith("{"):
            try:
                row = _DECODER.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue
            yield from _told({name: _text(value) for name, value in row.items()})
        elif line.startswith("#fields"):
            heads = line.rstrip("\n").split("\t")[1:]
        elif heads and not line.startswith("#"):
            yield from _told(dict(zip(heads, line.rstrip("\n").split("\t"), strict=False)))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(one) for one in value[:64])
    return str(value)


def _told(row: dict[str, str]) -> Iterator[Told]:
    source, target = row.get("id.orig_h", ""), row.get("id.resp_h", "")
    if not source or not target:
        return
    at_ns = _ns(row.get("ts", ""))
    if "query" in row:
        name = row["query"].lower().rstrip(".")
        if name not in ("", "-"):
            yield DnsQuestion(at_ns, source, name)
            for one in row.get("answers", "").split(","):
                if is_address(one):
                    yield DnsAnswer(name, one)
        return
    port = _count(row.get("id.resp_p", ""))
    if "server_name" in row:
        name = row["server_name"].lower()
        if name not in ("", "-"):
            # conn.log tells of the connection and its bytes; this only says whom it wanted.
            yield Flow(at_ns, source, target, port, "tcp", 0, 0, 0, name)
        return
    if "proto" in row:
        sent = _count(row.get("orig_ip_bytes") or row.get("orig_bytes", ""))
        received = _count(row.get("resp_ip_bytes") or row.get("resp_bytes", ""))
        yield Flow(at_ns, source, target, port, row["proto"].lower(), sent, received, 1)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _ns(text: str) -> int:
    return int(float(text) * 1e9) if _NUMBER.fullmatch(text) else 0
