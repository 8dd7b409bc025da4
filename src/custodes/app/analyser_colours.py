"""Looks of tracks in an analyser: made of the frame that it decoded anyway, sent once, overwritten (ADR 132).

A look never waits, on disk or in memory, and is in no fact, checkpoint or snapshot. Of no use, none is made.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.adapters.ipc.framing import Channel
from custodes.errors import CustodesError, InvalidArgument
from custodes.ports.clock import Clock
from custodes.redact.zones import PrivacyZone
from custodes.track.colours import colours, packed
from custodes.types.looks import MAX_LOOKS, LooksSeen
from custodes.types.media import Frame
from custodes.types.scene import CameraScene, Point
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId

SEND_TIMEOUT_S = 0.05
"""A server that reads takes them at once; for one that does not, no frame waits longer."""

RETRY_NS = NS_PER_S
"""After a failure nothing is tried for so long: what is seen meanwhile is dropped."""

_Boxes = npt.NDArray[np.floating]
_WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])


class LookSender:
    """Brings looks to the server. What it does not take at once is dropped, and counted."""

    def __init__(self, socket: Path, clock: Clock) -> None:
        self._socket = socket
        self._clock = clock
        self._channel: Channel | None = None
        self._failed_ns: int | None = None
        self.sent = 0
        self.dropped = 0

    def __call__(self, seen: LooksSeen) -> None:
        """Send, once. Never raises for a server that is away."""
        now_ns = self._clock.monotonic_ns()
        if self._failed_ns is not None and now_ns - self._failed_ns < RETRY_NS:
            self.dropped += len(seen.track_ids)
            return
        try:
            if self._channel is None:
                self._channel = Channel.connect(self._socket, timeout_s=SEND_TIMEOUT_S)
            self._channel.send(seen)
            self.sent += len(seen.track_ids)
            self._failed_ns = None
        except CustodesError:
            self.dropped += len(seen.track_ids)
            self._failed_ns = now_ns
            self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class AnalyserColours:
    """Owned by the working thread."""

    def __init__(self, send: LookSender) -> None:
        self._send = send
        self._private: dict[CameraId, tuple[tuple[tuple[Point, ...], ...], _Boxes]] = {}

    def look(self, frame: Frame, found: TrackedFrame, scene: CameraScene) -> None:
        """A frame of a camera whose looks are wanted, and whoever is in it. About 60 µs a track."""
        seen = looks_of(frame, found, self._covered(frame.camera_id, scene))
        if seen is not None:
            self._send(seen)
            seen.looks[:] = 0

    def close(self) -> None:
        """Idempotent."""
        self._send.close()

    def _covered(self, camera_id: CameraId, scene: CameraScene) -> _Boxes:
        """(k, 4) boxes that together cover the camera's privacy zones."""
        known = self._private.get(camera_id)
        if known is None or known[0] != scene.privacy:
            known = self._private[camera_id] = (scene.privacy, _strips(scene.privacy))
        return known[1]


def looks_of(frame: Frame, found: TrackedFrame, covered: _Boxes) -> LooksSeen | None:
    """As they are sent, of who is to be looked at; None for nobody. `covered`: see `rows_to_look_at`."""
    rows = rows_to_look_at(found, covered)
    looks = colours(frame, found.boxes_norm[rows])
    is_seen = looks.any(axis=1)  # a box at the frame's edge may have no pixel
    wire = packed(looks[is_seen])
    looks[:] = 0
    if not len(wire):
        return None
    return LooksSeen(
        camera_id=found.camera_id,
        run=found.run,
        utc_ns=found.utc_ns,
        track_ids=found.track_ids[rows[is_seen]],
        looks=wire,
    )


def rows_to_look_at(found: TrackedFrame, covered: _Boxes) -> npt.NDArray[np.intp]:
    """Rows of measured people and vehicles, at most `MAX_LOOKS`; nobody who touches what the camera's privacy zones
    cover, `covered` (k, 4) in shares of the frame: nobody is to see what is there, in colours neither."""
    is_wanted = found.is_measured & (found.track_ids >= 0) & (found.class_ids != int(ObjectClass.FACE))
    if len(covered):
        low = np.maximum(found.boxes_norm[:, None, :2], covered[None, :, :2])
        high = np.minimum(found.boxes_norm[:, None, 2:], covered[None, :, 2:])
        is_wanted = is_wanted & ~np.any(np.all(low < high, axis=2), axis=1)
    return np.flatnonzero(is_wanted)[:MAX_LOOKS]


def _strips(polygons: tuple[tuple[Point, ...], ...]) -> _Boxes:
    try:
        strips = [strip for polygon in polygons for strip in PrivacyZone(polygon=polygon).strips]
    except InvalidArgument:  # the server checks what is drawn; what cannot be understood may be anywhere
        return _WHOLE
    return np.array(strips, np.float64).reshape(-1, 4)
