"""What happens on a road that somebody should know of at once: a vehicle that stands, one that drives the wrong way, a
person on the carriageway, congestion. Online: one analysed frame after the other.

Where the camera has no ground, places are measured in vehicles: a box's size stands for three metres. That is rough,
and enough to tell standing from driving and one way from the other.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import intersections
from custodes.geometry.homography import Floats, Homography
from custodes.geometry.polygon import is_inside
from custodes.traffic.stands import NEAR_M, PARKED_NS, Stand, Stands
from custodes.types.event import FrameAnalysed
from custodes.types.scene import Road
from custodes.types.traffic import Incident, IncidentKind
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

MEMORY_NS = 12 * NS_PER_S
"""How far back a track's places are kept."""
GONE_NS = 15 * NS_PER_S
"""A track that was not measured for so long is forgotten, and so is what it did."""
_MAX_PLACES = 400
_MIN_PLACES = 4
_WINDOW_NS = 2 * NS_PER_S
_AGAINST_M = 4.0
_AGAINST_MIN_S = 0.6
_AGAINST_COSINE = 0.7
_ONE_STEP = 0.5
"""No single step may be more than this share of the way: a number that jumps to the car behind drives backwards,
too."""
_STILL_M = 1.2
_STILL_PLACES = 5
_BOX_SD = 0.03
_STOOD_NS = 2 * NS_PER_S
_AHEAD_M = 15.0
"""Who stands this close behind another one stands in a queue."""
_WALK_S = 0.8
_WALK_PLACES = 3
_RIDER_SHARE = 0.35
_SLOW_MPS = 2.8
_BUSY_NS = 60 * NS_PER_S
_BUSY_VEHICLES = 5
_BUSY_SHARE, _FREE_SHARE = 0.7, 0.4
_JAMMED_NS = 1800 * NS_PER_S
"""Where congestion is known, who stands is in it for so long: a road may be closed for half an hour."""
_SAME_M, _SAME_NS = 30.0, 20 * NS_PER_S
"""The same kind on the same road so near and so soon is the same incident, whatever number the tracker gave."""
_OVER_NS = 8 * NS_PER_S
_NOWHERE = (1e9, 1e9)
"""Of an incident whose place in metres is not known: near none."""
_VEHICLE_M = 3.0


@dataclass(slots=True)
class _Seen:
    """One track's last places, and what it does."""

    object_class: ObjectClass
    scale_m: float
    """Metres per unit of the places; 1 on a ground."""
    places: deque[tuple[int, float, float, int]] = field(default_factory=lambda: deque(maxlen=_MAX_PLACES))
    """(utc_ns, x, y, road's index or -1)."""
    still_since_ns: int = 0
    still_at: tuple[float, float] = (0.0, 0.0)
    foot: tuple[float, float] | None = None
    """The newest place, in shares of the frame."""
    first_at: tuple[float, float] = (0.0, 0.0)
    has_driven: bool = False
    """It went away from where it was first seen; else it stood there before."""
    stand: Stand | None = None
    """Where it stands and somebody knows of it."""


@dataclass(slots=True)
class _Open:
    """An incident that may go on."""

    incident: Incident
    at: tuple[float, float]
    seen_ns: int


class IncidentWatch:
    """The roads of one camera. Deterministic; not thread-safe. A new run begins anew, but open incidents stay."""

    def __init__(
        self, camera_id: CameraId, roads: Sequence[Road], ground: Homography | None, *, aspect: float
    ) -> None:
        """`aspect`: width of the frame over its height; without a ground it is what makes distances square."""
        self._camera_id = camera_id
        self._roads = tuple(roads)
        self._ground = ground
        self._aspect = aspect
        self._headings = [self._direction(road) for road in roads]
        self._run: RunId | None = None
        self._tracks: dict[int, _Seen] = {}
        self._open: list[_Open] = []
        self._slow: list[deque[tuple[int, int, bool]]] = [deque(maxlen=20_000) for _ in roads]
        self._stands = Stands()

    def remember(self, incidents: Iterable[Incident], now_ns: int) -> None:
        """What was told before this watch began, by a server before this one or of roads since drawn anew: vehicles
        that stand are no news, and what was not over goes on, or ends."""
        for one in incidents:
            at = _NOWHERE if one.kind is not IncidentKind.CONGESTION else (0.0, 0.0)
            if one.at is not None:
                (place,) = self._places(np.array([one.at])).tolist()
                at = (place[0], place[1]) if self._ground is not None else _NOWHERE
                if one.kind is IncidentKind.STOPPED:
                    seen_ns = one.end_ns if one.is_over else now_ns
                    self._stands.put(Stand(one.road, (place[0], place[1]), seen_ns))
            if not one.is_over:
                self._open.append(_Open(one, at, now_ns))

    def _direction(self, road: Road) -> Floats | None:
        if road.heading is None:
            return None
        ends = self._places(np.asarray(road.heading, np.float64))
        step = ends[1] - ends[0]
        result: Floats = step / max(float(np.hypot(*step)), 1e-9)
        return result

    def _places(self, feet: Floats) -> Floats:
        if self._ground is not None:
            return self._ground.ground_of(feet)
        result: Floats = feet * np.array([self._aspect, 1.0])
        return result

    def step(self, fact: FrameAnalysed) -> list[Incident]:
        """Take one frame; frames come by time. Returns incidents that were found, and those that are over, now."""
        frame, utc_ns = fact.frame, fact.frame.utc_ns
        if frame.run != self._run:
            self._run, self._tracks = frame.run, {}
        rows = np.flatnonzero(frame.is_measured & (frame.track_ids >= 0))
        boxes = frame.boxes_norm[rows].astype(np.float64)
        feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        places, tremble_m = self._places(feet), self._tremble_m(boxes, feet)
        on = self._road_of(feet)
        is_rider = _riders(boxes, frame.class_ids[rows])
        told: list[Incident] = []
        for row, track_id in enumerate(frame.track_ids[rows].tolist()):
            object_class = ObjectClass(int(frame.class_ids[rows[row]]))
            seen = self._take(track_id, object_class, boxes[row], utc_ns, places[row], int(on[row]))
            self._note_still(seen, utc_ns, float(tremble_m[row]))
            if on[row] >= 0 and not is_rider[row]:
                told += self._judge(track_id, seen, int(on[row]), utc_ns)
        told += self._congestion(utc_ns)
        return told + self._end(utc_ns)

    def _road_of(self, feet: Floats) -> npt.NDArray[np.int64]:
        on = np.full(len(feet), -1, np.int64)
        for index in reversed(range(len(self._roads))):
            on[is_inside(feet, self._roads[index].polygon)] = index
        return on

    def _take(
        self, track_id: int, object_class: ObjectClass, box: Floats, utc_ns: int, place: Floats, road: int
    ) -> _Seen:
        here = (float(place[0]), float(place[1]))
        seen = self._tracks.get(track_id)
        if seen is None:
            size = float(np.sqrt((box[2] - box[0]) * self._aspect * (box[3] - box[1])))
            scale_m = 1.0 if self._ground is not None else _VEHICLE_M / max(size, 1e-3)
            seen = self._tracks[track_id] = _Seen(object_class, scale_m)
            seen.still_since_ns, seen.still_at = self._inherited(seen, utc_ns, here)
            seen.first_at = here
        seen.object_class = object_class
        seen.foot = (round(float(box[0] + box[2]) / 2, 4), round(float(box[3]), 4))
        seen.places.append((utc_ns, *here, road))
        while seen.places[0][0] < utc_ns - MEMORY_NS:
            seen.places.popleft()
        return seen

    def _tremble_m(self, boxes: Floats, feet: Floats) -> Floats:
        """(n,) how far a place may be astray, because boxes tremble: far from the camera a pixel is metres."""
        if self._ground is None:
            return np.zeros(len(boxes))
        noise = np.zeros((len(boxes), 2, 2))
        noise[:, 0, 0], noise[:, 1, 1] = np.square(_BOX_SD * (boxes[:, 2:] - boxes[:, :2])).T
        result: Floats = np.sqrt(np.trace(self._ground.spread_of(feet, noise), axis1=1, axis2=2))
        return result

    def _note_still(self, seen: _Seen, utc_ns: int, tremble_m: float) -> None:
        recent = list(seen.places)[-_STILL_PLACES:]
        place = np.array([one[1:3] for one in recent]).mean(axis=0)
        moved_m = float(np.hypot(*(place - np.array(seen.still_at)))) * seen.scale_m
        if moved_m > max(_STILL_M, 2.5 * tremble_m / len(recent) ** 0.5):
            # It stands, if it does, since the middle of what the mean is over.
            seen.still_since_ns, seen.still_at = recent[len(recent) // 2][0], (float(place[0]), float(place[1]))
        self._note_driven(seen, place, tremble_m)

    def _note_driven(self, seen: _Seen, place: Floats, tremble_m: float) -> None:
        """A box that changes because somebody passes before it drives nowhere: only who goes further does."""
        far_m = max(NEAR_M, 2.5 * tremble_m)
        if float(np.hypot(*(place - np.array(seen.first_at)))) * seen.scale_m > far_m:
            seen.has_driven = True
        stand = seen.stand
        if stand is not None and float(np.hypot(*(place - np.array(stand.at)))) * seen.scale_m > far_m:
            self._stands.leave(stand)
            seen.stand = None

    def _inherited(self, fresh: _Seen, utc_ns: int, here: tuple[float, float]) -> tuple[int, tuple[float, float]]:
        """Since when, and where, it stands, if it stands where a track stood that is lost."""
        for other in self._tracks.values():
            if other is fresh or not other.places or other.places[-1][0] >= utc_ns:
                continue
            if other.places[-1][0] - other.still_since_ns < _STOOD_NS:
                continue  # it was lost while it drove: whoever begins there now has not stood
            far_m = np.hypot(here[0] - other.still_at[0], here[1] - other.still_at[1]) * fresh.scale_m
            if far_m <= _STILL_M and (other.object_class in VEHICLES) == (fresh.object_class in VEHICLES):
                return other.still_since_ns, other.still_at
        return utc_ns, here

    def _judge(self, track_id: int, seen: _Seen, road: int, utc_ns: int) -> list[Incident]:
        rule = self._roads[road]
        if seen.object_class is ObjectClass.PERSON:
            began_ns = self._walking(seen, road, utc_ns)
            if began_ns and not rule.has_people:
                evidence = f"a person was on it for {(utc_ns - began_ns) / NS_PER_S:.1f} s"
                return self._tell(IncidentKind.PERSON_ON_ROAD, road, seen, track_id, began_ns, utc_ns, evidence)
            return []
        if seen.object_class not in VEHICLES:
            return []
        told = []
        window = [one for one in seen.places if one[0] >= utc_ns - _WINDOW_NS and one[3] == road]
        points = np.array([one[1:3] for one in window]) * seen.scale_m
        seconds = (window[-1][0] - window[0][0]) / NS_PER_S
        moved_m = float(np.hypot(*(points[-1] - points[0])))
        still_ns = utc_ns - seen.still_since_ns
        # Who is parked is slow, and no sign of congestion: neither who stood there before, nor who waits for nothing.
        parked_ns = _JAMMED_NS if self._is_congested(road) else PARKED_NS
        if seconds > 0 and rule.stop_after_s > 0 and seen.has_driven and still_ns < parked_ns:
            self._slow[road].append((utc_ns, track_id, moved_m / seconds < _SLOW_MPS))
        back_m = _against(points, seconds, self._headings[road])
        if back_m:
            evidence = f"{back_m:.0f} m against the way in {seconds:.1f} s"
            told += self._tell(IncidentKind.WRONG_WAY, road, seen, track_id, window[0][0], utc_ns, evidence)
        still_s = still_ns / NS_PER_S
        if 0 < rule.stop_after_s <= still_s and not self._is_behind_another(track_id, seen, road):
            evidence = f"stood for {still_s:.0f} s; {rule.stop_after_s:g} s are usual"
            if self._is_news(track_id, seen, road, utc_ns):
                told += self._tell(IncidentKind.STOPPED, road, seen, track_id, seen.still_since_ns, utc_ns, evidence)
            else:
                self._go_on(IncidentKind.STOPPED, road, seen, utc_ns)
        return told

    def _is_news(self, track_id: int, seen: _Seen, road: int, utc_ns: int) -> bool:
        """Nobody was told yet of this vehicle that stands. One that was not seen to drive is the one that stood there
        before, under whatever number."""
        if seen.stand is None and not seen.has_driven:
            seen.stand = self._stands.find(self._roads[road].name, seen.still_at, seen.scale_m, utc_ns)
        if seen.stand is not None:
            seen.stand.seen_ns = utc_ns
            return False
        name = self._roads[road].name
        seen.stand = Stand(name, seen.still_at, utc_ns)
        self._stands.put(seen.stand)
        # One that moves up a little and stands again, while it is told of, is still that one.
        known = (IncidentKind.STOPPED, name, self._run, track_id)
        return all((one.kind, one.road, one.run, one.track_id) != known for one in (it.incident for it in self._open))

    def _walking(self, seen: _Seen, road: int, utc_ns: int) -> int:
        """Since when a person is on the road without a break; 0 if not long enough to be sure."""
        began_ns, count = 0, 0
        for at_ns, _, _, on in reversed(seen.places):
            if on != road:
                break
            began_ns, count = at_ns, count + 1
        is_sure = count >= _WALK_PLACES and utc_ns - began_ns >= _WALK_S * NS_PER_S
        return began_ns if is_sure else 0

    def _is_behind_another(self, track_id: int, seen: _Seen, road: int) -> bool:
        heading = self._headings[road]
        for other_id, other in self._tracks.items():
            if other_id == track_id or other.object_class not in VEHICLES or not other.places:
                continue
            last = other.places[-1]
            gap = (np.array(last[1:3]) - np.array(seen.still_at)) * seen.scale_m
            # Where the way is not known, the one that has stood longer is the head of the queue.
            is_ahead = gap @ heading > 1.0 if heading is not None else other.still_since_ns < seen.still_since_ns
            # Behind one that is parked there is no queue.
            is_standing = last[0] - other.still_since_ns >= _STOOD_NS
            is_standing &= seen.still_since_ns - other.still_since_ns < PARKED_NS
            is_there = seen.places[-1][0] - last[0] < 3 * NS_PER_S
            if is_ahead and is_standing and is_there and last[3] == road and np.hypot(*gap) < _AHEAD_M:
                return True
        return False

    def _congestion(self, utc_ns: int) -> list[Incident]:
        told = []
        for road, slow in enumerate(self._slow):
            while slow and slow[0][0] < utc_ns - _BUSY_NS:
                slow.popleft()
            looks: dict[int, list[bool]] = {}
            for _, track, is_slow in slow:
                looks.setdefault(track, []).append(is_slow)
            if len(looks) < _BUSY_VEHICLES or slow[-1][0] - slow[0][0] < _BUSY_NS // 2:
                continue
            # Of vehicles, not of looks: one that stands is looked at for as long as all who pass it together.
            share = float(np.mean([np.mean(one) for one in looks.values()]))
            is_open = self._is_congested(road)
            if share >= (_FREE_SHARE if is_open else _BUSY_SHARE):
                seen = _Seen(ObjectClass.CAR, 1.0)
                seen.places.append((utc_ns, 0.0, 0.0, road))
                evidence = f"{len(looks)} vehicles, below 10 km/h in {share:.0%} of the time they were seen"
                told += self._tell(IncidentKind.CONGESTION, road, seen, -1, slow[0][0], utc_ns, evidence)
        return told

    def _tell(
        self, kind: IncidentKind, road: int, seen: _Seen, track_id: int, start_ns: int, utc_ns: int, evidence: str
    ) -> list[Incident]:
        """A new incident, or nothing where it is known and goes on."""
        # Of vehicles that stand, each is known by itself (`_is_news`).
        if kind is not IncidentKind.STOPPED and self._go_on(kind, road, seen, utc_ns):
            return []
        assert self._run is not None
        incident = Incident(
            camera_id=self._camera_id,
            kind=kind,
            road=self._roads[road].name,
            start_ns=Ns(start_ns),
            found_ns=Ns(utc_ns),
            end_ns=Ns(utc_ns),
            is_over=False,
            object_class=seen.object_class,
            run=self._run,
            track_id=track_id,
            evidence=evidence,
            at=seen.foot,
        )
        self._open.append(_Open(incident, _metres(seen), utc_ns))
        return [incident]

    def _go_on(self, kind: IncidentKind, road: int, seen: _Seen, utc_ns: int) -> bool:
        """Whether there is such an incident near there; it goes on."""
        at, name = _metres(seen), self._roads[road].name
        near = [
            (float(np.hypot(at[0] - one.at[0], at[1] - one.at[1])), number)
            for number, one in enumerate(self._open)
            if (one.incident.kind, one.incident.road) == (kind, name)
        ]
        if not near or min(near)[0] > _SAME_M:
            return False
        one = self._open[min(near)[1]]
        one.seen_ns, one.at = utc_ns, at
        one.incident = replace(one.incident, end_ns=Ns(utc_ns))
        return True

    def _is_congested(self, road: int) -> bool:
        known = (IncidentKind.CONGESTION, self._roads[road].name)
        return any((one.incident.kind, one.incident.road) == known for one in self._open)

    def _end(self, utc_ns: int) -> list[Incident]:
        for track_id in [one for one, seen in self._tracks.items() if seen.places[-1][0] < utc_ns - GONE_NS]:
            del self._tracks[track_id]
        over = [one for one in self._open if one.seen_ns < utc_ns - max(_OVER_NS, _SAME_NS)]
        self._open = [one for one in self._open if one not in over]
        return [replace(one.incident, is_over=True) for one in over]


def _metres(seen: _Seen) -> tuple[float, float]:
    return seen.places[-1][1] * seen.scale_m, seen.places[-1][2] * seen.scale_m


def _against(points: Floats, seconds: float, heading: Floats | None) -> float:
    """Metres driven against the way over (n, 2) points in metres; 0 if it is none, or not sure."""
    if heading is None or len(points) < _MIN_PLACES or seconds < _AGAINST_MIN_S:
        return 0.0
    way = points[-1] - points[0]
    back_m = -float(way @ heading)
    steps = -(np.diff(points, axis=0) @ heading)
    is_steady = float(steps.max()) <= _ONE_STEP * back_m and float((steps > 0).mean()) >= 0.7
    is_against = back_m >= _AGAINST_M and back_m >= _AGAINST_COSINE * float(np.hypot(*way))
    return back_m if is_against and is_steady else 0.0


def _riders(boxes: Floats, class_ids: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Which persons sit on or in a vehicle: its box covers much of theirs."""
    is_person = class_ids == int(ObjectClass.PERSON)
    is_vehicle = np.isin(class_ids, [int(one) for one in VEHICLES])
    if not is_person.any() or not is_vehicle.any():
        return np.zeros(len(boxes), bool)
    shared = intersections(boxes, boxes[is_vehicle])
    own = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    result: npt.NDArray[np.bool_] = is_person & (shared.max(axis=1) >= _RIDER_SHARE * own)
    return result
