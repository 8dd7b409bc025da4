"""One camera in the recorder: a thread that connects, reads, records, hands on, and connects again.

The thread may hang in FFmpeg; everybody else only ever waits for its lock, which it holds while it records a packet
and never while it reads one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from custodes.adapters.ipc.framing import frame
from custodes.adapters.ipc.hub import Hub, PlainForm
from custodes.app.recorder_reconnect import Reconnects
from custodes.app.recorder_tenure import Tenure
from custodes.errors import (
    CameraChanged,
    CameraEnded,
    CameraError,
    CameraGarbage,
    CameraNoVideo,
    CameraStalled,
    CameraUnauthorized,
    CameraUnreachable,
)
from custodes.media.losses import LOSSES
from custodes.ports.camera import CameraSource
from custodes.ports.clock import Clock
from custodes.record.live import SealedStream
from custodes.record.recording import CameraRecording
from custodes.record.segment import Opening
from custodes.types.event import CameraState, CameraStatus
from custodes.types.media import UNKNOWN_CLOCK, ClockReading, GapCause, Packet, StreamInfo
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S, CameraId, Ns, RunId

MAX_SHORT_RUNS = 5
SHORT_RUN_NS = NS_PER_S
"""A camera with so many short runs in a row is broken or hostile, and each run costs a segment and a log entry."""

NO_RUN = RunId("")

HANG_MARGIN_NS = 15 * NS_PER_S
"""Beyond FFmpeg's own bounds (open 10 s, stall) before a thread counts as hung."""

_RATE_WINDOW_NS = 2 * NS_PER_S


class SealedForm:
    """`hub.PacketForm` for live views."""

    def __init__(self, opening: Opening) -> None:
        self._stream = SealedStream(opening)

    def opened(self) -> bytes:
        """SealedStreamOpened."""
        return frame(self._stream.opened())

    def packet(self, packet: Packet) -> bytes:
        """SealedPacket."""
        return frame(self._stream.packet(packet))

    def closed(self) -> bytes:
        """StreamClosed."""
        return frame(self._stream.closed())


class MakeSource(Protocol):
    """Makes the camera's source; `wait` sleeps and returns early when the worker is to stop."""

    def __call__(self, spec: CameraSpec, wait: Callable[[float], object]) -> CameraSource:
        """Raises: CameraError."""
        ...


@dataclass(slots=True)
class _Progress:
    """What the thread did; written under the lock."""

    state: CameraState = CameraState.STARTING
    detail: str = ""
    run: RunId = NO_RUN
    info: StreamInfo | None = None
    packets: int = 0
    bytes_received: int = 0
    lost_packets: int = 0
    runs: int = 0
    fps: float = 0.0
    bitrate_bps: float = 0.0
    rate_since_ns: int = 0
    rate_packets: int = 0
    rate_bytes: int = 0
    clock: ClockReading = UNKNOWN_CLOCK


class CameraWorker:
    """Runs one CameraSpec. `stop` or `abandon` it; a changed camera gets a new worker."""

    def __init__(
        self,
        spec: CameraSpec,
        *,
        make_source: MakeSource,
        recording: CameraRecording,
        analysis_hub: Hub,
        live_hub: Hub,
        clock: Clock,
        hang_ns: int,
        tenure: Tenure | None = None,
        lease_epoch: int = 0,
    ) -> None:
        """`tenure`: without a current one nothing is recorded; None where there is one recorder. `lease_epoch`: of the
        camera's lease, as its recording says it."""
        self.spec = spec
        self.recording = recording
        self.lease_epoch = lease_epoch
        self._tenure = tenure
        self._make_source = make_source
        self._analysis = analysis_hub
        self._live = live_hub
        self._clock = clock
        self._hang_ns = hang_ns
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._progress = _Progress()
        self._alive_ns = clock.monotonic_ns()
        self._log = structlog.get_logger().bind(camera=spec.camera_id)
        self._thread = threading.Thread(target=self._run, name=f"camera {spec.camera_id}", daemon=True)

    @property
    def camera_id(self) -> CameraId:
        """Whose."""
        return self.spec.camera_id

    @property
    def is_dead(self) -> bool:
        """The thread ended by itself: a defect of ours, already in the log."""
        return not self._thread.is_alive() and not self._stopping.is_set()

    @property
    def is_hung(self) -> bool:
        """The thread has not come back from FFmpeg within any of its bounds."""
        return self._clock.monotonic_ns() - self._alive_ns > self._hang_ns and not self._stopping.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the thread end at its next packet; `finish` does not need it to."""
        self._stopping.set()

    def cut(self) -> None:
        """A new segment begins with the next keyframe."""
        with self._lock:
            self.recording.cut()

    def finish(self) -> None:
        """Take the recording out of the thread's hands and seal its open segment.

        A thread that hangs in FFmpeg stays behind as a daemon and finds itself stopped when it returns.
        """
        self._stopping.set()
        with self._lock:
            self._analysis.close_stream(self.camera_id)
            self._live.close_stream(self.camera_id)
            self.recording.finish(self._clock.now_ns())

    def tick(self) -> CameraStatus:
        """About once a second: let gaps grow, and tell how the camera is."""
        with self._lock:
            now_ns, progress = self._clock.now_ns(), self._progress
            self.recording.tick(now_ns)
            self._measure_rate(progress)
            state, detail = progress.state, progress.detail
            if self.recording.trouble is not None and state is CameraState.RECORDING:
                state, detail = self.recording.trouble
            info = progress.info
            return CameraStatus(
                camera_id=self.camera_id,
                state=state,
                detail=detail,
                run=progress.run,
                utc_ns=now_ns,
                recorded_ns=Ns(self.recording.counters.recorded_ns),
                packets=progress.packets,
                bytes_received=progress.bytes_received,
                fps=progress.fps,
                bitrate_bps=progress.bitrate_bps,
                width_px=info.width_px if info else 0,
                height_px=info.height_px if info else 0,
                codec=info.codec if info else "",
                reconnects=max(progress.runs - 1, 0),
                dropped_analysis_gops=self._analysis.dropped_gops(self.camera_id),
                dropped_live_gops=self._live.dropped_gops(self.camera_id),
                clock=progress.clock,
                lost_packets=progress.lost_packets,
            )

    def on_opening(self, opening: Opening) -> None:
        """A new segment's key: what follows on the live hub is sealed under it. Called by the recording."""
        self._live.open_stream(self.camera_id, SealedForm(opening))

    def _run(self) -> None:
        reconnects = Reconnects()
        while not self._stopping.is_set():
            began_ns = self._clock.monotonic_ns()
            error = self._one_connection()
            if error is None or self._stopping.is_set():
                return
            if isinstance(error, CameraEnded) and self.spec.url.startswith("file:"):
                # A clip that is not looped is over; playing it again would record the same pictures as new.
                self._idle()
                return
            self._sleep(reconnects.pause_s(error, lasted_ns=self._clock.monotonic_ns() - began_ns))

    def _idle(self) -> None:
        while not self._stopping.is_set():
            self._sleep(3600.0)

    def _sleep(self, seconds: float) -> None:
        remaining = seconds
        while remaining > 0 and not self._stopping.is_set():
            self._alive_ns = self._clock.monotonic_ns()
            self._stopping.wait(min(remaining, 1.0))
            remaining -= 1.0

    def _one_connection(self) -> CameraError | None:
        """Connect and record until it breaks; returns why, None when the worker was stopped."""
        source: CameraSource | None = None
        short_runs = 0
        try:
            source = self._make_source(self.spec, self._stopping.wait)
            while not self._stopping.is_set():
                self._alive_ns = self._clock.monotonic_ns()
                info = source.open()
                began_ns = self._clock.monotonic_ns()
                try:
                    self._record(source, info)
                except CameraChanged as change:
                    self._end_run(None, CameraState.STARTING, "")
                    self._log.info("camera changed its parameters", reason=str(change))
                    short_runs = short_runs + 1 if self._clock.monotonic_ns() - began_ns < SHORT_RUN_NS else 0
                    if short_runs >= MAX_SHORT_RUNS:
                        raise CameraGarbage(
                            f"{self.camera_id} changed its parameters {short_runs} times, each within a second"
                        ) from change
            self._end_run(None, CameraState.STARTING, "")
        except CameraError as error:
            state, cause = _meaning(error)
            self._end_run(cause, state, str(error))
            return error
        finally:
            if source is not None:
                source.close()
        return None

    def _record(self, source: CameraSource, info: StreamInfo) -> None:
        """One run. Raises: CameraError at its end."""
        with self._lock:
            if self._stopping.is_set():
                return
            self.recording.begin_run(info)
            self._analysis.open_stream(self.camera_id, PlainForm(info))
            progress = self._progress
            progress.state, progress.detail = CameraState.RECORDING, ""
            progress.run, progress.info, progress.runs = info.run, info, progress.runs + 1
        self._log.info("recording", run=info.run, codec=info.codec, width=info.width_px, height=info.height_px)
        for packet in source.packets():
            self._alive_ns = self._clock.monotonic_ns()
            # Between its arrival and its writing: whatever stops this process in between, what is written late was
            # taken before.
            if self._tenure is not None and not self._tenure.is_current:
                self._await_tenure(self._tenure)
            with self._lock:
                if self._stopping.is_set():
                    return
                if packet.is_keyframe:
                    self._progress.clock = source.clock()
                    self.recording.note_clock(self._progress.clock)
                    self._progress.lost_packets = LOSSES.lost()
                self.recording.add(packet, self._clock.now_ns())
                self._progress.packets += 1
                self._progress.bytes_received += len(packet.payload)
                self._analysis.publish(packet)
                self._live.publish(packet)

    def _await_tenure(self, tenure: Tenure) -> None:
        """This process was paused, or the server is slow: until it is known whose camera this is."""
        while not self._stopping.is_set() and not tenure.wait(1.0):
            self._alive_ns = self._clock.monotonic_ns()

    def _end_run(self, cause: GapCause | None, state: CameraState, detail: str) -> None:
        with self._lock:
            if self._stopping.is_set():
                return  # `finish` has done it, or will
            self._analysis.close_stream(self.camera_id)
            self._live.close_stream(self.camera_id)
            self.recording.end_run(cause, self._clock.now_ns())
            if self._progress.state is not state or self._progress.detail != detail:
                self._log.warning("not recording", state=state.value, reason=detail)
            self._progress.state, self._progress.detail = state, detail

    def _measure_rate(self, progress: _Progress) -> None:
        now_ns = self._clock.monotonic_ns()
        span_ns = now_ns - progress.rate_since_ns
        if span_ns < _RATE_WINDOW_NS:
            return
        if progress.rate_since_ns:
            progress.fps = (progress.packets - progress.rate_packets) * NS_PER_S / span_ns
            progress.bitrate_bps = (progress.bytes_received - progress.rate_bytes) * 8 * NS_PER_S / span_ns
        progress.rate_since_ns = now_ns
        progress.rate_packets, progress.rate_bytes = progress.packets, progress.bytes_received


def disabled_status(spec: CameraSpec, now_ns: Ns) -> CameraStatus:
    """Of a camera that has no worker."""
    return CameraStatus(
        camera_id=spec.camera_id,
        state=CameraState.DISABLED,
        detail="switched off in the configuration",
        run=NO_RUN,
        utc_ns=now_ns,
        recorded_ns=Ns(0),
        packets=0,
        bytes_received=0,
        fps=0.0,
        bitrate_bps=0.0,
        width_px=0,
        height_px=0,
        codec="",
        reconnects=0,
        dropped_analysis_gops=0,
        dropped_live_gops=0,
    )


def _meaning(error: CameraError) -> tuple[CameraState, GapCause]:
    table: tuple[tuple[type[CameraError], CameraState, GapCause], ...] = (
        (CameraUnauthorized, CameraState.UNAUTHORIZED, GapCause.UNAUTHORIZED),
        (CameraNoVideo, CameraState.NO_VIDEO, GapCause.NO_VIDEO),
        (CameraStalled, CameraState.STALLED, GapCause.STALLED),
        (CameraEnded, CameraState.ENDED, GapCause.ENDED),
        (CameraUnreachable, CameraState.UNREACHABLE, GapCause.UNREACHABLE),
    )
    for kind, state, cause in table:
        if isinstance(error, kind):
            return state, cause
    return CameraState.GARBAGE, GapCause.GARBAGE
