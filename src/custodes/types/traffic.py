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


BIN_KMH = 5
"""Width of a speed histogram's bins."""
LENGTH_BOUNDS_M = (2.0, 6.6, 14.9)
"""Between motorcycle, short, medium and long vehicles: 6.5, 21.5 and 49 feet. Source: the four-bin scheme of the FHWA
pooled fund study (Transportation Research Record 2339, 2013). FHWA's thirteen classes count axles, which no picture of
a street shows reliably."""


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
    histogram: tuple[int, ...] = ()
    """Vehicles by `BIN_KMH`, from 0 on; empty in quarters of before 2026-11-26."""
    limit_kmh: float | None = None
    """Of the line, when this was made."""
    over_limit: int | None = None
    """How many of those measured were faster; None without a limit."""


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
    lengths: tuple[int, ...] = ()
    """Measured vehicles by length (`LENGTH_BOUNDS_M`): four numbers; empty without a ground and the camera's pose."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakHour:
    """The busiest hour of a line and way, or of a movement."""

    start_ns: Ns
    vehicles: int
    factor: float
    """Peak hour factor: the hour's volume over four times its busiest quarter's, .25 to 1."""
    coverage: float
    flow_per_h: int = 0
    """Peak flow rate: four times the busiest quarter's vehicles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSum:
    """One line, one way, over [start_ns, end_ns): quarters summed up. What is None could not be measured."""

    line: str
    is_forward: bool
    start_ns: Ns
    end_ns: Ns
    coverage: float
    """Share of the time that was analysed, 0 to 1. Counts are of that time: nothing is scaled up."""
    counts: tuple[ClassCount, ...]
    vehicles: int
    lengths: tuple[int, ...]
    """See `LineFigures.lengths`."""
    measured: int
    """Speeds, of quarters with enough of them."""
    mean_kmh: float | None
    v50_kmh: float | None
    v85_kmh: float | None
    v85_error_kmh: float | None
    """One standard deviation, from how many were measured."""
    over_limit_share: float | None
    """Of those measured where the line had a limit."""
    histogram: tuple[int, ...]
    peak: PeakHour | None
    car_units: float = 0.0
    """Passenger car units (`traffic.quarter.CAR_UNITS`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementSum:
    """One turning movement, over [start_ns, end_ns): quarters summed up."""

    entry: str
    exit: str
    start_ns: Ns
    end_ns: Ns
    coverage: float
    """As of `LineSum`."""
    counts: tuple[ClassCount, ...]
    vehicles: int
    car_units: float
    peak: PeakHour | None


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
    at: tuple[float, float] | None = None
    """Where, shares of the frame; None where it is at no place in particular, and of those of before 2026-11-26."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentVerdict:
    """What a person says of an incident after looking; the newest word counts. Key as the incident's."""

    camera_id: CameraId
    kind: IncidentKind
    road: str
    start_ns: Ns
    end_ns: Ns
    """When it was said: it is kept as long as the incident's figures."""
    is_real: bool | None
    """False: a false alarm. None: taken back."""
    by: str
    """Name of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecord:
    """How well incidents of one kind were told in a stretch."""

    kind: IncidentKind
    found: int
    real: int
    false: int
    """Judged so by people; the rest is not judged yet."""
    delay_s: float | None
    """Median from begin to found, of those not judged false; None of none."""
    false_per_day: float | None
    """False ones a day of analysed video; None where nothing was analysed."""


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


Figure = Quarter | Incident | IncidentVerdict | FlowHour
"""What the catalog keeps when tracks are gone."""
