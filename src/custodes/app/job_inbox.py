"""What reaches a view job from its two sockets, for its one rendering thread. Both ways in are bounded.

The server's messages are commands: none is lost, the reader waits when the job is slow. The recorder's are packets:
the recorder must not wait, so whole GOPs are left out here.
"""

import threading
from collections import deque
from dataclasses import dataclass

from custodes.adapters.ipc.hub_subscriber import HubMessage
from custodes.types.message import SealedPacket
from custodes.units import NS_PER_S

MAX_COMMANDS = 1024
"""Mask facts come some five a second, seeks as fast as a hand; more than this means that rendering hangs."""

MAX_PACKETS = 600
MAX_PACKET_BYTES = 48 * 1024 * 1024
"""As much as `review.live` would hold."""


class RecorderLost:
    """The hub's connection broke; it is tried again."""


PacketEvent = HubMessage | RecorderLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What came since the last one. `is_over`: the server is gone, or the process was told to end."""

    commands: tuple[object, ...]
    packets: tuple[PacketEvent, ...]
    has_lost_packets: bool
    is_over: bool


class Inbox:
    """Filled by reader threads, emptied by the rendering thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._commands: deque[object] = deque()
        self._packets: deque[PacketEvent] = deque()
        self._packet_bytes = 0
        self._has_lost_packets = False
        self._is_over = False

    def put_command(self, message: object) -> None:
        """Waits while `MAX_COMMANDS` are there."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._commands) < MAX_COMMANDS or self._is_over)
            self._commands.append(message)
            self._changed.notify_all()

    def put_packet(self, event: PacketEvent) -> None:
        """Never waits; beyond the bound only what follows the newest keyframe is kept."""
        with self._changed:
            self._packets.append(event)
            if isinstance(event, SealedPacket):
                self._packet_bytes += len(event.sealed)
            if len(self._packets) > MAX_PACKETS or self._packet_bytes > MAX_PACKET_BYTES:
                self._drop_old_gops()
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Nothing more will come."""
        return self._is_over

    def take(self, wait_ns: int) -> Batch:
        """Everything there, after waiting up to `wait_ns` for the first."""
        with self._changed:
            self._changed.wait_for(
                lambda: bool(self._commands or self._packets) or self._is_over, timeout=max(wait_ns, 0) / NS_PER_S
            )
            batch = Batch(
                commands=tuple(self._commands),
                packets=tuple(self._packets),
                has_lost_packets=self._has_lost_packets,
                is_over=self._is_over,
            )
            self._commands.clear()
            self._packets.clear()
            self._packet_bytes = 0
            self._has_lost_packets = False
            self._changed.notify_all()
            return batch

    def _drop_old_gops(self) -> None:
        keyframes = [
            at for at, event in enumerate(self._packets) if isinstance(event, SealedPacket) and event.is_keyframe
        ]
        newest = keyframes[-1] if keyframes and keyframes[-1] > 0 else len(self._packets)
        # Announcements stay: the packets that follow need their keys.
        kept = [e for at, e in enumerate(self._packets) if at >= newest or not isinstance(e, SealedPacket)]
        self._packets = deque(kept)
        self._packet_bytes = sum(len(e.sealed) for e in kept if isinstance(e, SealedPacket))
        self._has_lost_packets = True
