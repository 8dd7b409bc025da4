"""What waits for a hub's subscribers: each camera's current GOP, and bounded queues that drop whole GOPs.

No socket is read or written here and no lock taken; the hub's own lock guards both classes.
"""

import socket
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from custodes.types.media import Packet
from custodes.units import CameraId

MAX_QUEUED_BYTES = 24 * 1024 * 1024
"""Per subscriber and camera: six seconds at 32 Mbit/s, and more than one 8K keyframe."""

MAX_QUEUED_PACKETS = 1000
"""Per subscriber and camera: forty seconds at 25 fps."""

MAX_RING_BYTES = 32 * 1024 * 1024
"""Kept of a current GOP; of a longer one a late subscriber waits for the next keyframe."""

MAX_QUEUED_CONTROLS = 10_000
"""Per subscriber: twice the announcements of `app.warden_gate.MAX_CAMERAS`. Who leaves so many unread is cut off,
because announcements cannot be left out; it may subscribe again."""

_SEND_BUFFERS = 32


class PacketForm(Protocol):
    """How one stream looks on this hub's wire: whole framed messages."""

    def opened(self) -> bytes:
        """What announces the stream, framed."""
        ...

    def packet(self, packet: Packet) -> bytes:
        """One packet, framed."""
        ...

    def closed(self) -> bytes:
        """The end of the stream, framed."""
        ...


class Kind(Enum):
    """How a message is treated when there is no room: control stays, a delta needs its keyframe."""

    CONTROL = auto()
    KEYFRAME = auto()
    DELTA = auto()


_CONTROL, _KEYFRAME, _DELTA = Kind.CONTROL, Kind.KEYFRAME, Kind.DELTA
"""By name: Python 3.11 looks up a member of an enum by calling Python code, and a packet would pay for five."""


@dataclass(slots=True)
class Feed:
    """One camera's stream and its current GOP; `wire[i]` is None until somebody subscribes."""

    form: PacketForm
    packets: list[Packet] = field(default_factory=list)
    wire: list[bytes | None] = field(default_factory=list)
    bytes_kept: int = 0

    def add(self, packet: Packet, wire: bytes | None) -> None:
        """Keep a packet, from the newest keyframe on."""
        if packet.is_keyframe:
            self._forget()
        elif not self.packets:
            return
        self.bytes_kept += len(packet.payload)
        if self.bytes_kept > MAX_RING_BYTES:
            self._forget()
            return
        self.packets.append(packet)
        self.wire.append(wire)

    def _forget(self) -> None:
        self.packets.clear()
        self.wire.clear()
        self.bytes_kept = 0

    def replay(self) -> Iterator[tuple[Kind, bytes]]:
        """What a late subscriber gets first: the announcement and the current GOP."""
        yield _CONTROL, self.form.opened()
        for number, packet in enumerate(self.packets):
            wire = self.wire[number]
            if wire is None:
                wire = self.wire[number] = self.form.packet(packet)
            yield (_KEYFRAME if packet.is_keyframe else _DELTA), wire


@dataclass(slots=True)
class Subscriber:
    """One connection: what it asked for and what waits for it."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    cameras: frozenset[CameraId] | None = None
    queue: deque[tuple[CameraId, Kind, bytes]] = field(default_factory=deque)
    head_sent: int = 0
    queued_bytes: Counter[CameraId] = field(default_factory=Counter)
    queued_packets: Counter[CameraId] = field(default_factory=Counter)
    queued_controls: int = 0
    waits_for_keyframe: set[CameraId] = field(default_factory=set)

    @property
    def is_given_up(self) -> bool:
        """It reads nothing, and more announcements wait for it than are kept."""
        return self.queued_controls > MAX_QUEUED_CONTROLS

    def offer(self, camera_id: CameraId, kind: Kind, wire: bytes) -> int:
        """Queue a message; returns how many GOPs were dropped for it."""
        if kind is _KEYFRAME:
            self.waits_for_keyframe.discard(camera_id)
        elif kind is _DELTA and camera_id in self.waits_for_keyframe:
            return 0
        dropped = 0
        if kind is not _CONTROL and self._is_over(camera_id, len(wire)):
            dropped = self._drop(camera_id)
            if kind is _DELTA:
                self.waits_for_keyframe.add(camera_id)
                return max(dropped, 1)
        self.queue.append((camera_id, kind, wire))
        if kind is _CONTROL:
            self.queued_controls += 1
        else:
            self.queued_bytes[camera_id] += len(wire)
            self.queued_packets[camera_id] += 1
        return dropped

    def _is_over(self, camera_id: CameraId, extra: int) -> bool:
        # One packet larger than the bound still passes through an empty queue.
        packets = self.queued_packets[camera_id]
        is_fuller = self.queued_bytes[camera_id] + extra > MAX_QUEUED_BYTES or packets >= MAX_QUEUED_PACKETS
        return packets > 0 and is_fuller

    def _drop(self, camera_id: CameraId) -> int:
        """Forget the camera's waiting packets, but for the one that is half sent."""
        kept: deque[tuple[CameraId, Kind, bytes]] = deque()
        gops = 0
        for number, entry in enumerate(self.queue):
            is_half_sent = number == 0 and self.head_sent > 0
            if entry[0] != camera_id or entry[1] is _CONTROL or is_half_sent:
                kept.append(entry)
                continue
            gops += entry[1] is _KEYFRAME
            self.queued_bytes[camera_id] -= len(entry[2])
            self.queued_packets[camera_id] -= 1
        self.queue = kept
        return max(gops, 1)

    def sent(self, count: int) -> None:
        """Forget `count` bytes from the front."""
        count += self.head_sent
        while self.queue and count >= len(self.queue[0][2]):
            camera_id, kind, wire = self.queue.popleft()
            count -= len(wire)
            if kind is _CONTROL:
                self.queued_controls -= 1
            else:
                self.queued_bytes[camera_id] -= len(wire)
                self.queued_packets[camera_id] -= 1
        self.head_sent = count

    def buffers(self) -> list[memoryview]:
        """The next bytes to send."""
        views = [memoryview(entry[2]) for entry, _ in zip(self.queue, range(_SEND_BUFFERS), strict=False)]
        if views:
            views[0] = views[0][self.head_sent :]
        return views
