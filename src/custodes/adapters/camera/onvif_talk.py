"""One conversation with an ONVIF device: its clock first, then questions to its services, bounded as a whole.

Whatever a device names as an address, only its port and path are used: the host stays the configured one.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit
from xml.etree.ElementTree import Element

from custodes.adapters.camera import soap
from custodes.adapters.camera.http_post import Deadline, Login, post
from custodes.errors import CameraGarbage, CameraUnauthorized
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S, Ns

EXCHANGE_TIMEOUT_S = 10.0
"""For all requests together; each takes a few milliseconds on a camera that is not overloaded."""

DEVICE_PATH = "/onvif/device_service"
"""ONVIF Core 5.1.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a service is."""

    host: str
    port: int
    path: str


class OnvifTalk:
    """With one device, made anew for each connection, bounded by `timeout_s` as a whole."""

    def __init__(self, url: str, *, login: Login, clock: Clock, timeout_s: float = EXCHANGE_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self.where = url
        self._login = login
        self._clock = clock
        path = parts.path if parts.path not in ("", "/") else DEVICE_PATH
        self.device = Target(host=parts.hostname or "", port=parts.port or 80, path=path)
        self._offset_ns = 0
        self.offset_ns: int | None = None
        """The device's clock minus ours; None before `learn_time`, or where it does not tell."""
        self._deadline = Deadline(
            monotonic_ns=clock.monotonic_ns, end_ns=clock.monotonic_ns() + int(timeout_s * NS_PER_S)
        )

    def learn_time(self) -> None:
        """A camera that does not tell its time gets ours; some want a login even for that, which ONVIF forbids."""
        try:
            answer = self.ask(self.device, "GetSystemDateAndTime", soap.get_time(), is_open=True)
        except (CameraGarbage, CameraUnauthorized):
            return
        camera_ns = soap.time_of(answer)
        if camera_ns is not None:
            self._offset_ns = self.offset_ns = camera_ns - self._clock.now_ns()

    def services(self) -> dict[str, str]:
        """Namespace to address. Raises: CameraGarbage when it names no media service either way."""
        calls: tuple[tuple[str, Callable[[], str]], ...] = (
            ("GetServices", soap.get_services),
            ("GetCapabilities", soap.get_capabilities),
        )
        failure: CameraGarbage | None = None
        for operation, body in calls:
            try:
                found = soap.services_of(self.ask(self.device, operation, body()))
            except CameraGarbage as error:
                failure = error
                continue
            if soap.MEDIA_NS in found or soap.MEDIA2_NS in found:
                return found
        raise failure or CameraGarbage(f"{self.where} offers no media service")

    def ask(self, target: Target, operation: str, body: str, *, is_open: bool = False) -> Element:
        """One answer's content. Raises: CameraError."""
        login = Login(username="", password="") if is_open else self._login
        message = soap.envelope(
            body,
            username=login.username,
            password=login.password,
            nonce=secrets.token_bytes(16),
            created_ns=Ns(max(self._clock.now_ns() + self._offset_ns, 0)),
        )
        answer = post(
            target.host,
            target.port,
            target.path,
            message,
            login=login,
            deadline=self._deadline,
            where=self.where,
        )
        return soap.parse(answer, where=self.where, operation=operation)

    def on_host(self, address: str) -> Target:
        """A service that the device names, at the configured host. Raises: CameraGarbage."""
        parts = split_address(address, self.where)
        # Another host's port says nothing about ours.
        port = parts.port if parts.hostname == self.device.host else self.device.port
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return Target(host=self.device.host, port=port or 80, path=path)


def split_address(address: str, where: str) -> SplitResult:
    """Raises: CameraGarbage. A path with anything but printable ASCII would change the request."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise CameraGarbage(f"{where} names an address that is none") from error
    if not address.isascii() or not address.isprintable() or " " in address:
        raise CameraGarbage(f"{where} names an address that is none")
    return parts
