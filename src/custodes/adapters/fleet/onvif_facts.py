"""What a device tells over ONVIF about itself. Read-only, bounded, and without a login unless one is its own."""

import secrets
from collections.abc import Callable
from typing import Protocol
from xml.etree.ElementTree import Element

from custodes.adapters.camera import soap
from custodes.adapters.camera.http_post import Deadline, Login, post
from custodes.adapters.fleet.door import ListedDoor
from custodes.errors import CameraError, CameraGarbage, CameraUnauthorized
from custodes.fleet.observation import MAX_SCOPES, OnvifSeen, clean
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S, Ns

_NOBODY = Login(username="", password="")


class OnvifTarget(Protocol):
    """Where and as whom to ask."""

    @property
    def host(self) -> str:
        """As listed."""
        ...

    @property
    def http_port(self) -> int:
        """Of the device service."""
        ...

    @property
    def onvif_path(self) -> str:
        """Of the device service."""
        ...

    @property
    def login(self) -> Login:
        """Its own, or none."""
        ...


def ask_onvif(
    door: ListedDoor,
    target: OnvifTarget,
    clock: Clock,
    pause: Callable[[], object],
    deadline: Callable[[], Deadline],
) -> OnvifSeen:
    """Time, services, device information, scopes; what is refused stays empty.

    Raises: CameraError when it does not speak ONVIF at all.
    """
    address = door.admit(target.host)
    where = f"onvif at {target.host}:{target.http_port}"
    offset_ns = 0

    def ask(operation: str, body: str, login: Login) -> Element:
        message = soap.envelope(
            body,
            username=login.username,
            password=login.password,
            nonce=secrets.token_bytes(16),
            created_ns=Ns(max(clock.now_ns() + offset_ns, 0)),
        )
        answer = post(
            address, target.http_port, target.onvif_path, message, login=login, deadline=deadline(), where=where
        )
        return soap.parse(answer, where=where, operation=operation)

    before_ns = clock.now_ns()
    is_there, camera_ns = _time(ask)
    if camera_ns is not None:
        offset_ns = camera_ns - (before_ns + clock.now_ns()) // 2
    pause()
    try:
        services = tuple(soap.services_of(ask("GetServices", soap.get_services(), _NOBODY)))[:MAX_SCOPES]
    except CameraUnauthorized:
        services = ()
    except CameraError:
        if not is_there:
            raise
        services = ()
    device, needs_login = _identity(ask, target.login, pause)
    pause()
    return OnvifSeen(
        **device,
        scopes=_scopes(ask, target.login),
        services=tuple(clean(one) for one in services),
        clock_offset_s=offset_ns / NS_PER_S if camera_ns is not None else None,
        needs_login=needs_login,
    )


Ask = Callable[[str, str, Login], Element]


def _time(ask: Ask) -> tuple[bool, Ns | None]:
    """(it speaks ONVIF, its time). Raises: CameraUnreachable, so that a dead host is not asked three times more."""
    try:
        return True, soap.time_of(ask("GetSystemDateAndTime", soap.get_time(), _NOBODY))
    except CameraUnauthorized:
        return True, None
    except CameraGarbage:
        return False, None


def _identity(ask: Ask, login: Login, pause: Callable[[], object]) -> tuple[dict[str, str], bool]:
    """(manufacturer, model, …; whether it wants a login to tell them)."""
    pause()
    try:
        return facts_of(ask("GetDeviceInformation", soap.get_device_information(), _NOBODY)), False
    except CameraUnauthorized:
        needs_login = True
    except CameraError:
        return {}, False
    if not login.username:
        return {}, needs_login
    pause()
    try:
        return facts_of(ask("GetDeviceInformation", soap.get_device_information(), login)), needs_login
    except CameraError:
        return {}, needs_login


def _scopes(ask: Ask, login: Login) -> tuple[str, ...]:
    try:
        found = soap.scopes_of(ask("GetScopes", soap.get_scopes(), login))
    except CameraError:
        return ()
    return tuple(clean(one) for one in found[:MAX_SCOPES])


def facts_of(answer: Element) -> dict[str, str]:
    """Cleaned fields of GetDeviceInformationResponse, by their names in `OnvifSeen`."""
    return {name: clean(text) for name, text in soap.device_of(answer).items()}
