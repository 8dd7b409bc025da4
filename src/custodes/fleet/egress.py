"""Whom the cameras talk to: flows in, findings out. Pure, bounded, one pass.

Cameras may talk to what the operator allows (recorder, time, names) and to their own link (multicast, DHCP).
Everything else is a finding, whatever it looks like; what it looks like only names its class.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from custodes.fleet.egress_class import PairState, Suspicion, suspicion_of
from custodes.fleet.flow import DnsAnswer, DnsQuestion, Flow, Told
from custodes.fleet.knowledge import Knowledge
from custodes.fleet.networks import UNKNOWN, Network, NetworkTable
from custodes.fleet.verdict import Severity

MAX_PAIRS = 2_000_000
"""Pairs of camera and peer that are kept; beyond, flows are counted but told of no more."""
MAX_NAMES = 1_000_000
MAX_QUESTION_NAMES = 20_000
"""Different names a camera that are kept under one domain."""
FAN_OUT = 12
"""So many different public peers over UDP, from one camera: the way peer-to-peer services search their relays."""
TUNNEL_NAMES = 200
"""Different names under one domain, asked by one camera. Honest vendors' clouds have some tens."""
TUNNEL_CHARS = 28
"""Mean length of the part before the domain; iodine and dnscat2 fill 60 and more, honest names have below 20."""

_LINK_PORTS: Final = frozenset({67, 68, 547, 546})
"""DHCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedPeer:
    """Whom cameras may talk to. `port` 0 and `protocol` empty: any."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    port: int = 0
    protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressFinding:
    """A camera and somebody it should not talk to."""

    device_id: str
    device: str
    """Its address."""
    peer: str
    """An address, or a domain when names were asked."""
    port: int
    protocol: str
    name: str
    suspicion: Suspicion
    severity: Severity
    is_inbound: bool
    sent: int
    received: int
    connections: int
    first_ns: int
    last_ns: int
    whose: Network
    peers: int = 1
    """Above 1: as many peers that were taken together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressReport:
    """Findings, the worst first; what was read and what was too much."""

    findings: tuple[EgressFinding, ...]
    flows: int
    allowed: int
    foreign: int
    """Flows of nobody on the list."""
    dropped: int
    begin_ns: int
    end_ns: int


class EgressWatch:
    """Takes what logs tell, in any order of time; `report` once at the end."""

    def __init__(
        self,
        devices: dict[str, str],
        allowed: Iterable[AllowedPeer],
        known: Knowledge,
        networks: NetworkTable | None = None,
    ) -> None:
        """`devices`: addresses of cameras to their ids."""
        self._devices = devices
        self._allowed = tuple(allowed)
        self._known = known
        self._networks = networks
        self._verdicts: dict[tuple[str, int, str], bool] = {}
        self._pairs: dict[tuple[str, str, int, str, bool], PairState] = {}
        self._names: dict[str, str] = {}
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._flows = self._allowed_flows = self._foreign = self._dropped = 0
        self._begin_ns = self._end_ns = 0

    def take_all(self, told: Iterable[Told]) -> None:
        """Cost: about 1 µs a flow that is allowed, 2 µs for another."""
        for one in told:
            if type(one) is Flow:
                self._take(one)
            elif type(one) is DnsAnswer:
                if len(self._names) < MAX_NAMES:
                    self._names[one.address] = one.name
            elif type(one) is DnsQuestion:
                self._question(one)

    def _take(self, flow: Flow) -> None:
        self._flows += 1
        if flow.source in self._devices:
            device, peer, is_inbound = flow.source, flow.target, False
        elif flow.target in self._devices:
            device, peer, is_inbound = flow.target, flow.source, True
        else:
            self._foreign += 1
            return
        self._see_time(flow.start_ns)
        # Of who comes in, the port is the camera's own: it is the peer that has to be allowed.
        if self._is_allowed(peer, 0 if is_inbound else flow.port, flow.protocol):
            self._allowed_flows += 1
            return
        key = (device, peer, flow.port, flow.protocol, is_inbound)
        state = self._pairs.get(key)
        if state is None:
            if len(self._pairs) >= MAX_PAIRS:
                self._dropped += 1
                return
            state = self._pairs[key] = PairState()
        state.add(flow)

    def _see_time(self, utc_ns: int) -> None:
        if utc_ns:
            self._begin_ns = min(self._begin_ns or utc_ns, utc_ns)
            self._end_ns = max(self._end_ns, utc_ns)

    def _is_allowed(self, peer: str, port: int, protocol: str) -> bool:
        key = (peer, port, protocol)
        found = self._verdicts.get(key)
        if found is None:
            if len(self._verdicts) > MAX_PAIRS:
                self._verdicts.clear()
            found = self._verdicts[key] = self._judge_peer(peer, port, protocol)
        return found

    def _judge_peer(self, peer: str, port: int, protocol: str) -> bool:
        if peer in self._devices:
            return False  # cameras have nothing to say to each other
        try:
            number = ipaddress.ip_address(peer)
        except ValueError:
            return False
        if number.is_multicast or number.is_link_local or number.is_unspecified or peer == "255.255.255.255":
            return True
        if port in _LINK_PORTS and protocol == "udp" and number.is_private:
            return True
        return any(
            number.version == one.network.version
            and number in one.network
            and (not one.port or not port or one.port == port)
            and (not one.protocol or one.protocol == protocol)
            for one in self._allowed
        )

    def _question(self, one: DnsQuestion) -> None:
        if one.client not in self._devices:
            return
        self._see_time(one.utc_ns)
        domain = domain_of(one.name)
        key = (one.client, domain)
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= MAX_PAIRS:
                self._dropped += 1
                return
            asked = self._asked[key] = _Asked()
        asked.add(one, len(domain))

    def report(self) -> EgressReport:
        """All findings, the worst first."""
        found = [*self._of_pairs(), *self._of_questions()]
        order = tuple(Severity)
        found.sort(key=lambda one: (order.index(one.severity), -one.sent, one.device_id, one.peer, one.port))
        return EgressReport(
            findings=tuple(found),
            flows=self._flows,
            allowed=self._allowed_flows,
            foreign=self._foreign,
            dropped=self._dropped,
            begin_ns=self._begin_ns,
            end_ns=self._end_ns,
        )

    def _of_pairs(self) -> Iterator[EgressFinding]:
        searched: dict[str, set[str]] = defaultdict(set)
        for (device, peer, _, protocol, is_inbound), _state in self._pairs.items():
            if protocol == "udp" and not is_inbound and _is_public(peer):
                searched[device].add(peer)
        fans = {device for device, peers in searched.items() if len(peers) >= FAN_OUT}
        grouped: dict[str, list[tuple[str, int, PairState]]] = defaultdict(list)
        for (device, peer, port, protocol, is_inbound), state in self._pairs.items():
            name = state.name or self._names.get(peer, "")
            suspicion, severity = suspicion_of(
                state, peer=peer, port=port, protocol=protocol, name=name, is_inbound=is_inbound, known=self._known
            )
            if suspicion is Suspicion.OTHER and device in fans and peer in searched[device]:
                grouped[device].append((peer, port, state))
                continue
            yield self._finding(device, peer, port, protocol, name, suspicion, severity, is_inbound, state)
        for device, parts in grouped.items():
            yield self._fan(device, parts)

    def _finding(
        self,
        device: str,
        peer: str,
        port: int,
        protocol: str,
        name: str,
        suspicion: Suspicion,
        severity: Severity,
        is_inbound: bool,
        state: PairState,
    ) -> EgressFinding:
        return EgressFinding(
            device_id=self._devices[device],
            device=device,
            peer=peer,
            port=port,
            protocol=protocol,
            name=name,
            suspicion=suspicion,
            severity=severity,
            is_inbound=is_inbound,
            sent=state.sent,
            received=state.received,
            connections=state.connections,
            first_ns=state.first_ns,
            last_ns=state.last_ns,
            whose=self._networks.find(peer) if self._networks else UNKNOWN,
        )

    def _fan(self, device: str, parts: list[tuple[str, int, PairState]]) -> EgressFinding:
        states = [state for _, _, state in parts]
        peers = sorted({peer for peer, _, _ in parts})
        return EgressFinding(
            device_id=self._devices[device],
            device=device,
            peer=peers[0],
            port=parts[0][1],
            protocol="udp",
            name="",
            suspicion=Suspicion.P2P,
            severity=Severity.HIGH,
            is_inbound=False,
            sent=sum(one.sent for one in states),
            received=sum(one.received for one in states),
            connections=sum(one.connections for one in states),
            first_ns=min(one.first_ns for one in states),
            last_ns=max(one.last_ns for one in states),
            whose=self._networks.find(peers[0]) if self._networks else UNKNOWN,
            peers=len(peers),
        )

    def _of_questions(self) -> Iterator[EgressFinding]:
        for (device, domain), asked in self._asked.items():
            if len(asked.names) < TUNNEL_NAMES or asked.chars / max(asked.different, 1) < TUNNEL_CHARS:
                continue
            yield EgressFinding(
                device_id=self._devices[device],
                device=device,
                peer=domain,
                port=53,
                protocol="udp",
                name=domain,
                suspicion=Suspicion.TUNNEL,
                severity=Severity.CRITICAL,
                is_inbound=False,
                sent=asked.chars,
                received=0,
                connections=asked.questions,
                first_ns=asked.first_ns,
                last_ns=asked.last_ns,
                whose=UNKNOWN,
                peers=asked.different,
            )


@dataclass(slots=True)
class _Asked:
    """Names under one domain, asked by one camera."""

    names: set[int] = field(default_factory=set)
    """Hashes."""
    chars: int = 0
    """Of the parts before the domain, of different names."""
    different: int = 0
    questions: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, one: DnsQuestion, domain_chars: int) -> None:
        self.questions += 1
        self.first_ns = min(self.first_ns or one.utc_ns, one.utc_ns)
        self.last_ns = max(self.last_ns, one.utc_ns)
        digest = hash(one.name)
        if digest not in self.names and len(self.names) < MAX_QUESTION_NAMES:
            self.names.add(digest)
            self.different += 1
            self.chars += max(len(one.name) - domain_chars - 1, 0)


def domain_of(name: str) -> str:
    """The last two labels, or three under a country's `co`, `com` and the like: good enough to count under."""
    labels = name.rsplit(".", 3)
    if len(labels) >= 3 and len(labels[-1]) == 2 and labels[-2] in {"co", "com", "net", "org", "gov", "edu", "ac"}:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def _is_public(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_global
    except ValueError:
        return False
