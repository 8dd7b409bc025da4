"""Thousands of vehicle-hours on simulated streets through the product's tracker and incident watch: which alarms are
false, and how many of the real ones are told. By pieces of one camera and a quarter of an hour, that can be stopped
and continued.

One vehicle-hour: a vehicle on the carriageway and in the picture for an hour; parked ones beside it are counted apart.
An alarm is false unless the simulation says that what it tells is so:

- stopped: a vehicle near it, on that carriageway, has stood for the road's time (less 2 s), is not in a queue behind
  one that stands, and was not told before while it stands there;
- person: somebody on foot, nobody on a bicycle, is on the carriageway or within .6 m of it;
- congestion: in some three minutes from one before to two after, the mean vehicle was slower than 10 km/h for more
  than half of the time it was seen (a light's cycle is half as long: a queue that passes at green is none);
- wrong way: never.
"""

import hashlib
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import chi2

from custodes.geometry.homography import Homography
from custodes.track.tracker import Tracker
from custodes.traffic.incidents import IncidentWatch
from custodes.types.event import FrameAnalysed
from custodes.types.traffic import Incident, IncidentKind
from custodes.types.vision import VEHICLES, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval.pinhole import T0_NS, Pinhole
from eval.report import Report
from eval.street import STEP_S, Plan, Street, Thing
from eval.street_seen import Sight, camera_of, scene_of

PIECE_S = 900.0
_SOURCES = ("src/custodes/traffic", "src/custodes/track", "src/custodes/geometry")
_NEAR_M, _FAR_SHARE = 6.0, 0.12
_SLACK_S = 2.0
_SLOW_MPS, _SLOW_SHARE, _CONGESTED_S = 10 / 3.6, 0.5, 180
_DUE_S = 10.0
"""A stop that lasts so much longer than usual should be told."""
_CAMERA = CameraId("street")


def plan_of(number: int) -> tuple[Plan, np.random.Generator]:
    """The street and hour of one piece: one in three at any hour of the day, the others between 7 and 20 o'clock:
    vehicle-hours of an empty street take as long as those of a full one."""
    rng = np.random.default_rng([20261127, number])
    has_lights = rng.random() < 0.4
    is_jammed = rng.random() < 0.15
    begins_s = float(rng.uniform(60, 300))
    has_parking = rng.random() < 0.45
    plan = Plan(
        hour=(number * 7 + 7) % 24 if number % 3 == 0 else 7 + (number * 5) % 13,
        lanes=int(rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3])),
        wide_m=5.0 if rng.random() < 0.4 else 3.5,
        busiest_per_h=float(rng.uniform(450, 750 if has_lights else 1100)),
        kmh=float(rng.choice([30, 50, 50, 70])),
        has_lights=has_lights,
        red_s=float(rng.uniform(35, 52)),
        jam_s=(begins_s, begins_s + float(rng.uniform(300, 700))) if is_jammed else (0.0, 0.0),
        has_parking=has_parking,
        stops_per_h=float(rng.choice([0, 2, 6])),
        crossing_per_h=float(rng.choice([0, 0, 10])),
    )
    return plan, rng


@dataclass
class Piece:
    """What one came to."""

    number: int
    digest: str
    seconds: float = 0.0
    cpu_s: float = 0.0
    vehicle_h: float = 0.0
    parked_h: float = 0.0
    told: dict[str, int] = field(default_factory=dict)
    """All alarms by kind."""
    false: list[str] = field(default_factory=list)
    due: int = 0
    """Stops that should be told."""
    due_told: int = 0
    plan: str = ""


class _Truth:
    """What happens, second by second, and whether an alarm is so."""

    def __init__(self, plan: Plan, stop_after_s: float, ground: Homography) -> None:
        self._plan, self._stop_after_s, self._ground = plan, stop_after_s, ground
        self._slow: dict[str, deque[list[tuple[int, bool]]]] = {"up": deque(), "down": deque()}
        self._due: set[tuple[int, float]] = set()
        self._hit: set[tuple[int, float]] = set()
        self._things: list[Thing] = []
        self._told: dict[int, tuple[float, float]] = {}
        self._now_s = 0.0
        self.congestions: list[tuple[Incident, float]] = []

    @property
    def stops(self) -> tuple[int, int]:
        """Due, and told of those."""
        return len(self._due), len(self._due & self._hit)

    def second(self, things: list[Thing], in_view: list[Thing], now_s: float) -> None:
        """Once a second."""
        self._things, self._now_s = things, now_s
        for road, seconds in self._slow.items():
            mine = [one for one in in_view if one.road == road and self._is_on_road(one)]
            waits = [one for one in mine if not one.is_aside]
            seconds.append([(one.name, one.mps < _SLOW_MPS) for one in waits])
            for one in mine:
                stands_s = now_s - one.still_since_s
                is_clear = 8 < one.place[1] < 60 and not self._is_queued(one)
                if stands_s >= self._stop_after_s + _DUE_S and is_clear:
                    self._due.add((one.name, one.still_since_s))

    def _is_on_road(self, one: Thing) -> bool:
        return abs(one.place[0]) <= self._plan.edge_m and 4 < one.place[1] < 72

    def _is_queued(self, one: Thing) -> bool:
        if one.is_aside:  # at the kerb, and the others pass
            return False
        sign = 1 if one.road == "up" else -1
        for other in self._things:
            gap = (other.place[1] - one.place[1]) * sign
            is_near = 0.5 < gap < 15 and abs(other.place[0] - one.place[0]) < 2.0
            if other.road == one.road and is_near and self._now_s - other.still_since_s > 1.5:
                return True
        return False

    def why_false(self, incident: Incident, now_s: float) -> str:
        """Empty where it is so; congestion is judged by `was_congested` later."""
        if incident.kind is IncidentKind.CONGESTION:
            self.congestions.append((incident, now_s))
            return ""
        if incident.kind is IncidentKind.WRONG_WAY or incident.at is None:
            return self._scene(incident, "nobody drives so")
        (x, y) = self._ground.ground_of(np.array([incident.at]))[0].tolist()
        near_m = max(_NEAR_M, _FAR_SHARE * abs(y))
        near = [one for one in self._things if np.hypot(one.place[0] - x, one.place[1] - y) <= near_m]
        if incident.kind is IncidentKind.PERSON_ON_ROAD:
            people = [one for one in near if one.road == "foot"]
            is_so = any(abs(one.place[0]) <= self._plan.edge_m + 0.6 for one in people)
            return "" if is_so else self._scene(incident, "nobody on foot there")
        standing = [
            one
            for one in near
            if one.object_class in VEHICLES
            and self._is_on_road(one)
            and one.road == incident.road
            and self._stands_s(one) >= self._stop_after_s - _SLACK_S
        ]
        if not standing:
            return self._scene(incident, "nobody stands")
        fresh = [one for one in standing if "stopped" not in one.told]
        alone = [one for one in fresh if not self._is_queued(one)]
        for one in alone or fresh:
            self._hit.add((one.name, one.still_since_s))
            one.told.add("stopped")
            break
        if not fresh:
            return self._scene(incident, "told before")
        return "" if alone else self._scene(incident, "in a queue")

    def _stands_s(self, one: Thing) -> float:
        """Its stand, or the one that has just ended."""
        return self._now_s - one.still_since_s

    def _scene(self, incident: Incident, why: str) -> str:
        at = incident.at if incident.at is not None else (0.0, 0.0)
        (x, y) = self._ground.ground_of(np.array([at]))[0].tolist()
        near = sorted(self._things, key=lambda one: float(np.hypot(one.place[0] - x, one.place[1] - y)))[:3]
        beside = "; ".join(
            f"{one.object_class.name.lower()} {one.name} {one.road} at {one.place[0]:.1f},{one.place[1]:.1f}"
            f" stands {self._stands_s(one):.0f} s, {one.mps:.1f} m/s"
            for one in near
        )
        return (
            f"{incident.kind.value} on {incident.road} at {self._now_s:.0f} s, {x:.1f},{y:.1f} m: {why}; "
            f"{incident.object_class.name.lower()}, {incident.evidence}; near: {beside}"
        )

    def was_congested(self, road: str, now_s: float) -> float:
        """The largest share of slow time of the mean vehicle over three minutes from one before to two after."""
        seconds = list(self._slow[road])
        shares = [0.0]
        for first in range(max(round(now_s) - _CONGESTED_S, 0), max(round(now_s) - 60, 0) + 1, 10):
            looks: dict[int, list[bool]] = {}
            for second in seconds[first : first + _CONGESTED_S]:
                for name, is_slow in second:
                    looks.setdefault(name, []).append(is_slow)
            if looks:
                shares.append(float(np.mean([np.mean(one) for one in looks.values()])))
        return max(shares)


def run_piece(number: int, seconds: float = PIECE_S) -> Piece:
    """One camera's quarter of an hour: 3 to 20 s of a core."""
    plan, rng = plan_of(number)
    camera = camera_of(plan, rng, number)
    stop_after_s = plan.red_s + 20 if plan.has_lights else float(rng.choice([5, 5, 20]))
    draws = bool(plan.has_parking and rng.random() < 0.7)
    scene = scene_of(plan, camera, stop_after_s=stop_after_s, draws_parking=draws)
    sight = Sight(camera, plan, rng, is_bad=bool(rng.random() < 0.1))
    ground = camera.homography() if rng.random() < 0.8 else None
    street = Street(plan, rng)
    for step in range(600):  # two minutes before, so that the street is not empty
        street.step((step - 600) * STEP_S)
    piece = Piece(
        number, digest(), seconds=seconds, plan=f"{plan}, camera {camera.place}, grounded {ground is not None}"
    )
    truth = _Truth(plan, stop_after_s, camera.homography())
    watch = IncidentWatch(_CAMERA, scene.roads, ground, aspect=camera.aspect)
    started = time.process_time()
    film = _Film(camera, sight, ground, rng)
    for step in range(round(seconds / STEP_S)):
        now_s = step * STEP_S
        things = street.step(now_s)
        fact, in_view = film.look(things, now_s, step)
        seen = [one for one in in_view if one.object_class in VEHICLES]
        on_road = sum(abs(one.place[0]) <= plan.edge_m for one in seen)
        piece.vehicle_h += on_road * STEP_S / 3600
        piece.parked_h += (len(seen) - on_road) * STEP_S / 3600
        if step % 5 == 0:
            truth.second(things, in_view, now_s)
        for incident in watch.step(fact) if fact is not None else ():
            if not incident.is_over:
                piece.told[incident.kind.value] = piece.told.get(incident.kind.value, 0) + 1
                why = truth.why_false(incident, now_s)
                piece.false += [why] * bool(why)
    for incident, now_s in truth.congestions:
        share = truth.was_congested(incident.road, now_s)
        if share <= _SLOW_SHARE:
            piece.false.append(
                f"congestion on {incident.road} at {now_s:.0f} s: truly {share:.2f}, {incident.evidence}"
            )
    piece.due, piece.due_told = truth.stops
    piece.cpu_s = round(time.process_time() - started, 1)
    piece.vehicle_h, piece.parked_h = round(piece.vehicle_h, 4), round(piece.parked_h, 4)
    return piece


class _Film:
    """Looks of the analyser: some are dropped, some come early or late, sometimes the stream breaks off."""

    def __init__(self, camera: Pinhole, sight: Sight, ground: Homography | None, rng: np.random.Generator) -> None:
        self._camera, self._sight, self._ground, self._rng = camera, sight, ground, rng
        self._tracker, self._run, self._gone_until_s = Tracker(homography=ground), 1, -1.0
        self._slow_until_s = -1.0

    def look(self, things: list[Thing], now_s: float, step: int) -> tuple[FrameAnalysed | None, list[Thing]]:
        """What the analyser tells, and what is in the picture."""
        rng, late_s = self._rng, float(self._rng.uniform(-0.25, 0.25)) * STEP_S
        found, rows = self._sight.look(things, now_s, late_s)
        in_view = [things[row] for row in rows]
        if now_s >= self._gone_until_s and rng.random() < STEP_S / 1200:
            self._gone_until_s = now_s + float(rng.exponential(15))
            if rng.random() < 0.5:  # the camera comes back as another run
                self._run, self._tracker = self._run + 1, Tracker(homography=self._ground)
        if now_s >= self._slow_until_s and rng.random() < STEP_S / 1800:
            self._slow_until_s = now_s + float(rng.uniform(30, 300))  # other cameras are busy
        is_dropped = rng.random() < 0.01 or (now_s < self._slow_until_s and step % 2 == 1)
        if now_s < self._gone_until_s or is_dropped:
            return None, in_view
        utc_ns = Ns(T0_NS + round((now_s + late_s) * NS_PER_S))
        columns = self._tracker.step(found, utc_ns, self._camera.size)
        frame = TrackedFrame(
            camera_id=_CAMERA,
            run=RunId(f"{self._run:012x}"),
            seq=step,
            utc_ns=utc_ns,
            track_ids=columns.track_ids,
            class_ids=columns.class_ids,
            boxes_norm=columns.boxes_norm,
            scores=columns.scores,
            is_measured=columns.is_measured,
        )
        return FrameAnalysed(frame=frame, valid_from_ns=Ns(utc_ns - round(STEP_S * NS_PER_S))), in_view


def digest() -> str:
    """Of everything that could change a piece's numbers: those of another product or street are not mixed in."""
    root = Path(__file__).resolve().parent.parent
    files = [file for folder in _SOURCES for file in sorted((root / folder).glob("*.py"))]
    files += [*sorted((root / "eval").glob("street*.py")), root / "eval" / "pinhole.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def hours(report: Report, wanted_h: float, pieces: Path | None, processes: int) -> None:
    """Until so many vehicle-hours were seen; finished pieces are lines of `pieces`, and those that are there count."""
    mine, done = digest(), dict[int, Piece]()
    if pieces is not None and pieces.exists():
        for line in pieces.read_text().splitlines():
            one = Piece(**json.loads(line))
            if one.digest == mine:
                done[one.number] = one
    got_h = sum(one.vehicle_h for one in done.values())
    report.note(f"{len(done)} pieces with {got_h:.1f} vehicle-hours are there")
    if got_h < wanted_h:
        _go_on(report, done, wanted_h, pieces, processes)
    _sum_up(report, list(done.values()))


def _go_on(report: Report, done: dict[int, Piece], wanted_h: float, pieces: Path | None, processes: int) -> None:
    """Further pieces, until there are enough."""
    got_h = sum(one.vehicle_h for one in done.values())
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for piece in pool.imap_unordered(run_piece, _missing(set(done))):
            done[piece.number] = piece
            got_h += piece.vehicle_h
            if pieces is not None:
                with pieces.open("a") as file:
                    file.write(json.dumps(asdict(piece)) + "\n")
            for line in piece.false:
                report.note(f"false in piece {piece.number}: {line}")
            report.progress(min(round(got_h), round(wanted_h)), round(wanted_h), "vehicle-hours")
            if got_h >= wanted_h:
                break


def _missing(done: set[int]) -> Iterator[int]:
    return (number for number in range(100_000) if number not in done)


def _sum_up(report: Report, pieces: list[Piece]) -> None:
    vehicle_h = sum(one.vehicle_h for one in pieces)
    false = [line for one in pieces for line in one.false]
    report.results |= {
        "hours_pieces": len(pieces),
        "hours_vehicle_h": round(vehicle_h, 1),
        "hours_parked_h": round(sum(one.parked_h for one in pieces), 1),
        "hours_false_alarms": len(false),
        "hours_false_per_1000": round(1000 * len(false) / max(vehicle_h, 1e-9), 3),
        "hours_false_per_1000_upper": round(1000 * upper_bound(len(false)) / max(vehicle_h, 1e-9), 3),
        "hours_stops_due": sum(one.due for one in pieces),
        "hours_stops_told_share": round(
            sum(one.due_told for one in pieces) / max(sum(one.due for one in pieces), 1), 4
        ),
        "hours_vehicle_h_per_cpu_h": round(3600 * vehicle_h / max(sum(one.cpu_s for one in pieces), 1e-9), 1),
    }
    for kind in IncidentKind:
        told = sum(one.told.get(kind.value, 0) for one in pieces)
        wrong = sum(line.startswith(f"{kind.value} ") for line in false)
        report.results |= {f"hours_{kind.value}_told": told, f"hours_{kind.value}_false": wrong}


def upper_bound(count: int) -> float:
    """One-sided 95 % upper bound of a Poisson mean, of which `count` was seen (exact, Garwood 1936)."""
    return float(chi2.ppf(0.95, 2 * (count + 1)) / 2)
