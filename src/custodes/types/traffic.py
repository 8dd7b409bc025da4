"""Figures of road traffic, and the messages about them on `server-control.sock`. Made by the slice `traffic`."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.flow import FlowHour
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import CameraId, Ns, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many of one class."""

    object_class: ObjectClass
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFigures:
    """Of the vehicles over one line and way, km/h."""

    measured: int
    mean_kmh: float
    v50_kmh: float
    v85_kmh: float
    v85_error_kmh: float
    """One standard deviation, from how many were measured and how they scatter."""
    single_error_kmh: float
    """One standard deviation of a single speed, root of the mean square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFigures:
    """One line, one way. What is None could not be measured: no ground, or too few vehicles."""

    line: str
    is_forward: bool
    counts: tuple[ClassCount, ...]
    vehicles_per_h: float
    """Scaled up by the coverage; 0 coverage gives 0."""
    speeds: SpeedFigures | None
    headway_s: float | None
    """Median time from one vehicle to the next."""
    occupancy: float | None
    """Share of the analysed time in which a vehicle was on the line."""
    density_per_km: float | None
    """Passenger cars per kilometre and lane."""
    level_of_service: str
    """A to F; empty where the density is not known."""

    @property
    def vehicles(self) -> int:
        """All vehicles together."""
        return sum(one.count for one in self.counts if one.object_class in VEHICLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How many came over one line and left over another (or turned round: the same one)."""

    entry: str
    exit: str
    object_class: ObjectClass
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The longest of a stretch: `length_m` from bumper to bumper."""

    vehicles: int
    length_m: float
    utc_ns: int
    """When it was longest; 0 for none."""
    mean_vehicles: float
    """Over the whole stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarter:
    """All figures of one camera over [start_ns, end_ns)."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    coverage: float
    """Share of the time that was analysed, 0 to 1."""
    is_calibrated: bool
    lines: tuple[LineFigures, ...]
    movements: tuple[Movement, ...]
    queue: Queue | None
    """The longest; None without a ground."""


class IncidentKind(StrEnum):
    """What the traffic watch tells at once."""

    STOPPED = "stopped"
    """A vehicle stands where none should."""
    WRONG_WAY = "wrong_way"
    PERSON_ON_ROAD = "person_on_road"
    CONGESTION = "congestion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something on a road that somebody should know of; key = (camera, kind, road, start_ns)."""

    camera_id: CameraId
    kind: IncidentKind
    road: str
    start_ns: Ns
    """When it began, as far as can be told afterwards."""
    found_ns: Ns
    """Time of the frame that made it certain."""
    end_ns: Ns
    """When it was last seen; grows while it goes on."""
    is_over: bool
    object_class: ObjectClass
    run: RunId
    track_id: int
    """-1 where it is nobody's in particular (congestion)."""
    evidence: str
    """In words, with the numbers it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTraffic:
    """Figures of one camera by quarters of an hour that touch [start, end). Answer: TrafficTable."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficTable:
    """By start; quarters without any analysed video are not in it."""

    quarters: tuple[Quarter, ...]
    incidents: tuple[Incident, ...] = ()


Figure = Quarter | Incident | FlowHour
"""What the catalog keeps when tracks are gone."""
