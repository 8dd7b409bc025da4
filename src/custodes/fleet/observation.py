"""What was seen of one device, as it is stored: facts without a judgement, and their JSON.

Whatever a device said is hostile text: bounded here, shown escaped, never run.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from custodes.errors import InvalidArgument

MAX_DEVICES = 100_000
MAX_TEXT_CHARS = 200
"""Longest banner kept; the longest RTSP realm among the captured answers has 48."""
MAX_SCOPES = 64
MAX_FILE_BYTES = 512 * 1024 * 1024
"""Of stored observations; a device takes about 2 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifSeen:
    """Answers of the device service. Empty text: it did not say."""

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    hardware: str = ""
    scopes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    """Namespaces."""
    clock_offset_s: float | None = None
    """Its clock minus ours; None where it tells none."""
    needs_login: bool = False
    """It refused to say who it is without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """How a service on a port introduces itself."""

    scheme: str
    """http or rtsp."""
    port: int
    status: int
    server: str = ""
    realm: str = ""
    has_basic: bool = False
    """It offers to take a password in the clear."""
    is_open: bool = False
    """RTSP: it describes the stream without a login."""
    title: str = ""
    """RTSP: session name and tool of the SDP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSeen:
    """One TLS port, from handshakes without any request."""

    port: int
    version: str
    """TLSv1.3 and so on: what it agreed to when offered all."""
    is_old_offered: bool
    """It also agrees to TLS 1.1 or older."""
    subject: str
    issuer: str
    is_self_signed: bool
    key_bits: int
    """RSA only; 0 for another kind."""
    signature: str
    """sha256, sha1, md5, or ed25519."""
    not_after_ns: int
    sha256: str
    """Of the certificate, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One device at one time."""

    device_id: str
    """The camera's id on this site, or the name in the operator's list."""
    name: str
    host: str
    stream_path: str = ""
    """Path and query of the configured stream, without credentials."""
    mac: str = ""
    """Lower case hexadecimal with colons; empty behind a router."""
    mac_owner: str = ""
    """Whom the register of addresses names, where a register was given."""
    onvif: OnvifSeen | None = None
    banners: tuple[Banner, ...] = ()
    tls: tuple[TlsSeen, ...] = ()
    open_ports: tuple[int, ...] | None = None
    """Out of `ports.KNOWN_PORTS`; None: not looked at."""
    signs_video: bool | None = None
    """ONVIF Media Signing was seen in its stream; None: nobody looked."""
    credential_faults: tuple[str, ...] | None = None
    """Out of `credentials.FAULTS`; None: its password was not compared."""
    observed_ns: int = 0
    problems: tuple[str, ...] = ()
    """Calls that failed, in words."""


def clean(text: str) -> str:
    """What a device said, printable, in one line, bounded."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: MAX_TEXT_CHARS * 2]).split())[
        :MAX_TEXT_CHARS
    ]


_DECODER = msgspec.json.Decoder(tuple[Observation, ...])


def encode_observations(observations: Iterable[Observation]) -> bytes:
    """JSON, one device a line."""
    lines = [msgspec.json.encode(one) for one in observations]
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def decode_observations(payload: bytes) -> tuple[Observation, ...]:
    """Raises: InvalidArgument for what `encode_observations` did not write."""
    if len(payload) > MAX_FILE_BYTES:
        raise InvalidArgument(f"stored observations of {len(payload)} bytes; at most {MAX_FILE_BYTES} are read")
    try:
        found = _DECODER.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"stored observations cannot be read: {error}") from error
    if len(found) > MAX_DEVICES:
        raise InvalidArgument(f"{len(found)} stored devices; at most {MAX_DEVICES} are read")
    return found
