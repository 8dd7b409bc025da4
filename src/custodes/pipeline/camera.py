"""One camera from packets to facts: keeps a decoder per run, chooses frames, notices what was lost."""

from collections.abc import Sequence

import msgspec

from custodes.errors import DataLoss, MediaError, ProtocolError
from custodes.media.decode import FrameDecoder
from custodes.pipeline.analysis import FrameAnalysis, Looking
from custodes.pipeline.counters import Counters
from custodes.pipeline.pace import Pace
from custodes.types.codec import decode_as, encode
from custodes.types.event import AnalyserStatus, FrameAnalysed, TrackEnded
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import CameraId, Ns, RunId

CameraItem = StreamOpened | Packet | StreamClosed
"""What a hub sends of one camera."""

_STATE = msgspec.msgpack.Decoder(tuple[bytes | None, bytes | None, int | None, int, int])


class CameraPipeline:
    """All of one camera. Owned by one thread; the same items give the same facts, live or from a file.

    A `Stage[CameraItem, FrameAnalysed | TrackEnded]`. A decoder has no state that can be carried elsewhere: what was
    restored goes on at the next keyframe, so snapshots are taken before one.
    """

    def __init__(self, camera_id: CameraId, looking: Looking, *, fps: float) -> None:
        self._camera_id = camera_id
        self._looking = looking
        self._fps = fps
        self._info: StreamInfo | None = None
        self._decoder: FrameDecoder | None = None
        self._analysis: FrameAnalysis | None = None
        self._pace = Pace(fps)
        self._last_seq = -1
        self._repeated_seq = -1
        """Packets up to here were seen on an earlier connection."""
        self.backlog_ns = 0
        """Media that waits behind the next packet; set by whoever feeds. Zero in replay."""
        self.counters = Counters()

    def process(self, item: CameraItem) -> Sequence[FrameAnalysed | TrackEnded]:
        """Take one item in the order the hub sent it. Never raises for what a camera sent."""
        if isinstance(item, StreamOpened):
            return self._open(item.info)
        if isinstance(item, StreamClosed):
            return self.flush() if self._info is not None and item.run == self._info.run else []
        return self._packet(item)

    def shed(self, gops: int) -> None:
        """So many GOPs were dropped before the next packet."""
        self.counters.gops_shed += gops
        if self._analysis is not None:
            self._analysis.lost()

    def flush(self) -> Sequence[FrameAnalysed | TrackEnded]:
        """The run is over: frames still in the decoder, then the ends of all tracks."""
        if self._analysis is None:
            return []
        facts = list(self._frames(self._decoder.flush() if self._decoder is not None else []))
        facts += self._analysis.flush()
        self._info = self._decoder = self._analysis = None
        return facts

    def snapshot(self) -> bytes:
        """The run, what was analysed of it, and where the pace stands. Counters stay with their process."""
        info = None if self._info is None else encode(self._info)
        analysis = None if self._analysis is None else self._analysis.snapshot()
        return msgspec.msgpack.encode((info, analysis, self._pace.due_ns, self._last_seq, self._repeated_seq))

    def restore(self, state: bytes) -> None:
        """See `Stage`. Raises: DataLoss."""
        try:
            packed, analysis_state, due_ns, last_seq, repeated_seq = _STATE.decode(state)
            info = None if packed is None else decode_as(StreamInfo, packed)
            decoder = None if info is None else FrameDecoder(info)
        except (msgspec.MsgspecError, ProtocolError, MediaError) as error:
            raise DataLoss(f"camera snapshot cannot be read: {error}") from error
        analysis = None
        if info is not None and analysis_state is not None:
            analysis = FrameAnalysis(self._camera_id, info.run, self._looking, self.counters)
            analysis.restore(analysis_state)
        self._info, self._decoder, self._analysis = info, decoder, analysis
        self._pace.resume(due_ns)
        self._last_seq, self._repeated_seq = last_seq, repeated_seq

    def status(self, now_ns: Ns) -> AnalyserStatus:
        """Counters as they stand."""
        counters, analysis = self.counters, self._analysis
        people, vehicles = analysis.confirmed() if analysis is not None else (0, 0)
        live_people, live_vehicles = analysis.live() if analysis is not None else (0, 0)
        return AnalyserStatus(
            camera_id=self._camera_id,
            run=self._info.run if self._info is not None else RunId(""),
            utc_ns=now_ns,
            packets=counters.packets,
            frames_decoded=counters.frames_decoded,
            frames_analysed=counters.frames_analysed,
            frames_skipped_rate=counters.frames_skipped_rate,
            frames_skipped_quiet=counters.frames_skipped_quiet,
            gops_shed=counters.gops_shed,
            decode_errors=counters.decode_errors,
            detector_calls=counters.detector_calls,
            tracks_people=counters.people_ended + people,
            tracks_vehicles=counters.vehicles_ended + vehicles,
            live_people=live_people,
            live_vehicles=live_vehicles,
            lag_ns=Ns(max(0, counters.received_ns - counters.analysed_ns) if counters.analysed_ns else 0),
        )

    def _open(self, info: StreamInfo) -> Sequence[FrameAnalysed | TrackEnded]:
        is_same_run = self._info is not None and self._info.run == info.run
        facts = [] if is_same_run else self.flush()
        self._info = info
        try:
            self._decoder = FrameDecoder(info)
        except MediaError:
            # Recorded, yet not decodable here: nobody vouches, so the camera is shown masked whole.
            self._decoder = None
            self.counters.decode_errors += 1
        if is_same_run:
            self._repeated_seq = self._last_seq
        else:
            self._analysis = FrameAnalysis(self._camera_id, info.run, self._looking, self.counters)
            self._pace = Pace(self._fps)
            self._last_seq = self._repeated_seq = -1
        return facts

    def _packet(self, packet: Packet) -> Sequence[FrameAnalysed | TrackEnded]:
        self.counters.packets += 1
        self.counters.received_ns = max(self.counters.received_ns, packet.utc_ns)
        if self._info is None or packet.run != self._info.run or self._decoder is None or self._analysis is None:
            return []
        if packet.seq > self._last_seq + 1:  # the hub dropped GOPs on its side
            self._analysis.lost()
        self._last_seq = max(self._last_seq, packet.seq)
        clock, errors_before = self._looking.clock, self._decoder.errors
        started_ns = clock.monotonic_ns()
        frames = self._decoder.decode(packet)
        self.counters.decode_cost_ns += clock.monotonic_ns() - started_ns
        if self._decoder.errors > errors_before:
            self.counters.decode_errors += self._decoder.errors - errors_before
            self._analysis.lost()
        return self._frames(frames)

    def _frames(self, frames: Sequence[Frame]) -> Sequence[FrameAnalysed | TrackEnded]:
        assert self._analysis is not None
        facts: list[FrameAnalysed | TrackEnded] = []
        for frame in frames:
            self.counters.frames_decoded += 1
            # After a reconnect the hub repeats the current GOP; what was seen already is only a reference. Packet
            # numbers are in decode order, frames come in display order: only the repeated part may be compared.
            if frame.seq <= self._repeated_seq:
                continue
            if frame.is_corrupt:
                self._analysis.lost()
            elif self._pace.is_due(frame.utc_ns, self.backlog_ns):
                facts += self._analysis.process(frame)
            else:
                self.counters.frames_skipped_rate += 1
        return facts
