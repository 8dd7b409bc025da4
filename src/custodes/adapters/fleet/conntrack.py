"""Connections out of Linux's connection tracking: `conntrack -E -o timestamp` (with or without `id`), `conntrack -L`.

NEW lines tell when, DESTROY lines how much (with net.netfilter.nf_conntrack_acct=1). A connection that both tell of is
counted once.
"""

from collections.abc import Iterable, Iterator

from custodes.fleet.flow import Flow

MAX_OPEN = 2_000_000
"""Connections whose end is awaited; beyond, an end may be counted as a connection more."""
MAX_LINE_CHARS = 2000
"""The longest line, of IPv6 with all of its extras, has about 400."""

_NOT_PROTOCOLS = frozenset({"ipv4", "ipv6"})


def read_conntrack(lines: Iterable[str]) -> Iterator[Flow]:
    """Lines that are none of these are passed over. Cost: about 4 µs a line (bench.fleet)."""
    opened: set[str] = set()
    for line in lines:
        place = line.find(" src=")
        if place < 0 or len(line) > MAX_LINE_CHARS:
            continue
        head = line[:place]
        if "[UPDATE]" in head:
            continue
        # The original direction first, the answers after it, each as `src= dst= sport= dport= … packets= bytes=`.
        asked, _, answered = line[place + 5 :].partition(" src=")
        source, fields = asked.partition(" ")[::2]
        target, _, rest = fields.removeprefix("dst=").partition(" ")
        connections = 1
        if "[NEW]" in head:
            if len(opened) < MAX_OPEN:
                opened.add(asked.partition("packets=")[0].partition(" [")[0].rstrip())
        elif "[DESTROY]" in head:
            key = asked.partition("packets=")[0].partition(" [")[0].rstrip()
            if key in opened:
                opened.discard(key)
                connections = 0
        yield Flow(
            _stamp(head),
            source,
            target,
            _number(rest, "dport="),
            _protocol(head),
            _number(rest, "bytes="),
            _number(answered, "bytes="),
            connections,
        )


def _number(text: str, name: str) -> int:
    _, found, after = text.partition(name)
    digits = after.partition(" ")[0].rstrip() if found else ""
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) <= 18 else 0


def _protocol(head: str) -> str:
    """The first word that is neither a stamp, nor an event, nor a family: `[1.5] [NEW] ipv4 2 tcp 6 120 SYN_SENT`."""
    for word in head.split():
        if word[0] != "[" and not word[0].isdigit() and not word.endswith("]") and word not in _NOT_PROTOCOLS:
            return word.lower()
    return ""


def _stamp(head: str) -> int:
    text = head.lstrip()
    if text[:1] != "[" or not text[1:2].isdigit():
        return 0
    second, _, part = text[1 : text.find("]")].partition(".")
    if not (second.isdecimal() and second.isascii() and len(second) <= 12):
        return 0
    nanos = part.strip()[:9].ljust(9, "0")
    return int(second) * 1_000_000_000 + (int(nanos) if nanos.isdecimal() and nanos.isascii() else 0)
