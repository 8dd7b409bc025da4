"""A camera's waiting packets: bounded, dropping whole GOPs, oldest first, and saying so. No lock, no thread."""

from collections import deque

from custodes.pipeline.camera import CameraItem
from custodes.types.media import Packet
from custodes.units import NS_PER_S

MAX_PACKETS = 1000
MAX_BYTES = 24 * 1024 * 1024
"""As much as the hub holds for a subscriber (`adapters.ipc.hub`)."""

MAX_SPAN_NS = 4 * NS_PER_S
"""Older than this is no use to a live view; a single GOP may be longer, since half a GOP cannot be decoded."""


class GopQueue:
    """First in, first out; StreamOpened and StreamClosed are never dropped."""

    def __init__(self) -> None:
        self._items: deque[CameraItem] = deque()
        self._packets = 0
        self._bytes = 0
        self._keyframes = 0
        self._shed = 0
        self._waits_for_keyframe = False

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: CameraItem) -> None:
        """Append; makes room by dropping the oldest GOP, or this one's rest when it is the only one."""
        if not isinstance(item, Packet):
            self._items.append(item)
            return
        if item.is_keyframe:
            self._waits_for_keyframe = False
        elif self._waits_for_keyframe:
            return
        self._items.append(item)
        self._count(item, 1)
        while self._is_full():
            self._drop_oldest()

    def pop(self) -> tuple[CameraItem, int]:
        """The oldest item, and how many GOPs were dropped since the last pop. The queue must not be empty."""
        item = self._items.popleft()
        if isinstance(item, Packet):
            self._count(item, -1)
        shed, self._shed = self._shed, 0
        return item, shed

    def span_ns(self) -> int:
        """Time from the oldest to the newest waiting packet."""
        first = next((item for item in self._items if isinstance(item, Packet)), None)
        last = next((item for item in reversed(self._items) if isinstance(item, Packet)), None)
        return max(0, last.utc_ns - first.utc_ns) if first is not None and last is not None else 0

    def _is_full(self) -> bool:
        if self._packets > MAX_PACKETS or self._bytes > MAX_BYTES:
            return True
        first = next((item for item in self._items if isinstance(item, Packet)), None)
        later_keyframes = self._keyframes - (1 if first is not None and first.is_keyframe else 0)
        return later_keyframes > 0 and self.span_ns() > MAX_SPAN_NS

    def _drop_oldest(self) -> None:
        """Drop packets up to the next GOP; with none behind it, the rest of this one as it comes, too."""
        kept: list[CameraItem] = []
        dropped = 0
        while self._items:
            item = self._items[0]
            if isinstance(item, Packet):
                if item.is_keyframe and dropped:
                    break
                dropped += 1
                self._count(item, -1)
            else:
                kept.append(item)
            self._items.popleft()
        else:
            self._waits_for_keyframe = True
        self._items.extendleft(reversed(kept))
        self._shed += 1

    def _count(self, packet: Packet, sign: int) -> None:
        self._packets += sign
        self._bytes += sign * len(packet.payload)
        self._keyframes += sign * packet.is_keyframe
