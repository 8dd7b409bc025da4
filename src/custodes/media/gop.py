"""Packets to GOPs, with bounds: a camera that sends no keyframe cannot fill the memory. Pure."""

from custodes.types.media import Packet

MAX_GOP_PACKETS = 3600
"""A minute at 60 fps; "smart" codecs stretch a GOP to ten seconds."""

MAX_GOP_BYTES = 128 * 1024 * 1024
"""Half of what a sealed fragment may hold (sealing.container)."""

MAX_GOP_NS = 20_000_000_000
"""A longer GOP is cut so that a power cut never costs more than this; the rest is a fragment without a keyframe."""


class GopAssembler:
    """Collects packets of one run. `cuts` counts GOPs that met a bound."""

    def __init__(self) -> None:
        self._packets: list[Packet] = []
        self._bytes = 0
        self.cuts = 0

    @property
    def is_empty(self) -> bool:
        """Nothing collected."""
        return not self._packets

    def add(self, packet: Packet) -> tuple[Packet, ...] | None:
        """Take a packet; returns the GOP that it completes, if any."""
        done: tuple[Packet, ...] | None = None
        if self._packets and (packet.is_keyframe or self._is_full(packet)):
            self.cuts += not packet.is_keyframe
            done = self.take()
        self._packets.append(packet)
        self._bytes += len(packet.payload)
        return done

    def take(self) -> tuple[Packet, ...] | None:
        """What was collected, at the end of a run; None when nothing was."""
        packets, self._packets, self._bytes = tuple(self._packets), [], 0
        return packets or None

    def _is_full(self, packet: Packet) -> bool:
        return (
            len(self._packets) >= MAX_GOP_PACKETS
            or self._bytes + len(packet.payload) > MAX_GOP_BYTES
            or packet.utc_ns - self._packets[0].utc_ns > MAX_GOP_NS
        )
