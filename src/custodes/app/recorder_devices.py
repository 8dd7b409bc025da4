"""Listens to cameras' own events, where the configuration asks for it: a thread for each device, in the recorder.

A device that is mute, slow or mad costs its own thread and nothing else; recording knows nothing of it. What a device
says goes to the server with the camera's status, every second, so that a lost message loses nothing.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from custodes.adapters.camera.device_says import LastingWords
from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif_device import OnvifDevice
from custodes.adapters.camera.rtsp import resolve_secret
from custodes.errors import CameraError, CameraUnauthorized
from custodes.ports.clock import Clock
from custodes.types.event import HEARD, CameraStatus, DeviceSaying
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S, CameraId

SUBSCRIPTION_S = 120.0
"""Then anew: the device says again what lasts, and a subscription that nobody ended does not burden it for long."""
BETWEEN_S = 1.0
"""Between two questions, whatever it answers and however fast."""
SILENT_NS = 30 * NS_PER_S
AGAIN_S = 60.0
REFUSED_S = 600.0
"""Cameras shut accounts after a few wrong logins."""
MAX_REASON = 300


class DeviceListener:
    """Of one camera. Thread-safe."""

    def __init__(
        self, spec: CameraSpec, *, clock: Clock, environ: Mapping[str, str] = os.environ, again_s: float = AGAIN_S
    ) -> None:
        self.spec = spec
        self._clock = clock
        self._environ = environ
        self._again_s = again_s
        self._lock = threading.Lock()
        self._words = LastingWords()
        self._hearing = "it was not asked yet"
        self._answered_ns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"device {spec.camera_id}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end with the answer that it waits for; nobody waits for it."""
        self._stopping.set()

    def says(self) -> tuple[str, tuple[DeviceSaying, ...]]:
        """`HEARD` or why not, and what lasts."""
        with self._lock:
            if not self._thread.is_alive():
                return "its listener ended by a defect; the recorder's log has it", ()
            if self._hearing != HEARD:
                return self._hearing, ()
            if self._clock.monotonic_ns() - self._answered_ns > SILENT_NS:
                return f"it has not answered for {SILENT_NS // NS_PER_S} s", ()
            return HEARD, self._words.sayings(self._clock.now_ns())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except CameraError as error:
                self._note(str(error)[:MAX_REASON])
                self._stopping.wait(REFUSED_S if isinstance(error, CameraUnauthorized) else self._again_s)

    def _listen(self) -> None:
        """One subscription. Raises: CameraError."""
        login = Login(
            username=self.spec.username,
            password=resolve_secret(self.spec, self._environ) if self.spec.username else "",
        )
        for events in OnvifDevice(self.spec.url, login=login, clock=self._clock).answers(SUBSCRIPTION_S):
            with self._lock:
                self._words.take(events, self._clock.now_ns())
                self._answered_ns = self._clock.monotonic_ns()
            self._note(HEARD)
            if self._stopping.wait(BETWEEN_S):
                return

    def _note(self, hearing: str) -> None:
        with self._lock:
            is_news, self._hearing = hearing != self._hearing, hearing
            if hearing != HEARD:
                self._words.forget()
        if is_news:
            structlog.get_logger().info("events of a device", camera=self.spec.camera_id, state=hearing)


class DeviceListeners:
    """Those that are asked for. Used by the recorder's main thread."""

    def __init__(self, wanted: Iterable[str], *, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        """`wanted`: ids of cameras."""
        self._wanted = frozenset(wanted)
        self._clock = clock
        self._environ = environ
        self._listeners: dict[CameraId, DeviceListener] = {}
        self._deaf: set[CameraId] = set()

    def follow(self, specs: Iterable[CameraSpec]) -> None:
        """These are the cameras now: listen to those that are wanted and new or changed, leave those that are gone."""
        asked = {spec.camera_id: spec for spec in specs if spec.camera_id in self._wanted}
        self._deaf = {camera_id for camera_id, spec in asked.items() if not spec.url.startswith("onvif:")}
        for camera_id, listener in list(self._listeners.items()):
            if asked.get(camera_id) != listener.spec:
                listener.stop()
                del self._listeners[camera_id]
        for camera_id, spec in asked.items():
            if camera_id not in self._listeners and camera_id not in self._deaf:
                listener = DeviceListener(spec, clock=self._clock, environ=self._environ)
                self._listeners[camera_id] = listener
                listener.start()

    def tell(self, status: CameraStatus) -> CameraStatus:
        """The same, with what the camera's device says."""
        if status.camera_id in self._deaf:
            return replace(status, device_events="it is not reached over ONVIF; its address must be onvif://HOST")
        listener = self._listeners.get(status.camera_id)
        if listener is None:
            return status
        hearing, said = listener.says()
        return replace(status, device_events=hearing, device_says=said)
