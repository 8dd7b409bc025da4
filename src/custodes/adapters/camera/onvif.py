"""ONVIF profile S and T: from a camera's address to the address of one of its streams.

`onvif://host[:port][/path][?stream=main|sub | ?profile=TOKEN]`. Whatever a camera names as an address, only its port
and path are used: the host stays the configured one, so that a camera (or who speaks for it) cannot send us, and the
password with us, elsewhere; cameras behind NAT name wrong hosts anyway.
"""

from urllib.parse import parse_qs, urlsplit, urlunsplit

from custodes.adapters.camera import soap
from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif_talk import OnvifTalk, Target, split_address
from custodes.errors import CameraGarbage, CameraNoVideo
from custodes.ports.clock import Clock

_STREAM_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80}


class OnvifCamera:
    """Asks one camera; made anew for each connection, bounded by `EXCHANGE_TIMEOUT_S` as a whole.

    After `find_stream`: `offset_ns` is the camera's clock minus ours (None where it does not tell), `profiles` what it
    offers.
    """

    def __init__(self, url: str, *, login: Login, clock: Clock) -> None:
        self._talk = OnvifTalk(url, login=login, clock=clock)
        self._where = url
        self._wanted = {name: found[0] for name, found in parse_qs(urlsplit(url).query).items()}
        self.profiles: list[soap.Profile] = []

    @property
    def offset_ns(self) -> int | None:
        """The camera's clock minus ours; None where it does not tell."""
        return self._talk.offset_ns

    def find_stream(self) -> str:
        """The wanted stream's address on the configured host, without credentials.

        Raises: CameraUnreachable, CameraUnauthorized, CameraGarbage, CameraNoVideo.
        """
        self._talk.learn_time()
        services = self._talk.services()
        failure: CameraGarbage | None = None
        for namespace in (soap.MEDIA2_NS, soap.MEDIA_NS):
            if namespace not in services:
                continue
            try:
                return self._find_in(namespace, self._talk.on_host(services[namespace]))
            except CameraGarbage as error:
                failure = failure or error  # profile T half done: Media of profile S may still work
        raise failure or CameraGarbage(f"{self._where} offers no media service")

    def _find_in(self, namespace: str, service: Target) -> str:
        profiles = soap.profiles_of(self._talk.ask(service, "GetProfiles", soap.get_profiles(namespace)))
        self.profiles = profiles
        profile = choose(profiles, self._wanted, where=self._where)
        answer = self._talk.ask(service, "GetStreamUri", soap.get_stream_uri(namespace, profile.token))
        uri = split_address(soap.uri_of(answer, where=self._where), self._where)
        if uri.scheme not in _STREAM_PORTS:
            raise CameraGarbage(f"{self._where} names a stream that is neither RTSP nor HTTP")
        named = self._talk.device.host
        host = f"[{named}]" if ":" in named else named
        port = uri.port or _STREAM_PORTS[uri.scheme]
        return urlunsplit((uri.scheme, f"{host}:{port}", uri.path, uri.query, ""))


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
