"""Proposals for a firewall and a switch, from what cameras may do. Text for a person; nothing applies it. Pure."""

import ipaddress
from collections.abc import Iterable

from custodes.fleet.egress import AllowedPeer

_NOTE = "proposal by custodes fleet egress: read it, fit it, apply it yourself; custodes never does"


def nftables(devices: Iterable[str], allowed: Iterable[AllowedPeer]) -> str:
    """A table of its own that lets cameras forward to allowed peers and counts, logs and drops the rest.

    Addresses come out of `ipaddress`, so that no text of a log or device reaches the rules.
    """
    lines = [f"# {_NOTE}", "table inet custodes_cameras {"]
    numbers = sorted({ipaddress.ip_address(one) for one in devices}, key=lambda one: (one.version, int(one)))
    families = [(4, "ipv4_addr", "ip"), (6, "ipv6_addr", "ip6")]
    used = [(version, kind, word) for version, kind, word in families if any(n.version == version for n in numbers)]
    for version, kind, _ in used:
        members = ", ".join(str(one) for one in numbers if one.version == version)
        lines += [f"  set cameras{version} {{", f"    type {kind}", f"    elements = {{ {members} }}", "  }"]
    lines += ["  chain forward {", "    type filter hook forward priority filter; policy accept;"]
    peers = list(allowed)
    for version, _, word in used:
        for one in peers:
            if one.network.version == version:
                match = f"{one.protocol} dport {one.port} " if one.port and one.protocol else ""
                if one.port and not one.protocol:
                    match = f"th dport {one.port} "
                lines.append(f"    {word} saddr @cameras{version} {word} daddr {one.network} {match}accept")
        lines.append(f"    {word} saddr @cameras{version} ct state established,related accept")
        lines.append(f'    {word} saddr @cameras{version} counter log prefix "camera-egress " drop')
    lines += ["  }", "}"]
    return "\n".join(lines) + "\n"


def switch_acl(devices: Iterable[str], allowed: Iterable[AllowedPeer]) -> str:
    """The same as an extended access list in the form that Cisco made common. IPv4 only."""
    lines = [f"! {_NOTE}", "ip access-list extended CUSTODES-CAMERAS"]
    numbers = sorted(one for one in map(ipaddress.ip_address, devices) if one.version == 4)
    for number in numbers:
        for one in allowed:
            if not isinstance(one.network, ipaddress.IPv4Network):
                continue
            peer = f"{one.network.network_address} {one.network.hostmask}"
            protocols = (one.protocol,) if one.protocol else (("tcp", "udp") if one.port else ("ip",))
            for protocol in protocols:
                port = f" eq {one.port}" if one.port else ""
                lines.append(f" permit {protocol} host {number} {peer}{port}")
        lines.append(f" deny ip host {number} any log")
    lines.append(" permit ip any any")
    return "\n".join(lines) + "\n"
