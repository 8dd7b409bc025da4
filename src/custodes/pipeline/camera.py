"""One camera from packets to facts: keeps a gate and a decoder per run, chooses frames, notices what was lost."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from custodes.errors import DataLoss, MediaError, ProtocolError
from custodes.pipeline.activity_gate import ActivityGate, Draw, Order
from custodes.pipeline.analysis import FrameAnalysis, Looking
from custodes.pipeline.counters import Counters
from custodes.pipeline.gated_decoder import GatedDecoder
from custodes.pipeline.pace import Pace
from custodes.pipeline.scene import ground_of
from custodes.pipeline.tampering import TamperWatch
from custodes.types.codec import decode_as, encode
from custodes.types.event import AnalyserStatus, FrameAnalysed, GateChanged, GateMode, LineCrossed, TrackEnded
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.types.message import CameraWatched, StreamClosed, StreamOpened
from custodes.types.scene import CameraScene
from custodes.types.vision import DetectArea, TrackedFrame
from custodes.units import CameraId, Ns, RunId

CameraItem = StreamOpened | Packet | StreamClosed | CameraWatched
"""What a hub sends of one camera."""

CameraFact = FrameAnalysed | TrackEnded | LineCrossed | GateChanged

_CHECKPOINT = msgspec.msgpack.Decoder(tuple[str, int, bytes])
_STATE = msgspec.msgpack.Decoder(
    tuple[bytes | None, bytes | None, bytes | None, bool, int | None, int | None, int, int]
)


class CameraPipeline:
    """All of one camera. Owned by one thread; the same items give the same facts, live or from a file.

    A `Stage[CameraItem, CameraFact]`. A decoder has no state that can be carried elsewhere: what was
    restored goes on at the next keyframe, so snapshots are taken before one.
    """

    def __init__(
        self,
        camera_id: CameraId,
        looking: Looking,
        *,
        fps: float,
        draw: Draw | None = None,
        scene: CameraScene | None = None,
    ) -> None:
        """`draw`: which quiet GOPs are decoded to try the gate; without it everything is decoded. `scene`: its ground
        and lines."""
        self._scene = scene or CameraScene()
        self._draw = draw
        self._gate: ActivityGate | None = None
        self._is_watched = False
        self._camera_id = camera_id
        self._looking = looking
        self._fps = fps
        self._info: StreamInfo | None = None
        self._decoder: GatedDecoder | None = None
        self._analysis: FrameAnalysis | None = None
        self._pace = Pace(fps)
        self._quiet_from_ns: int | None = None
        """Time of the last look, while nothing but quiet GOPs was left out since."""
        self._resumed: tuple[RunId, int, FrameAnalysis] | None = None
        """Run, last packet and tracks of a process that was killed, until the first item says whether they go on."""
        self._learnt: tuple[bytes, Ns] | None = None
        """What the process before knew, until the first run begins."""
        self._last_seq = -1
        self._repeated_seq = -1
        """Packets up to here were seen on an earlier connection."""
        self.backlog_ns = 0
        """Media that waits behind the next packet; set by whoever feeds. Zero in replay."""
        self.areas: tuple[DetectArea, ...] = ()
        """Where objects count, from the next look on; set by whoever feeds."""
        self.on_look: Callable[[Frame, TrackedFrame], None] | None = None
        """Told of each frame that was looked at, and whoever is in it."""
        self.tampering: TamperWatch | None = None
        """Shown keyframes and what is looked at; set by whoever feeds a live camera."""
        self.counters = Counters()

    @property
    def camera_id(self) -> CameraId:
        """Whose pipeline it is."""
        return self._camera_id

    @property
    def gate(self) -> ActivityGate | None:
        """What decides which packets are decoded; None without one, or before the first run."""
        return self._gate

    def process(self, item: CameraItem) -> Sequence[CameraFact]:
        """Take one item in the order the hub sent it. Never raises for what a camera sent."""
        if isinstance(item, StreamOpened):
            return self._open(item.info)
        if isinstance(item, CameraWatched):
            return self._set_watched(item.is_watched)
        if isinstance(item, StreamClosed):
            return self._close() if self._info is not None and item.run == self._info.run else []
        return self._packet(item)

    def set_scene(self, scene: CameraScene) -> Sequence[CameraFact]:
        """Ground or lines are others now: tracks of the old plane end. Raises: InvalidArgument; unchanged then."""
        if scene == self._scene:
            return []
        ground_of(scene)
        self._scene = scene
        if self._analysis is None or self._info is None:
            return []
        ended = self._analysis.flush()
        self._analysis = FrameAnalysis(self._camera_id, self._info.run, self._looking, self.counters, scene)
        return ended

    def shed(self, gops: int) -> None:
        """So many GOPs were dropped before the next packet."""
        self.counters.gops_shed += gops
        self._lost()

    def flush(self) -> Sequence[CameraFact]:
        """The stream is over: the run's end, and what was learnt of the camera is forgotten."""
        facts = list(self._close())
        if self._resumed is not None:  # its stream never came back
            facts += self._resumed[2].flush()
            self._resumed = None
        self._gate, self._is_watched = None, False
        return facts

    def _close(self) -> Sequence[CameraFact]:
        """The run is over: frames still in the decoder, then the ends of all tracks."""
        if self._analysis is None:
            return []
        facts = list(self._frames(self._decoder.flush() if self._decoder is not None else []))
        facts += self._analysis.flush()
        self._info = self._decoder = self._analysis = None
        return facts

    def checkpoint(self) -> bytes:
        """What carries the tracks of this run on after a kill; empty without a run. No pixel is in it."""
        if self._info is None or self._analysis is None:
            return b""
        return msgspec.msgpack.encode((self._info.run, self._last_seq, self._analysis.tracks()))

    def resume(self, state: bytes) -> None:
        """Go on from the `checkpoint` of a process that was killed, before the first item.

        Its tracks go on if its run does; else they end with the first item, so that none stays open for ever.
        Raises: DataLoss.
        """
        if not state:
            return
        try:
            run, last_seq, tracks = _CHECKPOINT.decode(state)
        except msgspec.MsgspecError as error:
            raise DataLoss(f"checkpoint of camera {self._camera_id} cannot be read: {error}") from error
        analysis = FrameAnalysis(self._camera_id, RunId(run), self._looking, self.counters, self._scene)
        analysis.resume(tracks)
        self._resumed = (RunId(run), last_seq, analysis)

    def learnt(self) -> bytes:
        """What the gate knows of the camera, for the process after this one; empty without a gate."""
        return b"" if self._gate is None else self._gate.learnt(self.counters.received_ns)

    def begin_with(self, learnt: bytes, now_ns: Ns) -> None:
        """Take what `learnt` gave as soon as the first run begins; before the first item. Empty: nothing."""
        self._learnt = (learnt, now_ns) if learnt else None

    def _take_resumed(self, run: RunId) -> tuple[Sequence[CameraFact], FrameAnalysis, int]:
        """Ends of tracks that do not go on; the analysis of `run`, and the last packet it saw."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and resumed[0] == run:
            return [], resumed[2], resumed[1]
        ended = resumed[2].flush() if resumed is not None else []
        return ended, FrameAnalysis(self._camera_id, run, self._looking, self.counters, self._scene), -1

    def snapshot(self) -> bytes:
        """The run, what was analysed of it, and where the pace stands. Counters stay with their process."""
        info = None if self._info is None else encode(self._info)
        analysis = None if self._analysis is None else self._analysis.snapshot()
        gate = None if self._gate is None else self._gate.snapshot()
        is_holding = self._decoder is not None and self._decoder.is_holding
        quiet_from_ns = self._quiet_from_ns
        if is_holding and self._analysis is not None:
            quiet_from_ns = self._analysis.vouched_ns or quiet_from_ns
        state = (
            info,
            analysis,
            gate,
            is_holding,
            quiet_from_ns,
            self._pace.due_ns,
            self._last_seq,
            self._repeated_seq,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """See `Stage`. Raises: DataLoss."""
        try:
            packed, analysis_state, gate_state, is_holding, quiet_from_ns, due_ns, last_seq, repeated_seq = (
                _STATE.decode(state)
            )
            info = None if packed is None else decode_as(StreamInfo, packed)
            decoder = None if info is None else GatedDecoder(info, self.counters)
        except (msgspec.MsgspecError, ProtocolError, MediaError) as error:
            raise DataLoss(f"camera snapshot cannot be read: {error}") from error
        analysis = None
        if info is not None and analysis_state is not None:
            analysis = FrameAnalysis(self._camera_id, info.run, self._looking, self.counters, self._scene)
            analysis.restore(analysis_state)
            if is_holding:  # the GOP before the keyframe that comes next was not decoded to its end
                analysis.lost()
        self._gate = None
        if info is not None and gate_state is not None and self._draw is not None:
            self._gate = ActivityGate(info, self._draw)
            self._gate.restore(gate_state)
        self._info, self._decoder, self._analysis = info, decoder, analysis
        self._pace.resume(due_ns)
        self._quiet_from_ns = quiet_from_ns
        self._last_seq, self._repeated_seq = last_seq, repeated_seq

    def status(self, now_ns: Ns) -> AnalyserStatus:
        """Counters as they stand."""
        counters, analysis, gate = self.counters, self._analysis, self._gate
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
            frames_undecoded_quiet=counters.frames_undecoded_quiet,
            frames_undecoded_rate=counters.frames_undecoded_rate,
            gops_shed=counters.gops_shed,
            decode_errors=counters.decode_errors,
            detector_calls=counters.detector_calls,
            tracks_people=counters.people_ended + people,
            tracks_vehicles=counters.vehicles_ended + vehicles,
            live_people=live_people,
            live_vehicles=live_vehicles,
            lag_ns=Ns(max(0, counters.received_ns - counters.judged_ns) if counters.judged_ns else 0),
            gate_mode=gate.trust.mode if gate is not None else GateMode.PIXELS,
            gate_reason=gate.trust.reason if gate is not None else "",
            gate_since_ns=gate.trust.since_ns if gate is not None else 0,
            gate_trials=round(gate.trust.audits.trials) if gate is not None else 0,
            gate_missed=round(gate.trust.audits.missed) if gate is not None else 0,
            gate_miss_low=gate.trust.audits.interval()[0] if gate is not None else 0.0,
            gate_miss_high=gate.trust.audits.interval()[1] if gate is not None else 1.0,
            whole_looks=counters.whole_looks,
            regions_looked=counters.regions_looked,
            regions_shed=counters.regions_shed,
            lighting_changes=counters.lighting_changes,
            detections_outside=counters.detections_outside,
            detector_errors=counters.detector_errors,
            frames_damaged=counters.frames_damaged,
            is_scene_known=self.tampering is not None and self.tampering.is_known,
            scene_agreement=self.tampering.agreement if self.tampering is not None else 0.0,
            tampering=self.tampering.tampering() if self.tampering is not None else (),
            shape=self._decoder.shape if self._decoder is not None else None,
        )

    def _open(self, info: StreamInfo) -> Sequence[CameraFact]:
        is_same_run = self._info is not None and self._info.run == info.run
        facts = [] if is_same_run else self._close()
        self._info = info
        try:
            self._decoder = GatedDecoder(info, self.counters)
        except MediaError:
            # Recorded, yet not decodable here: nobody vouches, so the camera is shown masked whole.
            self._decoder = None
            self.counters.decode_errors += 1
        if is_same_run:
            self._repeated_seq = self._last_seq
        else:
            ended, self._analysis, self._last_seq = self._take_resumed(info.run)
            facts = [*facts, *ended]
            self._begin_gate(info)
            self._pace = Pace(self._fps)
            self._quiet_from_ns = None
            self._repeated_seq = self._last_seq
        return facts

    def _begin_gate(self, info: StreamInfo) -> None:
        if self._draw is None:
            return
        if self._gate is not None and self._gate.fits(info):
            self._gate.begin_run(info)
        else:
            self._gate = self._new_gate(info, self._draw)
            self._gate.is_watched = self._is_watched

    def _new_gate(self, info: StreamInfo, draw: Draw) -> ActivityGate:
        """A gate that knows what the process before knew; nothing, where that cannot be read."""
        gate, learnt = ActivityGate(info, draw), self._learnt
        self._learnt = None
        if learnt is not None:
            try:
                gate.take_learnt(*learnt)
            except DataLoss:  # another version's: what is not known is learnt, in half a minute
                return ActivityGate(info, draw)
        return gate

    def _leave_out_held(self, decoder: GatedDecoder, analysis: FrameAnalysis) -> Sequence[CameraFact]:
        """A keyframe comes, and what was held before it stays undecoded."""
        facts = self._frames(decoder.begin_gop())
        quiet_from_ns = analysis.vouched_ns or self._quiet_from_ns
        analysis.lost()
        self._quiet_from_ns = quiet_from_ns
        return facts

    def _lost(self) -> None:
        """Something else than a quiet GOP was not seen."""
        self._quiet_from_ns = None
        if self._analysis is not None:
            self._analysis.lost()

    def _set_watched(self, is_watched: bool) -> Sequence[CameraFact]:
        """A viewer gets the current GOP from its keyframe on, so what was held of it is decoded at once."""
        self._is_watched = is_watched
        if self._gate is None:
            return []
        self._gate.is_watched = is_watched
        return self._frames(self._decoder.decode_held()) if is_watched and self._decoder is not None else []

    def _packet(self, packet: Packet) -> Sequence[CameraFact]:
        self.counters.packets += 1
        self.counters.received_ns = max(self.counters.received_ns, packet.utc_ns)
        if self._info is None or packet.run != self._info.run or self._decoder is None or self._analysis is None:
            return []
        if packet.seq > self._last_seq + 1:  # the hub dropped GOPs on its side
            self._lost()
        self._last_seq = max(self._last_seq, packet.seq)
        if self.tampering is not None:
            self.tampering.take(packet)
        order = Order.DECODE if self._gate is None else self._gate.take(packet)
        if order is not Order.LOOK and self._gate is not None and self._gate.may_skip(self._fps):
            self.counters.frames_undecoded_rate += 1
            return []
        clock, errors_before = self._looking.clock, self._decoder.errors
        started_ns = clock.monotonic_ns()
        facts: list[CameraFact] = []
        if packet.is_keyframe and self._decoder.is_holding:
            facts += self._leave_out_held(self._decoder, self._analysis)
            started_ns = clock.monotonic_ns()
        if order is Order.DECODE:
            frames = self._decoder.decode(packet)
        elif order is Order.LOOK:
            frames = self._decoder.look(packet)
        else:
            frames = self._decoder.hold(packet)
            self.counters.judged_ns = max(self.counters.judged_ns, packet.utc_ns)
        self.counters.decode_cost_ns += clock.monotonic_ns() - started_ns
        if self._decoder.errors > errors_before:
            self.counters.decode_errors += self._decoder.errors - errors_before
            self._lost()
        facts += self._frames(frames)
        if self._gate is not None:
            facts += self._gate.trust.changes()
        return facts

    def _frames(self, frames: Sequence[Frame]) -> Sequence[CameraFact]:
        assert self._analysis is not None
        facts: list[CameraFact] = []
        for frame in frames:
            self.counters.frames_decoded += 1
            # After a reconnect the hub repeats the current GOP; what was seen already is only a reference. Packet
            # numbers are in decode order, frames come in display order: only the repeated part may be compared.
            if frame.seq <= self._repeated_seq:
                continue
            if frame.is_corrupt:
                self.counters.frames_damaged += 1
                self._lost()
            elif self._pace.is_due(frame.utc_ns, self.backlog_ns):
                facts += self._look(frame)
            else:
                self.counters.frames_skipped_rate += 1
        return facts

    def _look(self, frame: Frame) -> Sequence[CameraFact]:
        assert self._analysis is not None
        self._analysis.areas = self.areas
        if self.tampering is not None:
            self.tampering.look(frame)
        if self._gate is not None:
            self._analysis.check_ns = self._gate.check_ns
        quiet_from_ns, self._quiet_from_ns = self._quiet_from_ns, None
        facts: list[CameraFact] = []
        for fact in self._analysis.process(frame):
            if isinstance(fact, FrameAnalysed) and self.on_look is not None:
                self.on_look(frame, fact.frame)
            if isinstance(fact, FrameAnalysed) and self._gate is not None:
                is_still = self._gate.looked(frame.y, fact.frame, found_still=self._analysis.found_still)
                if is_still and quiet_from_ns is not None:
                    fact = replace(fact, quiet_from_ns=Ns(quiet_from_ns))
            facts.append(fact)
        return facts
