"""The few ONVIF messages that lead to a stream's address: requests as text, answers as values. Pure, no network.

Answers come from a camera and are hostile: no DTD, no entities (defusedxml), bounded by the caller in size, by
`MAX_PROFILES` in number. Elements are found by their local names, since vendors disagree on namespaces.
Sources: ONVIF Core, Media (ver10) and Media2 (ver20) WSDL; WS-Security UsernameToken Profile 1.0 (2004), 3.1.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

import defusedxml
import defusedxml.ElementTree

from custodes.errors import CameraGarbage, CameraUnauthorized
from custodes.units import NS_PER_S, Ns

DEVICE_NS = "http://www.onvif.org/ver10/device/wsdl"
MEDIA_NS = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2_NS = "http://www.onvif.org/ver20/media/wsdl"

MAX_PROFILES = 128
"""Recorders with 64 channels have two each."""
MAX_URI_CHARS = 2048
MAX_TOKEN_CHARS = 128
_MAX_REASON_CHARS = 120
_MAX_DEPTH = 100
"""Of elements; answers of real cameras have 12."""

_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_NONCE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A media profile with a video encoder."""

    token: str
    encoding: str
    """As the camera calls it: H264, H265, JPEG …; may be empty."""
    width_px: int
    height_px: int
    name: str = ""
    source: str = ""
    """Token of the video source: a recorder has one a channel."""


def get_time() -> str:
    """Body of GetSystemDateAndTime, which needs no login."""
    return f'<GetSystemDateAndTime xmlns="{DEVICE_NS}"/>'


def get_services() -> str:
    """Body of GetServices."""
    return f'<GetServices xmlns="{DEVICE_NS}"><IncludeCapability>false</IncludeCapability></GetServices>'


def get_capabilities() -> str:
    """Body of GetCapabilities, for cameras older than GetServices."""
    return f'<GetCapabilities xmlns="{DEVICE_NS}"><Category>All</Category></GetCapabilities>'


def get_device_information() -> str:
    """Body of GetDeviceInformation."""
    return f'<GetDeviceInformation xmlns="{DEVICE_NS}"/>'


def get_scopes() -> str:
    """Body of GetScopes."""
    return f'<GetScopes xmlns="{DEVICE_NS}"/>'


def get_profiles(namespace: str) -> str:
    """Body of GetProfiles of Media or Media2."""
    wanted = "<Type>VideoSource</Type><Type>VideoEncoder</Type>" if namespace == MEDIA2_NS else ""
    return f'<GetProfiles xmlns="{namespace}">{wanted}</GetProfiles>'


def get_stream_uri(namespace: str, token: str) -> str:
    """Body of GetStreamUri for RTSP."""
    if namespace == MEDIA2_NS:
        setup = "<Protocol>RTSP</Protocol>"
    else:
        schema = 'xmlns="http://www.onvif.org/ver10/schema"'
        setup = (
            f"<StreamSetup><Stream {schema}>RTP-Unicast</Stream>"
            f"<Transport {schema}><Protocol>RTSP</Protocol></Transport></StreamSetup>"
        )
    return f'<GetStreamUri xmlns="{namespace}">{setup}<ProfileToken>{escape(token)}</ProfileToken></GetStreamUri>'


def envelope(body: str, *, username: str, password: str, nonce: bytes, created_ns: Ns) -> bytes:
    """A SOAP 1.2 message; with a user name, a UsernameToken whose password is digested.

    Args:
        nonce: 16 random bytes.
        created_ns: now by the camera's clock; many refuse a token that is off by seconds.
    """
    header = ""
    if username:
        created = datetime.fromtimestamp(created_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # SHA-1 is what the profile prescribes.
        digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
        header = (
            f'<s:Header><Security s:mustUnderstand="1" xmlns="{_WSSE}"><UsernameToken>'
            f"<Username>{escape(username)}</Username>"
            f"<Password Type={quoteattr(_DIGEST)}>{base64.b64encode(digest).decode()}</Password>"
            f"<Nonce EncodingType={quoteattr(_NONCE)}>{base64.b64encode(nonce).decode()}</Nonce>"
            f'<Created xmlns="{_WSU}">{created}</Created></UsernameToken></Security></s:Header>'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">{header}<s:Body>{body}</s:Body></s:Envelope>'
    ).encode()


def parse(answer: bytes, *, where: str, operation: str) -> Element:
    """The element inside the body of an answer.

    Raises: CameraUnauthorized for a fault that says so, CameraGarbage for another fault and for what is no SOAP.
    """
    asked = f"{where}: the answer to {operation}"
    try:
        root: Element = defusedxml.ElementTree.fromstring(answer, forbid_dtd=True)
    except (ParseError, defusedxml.DefusedXmlException, ValueError, LookupError) as error:
        raise CameraGarbage(f"{asked} is not XML that may be read ({type(error).__name__})") from error
    if _local(root) != "Envelope" or _is_too_deep(root):
        raise CameraGarbage(f"{asked} is no SOAP envelope")
    body = next((child for child in root if _local(child) == "Body"), None)
    if body is None or len(body) == 0:
        raise CameraGarbage(f"{asked} has no body")
    content = body[0]
    if _local(content) == "Fault":
        words = _fault_words(content)
        if any(mark in words.lower() for mark in ("notauthorized", "not authorized", "unauthorized")):
            raise CameraUnauthorized(f"{where} refuses the user name or password")
        raise CameraGarbage(f"{asked} is a fault: {words or 'without a reason'}")
    if _local(content) != f"{operation}Response":
        raise CameraGarbage(f"{asked} is another message")
    return content


def time_of(answer: Element) -> Ns | None:
    """The camera's UTC out of GetSystemDateAndTimeResponse; None when it gives none that is a date."""
    utc = _first(answer, "UTCDateTime")
    if utc is None:
        return None
    numbers = [_number(text_of(utc, name)) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    try:
        moment = datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type, misc]
    except (ValueError, OverflowError):
        return None
    return Ns(int(moment.timestamp()) * NS_PER_S)


def services_of(answer: Element) -> dict[str, str]:
    """Namespace to address, out of GetServicesResponse or GetCapabilitiesResponse."""
    found: dict[str, str] = {}
    for service in all_of(answer, "Service"):
        found.setdefault(text_of(service, "Namespace"), text_of(service, "XAddr"))
    media = _first(answer, "Media")
    if media is not None:
        found.setdefault(MEDIA_NS, text_of(media, "XAddr"))
    return {name: address for name, address in found.items() if address and len(address) <= MAX_URI_CHARS}


def device_of(answer: Element) -> dict[str, str]:
    """The fields of GetDeviceInformationResponse by names of ours; empty where it is silent."""
    names = {
        "manufacturer": "Manufacturer",
        "model": "Model",
        "firmware": "FirmwareVersion",
        "serial": "SerialNumber",
        "hardware": "HardwareId",
    }
    return {name: text_of(answer, element) for name, element in names.items()}


def scopes_of(answer: Element) -> list[str]:
    """Scope URIs out of GetScopesResponse, in the camera's order."""
    return [(one.text or "").strip() for one in all_of(answer, "ScopeItem") if one.text]


def profiles_of(answer: Element) -> list[Profile]:
    """Profiles with a video encoder, in the camera's order; `MAX_PROFILES` at most."""
    found = []
    for element in answer:
        encoder = _first(element, "VideoEncoderConfiguration")
        encoder = _first(element, "VideoEncoder") if encoder is None else encoder
        token = element.get("token", "")
        if _local(element) != "Profiles" or encoder is None or not 0 < len(token) <= MAX_URI_CHARS:
            continue
        found.append(
            Profile(
                token=token,
                encoding=text_of(encoder, "Encoding")[:16],
                width_px=_number(text_of(encoder, "Width")),
                height_px=_number(text_of(encoder, "Height")),
                name=text_of(element, "Name")[:80],
                source=text_of(element, "SourceToken")[:MAX_TOKEN_CHARS],
            )
        )
        if len(found) == MAX_PROFILES:
            break
    return found


def uri_of(answer: Element, *, where: str) -> str:
    """The address out of GetStreamUriResponse. Raises: CameraGarbage."""
    uri = text_of(answer, "Uri")
    if not 0 < len(uri) <= MAX_URI_CHARS or not uri.isprintable() or " " in uri:
        raise CameraGarbage(f"{where} names no address for its stream")
    return uri


def _is_too_deep(root: Element) -> bool:
    level = [root]
    for _ in range(_MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


def _fault_words(fault: Element) -> str:
    texts = [element.text or "" for element in fault.iter() if _local(element) in ("Value", "Text", "faultstring")]
    words = " ".join(" ".join(texts).split())
    return "".join(char if char.isprintable() else "?" for char in words)[:_MAX_REASON_CHARS]


def _local(element: Element) -> str:
    # Comments and processing instructions have a function for a tag.
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def all_of(element: Element, name: str) -> Iterator[Element]:
    """Elements of that local name, itself included, in document order."""
    return (child for child in element.iter() if _local(child) == name)


def _first(element: Element, name: str) -> Element | None:
    return next(all_of(element, name), None)


def text_of(element: Element, name: str) -> str:
    """Of the first such element; empty without one."""
    found = _first(element, name)
    return (found.text or "").strip() if found is not None else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0
