"""One audit: every listed device is asked the same few standard questions, slowly; answers become observations.

Read-only: GetSystemDateAndTime, GetServices, GetDeviceInformation, GetScopes, HEAD /, OPTIONS, DESCRIBE, TLS
handshakes and, when asked for, bare connections to `fleet.ports.KNOWN_PORTS`. No login is tried: with `logins` a
device gets its own configured one, once; without, none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from custodes.adapters.camera.http_post import Deadline, Login
from custodes.adapters.fleet.banner import http_banner, rtsp_banner
from custodes.adapters.fleet.door import ListedDoor
from custodes.adapters.fleet.onvif_facts import ask_onvif
from custodes.adapters.fleet.tls import look_at_tls
from custodes.errors import CustodesError, InvalidArgument
from custodes.fleet.observation import Observation
from custodes.fleet.ports import KNOWN_PORTS
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S

T = TypeVar("T")

CALL_TIMEOUT_S = 6.0
"""For one question with all of its bytes, so that a device that sends one a second ends like one that sends none."""
PORT_TIMEOUT_S = 2.0
PARALLEL = 16
MAX_TARGETS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device of the operator's own list."""

    device_id: str
    name: str
    host: str
    rtsp_port: int = 554
    http_port: int = 80
    https_port: int = 443
    stream_path: str = ""
    onvif_path: str = "/onvif/device_service"
    login: Login = field(default_factory=lambda: Login(username="", password=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How to look. `pause`: called between two questions to one device."""

    door: ListedDoor
    clock: Clock
    pause: Callable[[], object]
    with_ports: bool = False
    neighbours: Callable[[], Mapping[str, str]] = dict
    """Addresses to MACs, as the machine knows them already."""

    timeout_s: float = CALL_TIMEOUT_S

    def run(self, targets: Iterable[Target], on_done: Callable[[Observation], object]) -> list[Observation]:
        """Ask all, `PARALLEL` at a time; the order of the targets. `on_done`: called after each, in any thread."""
        wanted = list(targets)
        if len(wanted) > MAX_TARGETS:
            raise InvalidArgument(f"{len(wanted)} devices; an audit takes at most {MAX_TARGETS}")

        def one(target: Target) -> Observation:
            seen = self._look(target)
            on_done(seen)
            return seen

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(one, wanted))

    def _look(self, target: Target) -> Observation:
        problems: list[str] = []
        onvif = self._try(problems, lambda: ask_onvif(self.door, target, self.clock, self.pause, self._deadline))
        http = self._try(problems, lambda: http_banner(self.door, target.host, target.http_port, self._deadline()))
        rtsp = self._try(
            problems,
            lambda: rtsp_banner(self.door, target.host, target.rtsp_port, target.stream_path, self._deadline()),
        )
        tls = self._try(problems, lambda: look_at_tls(self.door, target.host, target.https_port, self._deadline()))
        ports = tuple(self._open_ports(target)) if self.with_ports else None
        return Observation(
            device_id=target.device_id,
            name=target.name,
            host=target.host,
            stream_path=target.stream_path,
            mac=self._mac(target.host),
            onvif=onvif,
            banners=tuple(one for one in (http, rtsp) if one is not None),
            tls=(tls,) if tls is not None else (),
            open_ports=ports,
            observed_ns=self.clock.now_ns(),
            problems=tuple(problems),
        )

    def _try(self, problems: list[str], call: Callable[[], T]) -> T | None:
        self.pause()
        try:
            return call()
        except CustodesError as error:
            problems.append(" ".join(str(error).split())[:200])
            return None

    def _open_ports(self, target: Target) -> Iterator[int]:
        for port in KNOWN_PORTS:
            self.pause()
            try:
                with self.door.connect(target.host, port, self._deadline(PORT_TIMEOUT_S)):
                    yield port
            except CustodesError:
                continue

    def _mac(self, host: str) -> str:
        try:
            return self.neighbours().get(self.door.admit(host), "")
        except CustodesError:
            return ""

    def _deadline(self, timeout_s: float | None = None) -> Deadline:
        end_ns = self.clock.monotonic_ns() + int((timeout_s or self.timeout_s) * NS_PER_S)
        return Deadline(monotonic_ns=self.clock.monotonic_ns, end_ns=end_ns)


def target_of(spec: CameraSpec, login: Login | None) -> Target | None:
    """A camera of the site as a target; None for a file."""
    parts = urlsplit(spec.url)
    if parts.scheme == "file" or not parts.hostname:
        return None
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    is_onvif, is_rtsp = parts.scheme == "onvif", parts.scheme in ("rtsp", "rtsps")
    return Target(
        device_id=spec.camera_id,
        name=spec.name,
        host=parts.hostname,
        rtsp_port=(parts.port or 554) if parts.scheme == "rtsp" else 554,
        http_port=(parts.port or 80) if parts.scheme in ("onvif", "http") else 80,
        https_port=(parts.port or 443) if parts.scheme == "https" else 443,
        stream_path=path if is_rtsp else "",
        onvif_path=parts.path if is_onvif and parts.path not in ("", "/") else "/onvif/device_service",
        login=login or Login(username="", password=""),
    )


def neighbours() -> dict[str, str]:
    """What this machine's neighbour table knows (proc_net(5)); it is read, nothing is asked."""
    try:
        lines = Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    rows = (line.split() for line in lines)
    return {row[0]: row[3].lower() for row in rows if len(row) >= 4 and row[3] != "00:00:00:00:00:00"}
