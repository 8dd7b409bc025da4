"""Live view: sealed packets from the recorder, held until masks vouch for them, then decoded, masked, marked, encoded.

What is held are packets, and one or two frames: a hundredth of the memory, and when time runs out whole GOPs can be
left out without having been decoded. A view that cannot keep up shows the newest picture and says so; it never shows
an old one as live.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

from custodes.errors import CustodesError, SealBroken
from custodes.ports.clock import Clock
from custodes.review.decoding import FollowingDecoder
from custodes.review.keys import ViewKeys
from custodes.review.render import Renderer
from custodes.review.stream import MediaStream
from custodes.review.view import IDLE_NS, Output, Step, note
from custodes.sealing.live import STREAM_INFO_SEQ, live_key, open_live
from custodes.types.codec import decode_as
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame, Packet, Segment, StreamInfo
from custodes.types.message import SealedPacket, SealedStreamOpened, StreamClosed
from custodes.units import NS_PER_MS, NS_PER_S, Ns, RunId, SegmentId

MAX_HOLD_NS = 2500 * NS_PER_MS
"""A picture this old is shown, masked whole: analysis has left the view alone. On a busy machine masks come 0.5 to
1.4 s late, and look-ahead adds 0.6 s; a view that lags for a moment is better than one that flickers dark."""

MAX_BURST_NS = NS_PER_S
"""Pictures that fall due at once over more than this are a backlog: only the newest is shown."""

MAX_AHEAD_NS = 3 * NS_PER_S
"""No stream that runs is so far before our clock: at 2 s `ingest.clock` begins a new run."""

MAX_HELD_PACKETS = 900
MAX_HELD_BYTES = 64 * 1024 * 1024
"""Four times what `MAX_HOLD_NS` holds of a 4K camera at 60 fps and 50 Mbit/s."""

STALL_NS = 3 * NS_PER_S
_PACKETS_PER_STEP = 64
_MIN_WAIT_NS = 5 * NS_PER_MS
_KEEP_MASKS_NS = 10 * NS_PER_S
_NOTE_EVERY_NS = 5 * NS_PER_S
_MASKED_NOTE_EVERY_NS = 3 * NS_PER_S
_KEYS_KEPT = 4


class LiveView:
    """One camera, now."""

    def __init__(self, *, renderer: Renderer, keys: ViewKeys, clock: Clock) -> None:
        self._renderer = renderer
        self._keys = keys
        self._clock = clock
        self._stream = MediaStream(clock=clock)
        self._decoder = FollowingDecoder()
        self._opened: OrderedDict[SegmentId, tuple[StreamInfo, bytes]] = OrderedDict()
        self._held: deque[tuple[StreamInfo, Packet]] = deque()
        self._held_bytes = 0
        self._decoded: deque[Frame] = deque()
        self._needs_keyframe = True
        self._last_seq: int | None = None
        self._newest_run = RunId("")
        self._last_packet_ns = clock.monotonic_ns()
        self._has_told_stall = False
        self._is_masked_whole: bool | None = None
        self._last_masked_note_ns: int | None = None
        self._last_behind_note_ns: int | None = None
        self._notes: list[Output] = []
        self.packets_unreadable = 0

    @property
    def frames_shown(self) -> int:
        """See `View`."""
        return self._stream.frames_shown

    # -- what comes in ---------------------------------------------------------------------------------------

    def add_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        """See `View`."""
        self._renderer.timeline.add(frames)

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """Live needs none; the hub announces its segments."""

    def seek(self, utc_ns: Ns, request_id: int) -> None:
        """Now is now."""
        self._notes.append(note("no_seek", "A live view cannot be moved in time.", request_id))

    def open_segment(self, opened: SealedStreamOpened) -> None:
        """The packets that follow are sealed under this segment.

        Raises: what the warden says to the key (PermissionDenied, KeyMissing, Unavailable); SealBroken.
        """
        key = live_key(self._keys.data_key(opened.header))
        info = decode_as(StreamInfo, open_live(key, STREAM_INFO_SEQ, opened.sealed_info))
        self._opened[opened.header.segment_id] = (info, key)
        while len(self._opened) > _KEYS_KEPT:
            self._opened.popitem(last=False)

    def add_packet(self, sealed: SealedPacket) -> None:
        """Hold one packet. What cannot be read is counted and left out, up to the next keyframe."""
        self._last_packet_ns = self._clock.monotonic_ns()
        opened = self._opened.get(sealed.segment_id)
        try:
            if opened is None:
                raise SealBroken(f"packet of segment {sealed.segment_id}, which was not announced")
            packet = decode_as(Packet, open_live(opened[1], sealed.seq, sealed.sealed))
        except CustodesError:
            self.packets_unreadable += 1
            self._needs_keyframe = True
            return
        follows = self._last_seq is not None and packet.seq == self._last_seq + 1
        self._last_seq = packet.seq
        if not packet.is_keyframe and (self._needs_keyframe or not follows):
            self._needs_keyframe = True
            return
        self._needs_keyframe = False
        self._newest_run = packet.run
        self._held.append((opened[0], packet))
        self._held_bytes += len(packet.payload)
        if len(self._held) > MAX_HELD_PACKETS or self._held_bytes > MAX_HELD_BYTES:
            self._skip_to_newest_gop()

    def close_stream(self, _closed: StreamClosed) -> None:
        """The camera's run is over; what is held is still shown."""
        self._needs_keyframe = True
        self._notes.append(note("camera_lost", "The recorder has lost the camera's stream and tries again."))

    def lose_packets(self) -> None:
        """Packets were dropped on the way here; go on from the next keyframe."""
        self._needs_keyframe = True
        self._tell_behind()

    def lose_recorder(self) -> None:
        """The recorder does not answer."""
        self._needs_keyframe = True
        self._notes.append(note("recorder_down", "The recorder does not answer; this view goes on when it does."))

    # -- what goes out ---------------------------------------------------------------------------------------

    def step(self) -> Step:
        """Decode and show what has fallen due."""
        now_ns = self._clock.now_ns()
        taken = 0
        # One frame further than what is due: only then, with B frames, everything due has come out of the decoder,
        # and the duration of the last one is known.
        while self._held and taken < _PACKETS_PER_STEP and not self._has_decoded_beyond_due(now_ns):
            info, packet = self._held.popleft()
            self._held_bytes -= len(packet.payload)
            self._decoded += self._decoder.switch(info)
            self._decoded += self._decoder.decode(packet)
            taken += 1
        frames: list[Frame] = []
        while self._decoded and self._is_due(self._decoded[0], now_ns):
            frames.append(self._decoded.popleft())
        has_more_due = bool(self._held) and not self._has_decoded_beyond_due(now_ns)
        outputs = self._show(frames, is_backlog=has_more_due)
        self._renderer.timeline.forget_before(Ns(now_ns - _KEEP_MASKS_NS))
        self._watch_stall()
        outputs = [*self._notes, *outputs]
        self._notes = []
        return Step(outputs=tuple(outputs), wait_ns=0 if has_more_due else self._wait_ns())

    def _is_due(self, frame: Frame, now_ns: int) -> bool:
        """Whether its masks are known up to their look-ahead, or it was held long enough."""
        timeline = self._renderer.timeline
        # Once the run that follows is vouched for, nothing more will come of the one before.
        newest_ns = max(timeline.vouched_until(run) for run in (frame.run, self._newest_run))
        vouched_ns = newest_ns - timeline.policy.look_ahead_ns
        # A frame from the future was taken before the clock was set back: it would hold up all that follow it.
        is_from_before_step = frame.utc_ns > now_ns + MAX_AHEAD_NS
        return is_from_before_step or frame.utc_ns <= max(vouched_ns, now_ns - MAX_HOLD_NS)

    def _has_decoded_beyond_due(self, now_ns: int) -> bool:
        return bool(self._decoded) and not self._is_due(self._decoded[-1], now_ns)

    def _wait_ns(self) -> int:
        if not self._decoded:
            return IDLE_NS
        left_ns = self._decoded[0].utc_ns + MAX_HOLD_NS - self._clock.now_ns()
        return min(max(left_ns, _MIN_WAIT_NS), IDLE_NS)

    def _show(self, frames: list[Frame], *, is_backlog: bool) -> list[Output]:
        if not frames:
            return []
        if is_backlog or frames[-1].utc_ns - frames[0].utc_ns > MAX_BURST_NS:
            # At the start that is the GOP before us, which nobody asked for; later it is lateness, and is told.
            if self._stream.frames_shown:
                self._tell_behind()
            frames = frames[-1:]
        outputs: list[Output] = []
        for at, frame in enumerate(frames):
            rendered = self._renderer.render(frame, self._keys.marker())
            self._tell_masked(rendered.is_fully_masked)
            outputs += self._stream.show(rendered, self._next_utc_ns(frames, at))
        return outputs

    def _next_utc_ns(self, frames: list[Frame], at: int) -> Ns | None:
        if at + 1 < len(frames):
            return frames[at + 1].utc_ns
        return self._decoded[0].utc_ns if self._decoded else None

    def _skip_to_newest_gop(self) -> None:
        keyframes = [at for at, (_, packet) in enumerate(self._held) if packet.is_keyframe]
        if not keyframes or keyframes[-1] == 0:
            # One endless GOP: there is nothing to skip to but the next keyframe.
            self._held.clear()
            self._needs_keyframe = True
        else:
            for _ in range(keyframes[-1]):
                self._held.popleft()
        self._held_bytes = sum(len(packet.payload) for _, packet in self._held)
        self._tell_behind()

    def _tell_masked(self, is_masked_whole: bool) -> None:
        """Say when it changes, but not for each flicker; every chunk carries its own mark of it."""
        now_ns = self._clock.monotonic_ns()
        is_recent = (
            self._last_masked_note_ns is not None and now_ns - self._last_masked_note_ns < _MASKED_NOTE_EVERY_NS
        )
        if is_masked_whole == self._is_masked_whole or is_recent:
            return
        if is_masked_whole:
            self._notes.append(note("unvouched", "The whole picture is masked: analysis does not vouch for it."))
            self._last_masked_note_ns = now_ns
        elif self._is_masked_whole is not None:
            self._notes.append(note("vouched", "Analysis is back; only people are masked."))
            self._last_masked_note_ns = now_ns
        self._is_masked_whole = is_masked_whole

    def _tell_behind(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._last_behind_note_ns is None or now_ns - self._last_behind_note_ns >= _NOTE_EVERY_NS:
            self._last_behind_note_ns = now_ns
            self._notes.append(note("behind", "This view fell behind and went on with the newest picture."))

    def _watch_stall(self) -> None:
        is_stalled = self._clock.monotonic_ns() - self._last_packet_ns >= STALL_NS
        if is_stalled and not self._has_told_stall:
            self._notes.append(note("stalled", f"No picture from the camera for {STALL_NS // NS_PER_S} s."))
        elif self._has_told_stall and not is_stalled:
            self._notes.append(note("resumed", "The camera's pictures are back."))
        self._has_told_stall = is_stalled
