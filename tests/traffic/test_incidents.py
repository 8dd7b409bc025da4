"""Incidents on a simulated road, with and without a ground; what is ordinary is none. What the tracker mixed up."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from custodes.geometry.pose import pose_of
from custodes.traffic.driving import has_moved
from custodes.traffic.incidents import IncidentWatch
from custodes.traffic.lately import Look, Seen
from custodes.traffic.middles import middles
from custodes.traffic.paths import Path
from custodes.traffic.placing import GroundPath
from custodes.traffic.slowness import Slowness
from custodes.traffic.stands import REMEMBER_NS, Stand, Stands
from custodes.traffic.stitching import reversal_ns, stitched
from custodes.types.event import FrameAnalysed
from custodes.types.traffic import IncidentKind
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns
from eval import road, street_hours
from eval.pinhole import RUN, T0_NS, Noise, look
from eval.report import Report


def told(movers, seconds=60.0, *, is_calibrated=True, roads=None, everything=False):
    scene, ground = road.scene(), road.CAMERA.homography()
    rng = np.random.default_rng(2)
    noise = Noise(missed=0.1, jitter=0.25)
    seen = look(road.CAMERA, movers, (0, seconds), fps=5, noise=noise, rng=rng, homography=ground)
    watch = IncidentWatch(CameraId("road"), roads or scene.roads, ground if is_calibrated else None, aspect=16 / 9)
    found = [one for fact in seen.frames for one in watch.step(fact)]
    return found if everything else [one for one in found if not one.is_over]


@pytest.mark.parametrize("is_calibrated", [True, False], ids=["ground", "picture"])
@pytest.mark.parametrize(
    ("kind", "delay_s"),
    [(IncidentKind.WRONG_WAY, 3), (IncidentKind.STOPPED, 10), (IncidentKind.PERSON_ON_ROAD, 3)],
    ids=lambda value: str(value),
)
def test_an_incident_is_told_once_and_in_time(kind, delay_s, is_calibrated):
    mover, happened = road.staged(kind, 5.0, np.random.default_rng(8), 1)
    found = told([mover], is_calibrated=is_calibrated)
    assert {one.kind for one in found} == {kind}
    first = found[0]
    assert (first.found_ns - T0_NS) / NS_PER_S - happened.start_s <= delay_s
    assert first.road == happened.road
    assert len(found) == len({one.road for one in found})


def test_an_incident_ends_after_it_was_last_seen():
    mover, happened = road.staged(IncidentKind.STOPPED, 5.0, np.random.default_rng(8), 1)
    first, last = told([mover], seconds=happened.end_s + 40, everything=True)
    assert (first.is_over, last.is_over) == (False, True)
    assert (last.start_ns, last.found_ns) == (first.start_ns, first.found_ns)
    assert abs((last.end_ns - T0_NS) / NS_PER_S - happened.end_s) < 5


def test_ordinary_traffic_is_no_incident():
    rng = np.random.default_rng(4)
    assert told(road.ordinary(90.0, 600, rng, []), seconds=90.0) == []


def test_where_people_may_walk_and_vehicles_may_stand_nothing_is_told():
    roads = [replace(one, has_people=True, stop_after_s=0.0) for one in road.scene().roads]
    for kind in (IncidentKind.STOPPED, IncidentKind.PERSON_ON_ROAD):
        mover, _ = road.staged(kind, 5.0, np.random.default_rng(8), 1)
        assert told([mover], roads=roads) == []


def test_vehicles_that_creep_one_behind_the_other_are_congestion():
    movers = [
        replace(mover, where=road.straight(1.75, 1, 5.0 * number, 1.6), name=number)
        for number, (mover, _) in enumerate(
            road.staged(IncidentKind.WRONG_WAY, 0.0, np.random.default_rng(1), n) for n in range(12)
        )
    ]
    found = told(movers, seconds=100.0)
    assert [one.kind for one in found] == [IncidentKind.CONGESTION]
    assert found[0].road == "up"


class Street:
    """Boxes as a camera gives them, look by look; `spots`: metres up the road, by the tracker's number."""

    def __init__(self, roads=None):
        scene = road.scene()
        self.watch = IncidentWatch(CameraId("road"), roads or scene.roads, road.CAMERA.homography(), aspect=16 / 9)
        self.told = []
        self.second = 0.0

    def look(self, spots, x=1.75):
        """One look, a fifth of a second after the last one."""
        boxes = [road.CAMERA.box(np.array([x, y]), np.pi / 2, (4.4, 1.8, 1.5)) for y in spots.values()]
        count = len(spots)
        frame = TrackedFrame(
            camera_id=CameraId("road"),
            run=RUN,
            seq=round(self.second * 5),
            utc_ns=Ns(T0_NS + round(self.second * NS_PER_S)),
            track_ids=np.array(list(spots), np.int64),
            class_ids=np.full(count, int(ObjectClass.CAR), np.int16),
            boxes_norm=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.full(count, 0.9, np.float32),
            is_measured=np.ones(count, bool),
        )
        self.told += self.watch.step(FrameAnalysed(frame=frame, valid_from_ns=frame.utc_ns))
        self.second += 0.2

    def stand(self, spots, seconds):
        for _ in range(round(seconds * 5)):
            self.look(spots)

    def drive(self, track_id, start, end, others=None, mps=10.0):
        for y in np.arange(start, end, mps / 5):
            self.look({track_id: float(y), **(others or {})})

    def begun(self):
        return [one.kind for one in self.told if not one.is_over]


def test_a_parked_car_is_told_once_however_often_it_is_lost_and_found():
    street = Street()
    street.drive(1, 5.0, 30.0)
    street.stand({1: 30.0}, 30)
    for number in range(2, 6):
        for _ in range(18):  # nothing is found of it for half an hour
            street.look({})
            street.second += 100.0
        street.stand({number: 30.0 + 0.2 * number}, 12)
    assert street.begun() == [IncidentKind.STOPPED]


def test_a_car_that_stops_beside_or_in_the_place_of_a_parked_one_is_told():
    street = Street()
    street.drive(1, 5.0, 30.0)
    street.stand({1: 30.0}, 400)
    street.drive(2, 5.0, 22.0, {1: 30.0})
    street.stand({1: 30.0, 2: 22.0}, 10)
    assert street.begun() == [IncidentKind.STOPPED] * 2  # the second is in no queue: the first waits for nothing
    street.drive(1, 30.0, 60.0, {2: 22.0})
    street.drive(3, 5.0, 30.0, {2: 22.0})
    street.stand({2: 22.0, 3: 30.0}, 10)
    assert street.begun() == [IncidentKind.STOPPED] * 3


def test_who_stands_behind_one_that_moves_up_is_in_a_queue():
    street = Street()
    street.drive(1, 5.0, 36.0, mps=8.0)
    street.drive(2, 5.0, 30.0, {1: 36.0}, mps=8.0)
    for number in range(30):
        street.look({1: 36.0 + 1.1 * number / 5, 2: 30.0})
    assert street.begun() == []


@pytest.mark.parametrize(("mps", "is_standing"), [(0.0, True), (0.5, False)])
def test_who_creeps_where_boxes_tremble_does_not_stand(mps, is_standing):
    seen = Seen(ObjectClass.CAR, 1.0)
    for number in range(19):
        seconds = number / 5
        at = (1.75, 60.0 + mps * seconds + 0.3 * (-1) ** number)
        seen.take(Look(utc_ns=round(seconds * NS_PER_S), at=at, road=0, is_sure=True, box=np.zeros(4), tremble_m=2.0))
    assert seen.still_since_ns < NS_PER_S
    assert seen.stands_here(0) == is_standing


def test_cars_that_are_parked_are_no_congestion_and_neither_is_one_on_a_busy_road():
    roads = [replace(one, stop_after_s=3600.0) for one in road.scene().roads]
    street = Street(roads)
    parked = {number: 8.0 + 6.5 * number for number in range(6)}
    street.stand(parked, 90)
    assert street.begun() == []
    street.drive(10, 5.0, 60.0, mps=4.0)
    street.stand({10: 60.0}, 20)
    for number in range(20, 28):
        street.drive(number, 5.0, 60.0, {10: 60.0}, mps=12.0)
    assert street.begun() == []


def test_a_stop_is_remembered_for_half_a_day_and_not_for_longer():
    stands = Stands()
    stands.put(Stand("up", (1.0, 2.0), 0))
    assert stands.find("up", (1.2, 2.0), 1.0, REMEMBER_NS) is not None
    assert stands.find("down", (1.2, 2.0), 1.0, REMEMBER_NS) is None
    assert stands.find("up", (1.2, 2.0), 20.0, REMEMBER_NS) is None
    assert stands.find("up", (1.2, 2.0), 1.0, REMEMBER_NS + 1) is None


def way(points, start_s, step_s=0.2, track_id=1):
    times = T0_NS + ((start_s + step_s * np.arange(len(points))) * NS_PER_S).astype(np.int64)
    boxes = np.zeros((len(points), 4))
    path = Path(run=RUN, track_id=track_id, object_class=ObjectClass.CAR, utc_ns=times, boxes_norm=boxes)
    return GroundPath(
        path=path,
        utc_ns=times,
        places_m=np.array(points, float),
        spread_m2=np.tile(np.eye(2), (len(points), 1, 1)),
        picture=boxes[:, :2],
        length_m=4.4,
    )


def test_a_number_that_goes_over_to_an_oncoming_car_is_cut_there():
    there = [(0.0, 2.0 * n) for n in range(10)]
    back = [(-3.0, 18.0 - 2.0 * n) for n in range(10)]
    mixed = way(there + back, 0.0)
    assert reversal_ns(mixed) == mixed.utc_ns[10]
    assert reversal_ns(way(there, 0.0)) is None
    angles = np.linspace(0, np.pi, 40)
    turning = [(6 - 6 * np.cos(a), 18 + 6 * np.sin(a)) for a in angles]  # 19 m in eight seconds
    assert reversal_ns(way([*there, *turning, *[(12.0, 18 - 2.0 * n) for n in range(10)]], 0.0)) is None


def test_parts_of_one_way_become_one_and_strangers_do_not():
    first = way([(0.0, 2.0 * n) for n in range(10)], 0.0, track_id=1)
    second = way([(0.1, 2.0 * n) for n in range(15, 25)], 3.0, track_id=2)
    beside = way([(9.0, 2.0 * n) for n in range(15, 25)], 3.0, track_id=3)
    late = way([(0.0, 2.0 * n) for n in range(60, 70)], 12.0, track_id=4)
    keys = {(RUN, one.path.track_id, 0): one for one in (first, second, beside, late)}
    whole = stitched(keys)
    assert whole[RUN, 2, 0] == (RUN, 1, 0)
    assert [whole[RUN, n, 0] for n in (1, 3, 4)] == [(RUN, n, 0) for n in (1, 3, 4)]


def box_of(x, y, heading=np.pi / 2, solid=(4.4, 1.8, 1.5)):
    return road.CAMERA.box(np.array([x, y]), heading, solid)


def test_the_middle_of_a_parked_car_is_where_it_is_and_not_its_lower_edge():
    ground = road.CAMERA.homography()
    boxes = np.array([box_of(-4.6, 25.0), box_of(1.75, 40.0)])
    kinds = np.full(2, int(ObjectClass.CAR), np.int16)
    along = np.tile([0.0, 1.0], (2, 1))
    found = middles(boxes, kinds, along, ground, pose_of(ground, road.CAMERA.aspect))
    assert np.abs(found - [[-4.6, 25.0], [1.75, 40.0]]).max() < 0.3
    lower = ground.ground_of(np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1))
    assert np.abs(lower - found).max() > 1.5


def test_a_foot_that_goes_while_the_rest_of_the_box_stays_has_not_moved():
    box = box_of(1.75, 30.0)
    assert has_moved(box, box_of(1.75, 25.0), road.CAMERA.aspect)
    assert not has_moved(box, box - [0, 0, 0, 0.05], road.CAMERA.aspect)


def test_a_number_that_goes_over_from_a_parked_car_to_one_that_passes_stands_nowhere():
    street = Street()
    street.stand({1: 30.0}, 4)
    street.drive(1, 31.0, 60.0)
    assert street.begun() == []
    beside = Street()
    for _ in range(100):
        beside.look({1: 30.0}, x=4.6)
    beside.look({1: 30.0}, x=1.75)
    assert beside.begun() == []


def test_a_delivery_whose_number_a_passing_car_takes_is_told_once():
    street = Street()
    street.drive(1, 5.0, 30.0)
    street.stand({1: 30.0}, 10)
    for y in (36.0, 42.0, 48.0, 54.0):  # its number goes on with somebody else
        street.look({1: y, 2: 30.0})
    street.stand({2: 30.0}, 30)
    assert street.begun() == [IncidentKind.STOPPED]


def test_the_queue_of_one_red_light_is_no_congestion_where_standing_so_long_is_usual():
    def share_after(stop_after_s):
        slow, share = Slowness(stop_after_s), 0.0
        for number in range(300 * 5):
            now_ns = number * NS_PER_S // 5
            cycle, second = divmod(number / 5, 90)
            for place in range(8):
                if second < 50:
                    slow.take(now_ns, int(cycle) * 100 + place, is_slow=True)
                elif second < 80:  # eight more come and pass
                    slow.take(now_ns, int(cycle) * 100 + 50 + place, is_slow=False)
            share = max(share, slow.share(now_ns))
        return share

    assert share_after(5.0) > 0.7
    assert share_after(70.0) < 0.7


def test_slowness_is_the_mean_of_vehicles_whatever_is_dropped():
    rng, slow, looks = np.random.default_rng(3), Slowness(0.0), []
    for number in range(1500):
        now_ns = number * NS_PER_S // 5
        track, is_slow = int(rng.integers(number // 100, number // 100 + 9)), bool(rng.random() < 0.4)
        slow.take(now_ns, track, is_slow=is_slow)
        looks.append((now_ns, track, is_slow))
        found = slow.share(now_ns)
    last = [one for one in looks if one[0] >= now_ns - 60 * NS_PER_S]
    means = [np.mean([s for _, t, s in last if t == track]) for track in {t for _, t, _ in last}]
    assert found == pytest.approx(np.mean(means))


def person_told(boxes, *, others=None):
    """What a person told of whose boxes come five times a second, beside those of vehicles."""
    watch, told = IncidentWatch(CameraId("road"), road.scene().roads, road.CAMERA.homography(), aspect=16 / 9), []
    for number, box in enumerate(boxes):
        whole = [box, *([] if others is None else [others[number]])]
        kinds = [int(ObjectClass.PERSON), int(ObjectClass.BICYCLE)][: len(whole)]
        frame = TrackedFrame(
            camera_id=CameraId("road"),
            run=RUN,
            seq=number,
            utc_ns=Ns(T0_NS + number * NS_PER_S // 5),
            track_ids=np.arange(1, len(whole) + 1),
            class_ids=np.array(kinds, np.int16),
            boxes_norm=np.array(whole, np.float32),
            scores=np.full(len(whole), 0.9, np.float32),
            is_measured=np.ones(len(whole), bool),
        )
        told += watch.step(FrameAnalysed(frame=frame, valid_from_ns=frame.utc_ns))
    return [one.kind for one in told if not one.is_over]


def test_somebody_on_a_bicycle_that_is_not_found_is_nobody_on_foot_and_a_child_that_runs_over_is():
    person = (0.4, 0.5, 1.7)
    rides = [box_of(3.0, 10 + 0.9 * n, solid=person) for n in range(25)]
    runs = [box_of(3.4 - 0.8 * n, 25.0, 0.0, person) for n in range(9)]
    walks = [box_of(1.5, 20 + 0.25 * n, solid=person) for n in range(25)]
    assert person_told(rides) == []
    assert set(person_told(runs)) == {IncidentKind.PERSON_ON_ROAD}
    assert person_told(walks) == [IncidentKind.PERSON_ON_ROAD]
    waits = [box_of(3.0, 10 + 0.3 * n, solid=person) for n in range(10)] + [box_of(3.0, 12.7, solid=person)] * 60
    bicycle = [box_of(3.0, 10 + 0.3 * n, solid=(1.8, 0.6, 1.5)) for n in range(10)] + [box_of(-12.0, 20.0)] * 60
    assert person_told(waits, others=bicycle) == []


def test_a_thing_that_looks_like_somebody_for_two_seconds_and_does_not_move_is_nobody():
    stays = [box_of(1.5, 20.0, solid=(0.4, 0.5, 1.7))] * 24
    assert person_told(stays[:10]) == []
    assert person_told(stays) == [IncidentKind.PERSON_ON_ROAD]


def test_pieces_of_simulated_hours_are_kept_as_lines_and_summed_up(tmp_path):
    piece = street_hours.run_piece(6, 4.0)
    assert piece.vehicle_h >= 0
    told = replace(
        piece, number=7, vehicle_h=2000.0, told={"stopped": 2}, false=["stopped on up at 3 s: nobody stands"]
    )
    lines = tmp_path / "pieces.jsonl"
    other = replace(piece, number=8, digest="another product", vehicle_h=5000.0)
    lines.write_text("".join(json.dumps(asdict(one)) + "\n" for one in (piece, told, other)))
    report = Report("eval.traffic", smoke=False, config={})
    street_hours.hours(report, 1000.0, lines, 1)
    assert report.results["hours_pieces"] == 2
    assert report.results["hours_stopped_told"] == 2
    assert report.results["hours_stopped_false"] == 1
    assert report.results["hours_false_per_1000"] == pytest.approx(0.5, abs=0.01)
    assert report.results["hours_false_per_1000_upper"] == pytest.approx(4.744 / 2, abs=0.01)
