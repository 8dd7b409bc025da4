"""Columns of possible links, and what is told of those that are final. No state."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.journey.fusion import TrackKey
from custodes.journey.rolling import Pairs

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinalLinks:
    """m possible links that will not change any more: `whole` (m,) number of the object that left, `first` and
    `second` cameras, `gap_s`, `chance` (m,); `start_s` (m,) when the later one began. `is_held` (m,): it is the one
    that was decided on. Nothing while too little is known to tell links."""

    whole: Rows
    first: Rows
    second: Rows
    gap_s: Floats
    chance: Floats
    start_s: Floats
    is_held: npt.NDArray[np.bool_]
    tracks: tuple[tuple[TrackKey, float], ...] = ()
    """Those of which it was asked where they came from, with the moments when they began."""


def no_pairs() -> Pairs:
    """None of them."""
    none = np.zeros(0, np.int64)
    return Pairs(none, none, none, np.zeros(0), np.zeros(0), none)


def nothing() -> FinalLinks:
    """None became final."""
    none = np.zeros(0, np.int64)
    return FinalLinks(none, none, none, np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))


def joined(one: Pairs, other: Pairs) -> Pairs:
    """The first, then the second."""
    names = ("first", "way", "second", "gap_s", "cosine", "kind")
    return Pairs(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in names))


def top(rank: npt.NDArray[np.floating], most: int, axis: int) -> npt.NDArray[np.bool_]:
    """The `most` highest of each column (axis 0) or row (axis 1)."""
    if rank.shape[axis] <= most:
        return np.ones(rank.shape, bool)
    least = np.partition(rank, rank.shape[axis] - most, axis=axis)
    edge = np.take(least, [rank.shape[axis] - most], axis=axis)
    result: npt.NDArray[np.bool_] = rank >= edge
    return result


def best_of(of: Rows, odds: Floats, most: int) -> Rows:
    """Indices of the `most` best of each."""
    order = np.lexsort((-odds, of))
    ordered = of[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(ordered)) - np.repeat(begins, np.diff(np.r_[begins, len(ordered)]))
    result: Rows = order[rank < most]
    return result
