"""Parts of a picture that are covered whoever is there: windows of neighbours, screens, desks.

A polygon becomes strips of boxes once, so that filling knows boxes only.
"""

import math
from dataclasses import dataclass, field

from custodes.errors import InvalidArgument
from custodes.redact.levels import Box

MAX_CORNERS = 64
_STRIPS = 180
"""Rows of the picture that a strip may be high: a polygon's slanted edge is covered outward by less than 1/180."""

_TOUCH = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyZone:
    """A polygon in shares of the frame, x to the right, y down; at least three corners.

    `from_ns`, `until_ns`: when it holds, for corrections of a film; always without.
    """

    polygon: tuple[tuple[float, float], ...]
    from_ns: int | None = None
    until_ns: int | None = None
    strips: tuple[Box, ...] = field(init=False, repr=False, compare=False)
    """Boxes that cover the polygon together."""

    def __post_init__(self) -> None:
        """Raises: InvalidArgument for a polygon that is none."""
        if not 3 <= len(self.polygon) <= MAX_CORNERS:
            raise InvalidArgument(f"a privacy zone has 3 to {MAX_CORNERS} corners, not {len(self.polygon)}")
        if not all(math.isfinite(value) and 0 <= value <= 1 for corner in self.polygon for value in corner):
            raise InvalidArgument("corners of a privacy zone are shares of the picture, 0 to 1")
        object.__setattr__(self, "strips", _strips_of(self.polygon))
        if not self.strips:
            raise InvalidArgument("a privacy zone's corners lie on one line")

    def is_on(self, utc_ns: int) -> bool:
        """Whether it holds at a moment."""
        return (self.from_ns is None or utc_ns >= self.from_ns) and (self.until_ns is None or utc_ns <= self.until_ns)


def zone_of_box(box: Box, *, from_ns: int | None = None, until_ns: int | None = None) -> PrivacyZone:
    """A rectangle as a zone. Raises: InvalidArgument."""
    x1, y1, x2, y2 = box
    return PrivacyZone(polygon=((x1, y1), (x2, y1), (x2, y2), (x1, y2)), from_ns=from_ns, until_ns=until_ns)


def _strips_of(polygon: tuple[tuple[float, float], ...]) -> tuple[Box, ...]:
    """Per row of 1/180 that the polygon touches: from its leftmost to its rightmost point there.

    Concave parts between the two are covered, too: outward is the safe side.
    """
    top, bottom = min(y for _, y in polygon), max(y for _, y in polygon)
    if bottom - top <= _TOUCH or max(x for x, _ in polygon) - min(x for x, _ in polygon) <= _TOUCH:
        return ()
    strips: list[Box] = []
    for row in range(math.floor(top * _STRIPS), math.ceil(bottom * _STRIPS)):
        low, high = max(row / _STRIPS, top), min((row + 1) / _STRIPS, bottom)
        xs = [x for index in range(len(polygon)) for x in _reach(polygon[index - 1], polygon[index], low, high)]
        if xs:
            strips.append((min(xs), low, max(xs), high))
    return _merged(strips)


def _reach(start: tuple[float, float], end: tuple[float, float], low: float, high: float) -> list[float]:
    """The ends, in x, of the part of an edge that lies within low ≤ y ≤ high."""
    (x1, y1), (x2, y2) = (start, end) if start[1] <= end[1] else (end, start)
    if y1 > high or y2 < low:
        return []
    if y2 - y1 <= _TOUCH:
        return [x1, x2]
    return [x1 + (x2 - x1) * (min(max(y, y1), y2) - y1) / (y2 - y1) for y in (low, high)]


def _merged(strips: list[Box]) -> tuple[Box, ...]:
    """Strips of one extent above each other become one: a rectangle is one box."""
    merged: list[Box] = []
    for strip in strips:
        if merged and abs(merged[-1][0] - strip[0]) < _TOUCH and abs(merged[-1][2] - strip[2]) < _TOUCH:
            merged[-1] = (merged[-1][0], merged[-1][1], merged[-1][2], strip[3])
        else:
            merged.append(strip)
    return tuple(merged)
