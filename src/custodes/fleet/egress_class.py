"""What a forbidden connection looks like: vendor's cloud, peer-to-peer relay, tunnel, beacon, upload. Pure."""

import ipaddress
import math
from dataclasses import dataclass
from enum import StrEnum

from custodes.fleet.flow import Flow
from custodes.fleet.knowledge import Knowledge
from custodes.fleet.verdict import Severity

BEACON_TIMES = 8
"""So many connections at equal distances are no chance."""
BEACON_SPREAD = 0.25
"""Standard deviation of the gaps over their mean; people and retries spread wider."""
BEACON_MIN_GAP_NS = 2_000_000_000
"""Shorter ones are retries of one attempt."""
UPLOAD_BYTES = 50_000_000
"""A camera's stills are 1 MB; 50 MB is minutes of video."""
_TUNNEL_PORTS = {
    ("udp", 51820): "WireGuard", ("udp", 1194): "OpenVPN", ("tcp", 1194): "OpenVPN", ("tcp", 1723): "PPTP",
    ("udp", 500): "IPsec", ("udp", 4500): "IPsec", ("udp", 1701): "L2TP", ("tcp", 22): "SSH", ("tcp", 9001): "Tor",
    ("tcp", 1080): "SOCKS",
}  # fmt: skip
_TUNNEL_PROTOCOLS = frozenset({"gre", "esp", "ah", "ipip", "ipv6", "4", "41", "47", "50", "51"})
_P2P_PORTS = frozenset({
    ("udp", 8800),   # Dahua's easy4ip
    ("udp", 32100), ("udp", 32108),  # PPPP of CS2 and its kin
    ("udp", 10240), ("udp", 10001),  # ThroughTek Kalay
    ("udp", 3478), ("udp", 3479), ("tcp", 3478), ("udp", 5349), ("udp", 19302),  # STUN and TURN
    ("udp", 6000), ("udp", 6002),  # Hik-Connect's relays
    ("tcp", 8666), ("udp", 8666),  # EZVIZ
})  # fmt: skip


class Suspicion(StrEnum):
    """What it looks like. None of them is a proof."""

    TUNNEL = "tunnelling"
    P2P = "p2p_relay"
    UPLOAD = "upload"
    BEACON = "beaconing"
    VENDOR = "vendor_cloud"
    INBOUND = "inbound"
    NEIGHBOUR = "neighbour"
    """Another machine of the site's own networks."""
    TIME = "foreign_time"
    NAMES = "foreign_resolver"
    OTHER = "other"


SEVERITY = {
    Suspicion.TUNNEL: Severity.CRITICAL,
    Suspicion.P2P: Severity.HIGH,
    Suspicion.UPLOAD: Severity.HIGH,
    Suspicion.BEACON: Severity.HIGH,
    Suspicion.VENDOR: Severity.MEDIUM,
    Suspicion.INBOUND: Severity.HIGH,
    Suspicion.NEIGHBOUR: Severity.MEDIUM,
    Suspicion.TIME: Severity.LOW,
    Suspicion.NAMES: Severity.MEDIUM,
    Suspicion.OTHER: Severity.MEDIUM,
}


@dataclass(slots=True)
class PairState:
    """Sums over the flows of one camera with one peer on one port."""

    connections: int = 0
    sent: int = 0
    received: int = 0
    first_ns: int = 0
    last_ns: int = 0
    name: str = ""
    gaps: int = 0
    mean_ns: float = 0.0
    spread: float = 0.0
    """Sum of squared differences of the gaps from their mean (Welford)."""

    def add(self, flow: Flow) -> None:
        """Count one more."""
        self.sent += flow.sent
        self.received += flow.received
        if flow.name:
            self.name = flow.name
        if not flow.connections:
            return
        self.connections += flow.connections
        at_ns = flow.start_ns
        gap_ns = at_ns - self.last_ns
        if self.connections > 1 and at_ns and gap_ns > BEACON_MIN_GAP_NS:
            self.gaps += 1
            step = gap_ns - self.mean_ns
            self.mean_ns += step / self.gaps
            self.spread += step * (gap_ns - self.mean_ns)
        self.first_ns = min(self.first_ns or at_ns, at_ns)
        self.last_ns = max(self.last_ns, at_ns)

    @property
    def is_beacon(self) -> bool:
        """Whether it came at equal distances, often enough."""
        if self.gaps < BEACON_TIMES - 1 or self.mean_ns <= 0:
            return False
        return math.sqrt(self.spread / self.gaps) <= BEACON_SPREAD * self.mean_ns


def suspicion_of(
    state: PairState, *, peer: str, port: int, protocol: str, name: str, is_inbound: bool, known: Knowledge
) -> tuple[Suspicion, Severity]:
    """The first that fits, from the one that needs the least interpretation on."""
    found = _suspicion(state, peer, port, protocol, name, is_inbound, known)
    severity = SEVERITY[found]
    if found is Suspicion.VENDOR and state.sent >= UPLOAD_BYTES:
        severity = Severity.HIGH
    return found, severity


def _suspicion(
    state: PairState, peer: str, port: int, protocol: str, name: str, is_inbound: bool, known: Knowledge
) -> Suspicion:
    if is_inbound:
        return Suspicion.INBOUND
    if protocol in _TUNNEL_PROTOCOLS or (protocol, port) in _TUNNEL_PORTS:
        return Suspicion.TUNNEL
    if (protocol, port) in _P2P_PORTS:
        return Suspicion.P2P
    if name and known.cloud_of(name):
        return Suspicion.VENDOR
    if _is_own(peer):
        return Suspicion.NEIGHBOUR
    if port in (53, 853):
        return Suspicion.NAMES
    if port == 123 and protocol == "udp":
        return Suspicion.TIME
    if state.sent >= UPLOAD_BYTES:
        return Suspicion.UPLOAD
    return Suspicion.BEACON if state.is_beacon else Suspicion.OTHER


def _is_own(peer: str) -> bool:
    try:
        return not ipaddress.ip_address(peer).is_global
    except ValueError:
        return False
