"""Recognition in an analyser: permits are read here; the networks are loaded when the first one is there, never
before.

What is imported by this module cannot make a template. `adapters.model.faces` and `pipeline.recognition` can, and are
imported inside `_watch`, which an `OpenZone` opens: proof that the warden signed for a zone that is on now.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.model import acknowledged_from_environment, models_dir_from_environment
from custodes.config import SiteConfig, SitePaths
from custodes.errors import CustodesError
from custodes.face.lawful import OpenZone, read_site_key, read_zones
from custodes.ports.clock import Clock
from custodes.types.media import Frame
from custodes.types.message import Ok
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns

if TYPE_CHECKING:
    from custodes.pipeline.faces import FaceTools
    from custodes.pipeline.recognition import ZoneWatch
    from custodes.types.face_message import Probe

POLL_NS = Ns(NS_PER_S // 2)
"""How soon a zone that was stopped is off: this, and the time of a look."""

_SEND_TIMEOUT_S = 2.0


class ProbeSender:
    """Brings probes to the matcher. One that cannot be brought is dropped: a probe never waits, on disk or in
    memory."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._channel: Channel | None = None
        self.dropped = 0

    def __call__(self, probe: "Probe") -> None:
        """Send and wait for the answer, which says that the matcher has overwritten its copy."""
        try:
            if self._channel is None:
                self._channel = Channel.connect(self._socket, timeout_s=_SEND_TIMEOUT_S)
            self._channel.request(probe, Ok)
        except CustodesError:
            self.dropped += 1
            self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class AnalyserZones:
    """Owned by the working thread."""

    def __init__(self, paths: SitePaths, config: SiteConfig, clock: Clock) -> None:
        self._paths = paths
        self._config = config
        self._clock = clock
        self._looked_ns = 0
        self._zones: tuple[OpenZone, ...] = ()
        self._watches: dict[CameraId, ZoneWatch] = {}
        self._tools: FaceTools | None = None
        self._send = ProbeSender(paths.socket("matcher-probes"))
        self._is_broken = False

    def refresh(self) -> None:
        """Read the permits anew when it is time; zones that are off are forgotten at once."""
        if not self._config.faces.enabled or self._clock.monotonic_ns() - self._looked_ns < POLL_NS:
            return
        self._looked_ns = self._clock.monotonic_ns()
        now_ns = self._clock.now_ns()
        try:
            site_id, site_key = read_site_key(self._paths.warden_key)
            self._zones = read_zones(self._paths.zones, site_key, site_id, now_ns)
        except CustodesError as error:
            structlog.get_logger().error("no recognition: the permits cannot be used", reason=str(error))
            self._zones = ()
        for watch in self._watches.values():
            watch.set_zones(self._zones)
            watch.tick(now_ns)

    def watcher(self, camera_id: CameraId) -> Callable[[Frame, TrackedFrame], None] | None:
        """What is to see each frame of a camera that was looked at, and whoever is in it; None while no zone is on."""
        zones = [one for one in self._zones if one.permit.camera_id == camera_id]
        if not zones or self._is_broken:
            return None
        watch = self._watches.get(camera_id)
        if watch is None:
            try:
                watch = self._watches[camera_id] = self._watch(camera_id, zones)
            except CustodesError as error:
                self._is_broken = True
                structlog.get_logger().error("no recognition: its networks cannot be used", reason=str(error))
                return None
            watch.set_zones(zones)
        return watch.look

    def close(self) -> None:
        """Compare and forget what is there."""
        for watch in self._watches.values():
            watch.flush()
        self._send.close()

    def _watch(self, camera_id: CameraId, zones: list[OpenZone]) -> "ZoneWatch":
        """The only door to a network that makes templates. Raises: ModelRefused, PermissionDenied."""
        for zone in zones:
            assert zone.permit.camera_id == camera_id
        from custodes.adapters.model.faces import load_face_tools
        from custodes.pipeline.recognition import ZoneWatch

        if self._tools is None:
            self._tools = load_face_tools(
                models_dir=models_dir_from_environment() or self._config.models_dir,
                embedder=self._config.faces.embedder,
                acknowledged=acknowledged_from_environment(),
            )
            structlog.get_logger().info("recognition", contract=self._tools.embedder.contract)
        return ZoneWatch(camera_id, self._tools, self._send)
