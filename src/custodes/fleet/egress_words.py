"""Findings about traffic as verdicts, and as rows of a table. Pure."""

from collections import defaultdict
from datetime import UTC, date, datetime

from custodes.fleet.egress import EgressFinding, EgressReport
from custodes.fleet.egress_class import Suspicion
from custodes.fleet.verdict import Answer, Topic, Verdict
from custodes.units import NS_PER_S

MAX_VERDICTS = 50
"""Of one device; the rest is in the table."""

WORDS = {
    Suspicion.TUNNEL: "looks like a tunnel",
    Suspicion.P2P: "looks like a peer-to-peer relay",
    Suspicion.UPLOAD: "carries much out",
    Suspicion.BEACON: "comes back at equal distances, like a beacon",
    Suspicion.VENDOR: "is a maker's cloud",
    Suspicion.INBOUND: "reached in to the camera",
    Suspicion.NEIGHBOUR: "is another machine of a private network",
    Suspicion.TIME: "is a time server that is not allowed",
    Suspicion.NAMES: "is a resolver that is not allowed",
    Suspicion.OTHER: "is not allowed",
}

HEADS = (
    "device", "address", "peer", "port", "protocol", "name", "class", "severity", "direction", "sent_bytes",
    "received_bytes", "connections", "peers", "first", "last", "country", "network",
)  # fmt: skip


def row_of(one: EgressFinding) -> tuple[str, ...]:
    """Cells in the order of `HEADS`."""
    return (
        one.device_id, one.device, one.peer, str(one.port), one.protocol, one.name, one.suspicion, one.severity,
        "in" if one.is_inbound else "out", str(one.sent), str(one.received), str(one.connections), str(one.peers),
        utc(one.first_ns), utc(one.last_ns), one.whose.country, one.whose.name,
    )  # fmt: skip


def utc(at_ns: int) -> str:
    """ISO 8601 to the second; empty for 0."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at_ns else ""


def sentence_of(one: EgressFinding) -> str:
    """What happened, in a sentence."""
    more = f" and {one.peers - 1} more" if one.peers > 1 and one.peer != one.name else ""
    name = f" ({one.name})" if one.name and one.name != one.peer else ""
    whose = ", ".join(part for part in (one.whose.name, one.whose.country) if part)
    where = f" [{whose}]" if whose else ""
    return (
        f"{one.peer}{more}{name}{where}, {one.protocol} {one.port}, {WORDS[one.suspicion]}: "
        f"{one.connections} connections, {one.sent:,} bytes sent, {one.received:,} received."
    )


def verdicts_of(report: EgressReport, *, source: str, today: date) -> dict[str, tuple[Verdict, ...]]:
    """By device, at most `MAX_VERDICTS` each, the worst first. A device without a finding is not among them."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    seen = datetime.fromtimestamp(report.end_ns // NS_PER_S, UTC).date() if report.end_ns else today
    for one in report.findings:
        if len(found[one.device_id]) < MAX_VERDICTS:
            found[one.device_id].append(
                Verdict(
                    topic=Topic.EGRESS,
                    rule=one.suspicion.value,
                    answer=Answer.AFFECTED,
                    severity=one.severity,
                    sentence=sentence_of(one),
                    source=source,
                    data_date=seen,
                )
            )
    return {device: tuple(verdicts) for device, verdicts in found.items()}
