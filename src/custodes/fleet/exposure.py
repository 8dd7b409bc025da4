"""What others see of the site from outside: their scans, matched with the inventory, and counted. Pure.

Nothing is scanned here; the operator brings what nmap, Shodan or Censys found.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from custodes.fleet.knowledge import Knowledge
from custodes.fleet.observation import Observation
from custodes.fleet.verdict import Answer, Severity, Topic, Verdict

_NEAR_SERVICES = frozenset({"rtsp", "telnet", "ftp", "onvif"})
MAX_VERDICTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """An open port that a scan saw. Texts are cleaned, empty where the scan is silent."""

    address: str
    port: int
    service: str
    product: str
    country: str
    network: str
    """Name or number of the autonomous system."""
    certificate: str
    """SHA-256 of its certificate, hexadecimal."""
    seen: date
    scanner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureReport:
    """Matched verdicts by device; counts of hosts, the way published research counts them, over the whole import."""

    by_device: dict[str, tuple[Verdict, ...]]
    unmatched: tuple[Exposed, ...]
    hosts: int
    by_country: tuple[tuple[str, int], ...]
    by_network: tuple[tuple[str, int], ...]
    by_maker: tuple[tuple[str, int], ...]
    """Makers that a product's name gives away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """A port of a public address that leads to a device; port 0: all of them."""

    address: str
    port: int
    device_id: str


def match_exposure(
    exposed: Iterable[Exposed],
    inventory: Iterable[Observation],
    forwardings: Iterable[Forwarding],
    known: Knowledge,
) -> ExposureReport:
    """Match by address, by forwarded port, by certificate; the first that fits."""
    devices = tuple(inventory)
    by_host = {one.host: one.device_id for one in devices}
    by_certificate: dict[str, set[str]] = defaultdict(set)
    for one in devices:
        for tls in one.tls:
            by_certificate[tls.sha256].add(one.device_id)
    forwarded = {(one.address, one.port): one.device_id for one in forwardings}
    found: dict[str, list[Verdict]] = defaultdict(list)
    unmatched = []
    places: dict[str, tuple[str, str]] = {}
    makers: dict[str, str] = {}
    for seen in exposed:
        places[seen.address] = (seen.country or "unknown", seen.network or "unknown")
        maker = known.maker_in(seen.product)
        if maker:
            makers[seen.address] = maker
        owners = by_certificate.get(seen.certificate, set()) if seen.certificate else set()
        device_id, how = by_host.get(seen.address, ""), "its address"
        if not device_id:
            device_id = forwarded.get((seen.address, seen.port)) or forwarded.get((seen.address, 0), "")
            how = "a forwarded port"
        if not device_id and len(owners) == 1:
            device_id, how = next(iter(owners)), "its certificate"
        if not device_id:
            unmatched.append(seen)
        elif len(found[device_id]) < MAX_VERDICTS:
            found[device_id].append(_verdict(seen, how))
    return ExposureReport(
        by_device={device: tuple(verdicts) for device, verdicts in found.items()},
        unmatched=tuple(unmatched),
        hosts=len(places),
        by_country=tuple(Counter(country for country, _ in places.values()).most_common()),
        by_network=tuple(Counter(network for _, network in places.values()).most_common()),
        by_maker=tuple(Counter(makers.values()).most_common()),
    )


def _verdict(seen: Exposed, how: str) -> Verdict:
    is_outside = seen.scanner != "nmap"
    severity = Severity.CRITICAL if is_outside else Severity.LOW
    if not is_outside and seen.service in _NEAR_SERVICES:
        severity = Severity.MEDIUM
    where = "The internet reaches it" if is_outside else "A scan of yours reaches it"
    what = " ".join(part for part in (seen.service, seen.product) if part)
    return Verdict(
        topic=Topic.EXPOSURE,
        rule=f"port-{seen.port}",
        answer=Answer.AFFECTED,
        severity=severity,
        sentence=f"{where} at {seen.address} port {seen.port}{f' ({what})' if what else ''}; matched by {how}.",
        source=seen.scanner,
        data_date=seen.seen,
    )
