"""ONVIF messages beyond those that lead to a stream: time servers, and what a device sees happening. Pure, no network.

Sources: ONVIF Core WSDL (device: GetNTP, SetNTP; events: CreatePullPointSubscription, PullMessages), WS-Notification.
Answers are as hostile as those of `soap`, which parses them.
"""

import ipaddress
import re
from dataclasses import dataclass
from itertools import islice
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from custodes.adapters.camera.soap import DEVICE_NS, MAX_URI_CHARS, all_of, text_of
from custodes.errors import CameraGarbage, InvalidArgument

EVENTS_NS = "http://www.onvif.org/ver10/events/wsdl"
PTZ_NS = "http://www.onvif.org/ver20/ptz/wsdl"
IMAGING_NS = "http://www.onvif.org/ver20/imaging/wsdl"
ANALYTICS_NS = "http://www.onvif.org/ver20/analytics/wsdl"
MAX_SERVERS = 8
MAX_EVENTS = 256
"""Of one answer; we ask for at most 64."""
ASKED_EVENTS = 64
MAX_ITEMS = 16
_SCHEMA_NS = "http://www.onvif.org/ver10/schema"
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")
"""Of a time server by name. CVE-2024-8957: a camera that runs the name as a command; nothing but a name is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeServers:
    """What a device asks for the time."""

    is_from_dhcp: bool
    servers: tuple[str, ...]
    """Addresses and names, as set or as DHCP gave them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvent:
    """What a device says happened."""

    topic: str
    """RuleEngine/CellMotionDetector/Motion and the like, without prefixes."""
    moment: str
    """By the device's clock, as it wrote it."""
    items: tuple[tuple[str, str], ...]
    """Names and values of source and data."""
    source: tuple[tuple[str, str], ...] = ()
    """Those of the source alone: which input, which rule."""
    is_deleted: bool = False
    """What it was about is no more."""


def get_ntp() -> str:
    """Body of GetNTP."""
    return f'<GetNTP xmlns="{DEVICE_NS}"/>'


def set_ntp(server: str) -> str:
    """Body of SetNTP with one server instead of all there were. Raises: InvalidArgument for what is no host."""
    try:
        address = ipaddress.ip_address(server)
    except ValueError:
        if not _HOST.fullmatch(server):
            raise InvalidArgument(f"{server[:80]!r} is no address and no name of a time server") from None
        kind, element = "DNS", "DNSname"
    else:
        kind, element = ("IPv4", "IPv4Address") if address.version == 4 else ("IPv6", "IPv6Address")
    manual = f'<Type xmlns="{_SCHEMA_NS}">{kind}</Type><{element} xmlns="{_SCHEMA_NS}">{escape(server)}</{element}>'
    return f'<SetNTP xmlns="{DEVICE_NS}"><FromDHCP>false</FromDHCP><NTPManual>{manual}</NTPManual></SetNTP>'


def ntp_of(answer: Element) -> TimeServers:
    """Out of GetNTPResponse."""
    names = ("IPv4Address", "IPv6Address", "DNSname")
    found = [text for one in names for element in all_of(answer, one) if (text := (element.text or "").strip())]
    servers = tuple("".join(c for c in one[:253] if c.isprintable()) for one in found[:MAX_SERVERS])
    return TimeServers(is_from_dhcp=text_of(answer, "FromDHCP").lower() in ("true", "1"), servers=servers)


def create_pull_point(seconds: int) -> str:
    """Body of CreatePullPointSubscription, for all topics."""
    return (
        f'<CreatePullPointSubscription xmlns="{EVENTS_NS}"><InitialTerminationTime>PT{seconds}S'
        "</InitialTerminationTime></CreatePullPointSubscription>"
    )


def pull_messages(seconds: int) -> str:
    """Body of PullMessages: wait so long for the first."""
    return (
        f'<PullMessages xmlns="{EVENTS_NS}"><Timeout>PT{seconds}S</Timeout>'
        f"<MessageLimit>{ASKED_EVENTS}</MessageLimit></PullMessages>"
    )


def pull_point_of(answer: Element, *, where: str) -> str:
    """Address of the subscription. Raises: CameraGarbage."""
    address = text_of(answer, "Address")
    if not 0 < len(address) <= MAX_URI_CHARS:
        raise CameraGarbage(f"{where} names no address for its events")
    return address


def events_of(answer: Element) -> list[DeviceEvent]:
    """Out of PullMessagesResponse; `MAX_EVENTS` at most."""
    found = []
    for one in all_of(answer, "NotificationMessage"):
        topic = "/".join(part.rpartition(":")[2] for part in text_of(one, "Topic").split("/"))
        message = next((inner for inner in all_of(one, "Message") if inner.get("UtcTime")), None)
        found.append(
            DeviceEvent(
                topic=_short(topic),
                moment=_short(message.get("UtcTime", "")) if message is not None else "",
                items=_items(one),
                source=tuple(item for source in islice(all_of(one, "Source"), 4) for item in _items(source))[
                    :MAX_ITEMS
                ],
                is_deleted=message is not None and message.get("PropertyOperation") == "Deleted",
            )
        )
        if len(found) == MAX_EVENTS:
            break
    return found


def _items(element: Element) -> tuple[tuple[str, str], ...]:
    found = islice(all_of(element, "SimpleItem"), MAX_ITEMS)
    return tuple((_short(item.get("Name", "")), _short(item.get("Value", ""))) for item in found)


def _short(text: str) -> str:
    return "".join(c for c in text[:120] if c.isprintable())
