"""ONVIF profile S and T: from a camera's address to the address of one of its streams.

`onvif://host[:port][/path][?stream=main|sub | ?profile=TOKEN]`. Whatever a camera names as an address, only its port
and path are used: the host stays the configured one, so that a camera (or who speaks for it) cannot send us, and the
password with us, elsewhere; cameras behind NAT name wrong hosts anyway.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit
from xml.etree.ElementTree import Element

from custodes.adapters.camera import soap
from custodes.adapters.camera.http_post import Deadline, Login, post
from custodes.errors import CameraGarbage, CameraNoVideo, CameraUnauthorized
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S, Ns

EXCHANGE_TIMEOUT_S = 10.0
"""For all requests together; each takes a few milliseconds on a camera that is not overloaded."""

DEVICE_PATH = "/onvif/device_service"
"""ONVIF Core 5.1.1."""

_STREAM_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    host: str
    port: int
    path: str


class OnvifCamera:
    """Asks one camera; made anew for each connection, bounded by `EXCHANGE_TIMEOUT_S` as a whole.

    After `find_stream`: `offset_ns` is the camera's clock minus ours (None where it does not tell), `profiles` what it
    offers.
    """

    def __init__(self, url: str, *, login: Login, clock: Clock) -> None:
        parts = urlsplit(url)
        self._where = url
        self._login = login
        self._clock = clock
        self._wanted = {name: found[0] for name, found in parse_qs(parts.query).items()}
        path = parts.path if parts.path not in ("", "/") else DEVICE_PATH
        self._device = _Target(host=parts.hostname or "", port=parts.port or 80, path=path)
        self._offset_ns = 0
        self.offset_ns: int | None = None
        self.profiles: list[soap.Profile] = []
        self._deadline = Deadline(
            monotonic_ns=clock.monotonic_ns, end_ns=clock.monotonic_ns() + int(EXCHANGE_TIMEOUT_S * NS_PER_S)
        )

    def find_stream(self) -> str:
        """The wanted stream's address on the configured host, without credentials.

        Raises: CameraUnreachable, CameraUnauthorized, CameraGarbage, CameraNoVideo.
        """
        self._learn_time()
        services = self._services()
        failure: CameraGarbage | None = None
        for namespace in (soap.MEDIA2_NS, soap.MEDIA_NS):
            if namespace not in services:
                continue
            try:
                return self._find_in(namespace, self._on_host(services[namespace]))
            except CameraGarbage as error:
                failure = failure or error  # profile T half done: Media of profile S may still work
        raise failure or CameraGarbage(f"{self._where} offers no media service")

    def _find_in(self, namespace: str, service: _Target) -> str:
        profiles = soap.profiles_of(self._ask(service, "GetProfiles", soap.get_profiles(namespace)))
        self.profiles = profiles
        profile = choose(profiles, self._wanted, where=self._where)
        answer = self._ask(service, "GetStreamUri", soap.get_stream_uri(namespace, profile.token))
        uri = _split(soap.uri_of(answer, where=self._where), self._where)
        if uri.scheme not in _STREAM_PORTS:
            raise CameraGarbage(f"{self._where} names a stream that is neither RTSP nor HTTP")
        host = f"[{self._device.host}]" if ":" in self._device.host else self._device.host
        port = uri.port or _STREAM_PORTS[uri.scheme]
        return urlunsplit((uri.scheme, f"{host}:{port}", uri.path, uri.query, ""))

    def _learn_time(self) -> None:
        """A camera that does not tell its time gets ours; some want a login even for that, which ONVIF forbids."""
        try:
            answer = self._ask(self._device, "GetSystemDateAndTime", soap.get_time(), is_open=True)
        except (CameraGarbage, CameraUnauthorized):
            return
        camera_ns = soap.time_of(answer)
        if camera_ns is not None:
            self._offset_ns = self.offset_ns = camera_ns - self._clock.now_ns()

    def _services(self) -> dict[str, str]:
        calls: tuple[tuple[str, Callable[[], str]], ...] = (
            ("GetServices", soap.get_services),
            ("GetCapabilities", soap.get_capabilities),
        )
        failure: CameraGarbage | None = None
        for operation, body in calls:
            try:
                found = soap.services_of(self._ask(self._device, operation, body()))
            except CameraGarbage as error:
                failure = error
                continue
            if soap.MEDIA_NS in found or soap.MEDIA2_NS in found:
                return found
        raise failure or CameraGarbage(f"{self._where} offers no media service")

    def _ask(self, target: _Target, operation: str, body: str, *, is_open: bool = False) -> Element:
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
            where=self._where,
        )
        return soap.parse(answer, where=self._where, operation=operation)

    def _on_host(self, address: str) -> _Target:
        parts = _split(address, self._where)
        # Another host's port says nothing about ours.
        port = parts.port if parts.hostname == self._device.host else self._device.port
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return _Target(host=self._device.host, port=port or 80, path=path)


def choose(profiles: list[soap.Profile], wanted: dict[str, str], *, where: str) -> soap.Profile:
    """The profile with the token, or the largest (`main`, also by default) or smallest (`sub`) picture.

    Raises: CameraNoVideo when there is none.
    """
    if not profiles:
        raise CameraNoVideo(f"{where} has no profile with video")
    token = wanted.get("profile")
    if token is not None:
        named = next((profile for profile in profiles if profile.token == token), None)
        if named is None:
            raise CameraNoVideo(f"{where}: the camera has no such profile, only {_tokens(profiles)}")
        return named
    pick = min if wanted.get("stream") == "sub" else max
    return pick(profiles, key=lambda profile: profile.width_px * profile.height_px)


def _tokens(profiles: list[soap.Profile]) -> str:
    return ", ".join("".join(c for c in one.token[:40] if c.isprintable()) for one in profiles[:8])


def _split(address: str, where: str) -> SplitResult:
    """Raises: CameraGarbage. A path with anything but printable ASCII would change the request."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise CameraGarbage(f"{where} names an address that is none") from error
    if not address.isascii() or not address.isprintable() or " " in address:
        raise CameraGarbage(f"{where} names an address that is none")
    return parts
