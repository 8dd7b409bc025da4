"""What comes in over the edge of the picture before a detector knows it, and what goes out after it lost it.

Somebody who walks in close to the camera is a head at its edge for half a second and more before a detector of people
finds them. Motion shows them at once; until it is explained it is masked like a person (ADR 138). Pure.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from custodes.geometry.boxes import Boxes, Sides, do_overlap, empty_boxes
from custodes.geometry.cells import Cells, clear_boxes
from custodes.units import NS_PER_MS, NS_PER_S, Ns

COVERED_NS = 2 * NS_PER_S
"""Motion at one place is covered for so long: who is not found by then stands there, and what does not stop is a
tree."""

_PAUSE_NS = 700 * NS_PER_MS
"""After so long without motion it is another one."""

_MIN_CELLS = 4
"""That moved."""
_MAX_SHARE = 0.5
"""More of the picture moves: a light, a shaken camera. It is examined as a whole, and motion says nothing."""

_GROWN = 0.25
"""Of a blob's width and height, on each side: what is as grey as the wall behind it does not differ."""

_KNOWN_MARGIN = 0.15
"""Around what is known: arms, shadows and what people carry move, too."""

_EIGHT = np.ones((3, 3), bool)
EdgeTrace = tuple[Sides, int, int]
"""Where something moves, since when, and when it was last seen."""


@dataclass(slots=True)
class _Trace:
    """One motion: where it was last, since when it is there, when it was last seen."""

    box: Sides
    since_ns: int
    seen_ns: int


class EdgeWatch:
    """One run of one camera. Not thread-safe; the same calls give the same answers."""

    def __init__(self) -> None:
        self._traces: list[_Trace] = []

    def step(self, differs: Cells, moved: Cells, known_norm: Boxes, utc_ns: Ns) -> Boxes:
        """Motion at the left, right and lower edge that nothing known explains.

        The upper edge is left out: who comes in over it shows feet first, and a head only with most of a body.
        Args: differs: (h, w) from the background; moved: (h, w) of these, what is not as it was at the last look, too;
        known_norm: (n, 4) people, vehicles, faces of this look. Returns: (k, 4) shares of the picture, with a margin.
        About 0.1 ms where something is at the edge and moves, nothing elsewhere.
        """
        self._traces = [one for one in self._traces if 0 <= utc_ns - one.seen_ns <= _PAUSE_NS]
        is_at_edge = differs[-1].any() or differs[:, 0].any() or differs[:, -1].any()
        if not (is_at_edge and moved.any()) or differs.mean() > _MAX_SHARE:
            return empty_boxes()
        rest = differs.copy()
        size = known_norm[:, 2:] - known_norm[:, :2]
        clear_boxes(rest, np.concatenate([known_norm[:, :2] - _KNOWN_MARGIN * size,
                                          known_norm[:, 2:] + _KNOWN_MARGIN * size], axis=1))  # fmt: skip
        found = [box for box in _at_edge(rest, moved) if utc_ns - self._followed(box, utc_ns) <= COVERED_NS]
        return np.array(found, np.float32).reshape(-1, 4)

    def _followed(self, box: Sides, utc_ns: Ns) -> int:
        """Since when something moves there."""
        mine = [one for one in self._traces if do_overlap(one.box, box)]
        since_ns = min((one.since_ns for one in mine), default=int(utc_ns))
        self._traces = [one for one in self._traces if one not in mine] + [_Trace(box, since_ns, utc_ns)]
        return since_ns

    def snapshot(self) -> list[EdgeTrace]:
        """What moves there now."""
        return [(one.box, one.since_ns, one.seen_ns) for one in self._traces]

    def restore(self, state: list[EdgeTrace]) -> None:
        """Go on as the watch that gave `state`."""
        self._traces = [_Trace(*one) for one in state]


def _at_edge(rest: Cells, moved: Cells) -> list[Sides]:
    """Connected cells that touch the left, right or lower edge and of which some moved (of a dark coat only its rim
    does), as boxes with a margin, cut to the picture."""
    labels, count = ndimage.label(rest, _EIGHT)
    if not count:
        return []
    height, width = rest.shape
    touching = np.unique(np.concatenate([labels[-1], labels[:, 0], labels[:, -1]]))
    sizes = np.bincount(labels[moved], minlength=count + 1)
    parts = ndimage.find_objects(labels)
    found = []
    for number in touching[touching > 0].tolist():
        if sizes[number] >= _MIN_CELLS:
            rows, columns = parts[number - 1]
            x, y = _GROWN * (columns.stop - columns.start), _GROWN * (rows.stop - rows.start)
            found.append((
                max((columns.start - x) / width, 0.0), max((rows.start - y) / height, 0.0),
                min((columns.stop + x) / width, 1.0), min((rows.stop + y) / height, 1.0),
            ))  # fmt: skip
    return found
