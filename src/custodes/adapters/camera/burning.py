"""A camera whose privacy zones are filled before anything of it is stored: decoded, filled, coded anew (ADR 95).

Fails closed: what cannot be decoded, filled or coded is not stored, and a run in which nothing can be ends as garbage,
with words that reach the camera's status. There is no path on which a packet of the camera's goes on as it came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import structlog

from custodes.errors import CameraChanged, CameraError, CameraGarbage, InvalidArgument, MediaError
from custodes.media import burn_mark
from custodes.media.decode import FrameDecoder
from custodes.media.reencode import CODEC, PacketEncoder
from custodes.ports.camera import CameraSource
from custodes.ports.clock import Clock
from custodes.redact.fill import fill_boxes, fill_frame
from custodes.redact.zones import PrivacyZone
from custodes.types.media import ClockReading, Frame, Packet, StreamInfo
from custodes.types.scene import CameraScene
from custodes.units import NS_PER_S, CameraId

MAX_BLIND_NS = 10 * NS_PER_S
"""So long without a picture that could be decoded, and the connection ends with the reason."""

MIN_GOP_NS = 1 * NS_PER_S
"""A camera of keyframes alone (MJPEG) is coded with differences between."""

MAX_GOP_NS = 4 * NS_PER_S

_PACE_NS = 30 * NS_PER_S
_MAX_KNOWN = 512
"""Packets whose picture may still come."""


class BurningCamera:
    """`ports.camera.CameraSource` around another one. Its pictures come filled, its stream is H.264 of ours."""

    def __init__(self, inner: CameraSource, *, camera_id: CameraId, scene: CameraScene, clock: Clock) -> None:
        """Raises: CameraGarbage without a zone, or with one that is none: then nothing is stored."""
        self._inner = inner
        self._camera_id = camera_id
        self._clock = clock
        self._zones = _zones(camera_id, scene)
        self._boxes = np.array([strip for zone in self._zones for strip in zone.strips], np.float32).reshape(-1, 4)
        self._note = burn_mark.mark_unit([zone.polygon for zone in self._zones])
        self._log = structlog.get_logger().bind(camera=camera_id)
        self._packets: Iterator[Packet] = iter(())
        self._first: list[Frame] = []
        self._known: dict[int, Packet] = {}
        self._info: StreamInfo | None = None
        self._decoder: FrameDecoder | None = None
        self._encoder: PacketEncoder | None = None
        self._last_key_ns: int | None = None
        self._next_seq = 0

    def open(self) -> StreamInfo:
        """See the port. Reads up to the first picture: what is told of the stream is what will be stored of it."""
        announced = self._inner.open()
        self._known.clear()
        self._last_key_ns, self._next_seq, self._encoder = None, 0, None
        try:
            self._decoder = FrameDecoder(announced)
        except MediaError as error:
            raise self._failed(str(error)) from error
        self._packets = self._inner.packets()
        self._first = self._first_pictures()
        height_px, width_px = self._first[0].y.shape
        try:
            self._encoder = PacketEncoder(announced, width_px, height_px, note=self._note)
        except MediaError as error:
            raise self._failed(str(error)) from error
        self._info = replace(
            announced, codec=CODEC, width_px=width_px, height_px=height_px, extradata=self._encoder.extradata
        )
        return self._info

    def packets(self) -> Iterator[Packet]:
        """See the port."""
        first, self._first = self._first, []
        for frame in first:
            yield self._burnt(frame)
        pace, blind_since_ns = _Pace(self._clock, self._log), None
        try:
            for packet in self._packets:
                pace.came(packet)
                frames = self._decoded(packet)
                for frame in frames:
                    yield self._burnt(frame)
                pace.done()
                if frames:
                    blind_since_ns = None
                elif blind_since_ns is None:
                    blind_since_ns = packet.utc_ns
                elif packet.utc_ns - blind_since_ns > MAX_BLIND_NS:
                    raise self._failed(f"nothing could be decoded for {MAX_BLIND_NS // NS_PER_S} s")
        except CameraGarbage:
            raise
        except CameraError:
            # What the decoder still held was taken before the end.
            for frame in self._decoder.flush() if self._decoder is not None else []:
                yield self._burnt(frame)
            raise

    def clock(self) -> ClockReading:
        """See the port."""
        return self._inner.clock()

    def close(self) -> None:
        """See the port."""
        self._inner.close()
        self._packets, self._first = iter(()), []
        self._known.clear()
        self._decoder = self._encoder = None

    def _first_pictures(self) -> list[Frame]:
        since_ns: int | None = None
        for packet in self._packets:
            frames = self._decoded(packet)
            if frames:
                return frames
            since_ns = packet.utc_ns if since_ns is None else since_ns
            if packet.utc_ns - since_ns > MAX_BLIND_NS:
                break
        raise self._failed("nothing that came could be decoded")

    def _decoded(self, packet: Packet) -> list[Frame]:
        assert self._decoder is not None, "opened"
        self._known[packet.seq] = packet
        if len(self._known) > _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return self._decoder.decode(packet)

    def _burnt(self, frame: Frame) -> Packet:
        """Filled and coded. Raises: CameraGarbage when that fails; CameraChanged for a picture of another size."""
        assert self._encoder is not None and self._info is not None, "opened"
        of = self._known.pop(frame.seq, None)
        if of is None:
            raise self._failed("a picture came of which nobody knows when it was taken")
        if frame.y.shape != (self._info.height_px, self._info.width_px):
            raise CameraChanged(f"camera {self._camera_id} goes on with pictures of another size")
        # A damaged picture may show elsewhere what lies in a zone: blocks are put where a lost one pointed.
        filled = fill_frame(frame) if frame.is_corrupt else fill_boxes(frame, self._boxes)
        age_ns = None if self._last_key_ns is None else of.utc_ns - self._last_key_ns
        is_key = age_ns is None or age_ns >= MAX_GOP_NS or (frame.is_keyframe and age_ns >= MIN_GOP_NS)
        try:
            payload, pts, is_keyframe = self._encoder.encode(filled, of.pts, is_keyframe=is_key)
        except MediaError as error:
            raise self._failed(str(error)) from error
        if is_keyframe:
            self._last_key_ns = of.utc_ns
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        return Packet(
            camera_id=of.camera_id,
            run=of.run,
            seq=seq,
            payload=payload,
            pts=pts,
            dts=pts,
            duration=of.duration,
            is_keyframe=is_keyframe,
            is_corrupt=frame.is_corrupt,
            utc_ns=of.utc_ns,
        )

    def _failed(self, why: str) -> CameraGarbage:
        return CameraGarbage(
            f"camera {self._camera_id}: its privacy zones cannot be filled, so nothing is stored: {why}"
        )


def _zones(camera_id: CameraId, scene: CameraScene) -> Sequence[PrivacyZone]:
    if not scene.privacy:
        raise CameraGarbage(f"camera {camera_id}: burn_in is on and there is no privacy zone, so nothing is stored")
    try:
        return [PrivacyZone(polygon=polygon) for polygon in scene.privacy]
    except InvalidArgument as error:
        raise CameraGarbage(f"camera {camera_id}: {error}; nothing is stored") from error


class _Pace:
    """Says in the log when the work takes longer than the pictures last: then the camera's connection will break."""

    def __init__(self, clock: Clock, log: structlog.stdlib.BoundLogger) -> None:
        self._clock = clock
        self._log = log
        self._began_ns = 0
        self._busy_ns = 0
        self._since_ns: int | None = None

    def came(self, packet: Packet) -> None:
        self._began_ns = self._clock.monotonic_ns()
        if self._since_ns is None:
            self._since_ns = packet.utc_ns
        span_ns = packet.utc_ns - self._since_ns
        if span_ns >= _PACE_NS:
            share = self._busy_ns / span_ns
            note = self._log.warning if share > 1 else self._log.debug
            note("privacy zones are filled before storing", cores=round(share, 2))
            self._since_ns, self._busy_ns = packet.utc_ns, 0

    def done(self) -> None:
        self._busy_ns += self._clock.monotonic_ns() - self._began_ns
