"""A stretch of recorded video rendered for an export: every frame, as fast as the machine can, no pace kept.

Nothing is read before the server's first word on masks, if only that there are none: until then it may still bring
back segments from elsewhere. What nobody vouched for is masked whole after some patience. Unlike `playback` nothing is
left out; what cannot be read is told and stays out of the picture, and the bundle's manifest says so.
"""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from custodes.errors import DataLoss, KeyMissing, MediaError
from custodes.ports.clock import Clock
from custodes.review.archive import GopRef, Gops
from custodes.review.burnt import BurntStretches, FilledStretch
from custodes.review.decoding import FollowingDecoder, find_frame
from custodes.review.render import Renderer
from custodes.review.signatures import RecordedSignatures, SignedStretch
from custodes.review.stream import MediaStream
from custodes.review.view import IDLE_NS, Output, Step, note
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame, Packet, Segment
from custodes.types.message import ViewNote
from custodes.units import NS_PER_MS, NS_PER_S, Ns
from custodes.watermark.mark import Marker

END_CODE = "end"
UNREADABLE_CODE = "unreadable"
ALTERED_CODE = "altered"
"""Its message is JSON, for the manifest: a stretch whose privacy zones were filled before it was stored."""

ALTERED_WORDS = "The recorder filled these zones before it stored the pictures; what lay in them was never recorded."

SIGNATURE_CODE = "signature"
"""Its message is JSON, for the manifest: what the camera's own signatures say of a stretch."""

CRF = 23
"""Better than what is delivered live: it is made once and looked at closely."""

MASK_PATIENCE_NS = 2 * NS_PER_S

_WAIT_NS = 20 * NS_PER_MS
_FRAMES_PER_STEP = 16
_PACKETS_PER_STEP = 64
_KEEP_MASKS_NS = 60 * NS_PER_S


class Marks(Protocol):
    """`review.keys.ViewKeys`, or what a part of it has."""

    def marker(self) -> Marker:
        """Raises: FailedPrecondition before any key was released."""
        ...


class ExportView:
    """One export of [start_ns, end_ns]. Says the note `end` when it is through."""

    def __init__(
        self, *, archive: Gops, renderer: Renderer, keys: Marks, clock: Clock, start_ns: Ns, end_ns: Ns
    ) -> None:
        self._archive = archive
        self._renderer = renderer
        renderer.find_frame = lambda utc_ns, run: find_frame(archive, utc_ns, run)
        self._keys = keys
        self._clock = clock
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._stream = MediaStream(clock=clock, crf=CRF)
        self._decoder = FollowingDecoder()
        self._packets: deque[Packet] = deque()
        self._frames: deque[Frame] = deque()
        self._gop: GopRef | None = None
        self._signatures = RecordedSignatures()
        self._burnt = BurntStretches()
        self._is_read = False
        self._is_over = False
        self._is_patient = True
        self._may_read = False
        self._waiting_since_ns: int | None = None

    @property
    def frames_shown(self) -> int:
        """See `View`."""
        return self._stream.frames_shown

    def add_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        """See `View`."""
        self._renderer.timeline.add(frames)
        self._is_patient = self._may_read = True

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """See `View`."""
        self._archive.put(segments)

    def seek(self, utc_ns: Ns, request_id: int) -> None:
        """An export goes from its beginning to its end; a wish changes nothing."""

    def step(self) -> Step:
        """Decode and render a few frames."""
        if not self._may_read:
            return Step(outputs=(), wait_ns=_WAIT_NS)
        outputs: list[Output] = []
        rendered = packets = 0
        while rendered < _FRAMES_PER_STEP and packets < _PACKETS_PER_STEP and not self._is_over:
            # The frame behind the one to show is decoded first: only then its duration is known.
            if len(self._frames) < 2 and not self._is_read:
                self._is_read = not self._decode_next(outputs)
                packets += 1
                continue
            if not self._frames or self._frames[0].utc_ns > self._end_ns:
                self._is_over = True
                outputs += map(_signature_note, self._signatures.finish())
                outputs += map(_altered_note, self._burnt.finish())
                outputs.append(note(END_CODE, "The export is rendered."))
                break
            if self._waits_for_masks(self._frames[0]):
                return Step(outputs=tuple(outputs), wait_ns=_WAIT_NS)
            self._show(self._frames.popleft(), outputs)
            rendered += 1
        return Step(outputs=tuple(outputs), wait_ns=IDLE_NS if self._is_over else 0)

    def _decode_next(self, outputs: list[Output]) -> bool:
        """Decode one packet, opening the next GOP when needed. False behind the last."""
        if not self._packets and not self._open_next(outputs):
            self._take(self._decoder.flush())
            return False
        if self._packets:
            self._take(self._decoder.decode(self._packets.popleft()))
        return True

    def _take(self, frames: Sequence[Frame]) -> None:
        self._frames += [frame for frame in frames if frame.utc_ns >= self._start_ns]

    def _open_next(self, outputs: list[Output]) -> bool:
        if self._gop is None:
            ref = self._archive.gop_at(self._start_ns)
            if ref is None or self._start_ns >= ref.end_ns:
                ref = self._archive.gop_from(self._start_ns)
        else:
            ref = self._archive.gop_from(self._gop.start_ns)
        if ref is None or ref.start_ns > self._end_ns:
            return False
        self._gop = ref
        try:
            info, packets = self._archive.read(ref)
            self._take(self._decoder.switch(info))
            self._packets.extend(packets)
            outputs += map(_signature_note, self._signatures.add(info, packets))
            outputs += map(_altered_note, self._burnt.add(info, packets))
        except (DataLoss, MediaError, KeyMissing) as error:
            outputs.append(note(UNREADABLE_CODE, f"{ref.start_ns}: {error}"))
        return True

    def _waits_for_masks(self, frame: Frame) -> bool:
        if self._renderer.is_settled(frame.utc_ns, frame.run) or not self._is_patient:
            self._waiting_since_ns = None
            return False
        now_ns = self._clock.monotonic_ns()
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns
        if now_ns - self._waiting_since_ns < MASK_PATIENCE_NS:
            return True
        self._waiting_since_ns = None
        self._is_patient = False
        return False

    def _show(self, frame: Frame, outputs: list[Output]) -> None:
        rendered = self._renderer.render(frame, self._keys.marker())
        outputs += self._stream.show(rendered, self._frames[0].utc_ns if self._frames else None)
        self._renderer.timeline.forget_before(Ns(frame.utc_ns - _KEEP_MASKS_NS))


def _signature_note(stretch: SignedStretch) -> ViewNote:
    return note(SIGNATURE_CODE, json.dumps(asdict(stretch)))


def _altered_note(stretch: FilledStretch) -> ViewNote:
    return note(ALTERED_CODE, json.dumps({"what": ALTERED_WORDS, **asdict(stretch)}))
