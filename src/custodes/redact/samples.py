"""One track's boxes by time, and between which boxes somebody is at a moment. What is covered is `redact.timeline`'s.

A moment that was looked at has one place. Any other has several, and somebody is on the way from one to another: what
is covered of them is taken of each and joined (`joined`). The head of the two boxes' union would be the upper one's
alone, and whoever walks up into a picture, or down towards the camera, is lower (ADR 120).
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from custodes.redact.levels import Box
from custodes.redact.reasons import MaskBasis
from custodes.units import NS_PER_MS, NS_PER_S

PRE_ROLL_NS = NS_PER_S // 2
"""A person is covered this long before the first detection: at 5 analysed frames per second up to 0.2 s pass between
entering and the first look, and the first look may miss."""

POST_ROLL_NS = NS_PER_S // 2
"""And this long after the last."""

MAX_FILL_NS = 10 * NS_PER_S
"""A detector gap within one track is filled up to this length; a longer one is two stretches, each with its rolls."""

_MAX_EXTRAPOLATION_NS = 2 * NS_PER_S
SEEN_FILL_NS = 600 * NS_PER_MS
"""A tracker says where it thinks somebody is whom it does not see. Gaps up to this length are covered from where they
were seen to where they are seen again as well: a guess that errs would uncover them. In longer ones that would cover
the whole way for seconds."""

BASE_NS = NS_PER_S // 2
"""Over so long a speed is taken, too: as long as a roll."""

_EDGE = 0.02
_LEAVES = 0.05
"""Who moves by less of their size stands at the edge."""

_MAX_SHIFT = 2.0
"""A side that moved further than this, in sizes of its box, would be a guess, not a mask."""

Places = tuple[Box, ...]
"""At least one box, shares of the frame: where somebody is, or all that they may be between. May lie outside."""


@dataclass(slots=True)
class Samples:
    """One track's boxes by time."""

    times_ns: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    fill_ns: int = MAX_FILL_NS
    seen: "Samples | None" = None
    """Without the tracker's guesses, once there was one."""

    def put(self, utc_ns: int, box: Box, *, is_guess: bool = False) -> int:
        """Insert or replace; returns how many boxes were added (0 or 1)."""
        if is_guess and self.seen is None:
            self.seen = Samples(self.times_ns.copy(), self.boxes.copy(), SEEN_FILL_NS)
        elif not is_guess and self.seen is not None:
            self.seen.put(utc_ns, box)
        at = bisect_left(self.times_ns, utc_ns)
        if at < len(self.times_ns) and self.times_ns[at] == utc_ns:
            self.boxes[at] = joined((self.boxes[at], box))
            return 0
        self.times_ns.insert(at, utc_ns)
        self.boxes.insert(at, box)
        return 1

    def places_at(self, utc_ns: int) -> Iterator[tuple[Places, MaskBasis]]:
        """Where somebody is at a moment, and how that is known; nothing where the track is too far away in time."""
        times, boxes = self.times_ns, self.boxes
        after = bisect_left(times, utc_ns)
        if after < len(times) and times[after] == utc_ns:
            yield (boxes[after],), MaskBasis.SEEN
        elif 0 < after < len(times) and times[after] - times[after - 1] <= self.fill_ns:
            yield (boxes[after - 1], boxes[after]), MaskBasis.BETWEEN
        else:
            if after < len(times) and times[after] - utc_ns <= PRE_ROLL_NS:
                yield self._reached(after, 1, utc_ns), MaskBasis.BEFORE
            if after > 0 and utc_ns - times[after - 1] <= POST_ROLL_NS:
                yield self._reached(after - 1, -1, utc_ns), MaskBasis.AFTER
        if self.seen is not None:
            yield from (item for item in self.seen.places_at(utc_ns) if item[1] is not MaskBasis.SEEN)

    def forget_before(self, utc_ns: int) -> int:
        """Drop what no later moment needs; returns how many boxes went.

        Two earlier boxes stay, one to fill from and one to know its direction; and what its speed is taken over.
        """
        if self.seen is not None and self.seen.times_ns:
            self.seen.forget_before(utc_ns)
        from_ns = min(utc_ns, self.times_ns[-1]) - BASE_NS
        cut = max(0, min(bisect_left(self.times_ns, utc_ns) - 2, bisect_left(self.times_ns, from_ns)))
        del self.times_ns[:cut], self.boxes[:cut]
        return cut

    def _reached(self, end: int, step: int, utc_ns: int) -> Places:
        """Box `end`, where it was or will be at `utc_ns` by the boxes behind it in direction `step`, and what lies
        between it and the edge of the picture that it came in or goes out over.

        Two speeds: of the next box, and over `BASE_NS`. The one follows who turns, the other is not led astray by a
        detector whose boxes tremble.
        """
        box = self.boxes[end]
        places = [box]
        for inner in self._inner(end, step):
            span_ns = self.times_ns[end] - self.times_ns[inner]
            if abs(span_ns) > _MAX_EXTRAPOLATION_NS:
                break
            moved = _moved(box, self.boxes[inner], (utc_ns - self.times_ns[end]) / span_ns)
            places += [moved, *_beyond(box, moved)]
        return tuple(places)

    def _inner(self, end: int, step: int) -> Iterator[int]:
        """The next box, and the farthest within `BASE_NS` where that is another one."""
        inner = far = end + step
        if not 0 <= inner < len(self.boxes):
            return
        yield inner
        while 0 <= far + step < len(self.boxes) and abs(self.times_ns[far + step] - self.times_ns[end]) <= BASE_NS:
            far += step
        if far != inner:
            yield far


def _moved(box: Box, other: Box, share: float) -> Box:
    """Box and `share` of its way from `other`. Each side goes its own way: of somebody who comes in over the lower
    edge only the upper side moves, and the head is there. What shrinks keeps its size."""
    sizes = (box[2] - box[0], box[3] - box[1])
    moved = [
        now + max(-_MAX_SHIFT * size, min(_MAX_SHIFT * size, (now - then) * share))
        for now, then, size in zip(box, other, (*sizes, *sizes), strict=True)
    ]
    for side, size in enumerate(sizes):
        if moved[side + 2] - moved[side] < size:
            # The upper side is where the head is; left and right mean the same.
            start = moved[side] if side else (moved[0] + moved[2] - size) / 2
            moved[side], moved[side + 2] = start, start + size
    return (moved[0], moved[1], moved[2], moved[3])


def _beyond(box: Box, moved: Box) -> Iterator[Box]:
    """Of a box at an edge of the picture that moves over it: the same box just outside.

    The upper edge is left out: who goes over it shows no head from then on.
    """
    left, top, right, bottom = box
    across, down = (moved[0] + moved[2] - left - right) / 2, moved[1] - top
    if bottom >= 1 - _EDGE and down > _LEAVES * (bottom - top):
        yield (left, 1.0, right, 1.0 + bottom - top)
    if left <= _EDGE and -across > _LEAVES * (right - left):
        yield (left - right, top, 0.0, bottom)
    if right >= 1 - _EDGE and across > _LEAVES * (right - left):
        yield (1.0, top, 1.0 + right - left, bottom)


def joined(boxes: Sequence[Box]) -> Box:
    """The box around all of them, at least one."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return (min(left), min(top), max(right), max(bottom))
