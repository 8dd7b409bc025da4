"""Stills while a person drags along the timeline: the newest wish is answered, older ones are dropped."""

from collections.abc import Sequence

from custodes.errors import CustodesError
from custodes.media.jpeg import encode_jpeg
from custodes.ports.clock import Clock
from custodes.review.archive import Archive, GopRef
from custodes.review.decoding import GopFrames, find_frame
from custodes.review.keys import ViewKeys
from custodes.review.render import Renderer
from custodes.review.view import IDLE_NS, Output, Step, note
from custodes.types.event import FrameAnalysed
from custodes.types.media import Segment
from custodes.types.message import StillRendered
from custodes.units import NS_PER_MS, NS_PER_S, Ns

JPEG_QUALITY = 70
"""The mark is read at z ≥ 9 far below this (tests/review); 10 to 40 KB at 768×432."""

GAP_NS = NS_PER_S
"""A moment this long after the last picture has no picture."""

MASK_PATIENCE_NS = 300 * NS_PER_MS
"""Masks of a moment may be on their way from the catalog; after this the picture is masked whole."""


class StillView:
    """Answers seeks with JPEGs."""

    def __init__(self, *, archive: Archive, renderer: Renderer, keys: ViewKeys, clock: Clock) -> None:
        self._archive = archive
        self._renderer = renderer
        renderer.find_frame = lambda utc_ns, run: find_frame(archive, utc_ns, run)
        self._keys = keys
        self._clock = clock
        self._wish: tuple[Ns, int] | None = None
        self._wished_ns = 0
        self._gop: tuple[GopRef, GopFrames] | None = None
        self.frames_shown = 0

    def add_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        """See `View`."""
        self._renderer.timeline.add(frames)

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """See `View`."""
        self._archive.put(segments)

    def seek(self, utc_ns: Ns, request_id: int) -> None:
        """Wish for one picture; an unanswered wish from before is forgotten."""
        self._wish = (utc_ns, request_id)
        self._wished_ns = self._clock.monotonic_ns()

    def step(self) -> Step:
        """Answer the wish, once its masks are known or patience is over."""
        if self._wish is None:
            return Step(outputs=(), wait_ns=IDLE_NS)
        utc_ns, request_id = self._wish
        ref = self._archive.gop_at(utc_ns)
        if ref is None or utc_ns >= ref.end_ns + GAP_NS:
            self._wish = None
            return Step(outputs=(note("gap", "There is no recording of this moment.", request_id),), wait_ns=IDLE_NS)
        patience_ns = self._wished_ns + MASK_PATIENCE_NS - self._clock.monotonic_ns()
        if not self._renderer.is_settled(min(utc_ns, ref.end_ns), ref.run) and patience_ns > 0:
            return Step(outputs=(), wait_ns=patience_ns)
        self._wish = None
        try:
            answer = self._picture(ref, utc_ns, request_id)
        except CustodesError as error:
            # One moment that may not, or cannot, be shown ends no scrubbing.
            self._gop = None
            answer = note(error.kind.value, str(error), request_id)
        return Step(outputs=(answer,), wait_ns=IDLE_NS)

    def _picture(self, ref: GopRef, utc_ns: Ns, request_id: int) -> Output:
        if self._gop is None or self._gop[0] != ref:
            self._gop = (ref, GopFrames(*self._archive.read(ref)))
        frame = self._gop[1].frame_at(utc_ns)
        if frame is None:
            return note("unreadable", "The recording of this moment cannot be decoded.", request_id)
        rendered = self._renderer.render(frame, self._keys.marker())
        payload = encode_jpeg(rendered.frame, JPEG_QUALITY)
        self.frames_shown += 1
        return StillRendered(
            request_id=request_id,
            utc_ns=frame.utc_ns,
            is_fully_masked=rendered.is_fully_masked,
            payload=payload,
        )
