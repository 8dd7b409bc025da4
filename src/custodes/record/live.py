"""A stream as live views get it: every packet sealed under the open segment's live key.

`adapters.ipc.hub` frames and carries it; the hub and its subscribers never see plain video.
"""

from custodes.record.segment import Opening
from custodes.sealing.live import STREAM_INFO_SEQ, live_key, seal_live
from custodes.types.codec import encode
from custodes.types.media import Packet
from custodes.types.message import SealedPacket, SealedStreamOpened, StreamClosed


class SealedStream:
    """Messages of one segment's stretch of a live stream."""

    def __init__(self, opening: Opening) -> None:
        self._header = opening.header
        self._info = opening.info
        self._key = live_key(opening.data_key)

    def opened(self) -> SealedStreamOpened:
        """Which segment's key opens what follows."""
        sealed = seal_live(self._key, STREAM_INFO_SEQ, encode(self._info))
        return SealedStreamOpened(header=self._header, sealed_info=sealed)

    def packet(self, packet: Packet) -> SealedPacket:
        """One packet."""
        return SealedPacket(
            camera_id=packet.camera_id,
            segment_id=self._header.segment_id,
            seq=packet.seq,
            is_keyframe=packet.is_keyframe,
            sealed=seal_live(self._key, packet.seq, encode(packet)),
        )

    def closed(self) -> StreamClosed:
        """The run is over."""
        return StreamClosed(camera_id=self._info.camera_id, run=self._info.run)
