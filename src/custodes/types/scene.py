"""What people say about a camera's picture: where its ground lies, which lines are counted."""

from dataclasses import dataclass

Point = tuple[float, float]

MIN_GROUND_POINTS = 4
MAX_GROUND_POINTS = 32
MAX_LINES = 16
MAX_ROADS = 16
MAX_QUEUES = 16
MAX_PRIVACY_ZONES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPoint:
    """A point of the ground that is in the picture and was measured."""

    at: Point
    """Shares of the frame, x to the right, y down."""
    place_m: Point
    """Metres on the ground, from any fixed point, along any two axes at a right angle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLine:
    """A line over which things are counted."""

    name: str
    start: Point
    end: Point
    """Shares of the frame. *Forward* is from its left to its right, seen from `start` towards `end`: downwards over a
    line drawn from left to right."""
    lanes: int = 1
    """Of the road it lies across, each way; density and level of service are per lane."""
    limit_kmh: float | None = None
    """Speed limit there; how many are faster is counted, and nobody in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """A carriageway in the picture, and what is usual on it."""

    name: str
    polygon: tuple[Point, ...]
    """Corners, shares of the frame."""
    heading: tuple[Point, Point] | None = None
    """From where to where it is driven, shares of the frame; None where both ways are."""
    stop_after_s: float = 5.0
    """Who stands longer is an incident; before lights, longer than they are red. 0: a place to park; standing there is
    no incident, no congestion and no queue. The first drawn of two that overlap counts."""
    has_people: bool = False
    """People may walk on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueArea:
    """Where people wait: how many stand in it, and how long each, is counted by the hour (`journey.waiting`)."""

    name: str
    polygon: tuple[Point, ...]
    """Corners, shares of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraScene:
    """All of it; empty where nobody said anything."""

    ground: tuple[GroundPoint, ...] = ()
    lines: tuple[CountLine, ...] = ()
    roads: tuple[Road, ...] = ()
    privacy: tuple[tuple[Point, ...], ...] = ()
    """Polygons, shares of the frame, that are covered in every picture that anybody is shown (`redact.zones`)."""
    floor: str = ""
    """Cameras of one floor measure their ground from the same point along the same axes; empty: on none."""
    queues: tuple[QueueArea, ...] = ()
    burns_in: bool = False
    """`privacy` is filled before anything is stored, too: the recorder decodes, fills and codes anew (ADR 95)."""

    def for_recorder(self) -> "CameraScene":
        """What of it the recorder acts upon: a change of the rest must not make it reconnect."""
        return CameraScene(privacy=self.privacy, burns_in=True) if self.burns_in else CameraScene()
