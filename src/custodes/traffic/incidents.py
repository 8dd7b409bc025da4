"""What happens on a road that somebody should know of at once: a vehicle that stands, one that drives the wrong way, a
person on the carriageway, congestion. Online: one analysed frame after the other.

Where the camera has no ground, places are measured in vehicles: a box's size stands for three metres. That is rough,
and enough to tell standing from driving and one way from the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from custodes.geometry.homography import Floats, Homography
from custodes.traffic.driving import against_m, has_moved, riders
from custodes.traffic.lately import STILL_M, STOOD_NS, Look, Seen
from custodes.traffic.slowness import Slowness
from custodes.traffic.spots import Carriageways
from custodes.traffic.stands import PARKED_NS, Stand, Stands
from custodes.types.event import FrameAnalysed
from custodes.types.scene import Road
from custodes.types.traffic import Incident, IncidentKind
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

GONE_NS = 15 * NS_PER_S
"""A track that was not measured for so long is forgotten, and so is what it did."""
_HIDDEN_NS = 10 * NS_PER_S
"""Who was lost while it stood is hidden, and stands, for so long."""
_AHEAD_M = 15.0
"""Who stands this close behind another one stands in a queue."""
_CREEP_MPS = 1.4
"""Who waits behind somebody this slow waits in a queue that moves up."""
_SLOW_MPS = 2.8
_FLAT = 0.3
"""Where there is no ground, what drives away from the camera seems to go no farther than this share, at least."""
_BUSY_SHARE, _FREE_SHARE = 0.7, 0.4
_JAMMED_NS = 1800 * NS_PER_S
"""Where congestion is known, who stands is in it for so long: a road may be closed for half an hour."""
_SAME_M, _SAME_NS = 30.0, 20 * NS_PER_S
"""The same kind on the same road so near and so soon is the same incident, whatever number the tracker gave."""
_OVER_NS = 8 * NS_PER_S
_NOWHERE = (1e9, 1e9)
"""Of an incident whose place in metres is not known: near none."""
_VEHICLE_M = 3.0
_SIZES_M = {ObjectClass.PERSON: 0.9, ObjectClass.TRUCK: 5.0, ObjectClass.BUS: 6.0}
"""What a box's size (the root of its area) stands for where there is no ground."""


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
        self._ways = Carriageways(roads, ground, aspect)
        self._run: RunId | None = None
        self._tracks: dict[int, Seen] = {}
        self._open: list[_Open] = []
        self._slow = [Slowness(road.stop_after_s) for road in roads]
        self._stands = Stands()
        self._without_people = frozenset(index for index, road in enumerate(roads) if not road.has_people)
        self._slow_mps = _SLOW_MPS if ground is not None else _SLOW_MPS * _FLAT

    def remember(self, incidents: Iterable[Incident], now_ns: int) -> None:
        """What was told before this watch began, by a server before this one or of roads since drawn anew: vehicles
        that stand are no news, and what was not over goes on, or ends."""
        for one in incidents:
            at = _NOWHERE if one.kind is not IncidentKind.CONGESTION else (0.0, 0.0)
            if one.at is not None:
                (place,) = self._ways.places_of(np.array([one.at])).tolist()
                at = (place[0], place[1]) if self._ground is not None else _NOWHERE
                if one.kind is IncidentKind.STOPPED:
                    seen_ns = one.end_ns if one.is_over else now_ns
                    self._stands.put(Stand(one.road, (place[0], place[1]), seen_ns))
            if not one.is_over:
                self._open.append(_Open(one, at, now_ns))

    def step(self, fact: FrameAnalysed) -> list[Incident]:
        """Take one frame; frames come by time. Returns incidents that were found, and those that are over, now."""
        frame, utc_ns = fact.frame, fact.frame.utc_ns
        if frame.run != self._run:
            self._run, self._tracks = frame.run, {}
        rows = np.flatnonzero(frame.is_measured & (frame.track_ids >= 0))
        boxes = frame.boxes_norm[rows].astype(np.float64)
        class_ids, track_ids = frame.class_ids[rows], frame.track_ids[rows].tolist()
        last = [self._tracks[one].last.road if one in self._tracks else -1 for one in track_ids]
        spots = self._ways.spots_of(boxes, class_ids, last, frame.boxes_norm[frame.track_ids >= 0].astype(np.float64))
        is_rider, is_on_two = riders(boxes, class_ids)
        told: list[Incident] = []
        for row, track_id in enumerate(track_ids):
            look = Look(
                utc_ns=utc_ns,
                at=(float(spots.places[row, 0]), float(spots.places[row, 1])),
                road=int(spots.road[row]),
                is_sure=bool(spots.is_sure[row]),
                box=boxes[row],
                tremble_m=float(spots.tremble_m[row]),
            )
            seen = self._take(track_id, ObjectClass(int(class_ids[row])), look)
            seen.spot = (round(float(spots.picture[row, 0]), 4), round(float(spots.picture[row, 1]), 4))
            if seen.object_class is ObjectClass.PERSON:
                seen.note_riding(
                    self._heading(look.road), self._aspect,
                    is_calibrated=self._ground is not None, is_on_two=bool(is_on_two[row]),
                )  # fmt: skip
            if look.road >= 0 and not is_rider[row]:
                told += self._judge(track_id, seen, look.road, utc_ns)
        told += self._congestion(utc_ns)
        return told + self._end(utc_ns)

    def _heading(self, road: int) -> Floats | None:
        return self._ways.headings[road] if road >= 0 else self._ways.any_heading

    def _take(self, track_id: int, object_class: ObjectClass, look: Look) -> Seen:
        seen = self._tracks.get(track_id)
        size = float(np.sqrt(np.prod(look.box[2:] - look.box[:2]) * self._aspect))
        scale_m = 1.0 if self._ground is not None else _SIZES_M.get(object_class, _VEHICLE_M) / max(size, 1e-3)
        if seen is None:
            seen = self._tracks[track_id] = Seen(object_class, scale_m)
            seen.still_since_ns, seen.still_at = self._inherited(seen, look.utc_ns, look.at)
            seen.first_at = look.at
        seen.object_class = object_class
        seen.scale_m += 0.3 * (scale_m - seen.scale_m)  # who comes nearer grows
        seen.take(look)
        if look.road >= 0 and object_class in VEHICLES and seen.creeps:
            self._stands.see(self._roads[look.road].name, look.at, seen.scale_m, look.utc_ns)
        if seen.stand is not None and seen.has_left(seen.stand.at):
            seen.stand.is_left = True
            seen.stand = None
        return seen

    def _inherited(self, fresh: Seen, utc_ns: int, here: tuple[float, float]) -> tuple[int, tuple[float, float]]:
        """Since when, and where, it stands, if it stands where a track stood that is lost."""
        for other in self._tracks.values():
            if other is fresh or other.last.utc_ns >= utc_ns:
                continue
            if other.last.utc_ns - other.still_since_ns < STOOD_NS:
                continue  # it was lost while it drove: whoever begins there now has not stood
            far_m = np.hypot(here[0] - other.still_at[0], here[1] - other.still_at[1]) * fresh.scale_m
            if far_m <= STILL_M and (other.object_class in VEHICLES) == (fresh.object_class in VEHICLES):
                return other.still_since_ns, other.still_at
        return utc_ns, here

    def _judge(self, track_id: int, seen: Seen, road: int, utc_ns: int) -> list[Incident]:
        rule = self._roads[road]
        if seen.object_class is ObjectClass.PERSON:
            began_ns = seen.walking_since_ns(
                self._without_people, self._heading(road), self._aspect, is_calibrated=self._ground is not None
            )
            if began_ns:
                evidence = f"a person was on it for {(utc_ns - began_ns) / NS_PER_S:.1f} s"
                return self._tell(IncidentKind.PERSON_ON_ROAD, road, seen, track_id, began_ns, utc_ns, evidence)
            return []
        if seen.object_class not in VEHICLES:
            return []
        told = []
        window = seen.window(road)
        points = np.array([one.at for one in window]) * seen.scale_m
        seconds = (window[-1].utc_ns - window[0].utc_ns) / NS_PER_S
        moved_m = float(np.hypot(*(points[-1] - points[0])))
        still_ns = utc_ns - seen.still_since_ns
        # Who is parked is slow, and no sign of congestion: neither who stood there before, nor who waits for nothing.
        parked_ns = _JAMMED_NS if self._is_congested(road) else PARKED_NS
        if seconds > 0 and rule.stop_after_s > 0 and seen.has_driven and still_ns < parked_ns:
            self._slow[road].take(utc_ns, track_id, is_slow=moved_m / seconds < self._slow_mps)
        back_m = against_m(points, seconds, self._ways.headings[road])
        is_sure = all(one.is_sure for one in window) and not seen.came_from(road, self._ways.headings)
        if back_m and is_sure and has_moved(window[0].box, window[-1].box, self._aspect):
            evidence = f"{back_m:.0f} m against the way in {seconds:.1f} s"
            told += self._tell(IncidentKind.WRONG_WAY, road, seen, track_id, window[0].utc_ns, utc_ns, evidence)
        still_s = still_ns / NS_PER_S
        is_over = 0 < rule.stop_after_s <= still_s and seen.stands_here(road)
        if is_over and not self._is_behind_another(track_id, seen, road):
            evidence = f"stood for {still_s:.0f} s; {rule.stop_after_s:g} s are usual"
            if self._is_news(track_id, seen, road, utc_ns):
                told += self._tell(IncidentKind.STOPPED, road, seen, track_id, seen.still_since_ns, utc_ns, evidence)
            else:
                self._go_on(IncidentKind.STOPPED, road, seen, utc_ns)
        return told

    def _is_news(self, track_id: int, seen: Seen, road: int, utc_ns: int) -> bool:
        """Nobody was told yet of this vehicle that stands."""
        name = self._roads[road].name
        if seen.stand is None:
            known = self._stands.find(name, seen.still_at, seen.scale_m, utc_ns)
            if known is not None and known.is_same(seen.still_since_ns, has_driven=seen.has_driven):
                seen.stand = known
            elif known is not None:
                self._stands.forget(known)
        if seen.stand is not None:
            seen.stand.seen_ns, seen.stand.is_left = utc_ns, False
            return False
        seen.stand = Stand(name, seen.still_at, utc_ns)
        self._stands.put(seen.stand)
        # One that moves up a little and stands again, while it is told of, is still that one.
        mine = (IncidentKind.STOPPED, name, self._run, track_id)
        return all((one.kind, one.road, one.run, one.track_id) != mine for one in (it.incident for it in self._open))

    def _is_behind_another(self, track_id: int, seen: Seen, road: int) -> bool:
        heading = self._ways.headings[road]
        for other_id, other in self._tracks.items():
            if other_id == track_id or other.object_class not in VEHICLES:
                continue
            last = other.last
            gap = (np.array(last.at) - np.array(seen.still_at)) * seen.scale_m
            # Where the way is not known, the one that has stood longer is the head of the queue.
            is_ahead = gap @ heading > 1.0 if heading is not None else other.still_since_ns < seen.still_since_ns
            # Behind one that is parked there is no queue.
            is_parked = seen.still_since_ns - other.still_since_ns >= PARKED_NS
            is_there = seen.last.utc_ns - last.utc_ns < _HIDDEN_NS and last.road == road and np.hypot(*gap) < _AHEAD_M
            if is_ahead and is_there and not is_parked:
                is_waiting = last.utc_ns - other.still_since_ns >= STOOD_NS or other.speed_mps() < _CREEP_MPS
                if is_waiting:
                    return True
        return False

    def _congestion(self, utc_ns: int) -> list[Incident]:
        told = []
        for road, slow in enumerate(self._slow):
            share = slow.share(utc_ns)
            is_open = self._is_congested(road)
            slow_words = "below 10 km/h" if self._ground is not None else "hardly moving"
            if share >= (_FREE_SHARE if is_open else _BUSY_SHARE):
                seen = Seen(ObjectClass.CAR, 1.0)
                evidence = f"{slow.vehicles} vehicles, {slow_words} in {share:.0%} of the time they were seen"
                told += self._tell(IncidentKind.CONGESTION, road, seen, -1, slow.since_ns, utc_ns, evidence)
        return told

    def _tell(
        self, kind: IncidentKind, road: int, seen: Seen, track_id: int, start_ns: int, utc_ns: int, evidence: str
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
            at=seen.spot,
        )
        self._open.append(_Open(incident, _metres(seen), utc_ns))
        return [incident]

    def _go_on(self, kind: IncidentKind, road: int, seen: Seen, utc_ns: int) -> bool:
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
        for track_id in [one for one, seen in self._tracks.items() if seen.last.utc_ns < utc_ns - GONE_NS]:
            del self._tracks[track_id]
        over = [one for one in self._open if one.seen_ns < utc_ns - max(_OVER_NS, _SAME_NS)]
        self._open = [one for one in self._open if one not in over]
        return [replace(one.incident, is_over=True) for one in over]


def _metres(seen: Seen) -> tuple[float, float]:
    at = seen.last.at if seen.looks else (0.0, 0.0)  # congestion is everywhere
    return at[0] * seen.scale_m, at[1] * seen.scale_m
