"""WS-Discovery: one Probe for ONVIF devices on the network of one interface that the operator named.

Answers are hostile and bounded in number, size and time. The address that counts is the one an answer came from; what
it names as its own only gives port and path. Source: WS-Discovery 1.0 (April 2005), ONVIF Core 7.
"""

import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

import defusedxml
import defusedxml.ElementTree

from custodes.errors import CameraUnreachable
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S

GROUP = ("239.255.255.250", 3702)
MAX_ANSWERS = 1000
MAX_ANSWER_BYTES = 65_535
_MAX_TEXT_CHARS = 80

_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>urn:uuid:{id}</w:MessageID><w:To>'
    "urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe"
    "</w:Action></e:Header><e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """A device that answered. `url`: what `custodes camera add` takes."""

    address: str
    url: str
    name: str
    hardware: str


def discover_cameras(
    interface: str,
    *,
    wait_s: float,
    clock: Clock,
    group: tuple[str, int] = GROUP,
    new_id: Callable[[], uuid.UUID] = uuid.uuid4,
) -> list[Discovered]:
    """Everybody who answers in time, by address, each once.

    Args:
        interface: an IPv4 address of this machine; the probe leaves on its network only, and goes no further (TTL 1).

    Raises: CameraUnreachable when the machine has no such address.
    """
    message_id = new_id()
    found: dict[str, Discovered] = {}
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sock.bind((interface, 0))
            sock.sendto(_PROBE.format(id=message_id).encode(), group)
            end_ns = clock.monotonic_ns() + int(wait_s * NS_PER_S)
            for _ in range(MAX_ANSWERS):
                left_s = (end_ns - clock.monotonic_ns()) / NS_PER_S
                if left_s <= 0:
                    break
                sock.settimeout(left_s)
                try:
                    answer, (address, _) = sock.recvfrom(MAX_ANSWER_BYTES)
                except TimeoutError:
                    break
                one = parse_answer(answer, address, message_id)
                if one is not None:
                    found.setdefault(address, one)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise CameraUnreachable(f"no probe can leave on {interface}: {reason}") from error
    return sorted(found.values(), key=lambda one: socket.inet_aton(one.address))


def parse_answer(answer: bytes, address: str, message_id: uuid.UUID) -> Discovered | None:
    """None for what is no answer to our probe."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(answer, forbid_dtd=True)
    except (ParseError, defusedxml.DefusedXmlException, ValueError, LookupError):
        return None
    texts: dict[str, str] = {}
    for element in root.iter():
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        texts.setdefault(name, (element.text or "").strip())
    if str(message_id) not in texts.get("RelatesTo", "") or "ProbeMatch" not in texts:
        return None
    scopes = texts.get("Scopes", "").split()[:64]
    return Discovered(
        address=address,
        url=_url(texts.get("XAddrs", ""), address),
        name=_scope(scopes, "/name/"),
        hardware=_scope(scopes, "/hardware/"),
    )


def _url(addresses: str, sender: str) -> str:
    """The first address as an `onvif:` one of the sender; port 80 and the usual path where it cannot be read."""
    port, path = 80, ""
    for one in addresses.split()[:8]:
        try:
            parts = urlsplit(one)
            port, path = parts.port or 80, parts.path
        except ValueError:
            continue
        break
    shown = path if path.isascii() and path.isprintable() and len(path) < 200 else ""
    return f"onvif://{sender}{'' if port == 80 else f':{port}'}{'' if shown == '/onvif/device_service' else shown}"


def _scope(scopes: list[str], part: str) -> str:
    for one in scopes:
        _, found, value = one.partition(part)
        if found:
            return "".join(char for char in unquote(value) if char.isprintable())[:_MAX_TEXT_CHARS]
    return ""
