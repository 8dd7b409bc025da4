"""One connection, or a part of one, as firewalls, sensors and captures tell of it. Pure."""

import ipaddress

import msgspec


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A struct of msgspec's, since a day of a thousand cameras has millions (bench.fleet)."""

    start_ns: int
    """UTC; 0 when the log tells no time."""
    source: str
    """Who began it: an address as text."""
    target: str
    port: int
    """Of the target; 0 for protocols without."""
    protocol: str
    """tcp, udp, icmp, gre …, lower case."""
    sent: int = 0
    """Bytes from source to target."""
    received: int = 0
    connections: int = 1
    """0: more bytes of a connection that was told before."""
    name: str = ""
    """Of the target, when the log tells: TLS server name, or what was asked of DNS."""


class DnsQuestion(msgspec.Struct, frozen=True, gc=False):
    """What a client asked a resolver."""

    utc_ns: int
    client: str
    name: str
    """Lower case, without the last dot."""


class DnsAnswer(msgspec.Struct, frozen=True, gc=False):
    """That an address goes by a name."""

    name: str
    address: str


Told = Flow | DnsQuestion | DnsAnswer
"""What a log consists of."""


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
