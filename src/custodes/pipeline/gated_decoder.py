"""A run's decoder and the packets it was not given yet: held up to the next keyframe, decoded when something stirs.

What is to be decoded is `activity_gate`'s to say.
"""

from custodes.media.decode import FrameDecoder
from custodes.pipeline.counters import Counters
from custodes.types.media import Frame, FrameShape, Packet, StreamInfo
from custodes.units import NS_PER_S

MAX_HELD_BYTES = 8 * 1024 * 1024
MAX_HELD_NS = 12 * NS_PER_S
"""A longer GOP is decoded as far as it goes: ten seconds is what "smart" codecs stretch one to, and 24 cameras that
hold this much stay below 200 MB."""


class GatedDecoder:
    """Owned by one thread. Frames come out in display order."""

    def __init__(self, info: StreamInfo, counters: Counters) -> None:
        """Raises: MediaError, see `FrameDecoder`."""
        self._decoder = FrameDecoder(info)
        self._counters = counters
        self._held: list[Packet] = []
        self._held_bytes = 0
        self._is_drained = False
        """The held keyframe was decoded by itself: going on means to decode it again."""

    @property
    def errors(self) -> int:
        """See `FrameDecoder`."""
        return self._decoder.errors

    @property
    def shape(self) -> FrameShape | None:
        """See `FrameDecoder`."""
        return self._decoder.shape

    @property
    def is_holding(self) -> bool:
        """Whether packets wait that were not decoded."""
        return bool(self._held)

    def begin_gop(self) -> list[Frame]:
        """A keyframe comes next: what was held is given up. Returns frames the decoder still had."""
        if not self._held:
            return []
        frames = self._decoder.flush() if not self._is_drained else []
        self._counters.frames_undecoded_quiet += len(self._held) - self._is_drained
        self._forget()
        return frames

    def decode(self, packet: Packet) -> list[Frame]:
        """Decode what was held, then the packet."""
        return self.decode_held() + self._decoder.decode(packet) if self._held else self._decoder.decode(packet)

    def decode_held(self) -> list[Frame]:
        """Decode what was held, without waiting for more."""
        held = self._held
        self._forget()
        return [frame for packet in held for frame in self._decoder.decode(packet)]

    def look(self, keyframe: Packet) -> list[Frame]:
        """Decode a keyframe by itself, at once; what follows is decoded from it again, if at all."""
        frames = self._decoder.decode(keyframe) + self._decoder.flush()
        self._hold(keyframe)
        self._is_drained = True
        return frames

    def hold(self, packet: Packet) -> list[Frame]:
        """Keep a packet; decodes all that is held when that is too much."""
        if self._held_bytes + len(packet.payload) > MAX_HELD_BYTES or (
            self._held and not 0 <= packet.utc_ns - self._held[0].utc_ns <= MAX_HELD_NS
        ):
            return self.decode(packet)
        self._hold(packet)
        return []

    def flush(self) -> list[Frame]:
        """The run is over."""
        return self.begin_gop() if self._held else self._decoder.flush()

    def _hold(self, packet: Packet) -> None:
        self._held.append(packet)
        self._held_bytes += len(packet.payload)

    def _forget(self) -> None:
        self._held, self._held_bytes, self._is_drained = [], 0, False
