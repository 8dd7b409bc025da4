"""Plates in an analyser: permits are read here; the networks are loaded when the first one is there, never before.

A plate goes to the warden alone, over a socket, and comes back as yes or no. What cannot be asked is dropped.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.config import SitePaths
from custodes.errors import CustodesError
from custodes.face.lawful import read_plate_permits, read_site_key
from custodes.ports.clock import Clock
from custodes.types.face import ZonePermit
from custodes.types.media import Frame
from custodes.types.plate import AskPlate, PlateAnswer
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns

if TYPE_CHECKING:
    from custodes.adapters.model.plates import PlateReader
    from custodes.pipeline.plates import PlateWatch

POLL_NS = Ns(NS_PER_S // 2)
_ASK_TIMEOUT_S = 2.0


class PlateAsker:
    """Asks the warden. A question that cannot be asked is no."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._channel: Channel | None = None
        self.dropped = 0

    def __call__(self, question: AskPlate) -> bool:
        """Whether it is listed there."""
        try:
            if self._channel is None:
                self._channel = Channel.connect(self._socket, timeout_s=_ASK_TIMEOUT_S)
            return self._channel.request(question, PlateAnswer).is_listed
        except CustodesError as error:
            self.dropped += 1
            structlog.get_logger().warning("a plate could not be asked about", reason=str(error), dropped=self.dropped)
            self.close()
            return False

    def close(self) -> None:
        """Idempotent."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class AnalyserPlates:
    """Owned by the working thread."""

    def __init__(self, paths: SitePaths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._looked_ns = 0
        self._permits: tuple[ZonePermit, ...] = ()
        self._watches: dict[CameraId, PlateWatch] = {}
        self._reader: PlateReader | None = None
        self._ask = PlateAsker(paths.socket("warden-plates"))
        self._is_broken = False

    def refresh(self) -> None:
        """Read the permits anew when it is time; what is off is forgotten at once."""
        if self._clock.monotonic_ns() - self._looked_ns < POLL_NS:
            return
        self._looked_ns = self._clock.monotonic_ns()
        try:
            if self._paths.zones.exists():
                site_id, site_key = read_site_key(self._paths.warden_key)
                self._permits = read_plate_permits(self._paths.zones, site_key, site_id, self._clock.now_ns())
            else:
                self._permits = ()
        except CustodesError as error:
            structlog.get_logger().error("no plates: the permits cannot be used", reason=str(error))
            self._permits = ()
        for watch in self._watches.values():
            watch.set_permits(self._permits)

    def look(self, frame: Frame, found: TrackedFrame) -> None:
        """A frame that was looked at; nothing happens where no zone for plates is on."""
        if self._is_broken or not any(one.camera_id == frame.camera_id for one in self._permits):
            return
        try:
            watch = self._watches.get(frame.camera_id)
            if watch is None:
                watch = self._watches[frame.camera_id] = self._watch(frame.camera_id)
                watch.set_permits(self._permits)
            watch.look(frame, found)
        except CustodesError as error:
            self._is_broken = True
            structlog.get_logger().error("no plates until the next start", reason=str(error))

    def close(self) -> None:
        """Forget what is there."""
        self._watches.clear()
        self._ask.close()

    def _watch(self, camera_id: CameraId) -> "PlateWatch":
        """The only door to the networks that read. Raises: ModelRefused."""
        from custodes.adapters.model.plates import load_plate_reader
        from custodes.pipeline.plates import PlateWatch

        if self._reader is None:
            self._reader = load_plate_reader()
            structlog.get_logger().info("plates are read against the site's own list")
        return PlateWatch(camera_id, self._reader, self._ask)
