"""A decoder that follows a stream through parameter changes, and one GOP decoded only as far as somebody asks."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from custodes.errors import DataLoss, KeyMissing, MediaError
from custodes.media.decode import FrameDecoder
from custodes.redact.timeline import VOUCH_SLACK_NS
from custodes.review.archive import Gops
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.units import Ns, RunId

MAX_CACHED_BYTES = 64 * 1024 * 1024
"""Decoded frames kept of the current GOP: 130 of 768×432, 20 of 1080p."""


def _parameters(info: StreamInfo) -> StreamInfo:
    """What a decoder depends on: the same camera opens a new run with each reconnect."""
    return replace(info, run=RunId(""), fps=0.0)


class FollowingDecoder:
    """Decodes packets of one camera; a new decoder when the parameters change or the run does."""

    def __init__(self) -> None:
        self._decoder: FrameDecoder | None = None
        self._info: StreamInfo | None = None

    def switch(self, info: StreamInfo) -> list[Frame]:
        """Packets from now on are of `info`. Returns what the decoder before still held. Raises: MediaError."""
        is_same = (
            self._info is not None and _parameters(self._info) == _parameters(info) and self._info.run == info.run
        )
        if is_same:
            return []
        left = self._decoder.flush() if self._decoder is not None else []
        self._decoder, self._info = FrameDecoder(info), info
        return left

    def decode(self, packet: Packet) -> list[Frame]:
        """See `FrameDecoder.decode`; empty before the first `switch`."""
        return self._decoder.decode(packet) if self._decoder is not None else []

    def flush(self) -> list[Frame]:
        """What is still held; go on from a keyframe."""
        return self._decoder.flush() if self._decoder is not None else []


class GopFrames:
    """Frames of one GOP by time. Going forward decodes on, going back within the cache is free."""

    def __init__(self, info: StreamInfo, packets: Sequence[Packet]) -> None:
        """Raises: MediaError for a stream that cannot be decoded."""
        self._info = info
        self._packets = packets
        self._decoder = FrameDecoder(info)
        self._next = 0
        self._cache: OrderedDict[int, Frame] = OrderedDict()
        self._cached_bytes = 0

    def frame_at(self, utc_ns: Ns) -> Frame | None:
        """The newest frame at or before a moment; None when no frame of this GOP decodes to one."""
        times = [packet.utc_ns for packet in self._packets if packet.utc_ns <= utc_ns]
        if not times:
            return None
        wanted_ns = max(times)
        cached = self._cache.get(wanted_ns)
        if cached is not None:
            return cached
        if self._next and self._packets[self._next - 1].utc_ns > wanted_ns:
            self._decoder.flush()
            self._next = 0
        newest: Frame | None = None
        while newest is None or newest.utc_ns < wanted_ns:
            frames = self._advance()
            if frames is None:
                break
            for frame in frames:
                if frame.utc_ns <= wanted_ns:
                    newest = frame
        return newest

    def _advance(self) -> list[Frame] | None:
        """Decode the next packet, at the end flush once; None when there is nothing left."""
        if self._next > len(self._packets):
            return None
        at_end = self._next == len(self._packets)
        frames = self._decoder.flush() if at_end else self._decoder.decode(self._packets[self._next])
        self._next += 1
        for frame in frames:
            self._keep(frame)
        return frames

    def _keep(self, frame: Frame) -> None:
        if frame.utc_ns in self._cache:
            return
        self._cache[frame.utc_ns] = frame
        self._cached_bytes += _bytes(frame)
        while self._cached_bytes > MAX_CACHED_BYTES and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= _bytes(oldest)


def find_frame(archive: Gops, utc_ns: Ns, run: RunId) -> Frame | None:
    """The recorded picture of a run's very moment; None when it is not among what this view may read.

    Raises: PermissionDenied, Unavailable from the warden.
    """
    ref = archive.gop_at(Ns(utc_ns + VOUCH_SLACK_NS))
    if ref is None or ref.run != run:
        return None
    try:
        frame = GopFrames(*archive.read(ref)).frame_at(Ns(utc_ns + VOUCH_SLACK_NS))
    except (DataLoss, KeyMissing, MediaError):
        return None
    is_it = frame is not None and not frame.is_corrupt and abs(frame.utc_ns - utc_ns) <= VOUCH_SLACK_NS
    return frame if is_it else None


def _bytes(frame: Frame) -> int:
    return frame.y.nbytes + frame.u.nbytes + frame.v.nbytes
