"""What people draw into a camera's picture, as YAML: points of the ground, lines, roads, queues."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from custodes.types.scene import CountLine, GroundPoint, QueueArea, Road

Share = Annotated[float, Field(ge=0, le=1)]
Metres = Annotated[float, Field(ge=-100_000, le=100_000)]

MAX_CORNERS = 64
_THIN = 1e-6


class _Drawn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroundPointConfig(_Drawn):
    """A point of the ground in the picture whose place was measured."""

    at: tuple[Share, Share]
    """Shares of the frame, x to the right, y down."""
    place_m: tuple[Metres, Metres]

    def point(self) -> GroundPoint:
        """The value that the analyser uses."""
        return GroundPoint(at=self.at, place_m=self.place_m)


class LineConfig(_Drawn):
    """A line that is counted."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    start: tuple[Share, Share]
    end: tuple[Share, Share]
    lanes: Annotated[int, Field(ge=1, le=16)] = 1
    """Of the road, each way: level of service is per lane."""
    limit_kmh: Annotated[float, Field(ge=5, le=300)] | None = None
    """Speed limit: how many drive faster is counted, where the ground is measured."""

    @model_validator(mode="after")
    def _has_a_length(self) -> "LineConfig":
        if self.start == self.end:
            raise ValueError(f"line {self.name!r} begins where it ends")
        return self

    def line(self) -> CountLine:
        """The value that the analyser uses."""
        return CountLine(name=self.name, start=self.start, end=self.end, lanes=self.lanes, limit_kmh=self.limit_kmh)


class PrivacyZoneConfig(_Drawn):
    """A part of the picture that nobody is shown, whatever they may see: neighbours' windows, screens, desks."""

    name: Annotated[str, StringConstraints(max_length=80)] = ""
    polygon: Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=MAX_CORNERS)]
    """Corners, shares of the frame."""

    @model_validator(mode="after")
    def _has_an_area(self) -> "PrivacyZoneConfig":
        for side in (0, 1):
            values = [corner[side] for corner in self.polygon]
            if max(values) - min(values) < _THIN:
                raise ValueError(f"privacy zone {self.name!r} has no area")
        return self


class QueueConfig(_Drawn):
    """Where people wait."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    polygon: Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=MAX_CORNERS)]

    def queue(self) -> QueueArea:
        """The value that the flows use."""
        return QueueArea(name=self.name, polygon=self.polygon)


class RoadConfig(_Drawn):
    """A carriageway that is watched for incidents."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    polygon: Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=MAX_CORNERS)]
    heading: tuple[tuple[Share, Share], tuple[Share, Share]] | None = None
    """From a point to another: the way that is driven. Without it both ways are."""
    stop_after_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds after which a standing vehicle is an incident; 0: never. Before lights, longer than they are red."""
    people: bool = False
    """People may walk on it."""

    def road(self) -> Road:
        """The value that the watch uses."""
        return Road(
            name=self.name,
            polygon=self.polygon,
            heading=self.heading,
            stop_after_s=self.stop_after_s,
            has_people=self.people,
        )
