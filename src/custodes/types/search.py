"""Questions to the tracks that are over: what moved, where, when, over which line, which way."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import Ns


class Heading(StrEnum):
    """Which way the foot of a track's box went from its first look to its last, as the picture shows it."""

    LEFT = "left"
    RIGHT = "right"
    TOWARDS = "towards"
    """Down in the picture."""
    AWAY = "away"
    """Up in the picture."""


class Way(StrEnum):
    """Over a line; see `scene.CountLine`."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackQuestion:
    """What a track has to be like; there is nothing to ask about how a person looks, for nothing of it is kept."""

    start_ns: Ns
    end_ns: Ns
    """It began in [start, end)."""
    classes: frozenset[ObjectClass]
    """One of these."""
    line: str = ""
    """It crossed a line of this name; empty: whether it did or not."""
    ways: frozenset[Way] = frozenset(Way)
    """And that way."""
    headings: frozenset[Heading] = frozenset()
    """One of these; none: also one that stood still."""
    zone: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """x1 y1 x2 y2 in shares of the frame: its foot was there when it came, or when it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksFound:
    """An answer: newest first, all that there are from `searched_to_ns` on."""

    tracks: tuple[Tracklet, ...]
    searched_to_ns: Ns
    """The question's start, or later when there was too much to look at: go on from there."""
