"""Flows of people and vehicles as numbers that no person can be found in again. Made by the slice `journey`."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.units import CameraId, Ns

HEAT_COLUMNS, HEAT_ROWS = 24, 14


class FlowGroup(StrEnum):
    """Whose flow."""

    PEOPLE = "people"
    VEHICLES = "vehicles"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBand:
    """How many took between `from_s` and `to_s` (None: or longer). Rounded; never below the hour's `min_group`."""

    from_s: float
    to_s: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCell:
    """How many went on from one camera to another. Rounded; never fewer than the hour's `min_group`."""

    from_camera: CameraId
    to_camera: CameraId
    count: int
    median_s: float
    """Half of them took less."""
    coverage: float
    """The smaller of both cameras' shares of analysed time."""
    times: tuple[TimeBand, ...] = ()
    """How long they took, from the shortest; empty in hours of before 2026-11-26."""
    by_links: float = 0.0
    """Share of the count that is from links by looks, time and way; the rest is from times and ways alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFigures:
    """One camera's hour. What is None was about fewer than `min_group`."""

    camera_id: CameraId
    coverage: float
    mean_present: float | None
    """Mean number that were there at once, of the analysed time."""
    peak_present: int | None
    dwell_median_s: float | None
    """How long they stayed in view."""
    dwell_p90_s: float | None
    heat: tuple[int, ...]
    """Row by row, `HEAT_ROWS` of `HEAT_COLUMNS`: how many different tracks stood there, rounded; 0 for fewer than
    `min_group`. Empty where all are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """One queue's hour. What is None was about fewer than `min_group` people who waited."""

    camera_id: CameraId
    name: str
    coverage: float
    mean_length: float | None
    """People in it at once, mean of the analysed time."""
    peak_length: int | None
    wait_median_s: float | None
    """How long they were in it; whoever came and went within five seconds walked through."""
    wait_p90_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowHour:
    """An hour by the clock, of the whole site. Made once and never again: two makings could be subtracted."""

    camera_id: CameraId
    """Empty: it is about all."""
    start_ns: Ns
    end_ns: Ns
    group: FlowGroup
    min_group: int
    cells: tuple[FlowCell, ...]
    places: tuple[PlaceFigures, ...]
    queues: tuple[QueueFigures, ...] = ()
    """Of people only."""
    linked: float | None = None
    """Share of the hour's tracks of which links were looked for by looks, in twentieths; None where that was done for
    fewer than `min_group`."""
