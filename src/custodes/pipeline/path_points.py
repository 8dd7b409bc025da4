"""Measured places of one person's number, for counting over lines. No rule of who is who."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPoint:
    """A measured place of one number. Shares of the frame; `size` in frame heights; `left`: where they have gone if
    not seen again (`LineCounter.step`); `is_cut`: the frame's edge cuts the box, who is there comes or goes by it."""

    utc_ns: int
    at: tuple[float, float]
    size: float
    left: tuple[float, float]
    is_cut: bool


PathRow = tuple[int, int, float, float, float, float, float, bool]
"""Track, time, x, y, size, x and y where left, whether cut."""


def row_of(track_id: int, point: PathPoint) -> PathRow:
    """For a snapshot."""
    return (track_id, point.utc_ns, *point.at, point.size, *point.left, point.is_cut)


def point_of(row: PathRow) -> PathPoint:
    """Of a row; its number is the row's first."""
    _, utc_ns, x, y, size, left_x, left_y, is_cut = row
    return PathPoint(utc_ns=utc_ns, at=(x, y), size=size, left=(left_x, left_y), is_cut=is_cut)
