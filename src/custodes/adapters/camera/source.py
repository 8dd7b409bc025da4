"""`ports.camera.CameraSource` over a demuxer: the only place where a camera's bytes are looked into.

Pacing of files and the RTSP options lie beside this file; recording does not belong here.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from custodes.errors import CameraChanged, CameraEnded, CameraError, CameraGarbage, CameraNoVideo, MediaError
from custodes.ingest.clock import RunClock
from custodes.ingest.timeline import Stamp, Timeline
from custodes.media import nal
from custodes.media.demux import Demuxer, RawPacket, inspect_keyframe
from custodes.media.fmp4 import RECORDABLE_CODECS
from custodes.ports.clock import Clock
from custodes.types.media import ClockReading, ClockSource, Packet, StreamInfo
from custodes.units import NS_PER_S, CameraId, Ns, RunId

MAX_KEYFRAME_WAIT_NS = 20 * NS_PER_S
"""To wait for a first keyframe: longer than any camera's GOP that could be recorded at all (media.gop)."""

MAX_BURST_PACKETS = 1000
_BURST_READ_NS = 15_000_000
"""A read that takes longer waited for the network: FFmpeg's start-up buffer is empty and arrivals are real."""


class Pacer(Protocol):
    """Holds packets back until they are due; for files, which would otherwise be read at once."""

    def wait(self, media_ns: int) -> None:
        """Return when `media_ns` after the first packet has come."""
        ...


class DemuxedCamera:
    """One connection. `connect` opens the input; with `is_looped` it is opened again at each end, without a seam."""

    def __init__(
        self,
        *,
        camera_id: CameraId,
        where: str,
        connect: Callable[[], Demuxer],
        clock: Clock,
        pacer: Pacer | None = None,
        is_looped: bool = False,
        make_run: Callable[[], RunId] = lambda: RunId(secrets.token_hex(6)),
    ) -> None:
        self._camera_id = camera_id
        self._where = where
        self._connect = connect
        self._clock = clock
        self._pacer = pacer
        self._is_looped = is_looped
        self._make_run = make_run
        self._demuxer: Demuxer | None = None
        self._reads: Iterator[RawPacket] = iter(())
        self._held: deque[RawPacket] = deque()
        self._failure: CameraError | None = None
        self._info: StreamInfo | None = None
        self._sets: frozenset[bytes] = frozenset()
        self._clock_of_run: RunClock | None = None
        self._placed = 0
        self._last_arrival_ns: int | None = None
        self.timestamp_jumps = 0

    def open(self) -> StreamInfo:
        """See the port. Reads up to the first keyframe, so that size and parameters are what really comes."""
        if self._demuxer is None:
            self._demuxer = self._connect()
            announced = self._demuxer.info(self._camera_id, self._make_run())
            if announced.codec not in RECORDABLE_CODECS:
                known = ", ".join(sorted(RECORDABLE_CODECS))
                raise CameraGarbage(
                    f"{self._where} sends {announced.codec or 'an unknown codec'}, which cannot be recorded as it is; "
                    f"recordable are {known}"
                )
            self._reads = self._read(self._demuxer)
        else:
            assert self._info is not None
            announced = replace(self._info, run=self._make_run())
        keyframe = self._hold_to_keyframe()
        self._info = self._described(announced, keyframe)
        return self._info

    def packets(self) -> Iterator[Packet]:
        """See the port."""
        info = self._info
        if info is None:
            raise CameraGarbage(f"{self._where} was not opened")
        timeline = Timeline(time_base_num=info.time_base_num, time_base_den=info.time_base_den, fps=info.fps)
        clock = RunClock(time_base_num=info.time_base_num, time_base_den=info.time_base_den)
        self._clock_of_run = clock
        self._placed = 0
        self._last_arrival_ns = None
        if self._pacer is None:
            self._hold_burst()
        # The start-up burst is stamped as a whole first: its last packets tell how late the first ones came.
        burst: list[tuple[RawPacket, Stamp]] = []
        try:
            while self._held:
                raw = self._held.popleft()
                burst.append((raw, self._place(raw, timeline, clock, info)))
        except CameraChanged:
            yield from self._finished(burst, clock, info)
            raise
        yield from self._finished(burst, clock, info)
        seq = len(burst)
        while True:
            raw = self._next()
            stamp = self._place(raw, timeline, clock, info)
            yield self._packet(raw, stamp, clock, info, seq)
            seq += 1

    def clock(self) -> ClockReading:
        """See the port."""
        if self._pacer is not None:
            return ClockReading(source=ClockSource.PLAYED)
        return ClockReading() if self._clock_of_run is None else self._clock_of_run.reading()

    def close(self) -> None:
        """See the port."""
        demuxer, self._demuxer = self._demuxer, None
        self._reads = iter(())
        self._held.clear()
        if demuxer is not None:
            demuxer.close()

    def _place(self, raw: RawPacket, timeline: Timeline, clock: RunClock, info: StreamInfo) -> Stamp:
        """Times of the run's next packet. Raises: CameraChanged; then it is held, as the first of the next run."""
        if self._placed and (raw.is_keyframe or raw.has_new_parameters) and self._is_changed(raw, info):
            self._held.appendleft(raw)
            raise CameraChanged(f"{self._where} goes on with other parameters")
        last_ns, self._last_arrival_ns = self._last_arrival_ns, raw.monotonic_ns
        elapsed_ns = 0 if last_ns is None else raw.monotonic_ns - last_ns
        stamp = timeline.stamp(pts=raw.pts, dts=raw.dts, duration=raw.duration, elapsed_ns=elapsed_ns)
        if stamp.is_jump:
            self.timestamp_jumps += 1
        clock.observe(
            stamp.pts,
            arrival_ns=Ns(raw.arrival_ns),
            monotonic_ns=Ns(raw.monotonic_ns),
            camera_ns=None if raw.camera_ns is None else Ns(raw.camera_ns),
        )
        if raw.is_keyframe and clock.has_stepped():
            self._held.appendleft(raw)
            raise CameraChanged(f"the machine's clock was set; {self._where} goes on as a new run")
        self._placed += 1
        return stamp

    def _finished(self, burst: list[tuple[RawPacket, Stamp]], clock: RunClock, info: StreamInfo) -> Iterator[Packet]:
        for seq, (raw, stamp) in enumerate(burst):
            yield self._packet(raw, stamp, clock, info, seq)

    def _packet(self, raw: RawPacket, stamp: Stamp, clock: RunClock, info: StreamInfo, seq: int) -> Packet:
        return Packet(
            camera_id=self._camera_id,
            run=info.run,
            seq=seq,
            payload=raw.payload,
            pts=stamp.pts,
            dts=stamp.dts,
            duration=stamp.duration,
            is_keyframe=raw.is_keyframe,
            is_corrupt=raw.is_corrupt,
            utc_ns=clock.utc_ns(stamp.pts, is_keyframe=raw.is_keyframe),
        )

    def _next(self) -> RawPacket:
        if self._held:
            return self._held.popleft()
        if self._failure is not None:
            raise self._failure
        return next(self._reads)

    def _read(self, demuxer: Demuxer) -> Iterator[RawPacket]:
        """Packets as they arrive; never returns, ends by a CameraError."""
        media_ns = 0
        while True:
            info = demuxer.info(self._camera_id, RunId(""))
            pace = Timeline(time_base_num=info.time_base_num, time_base_den=info.time_base_den, fps=info.fps)
            first_dts: int | None = None
            start_ns, has_keyframe = media_ns, False
            try:
                for raw in demuxer.packets():
                    has_keyframe |= raw.is_keyframe
                    if self._pacer is not None:
                        stamp = pace.stamp(pts=raw.pts, dts=raw.dts, duration=raw.duration, elapsed_ns=0)
                        first_dts = stamp.dts if first_dts is None else first_dts
                        unit_ns = 1_000_000_000 * info.time_base_num
                        at_ns = start_ns + (stamp.dts - first_dts) * unit_ns // info.time_base_den
                        media_ns = at_ns + stamp.duration * unit_ns // info.time_base_den
                        self._pacer.wait(at_ns)
                        shift = start_ns * info.time_base_den // unit_ns - first_dts if start_ns else 0
                        _shift(raw, shift)
                    raw.arrival_ns, raw.monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
                    yield raw
            except CameraEnded:
                if not (self._is_looped and has_keyframe):
                    raise
            demuxer.close()
            demuxer = self._demuxer = self._connect()

    def _hold_to_keyframe(self) -> RawPacket:
        """Drop packets up to the first keyframe and keep that one for `packets`."""
        limit_ns = self._clock.monotonic_ns() + MAX_KEYFRAME_WAIT_NS
        while self._clock.monotonic_ns() <= limit_ns:
            try:
                raw = self._next()
            except CameraEnded:
                raise CameraNoVideo(f"{self._where} ended before the first picture") from None
            if raw.is_keyframe:
                self._held.appendleft(raw)
                return raw
        raise CameraNoVideo(f"{self._where} sent no keyframe for {MAX_KEYFRAME_WAIT_NS // NS_PER_S} s")

    def _hold_burst(self) -> None:
        """Take over what FFmpeg had buffered while it inspected the stream."""
        while len(self._held) < MAX_BURST_PACKETS:
            before_ns = self._clock.monotonic_ns()
            try:
                raw = next(self._reads)
            except CameraError as error:
                self._failure = error
                return
            self._held.append(raw)
            if raw.monotonic_ns - before_ns > _BURST_READ_NS:
                return

    def _described(self, announced: StreamInfo, keyframe: RawPacket) -> StreamInfo:
        """`announced`, corrected by what the keyframe itself says."""
        if announced.codec not in nal.NAL_CODECS:
            return announced
        own = _sequence_sets(keyframe, announced)
        known = frozenset(
            unit
            for unit in nal.parameter_sets(announced.extradata, announced.codec)
            if nal.is_sequence_set(unit, announced.codec)
        )
        if (own <= known or not own) and known and announced.width_px and announced.height_px:
            self._sets = known
            return announced
        units = nal.units_of(keyframe.payload, announced.codec, announced.extradata)
        if not own:
            units = nal.parameter_sets(announced.extradata, announced.codec) + units
        try:
            width, height, sets = inspect_keyframe(announced.codec, units)
        except MediaError as error:
            raise CameraGarbage(f"{self._where}: {error}") from error
        self._sets = own or known
        size = nal.length_size(announced.extradata, announced.codec)
        # A length-prefixed source keeps its form: decoder and muxer tell it by avcC/hvcC alone.
        extradata = announced.extradata if size else sets
        return replace(announced, width_px=width, height_px=height, extradata=extradata)

    def _is_changed(self, raw: RawPacket, info: StreamInfo) -> bool:
        if not raw.is_keyframe or info.codec not in nal.NAL_CODECS:
            return raw.has_new_parameters
        own = _sequence_sets(raw, info)
        return bool(own) and not own <= self._sets


def _sequence_sets(raw: RawPacket, info: StreamInfo) -> frozenset[bytes]:
    units = nal.units_of(raw.payload, info.codec, info.extradata)
    return frozenset(unit for unit in units if nal.is_sequence_set(unit, info.codec))


def _shift(raw: RawPacket, shift: int) -> None:
    if not shift:
        return
    raw.pts = None if raw.pts is None else raw.pts + shift
    raw.dts = None if raw.dts is None else raw.dts + shift
