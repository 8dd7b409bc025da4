"""Where a track's foot was and which way it went, from its first and last box."""

from custodes.types.search import Heading

STILL_SHARE = 0.05
"""Of the frame: a box that jitters while its owner stands moves less (a tenth of a box half the frame high)."""

Box = tuple[float, float, float, float]


def foot(box_norm: Box) -> tuple[float, float]:
    """The middle of a box's lower edge, shares of the frame. `box_norm`: x1 y1 x2 y2."""
    return (box_norm[0] + box_norm[2]) / 2, box_norm[3]


def heading(first_norm: Box, last_norm: Box) -> Heading | None:
    """Along the axis on which it went further; None when it went less than `STILL_SHARE` on both."""
    (x1, y1), (x2, y2) = foot(first_norm), foot(last_norm)
    dx, dy = x2 - x1, y2 - y1
    if max(abs(dx), abs(dy)) < STILL_SHARE:
        return None
    if abs(dx) >= abs(dy):
        return Heading.RIGHT if dx > 0 else Heading.LEFT
    return Heading.TOWARDS if dy > 0 else Heading.AWAY


def is_in(point: tuple[float, float], zone_norm: Box) -> bool:
    """Whether a point lies in x1 y1 x2 y2, its edges included."""
    return zone_norm[0] <= point[0] <= zone_norm[2] and zone_norm[1] <= point[1] <= zone_norm[3]
