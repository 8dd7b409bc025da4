"""What resolvers log of questions: dnsmasq (`log-queries`) and unbound (`log-queries: yes`)."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from custodes.fleet.flow import DnsAnswer, DnsQuestion, Told, is_address

_ASKED = re.compile(r"query\[[A-Za-z0-9]+\] (\S{1,255}) from (\S+)")
_TOLD = re.compile(r"(?:reply|cached|config|/etc/hosts) (\S{1,255}) is (\S+)")
_UNBOUND = re.compile(r"\[(\d{1,12})\] unbound\[\S*\] info: (\S+) (\S{1,255})\. [A-Z0-9]+ IN")
_SYSLOG = re.compile(r"([A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d) ")


def read_dns_log(lines: Iterable[str], *, year: int) -> Iterator[Told]:
    """`year`: syslog's stamps have none."""
    for line in lines:
        found = _UNBOUND.search(line)
        if found:
            yield DnsQuestion(int(found[1]) * 1_000_000_000, found[2], found[3].lower())
            continue
        found = _ASKED.search(line)
        if found:
            yield DnsQuestion(_ns(line, year), found[2], found[1].lower().rstrip("."))
            continue
        found = _TOLD.search(line)
        if found and is_address(found[2]):
            yield DnsAnswer(found[1].lower().rstrip("."), found[2])


def _ns(line: str, year: int) -> int:
    found = _SYSLOG.match(line)
    if not found:
        return 0
    try:
        moment = datetime.strptime(f"{year} {found[1]}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(moment.timestamp()) * 1_000_000_000
