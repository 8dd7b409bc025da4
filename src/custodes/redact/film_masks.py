"""Masks of a whole film, asked for in the order of its pictures. However long it is, no more is at hand than needed.

`MaskTimeline` is bounded (`MAX_BOXES`) and forgets the oldest half beyond that: right for a camera, of which old
moments are asked for anew. Of a film all is known before the first picture, and half an hour with ten people in it
would have lost its beginning, which is then covered whole.
"""

from collections.abc import Sequence

from custodes.geometry.boxes import Boxes
from custodes.redact.samples import MAX_FILL_NS
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.event import FrameAnalysed
from custodes.units import NS_PER_S, Ns, RunId

AROUND_NS = MAX_FILL_NS + NS_PER_S
"""Facts of so long before and after a moment decide on it."""


class FilmMasks:
    """Answers as `MaskTimeline.masks_at` with all facts would, for moments that go back by a second at most."""

    def __init__(self, policy: MaskPolicy, facts: Sequence[FrameAnalysed]) -> None:
        """`facts`: of one film, in order of time."""
        self._timeline = MaskTimeline(policy)
        self._facts = facts
        self._taken = 0
        self._kept_from_ns = 0

    def masks_at(self, utc_ns: Ns, run: RunId, aspect: float | None = None) -> Boxes | None:
        """What must be covered, as `MaskTimeline.masks_at`; None: everything."""
        first = self._taken
        while self._taken < len(self._facts) and self._facts[self._taken].frame.utc_ns <= utc_ns + AROUND_NS:
            self._taken += 1
        self._timeline.add(self._facts[first : self._taken])
        if utc_ns - AROUND_NS - NS_PER_S > self._kept_from_ns + AROUND_NS:
            self._kept_from_ns = utc_ns - AROUND_NS - NS_PER_S
            self._timeline.forget_before(Ns(self._kept_from_ns))
        return self._timeline.masks_at(utc_ns, run, aspect)
