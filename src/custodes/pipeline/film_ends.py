"""What moved right before somebody was first seen, and right after they were last seen: it was they. Pure.

Who comes into a picture close to the camera is a head at its edge for half a second and more before a detector of
people knows them, and a roll of fixed length is then too short. Motion says how long it has to be (ADR 122).
"""

from collections.abc import Iterator, Sequence

from custodes.geometry.boxes import do_overlap
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_motion import blobs_uncovered
from custodes.redact.levels import Box
from custodes.redact.samples import PRE_ROLL_NS, joined
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MS, NS_PER_S

TRACE_NS = 2 * NS_PER_S
"""So far from an end: who is at the edge for longer without being seen stands there, and does not move."""

_PAUSE_NS = PRE_ROLL_NS + 200 * NS_PER_MS
"""Without motion for so long, nothing more belongs to it: within the roll it may lie under the mask."""

_MARGIN = 0.1
_REACH = 0.5
"""Around the box at the end, and around each blob that was found: half of its size on each side."""

_LARGER = 1.5
"""A blob is at most so many times as wide and high as the box at the end; larger is a light, a cut, a moved camera."""


def ends_moved(looks: Sequence[Look], facts: Sequence[FrameAnalysed]) -> list[list[Box]]:
    """Per look, where somebody must have been beyond an end of their track, shares of the picture.

    Args: facts: of the looks, one each, in order. O(looks × ends within `TRACE_NS`), and 0.3 ms a look.
    """
    found: list[list[Box]] = [[] for _ in looks]
    blobs = blobs_uncovered(looks, facts, margin=_MARGIN)
    for at, box, step in _ends(facts):
        for pair, moved in _trace(looks, blobs, at, box, step):
            # What changed shows where it was and where it is.
            for look in (pair, pair + 1):
                found[look].append(moved)
    return found


def _ends(facts: Sequence[FrameAnalysed]) -> Iterator[tuple[int, Box, int]]:
    """Of each person's track: look, box and direction of its first and of its last row."""
    first: dict[int, tuple[int, Box]] = {}
    last: dict[int, tuple[int, Box]] = {}
    for at, fact in enumerate(facts):
        frame = fact.frame
        rows = zip(frame.track_ids.tolist(), frame.class_ids.tolist(), frame.boxes_norm.tolist(), strict=True)
        for track_id, class_id, box in rows:
            if track_id >= 0 and class_id == ObjectClass.PERSON:
                first.setdefault(track_id, (at, tuple(box)))
                last[track_id] = (at, tuple(box))
    for ends, step in ((first, -1), (last, 1)):
        for at, box in ends.values():
            yield at, box, step


def _trace(
    looks: Sequence[Look], blobs: Sequence[Sequence[Box]], at: int, box: Box, step: int
) -> Iterator[tuple[int, Box]]:
    """Pairs of looks (by the earlier one) and the motion in each that hangs together with an end, away from it."""
    size = (_LARGER * (box[2] - box[0]), _LARGER * (box[3] - box[1]))
    reach, last_ns = _grown(box), looks[at].utc_ns
    pair = at if step > 0 else at - 1
    while 0 <= pair < len(blobs):
        now_ns = looks[pair + (step > 0)].utc_ns
        if abs(now_ns - looks[at].utc_ns) > TRACE_NS or abs(now_ns - last_ns) > _PAUSE_NS:
            return
        near = [blob for blob in blobs[pair] if do_overlap(blob, reach)]
        moved = joined(near) if near else None
        if moved is not None and moved[2] - moved[0] <= size[0] and moved[3] - moved[1] <= size[1]:
            yield pair, moved
            reach, last_ns = _grown(moved), now_ns
        pair += step


def _grown(box: Box) -> Box:
    width, height = _REACH * (box[2] - box[0]), _REACH * (box[3] - box[1])
    return (box[0] - width, box[1] - height, box[2] + width, box[3] + height)
