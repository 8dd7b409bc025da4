"""Which analysed frames a playback needs next: a window ahead of the play position, counted in recorded time.

Gaps in the recording cost nothing: what comes after one is sent before the position jumps over it.
"""

from collections.abc import Sequence

from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.event import FrameAnalysed
from custodes.types.media import Segment
from custodes.units import NS_PER_S, CameraId, Ns, SegmentId

MARGIN_NS = 11 * NS_PER_S
"""Masks of a moment depend on frames up to `redact.samples.MAX_FILL_NS` (10 s) before and after it."""

LOW_NS = 15 * NS_PER_S
HIGH_NS = 45 * NS_PER_S
"""Refill below LOW to HIGH ahead of the position, in play time at normal speed; faster play takes more."""

SETTLED_NS = 15 * NS_PER_S
"""Frames older than this are all in the catalog, or will never come."""


class MaskFeed:
    """One playback's or still view's supply. Owned by one task."""

    def __init__(self, catalog: AsyncCatalog, clock: Clock, camera_id: CameraId, *, speed: float) -> None:
        self._catalog = catalog
        self._clock = clock
        self._camera_id = camera_id
        self._factor = max(speed, 1.0)
        self._segments: dict[SegmentId, tuple[int, int]] = {}
        self._sent_to_ns = 0

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """Recorded segments that began or grew."""
        for segment in segments:
            self._segments[segment.header.segment_id] = (segment.header.start_ns, segment.end_ns)

    def begin_at(self, utc_ns: Ns) -> None:
        """The position jumped: start over there."""
        self._sent_to_ns = utc_ns - MARGIN_NS

    async def around(self, utc_ns: Ns) -> list[FrameAnalysed]:
        """All that decides about the masks of one moment."""
        return await self._catalog.analysed(self._camera_id, Ns(utc_ns - MARGIN_NS), Ns(utc_ns + MARGIN_NS))

    async def advance(self, position_ns: Ns) -> list[FrameAnalysed]:
        """What to send next, empty when enough lies ahead of the position."""
        if self._ahead(position_ns, round(LOW_NS * self._factor)) + MARGIN_NS <= self._sent_to_ns:
            return []
        target_ns = self._ahead(position_ns, round(HIGH_NS * self._factor)) + MARGIN_NS
        frames = await self._catalog.analysed(self._camera_id, Ns(self._sent_to_ns), Ns(target_ns))
        newest_ns = max((fact.frame.utc_ns for fact in frames), default=0)
        settled_ns = self._clock.now_ns() - SETTLED_NS
        # One past the newest: it was sent. What is not settled may still come, so it is asked for again.
        sent_to_ns = min(target_ns + 1, max(newest_ns + 1, settled_ns))
        self._sent_to_ns = max(self._sent_to_ns, sent_to_ns)
        return frames

    def _ahead(self, position_ns: int, recorded_ns: int) -> int:
        """The moment until which `recorded_ns` of video lie behind the position; the last recorded one if fewer do."""
        moment_ns, left_ns = position_ns, recorded_ns
        for start_ns, end_ns in sorted(self._segments.values()):
            if end_ns <= moment_ns:
                continue
            begin_ns = max(start_ns, moment_ns)
            if end_ns - begin_ns >= left_ns:
                return begin_ns + left_ns
            left_ns -= end_ns - begin_ns
            moment_ns = end_ns
        return moment_ns
