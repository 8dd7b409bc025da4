"""What an ONVIF device can do, its time servers, its channels, and what it sees happening. Reads; writes one setting.

`set_time_server` alone changes a device, and only when a person said so: who calls shows what is written first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from custodes.adapters.camera import soap, soap_device
from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif_talk import OnvifTalk
from custodes.errors import CameraError, CameraGarbage, CameraNoVideo
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S

PULL_S = 5
"""One question waits so long for the first event."""
MAX_WATCH_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAbilities:
    """What it offers."""

    offset_s: float | None
    """Its clock minus ours."""
    time_servers: soap_device.TimeServers | None
    """None: it does not say."""
    has_ptz: bool
    has_imaging: bool
    has_events: bool
    has_analytics: bool
    profiles: tuple[soap.Profile, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Video sources in the device's order: one of a camera, one a channel of a recorder."""
        return tuple(dict.fromkeys(one.source for one in self.profiles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One video source with its largest and its smallest stream."""

    source: str
    name: str
    main: soap.Profile
    sub: soap.Profile | None


class OnvifDevice:
    """One device, asked anew by each call."""

    def __init__(self, url: str, *, login: Login, clock: Clock) -> None:
        self._url = url
        self._login = login
        self._clock = clock

    def abilities(self) -> DeviceAbilities:
        """Raises: CameraError."""
        talk = self._talk()
        services = talk.services()
        try:
            servers = soap_device.ntp_of(talk.ask(talk.device, "GetNTP", soap_device.get_ntp()))
        except CameraGarbage:
            servers = None  # not every camera has a time server to set
        return DeviceAbilities(
            offset_s=None if talk.offset_ns is None else talk.offset_ns / NS_PER_S,
            time_servers=servers,
            has_ptz=soap_device.PTZ_NS in services,
            has_imaging=soap_device.IMAGING_NS in services,
            has_events=soap_device.EVENTS_NS in services,
            has_analytics=soap_device.ANALYTICS_NS in services,
            profiles=tuple(self._profiles(talk, services)),
        )

    def channels(self) -> list[Channel]:
        """Video sources with their streams. Raises: CameraError."""
        talk = self._talk()
        by_source: dict[str, list[soap.Profile]] = {}
        for one in self._profiles(talk, talk.services()):
            by_source.setdefault(one.source, []).append(one)
        found = []
        for source, profiles in by_source.items():
            ordered = sorted(profiles, key=lambda one: -one.width_px * one.height_px)
            sub = ordered[-1] if len(ordered) > 1 else None
            found.append(Channel(source=source, name=ordered[0].name, main=ordered[0], sub=sub))
        if not found:
            raise CameraNoVideo(f"{self._url} has no profile with video")
        return found

    def time_servers(self) -> soap_device.TimeServers:
        """Raises: CameraError."""
        talk = self._talk()
        return soap_device.ntp_of(talk.ask(talk.device, "GetNTP", soap_device.get_ntp()))

    def set_time_server(self, server: str) -> soap_device.TimeServers:
        """Write one time server, and read back what the device says now. Raises: CameraError, InvalidArgument."""
        body = soap_device.set_ntp(server)
        talk = self._talk()
        talk.ask(talk.device, "SetNTP", body)
        return soap_device.ntp_of(talk.ask(talk.device, "GetNTP", soap_device.get_ntp()))

    def events(self, seconds: float) -> Iterator[soap_device.DeviceEvent]:
        """What it says for so long. Raises: CameraError."""
        for answer in self.answers(seconds):
            yield from answer

    def answers(self, seconds: float) -> Iterator[list[soap_device.DeviceEvent]]:
        """The same, an answer at a time, empty ones too: at least one each `PULL_S` from a device that is well.

        Who wants no more than one a second waits before it asks for the next. Raises: CameraError.
        """
        seconds = min(seconds, MAX_WATCH_S)
        talk = OnvifTalk(self._url, login=self._login, clock=self._clock, timeout_s=seconds + 2 * PULL_S)
        talk.learn_time()
        services = talk.services()
        if soap_device.EVENTS_NS not in services:
            raise CameraGarbage(f"{self._url} offers no events")
        place = talk.on_host(services[soap_device.EVENTS_NS])
        answer = talk.ask(
            place, "CreatePullPointSubscription", soap_device.create_pull_point(int(seconds) + 2 * PULL_S)
        )
        point = talk.on_host(soap_device.pull_point_of(answer, where=self._url))
        end_ns = self._clock.monotonic_ns() + int(seconds * NS_PER_S)
        while self._clock.monotonic_ns() < end_ns:
            yield soap_device.events_of(talk.ask(point, "PullMessages", soap_device.pull_messages(PULL_S)))

    def _talk(self) -> OnvifTalk:
        talk = OnvifTalk(self._url, login=self._login, clock=self._clock)
        talk.learn_time()
        return talk

    def _profiles(self, talk: OnvifTalk, services: dict[str, str]) -> list[soap.Profile]:
        failure: CameraError | None = None
        for namespace in (soap.MEDIA2_NS, soap.MEDIA_NS):
            if namespace not in services:
                continue
            try:
                place = talk.on_host(services[namespace])
                found = soap.profiles_of(talk.ask(place, "GetProfiles", soap.get_profiles(namespace)))
            except CameraGarbage as error:
                failure = failure or error
                continue
            if found:
                return found
        if failure is not None:
            raise failure
        return []
