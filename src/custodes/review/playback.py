"""Recorded video, played: from a moment on, at a speed, over gaps, and behind a segment that still grows.

Sends up to `LEAD_NS` of play time ahead. When decoding or encoding cannot keep the pace, frames are left out, then
whole GOPs, and the viewer is told; time on the screen stays true.
"""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from custodes.errors import CustodesError, DataLoss, KeyMissing, MediaError
from custodes.ports.clock import Clock
from custodes.review.archive import Archive, GopRef
from custodes.review.decoding import FollowingDecoder, find_frame
from custodes.review.keys import ViewKeys
from custodes.review.render import Renderer
from custodes.review.signatures import RecordedSignatures
from custodes.review.stream import MediaStream
from custodes.review.view import IDLE_NS, Output, Step, note
from custodes.types.event import FrameAnalysed
from custodes.types.media import Authenticity, Frame, Packet, Segment, StreamInfo
from custodes.units import NS_PER_MS, NS_PER_S, Ns, SegmentId

LEAD_NS = NS_PER_S
"""A player needs some tenths of a second; more would only be thrown away at the next seek."""

GAP_NS = NS_PER_S
MASK_PATIENCE_NS = 500 * NS_PER_MS
"""Masks may be on their way from the catalog; after this without news the picture is masked whole."""

MAX_SHOWN_FPS = 30
"""At high speed pictures between are left out."""

SKIP_GOP_BEHIND_NS = NS_PER_S
SKIP_FRAME_BEHIND_NS = 250 * NS_PER_MS
_FRAMES_PER_STEP = 8
_PACKETS_PER_STEP = 64
"""Bounds of one step: some tens of milliseconds, so that a seek is never kept waiting."""
_TAIL_POLL_NS = 200 * NS_PER_MS
_NOTE_EVERY_NS = 5 * NS_PER_S
_KEEP_MASKS_NS = 60 * NS_PER_S


class PlaybackView:
    """One playback."""

    def __init__(
        self, *, archive: Archive, renderer: Renderer, keys: ViewKeys, clock: Clock, speed: float, start_ns: Ns
    ) -> None:
        self._archive = archive
        self._renderer = renderer
        renderer.find_frame = lambda utc_ns, run: find_frame(archive, utc_ns, run)
        self._keys = keys
        self._clock = clock
        self._stream = MediaStream(clock=clock, speed=speed)
        self._decoder = FollowingDecoder()
        self._packets: deque[Packet] = deque()
        self._frames: deque[Frame] = deque()
        self._gop: GopRef | None = None
        self._from_ns = start_ns
        self._request_id = 0
        self._is_fresh = True
        self._epoch_ns: int | None = None
        self._waiting_since_ns: int | None = None
        self._is_patient = True
        self._last_shown_pts_ns: int | None = None
        self._last_behind_note_ns: int | None = None
        self._has_told_end = False
        self._told_unreadable = SegmentId("")
        self._signatures = RecordedSignatures()
        self._told_signature: Authenticity | None = None

    @property
    def frames_shown(self) -> int:
        """See `View`."""
        return self._stream.frames_shown

    def add_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        """See `View`."""
        self._renderer.timeline.add(frames)
        self._is_patient = True

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """See `View`."""
        self._archive.put(segments)

    def seek(self, utc_ns: Ns, request_id: int) -> None:
        """Go on from another moment; the stream begins anew, so that a player drops what it holds."""
        self._from_ns, self._request_id = utc_ns, request_id
        self._is_fresh = True
        self._has_told_end = False
        self._is_patient = True
        self._gop = None
        self._packets.clear()
        self._frames.clear()
        self._decoder = FollowingDecoder()
        self._restart_time()

    def step(self) -> Step:
        """Decode and show what is due, a few frames at most."""
        outputs: list[Output] = []
        shown_before = self._stream.frames_shown
        packets = 0
        while self._stream.frames_shown - shown_before < _FRAMES_PER_STEP and packets < _PACKETS_PER_STEP:
            # The frame behind the one to show is decoded first: only then its duration is known.
            if len(self._frames) < 2:
                has_more = self._decode_next(outputs)
                packets += 1
                if has_more:
                    continue
                if not self._frames:
                    wait_ns = self._at_end(outputs)
                    return Step(outputs=tuple(outputs), wait_ns=wait_ns)
            wait_ns = self._not_due_ns(self._frames[0])
            if wait_ns > 0:
                return Step(outputs=tuple(outputs), wait_ns=wait_ns)
            self._show(self._frames.popleft(), outputs)
        return Step(outputs=tuple(outputs), wait_ns=0)

    # -- decoding ----------------------------------------------------------------------------------------

    def _decode_next(self, outputs: list[Output]) -> bool:
        """Decode one packet, opening the next GOP when needed. False at the end of the recording."""
        if not self._packets and not self._open_next(outputs):
            self._frames += [frame for frame in self._decoder.flush() if frame.utc_ns >= self._from_ns]
            return False
        if not self._packets:
            return True  # that GOP could not be read; the next one is tried
        for frame in self._decoder.decode(self._packets.popleft()):
            if frame.utc_ns >= self._from_ns:
                self._frames.append(frame)
        return True

    def _open_next(self, outputs: list[Output]) -> bool:
        before = self._gop
        ref = self._archive.gop_at(self._from_ns) if before is None else None
        if ref is not None and self._from_ns >= ref.end_ns:
            ref = None  # the moment lies in a gap behind that GOP
        if ref is None:
            ref = self._archive.gop_from(self._from_ns if before is None else before.start_ns)
        if ref is None:
            return False
        last_ns = self._from_ns if before is None else before.end_ns
        if ref.start_ns - last_ns > GAP_NS:
            message = f"No recording from {_clock_text(last_ns)} to {_clock_text(ref.start_ns)} UTC."
            outputs.append(note("gap", message, self._request_id))
        self._gop = ref
        self._has_told_end = False
        try:
            info, packets = self._archive.read(ref)
            self._frames += self._decoder.switch(info)
            self._packets.extend(packets)
            self._tell_signature(info, packets, outputs)
        except (DataLoss, MediaError, KeyMissing) as error:
            self._tell_unreadable(ref, error, outputs)
        return True

    def _tell_signature(self, info: StreamInfo, packets: list[Packet], outputs: list[Output]) -> None:
        """When the answer changes; a camera that never signed is no news."""
        self._signatures.add(info, packets)
        now = self._signatures.current
        if now is None or now.state is self._told_signature:
            return
        if now.state is not Authenticity.NOT_SIGNED or self._told_signature is not None:
            self._told_signature = now.state
            outputs.append(note("signature", now.sentence, self._request_id))

    def _tell_unreadable(self, ref: GopRef, error: CustodesError, outputs: list[Output]) -> None:
        """One damaged GOP, or a key that was destroyed, ends no playback; one sentence a segment."""
        if ref.segment_id != self._told_unreadable:
            self._told_unreadable = ref.segment_id
            outputs.append(note("unreadable", f"From {_clock_text(ref.start_ns)} UTC: {error}", self._request_id))

    def _at_end(self, outputs: list[Output]) -> int:
        self._restart_time()
        if self._archive.is_growing:
            return _TAIL_POLL_NS
        if not self._has_told_end:
            self._has_told_end = True
            outputs.append(note("end", "This is the end of the recording.", self._request_id))
        return IDLE_NS

    # -- pace --------------------------------------------------------------------------------------------

    def _restart_time(self) -> None:
        """The next frame is shown at once, and the pace counts from it."""
        self._epoch_ns = None
        self._waiting_since_ns = None

    def _not_due_ns(self, frame: Frame) -> int:
        """How long until the frame is to be sent; 0 when it is due."""
        now_ns = self._clock.monotonic_ns()
        if self._waits_for_masks(frame, now_ns):
            return _TAIL_POLL_NS // 4
        if self._is_fresh:
            self._stream.reset()
            self._last_shown_pts_ns = None
            self._is_fresh = False
        pts_ns = self._stream.time.peek(frame.utc_ns)
        if self._epoch_ns is None:
            self._epoch_ns = now_ns - pts_ns
        return max(self._epoch_ns + pts_ns - LEAD_NS - now_ns, 0)

    def _waits_for_masks(self, frame: Frame, now_ns: int) -> bool:
        if self._renderer.is_settled(frame.utc_ns, frame.run) or not self._is_patient:
            self._waiting_since_ns = None
            return False
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns
        waited_ns = now_ns - self._waiting_since_ns
        if waited_ns < MASK_PATIENCE_NS:
            return True
        if self._epoch_ns is not None:
            self._epoch_ns += waited_ns  # waiting is not being behind
        self._waiting_since_ns = None
        self._is_patient = False
        return False

    def _show(self, frame: Frame, outputs: list[Output]) -> None:
        assert self._epoch_ns is not None, "_not_due_ns sets it"
        pts_ns = self._stream.time.peek(frame.utc_ns)
        behind_ns = self._clock.monotonic_ns() - self._epoch_ns - pts_ns
        if behind_ns > SKIP_GOP_BEHIND_NS:
            self._tell_behind(outputs)
            self._packets.clear()
            self._epoch_ns = self._clock.monotonic_ns() - pts_ns
        last_ns = self._last_shown_pts_ns
        if last_ns is not None and pts_ns - last_ns < NS_PER_S // MAX_SHOWN_FPS - NS_PER_MS:
            return  # denser than anybody sees
        if behind_ns > SKIP_FRAME_BEHIND_NS and not frame.is_keyframe and self._frames:
            self._tell_behind(outputs)
            return
        rendered = self._renderer.render(frame, self._keys.marker())
        outputs += self._stream.show(rendered, self._frames[0].utc_ns if self._frames else None)
        self._last_shown_pts_ns = pts_ns
        self._renderer.timeline.forget_before(Ns(frame.utc_ns - _KEEP_MASKS_NS))

    def _tell_behind(self, outputs: list[Output]) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._last_behind_note_ns is None or now_ns - self._last_behind_note_ns >= _NOTE_EVERY_NS:
            self._last_behind_note_ns = now_ns
            outputs.append(note("behind", "This machine cannot keep the pace; pictures are left out."))


def _clock_text(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns / NS_PER_S, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
