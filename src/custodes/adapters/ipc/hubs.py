"""The hubs of all recorders as one: whoever records a camera now is who it is read from. For analysers and view jobs.

A camera changes its recorder without its readers being told: they listen at every hub. Where two recorders send the
same camera (one was paused, and wakes up), the one that opened its stream last is believed and the other's packets go
nowhere.
"""

import select
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from custodes.adapters.ipc.hub_subscriber import HubMessage, HubSubscriber
from custodes.errors import CustodesError, DeadlineExceeded, Unavailable
from custodes.types.message import CameraWatched, SealedStreamOpened, StreamClosed, StreamOpened
from custodes.units import CameraId, RunId

Opened = StreamOpened | SealedStreamOpened

RETRY_S = 0.3
"""How often a hub that does not answer is tried: a recorder that starts is heard within a GOP."""


class HubsSubscriber:
    """Like `HubSubscriber`, of several hubs, at least one of which answers. Owned by one thread."""

    def __init__(self, paths: Sequence[Path], camera_ids: Sequence[CameraId]) -> None:
        """Connect to all that listen. Raises: Unavailable when none does."""
        self._paths = tuple(paths)
        self._cameras = tuple(camera_ids)
        self._hubs: dict[Path, HubSubscriber] = {}
        self._believed: dict[CameraId, Path] = {}
        """Whose packets of a camera count."""
        self._opened: dict[CameraId, dict[Path, Opened]] = {}
        """The newest announcement of every hub that has a stream of the camera."""
        self._wants_keyframe: set[CameraId] = set()
        self._waiting: deque[HubMessage] = deque()
        self._try_at = 0.0
        self._connect()
        if not self._hubs:
            raise Unavailable(f"no recorder listens at {', '.join(path.name for path in self._paths)}")

    def receive(self, *, timeout_s: float | None = None) -> HubMessage:
        """The next message of any hub. Raises: like `HubSubscriber.receive`; Unavailable when the last hub is gone."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._waiting:
            self._connect()
            left = RETRY_S if until is None else min(RETRY_S, until - time.monotonic())
            ready, _, _ = select.select(list(self._hubs.values()), [], [], max(left, 0.0))
            for path, hub in [(path, hub) for path, hub in self._hubs.items() if hub in ready]:
                self._read(path, hub)
            if self._waiting:
                break
            if not self._hubs:
                raise Unavailable("every recorder closed its hub")
            if until is not None and time.monotonic() >= until:
                raise DeadlineExceeded(f"no packet within {timeout_s} s")
        return self._waiting.popleft()

    def close(self) -> None:
        """Idempotent."""
        for hub in self._hubs.values():
            hub.close()
        self._hubs.clear()

    def _connect(self) -> None:
        if len(self._hubs) == len(self._paths) or time.monotonic() < self._try_at:
            return
        self._try_at = time.monotonic() + RETRY_S
        for path in self._paths:
            if path not in self._hubs:
                try:
                    self._hubs[path] = HubSubscriber(path, self._cameras)
                except CustodesError:
                    continue  # tried again

    def _read(self, path: Path, hub: HubSubscriber) -> None:
        try:
            message = hub.receive(timeout_s=0.0)
        except DeadlineExceeded:
            return
        except CustodesError:
            hub.close()
            del self._hubs[path]
            for camera_id, opened in list(self._opened.items()):
                if path in opened:
                    self._over(path, camera_id)
            return
        self._take(path, message)

    def _take(self, path: Path, message: HubMessage) -> None:
        if isinstance(message, CameraWatched):
            self._waiting.append(message)
        elif isinstance(message, StreamOpened | SealedStreamOpened):
            camera_id, _ = _subject(message)
            before = self._believed.get(camera_id)
            if before is not None and before != path:
                self._close(camera_id, self._opened[camera_id][before])
            self._opened.setdefault(camera_id, {})[path] = message
            self._believe(camera_id, path, message)
            self._wants_keyframe.discard(camera_id)
        elif isinstance(message, StreamClosed):
            self._over(path, message.camera_id)
        elif self._believed.get(message.camera_id) == path:
            if message.camera_id in self._wants_keyframe and not message.is_keyframe:
                return
            self._wants_keyframe.discard(message.camera_id)
            self._waiting.append(message)

    def _over(self, path: Path, camera_id: CameraId) -> None:
        """A hub's stream of the camera ended; who else has one is believed from the next keyframe on."""
        opened = self._opened.get(camera_id, {})
        ended = opened.pop(path, None)
        if ended is None or self._believed.get(camera_id) != path:
            return
        self._close(camera_id, ended)
        del self._believed[camera_id]
        for other, message in opened.items():
            self._believe(camera_id, other, message)
            self._wants_keyframe.add(camera_id)
            break

    def _believe(self, camera_id: CameraId, path: Path, message: Opened) -> None:
        self._believed[camera_id] = path
        self._waiting.append(message)

    def _close(self, camera_id: CameraId, opened: Opened) -> None:
        self._waiting.append(StreamClosed(camera_id=camera_id, run=_subject(opened)[1]))


def _subject(message: Opened) -> tuple[CameraId, RunId]:
    if isinstance(message, StreamOpened):
        return message.info.camera_id, message.info.run
    return message.header.camera_id, message.header.run
