"""Counts, movements, headways, density, queues; the exports say the same."""

import csv
import io
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
import xmlschema
from defusedxml import ElementTree

from custodes.cli.traffic import text_of
from custodes.geometry.pose import pose_of
from custodes.traffic.exports import hours_csv, to_csv, to_datex
from custodes.traffic.hours import hours_of, movement_hours_of, movements_summed, peak_of, percentile_kmh
from custodes.traffic.paths import Path, paths_of
from custodes.traffic.placing import GroundPath
from custodes.traffic.quarter import level_of_service, measure
from custodes.traffic.queues import longest_queue, queue_of
from custodes.types.event import LineCrossed
from custodes.types.scene import CameraScene, CountLine, Road
from custodes.types.traffic import Movement, Queue, SpeedFigures, TrafficTable
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns
from eval.pinhole import RUN, T0_NS, Mover, Noise, Pinhole, look

DATEX = File(__file__).parent / "datex" / "payload.xsd"
"""What is used of the schema's version 3.1."""
CAMERA = Pinhole((6.0, -12.0, 7.0), (0.0, 25.0), focal_px=900)


def crossed(track_id, second, line="in", *, forward=True, object_class=ObjectClass.CAR):
    return LineCrossed(
        camera_id=CameraId("cam"),
        run=RUN,
        line=line,
        track_id=track_id,
        object_class=object_class,
        utc_ns=Ns(T0_NS + int(second * NS_PER_S)),
        is_forward=forward,
    )


def quarter_of(crossings, *, coverage=1.0, seconds=900, lanes=1, limit_kmh=None, **more):
    line = CountLine(name="in", start=(0, 0.5), end=(1, 0.5), lanes=lanes, limit_kmh=limit_kmh)
    scene = CameraScene(lines=(line,))
    given = {"ground": None, "pose": None, "paths": [], **more}
    return measure(
        camera_id=CameraId("cam"),
        start_ns=Ns(T0_NS),
        end_ns=Ns(T0_NS + seconds * NS_PER_S),
        coverage=coverage,
        scene=scene,
        crossings=crossings,
        **given,
    )


def test_counts_are_by_line_way_and_class_and_flow_is_scaled_by_coverage():
    crossings = [crossed(1, 5), crossed(2, 9, object_class=ObjectClass.BUS), crossed(3, 12, forward=False)]
    crossings += [crossed(4, 20, object_class=ObjectClass.PERSON), crossed(5, -1), crossed(6, 900)]
    backward, forward = quarter_of(crossings, coverage=0.5).lines
    assert (forward.is_forward, backward.is_forward) == (True, False)
    assert {one.object_class: one.count for one in forward.counts} == {
        ObjectClass.PERSON: 1,
        ObjectClass.CAR: 1,
        ObjectClass.BUS: 1,
    }
    assert (forward.vehicles, forward.vehicles_per_h, backward.vehicles_per_h) == (2, 16.0, 8.0)
    assert forward.headway_s == 4.0
    assert forward.speeds is None
    assert forward.level_of_service == ""


def test_nothing_crossed_is_a_count_of_zero_not_a_missing_line():
    backward, forward = quarter_of([]).lines
    assert forward.vehicles == backward.vehicles == 0
    assert forward.level_of_service == "A"


def test_movements_go_from_the_first_line_to_the_last_and_count_where_they_end():
    crossings = [crossed(1, -9, "south"), crossed(1, 5, "east", forward=False)]
    crossings += [crossed(2, 5, "south"), crossed(3, 7, "south"), crossed(3, 20, "south", forward=False)]
    crossings += [crossed(4, 880, "south"), crossed(4, 901, "east", forward=False)]
    assert quarter_of(crossings).movements == (
        Movement(entry="south", exit="east", object_class=ObjectClass.CAR, count=1),
        Movement(entry="south", exit="south", object_class=ObjectClass.CAR, count=1),
    )


def convoy(mps, gap_s, count, stop_at_m=None):
    """Cars one after the other along x = 0; with `stop_at_m` the first stops there and the others 7 m behind."""
    movers = []
    for number in range(count):
        end_m = np.inf if stop_at_m is None else stop_at_m - 7.0 * number

        def where(second, late=number * gap_s, end_m=end_m):
            place_m = min(-2 + mps * (second - late), end_m)
            return None if place_m < -2 or place_m > 70 else (np.array([0.0, place_m]), np.pi / 2)

        movers.append(Mover(number, ObjectClass.CAR, (4.4, 1.8, 1.5), where))
    return movers


def watched(movers, seconds, limit_kmh=None):
    ground = CAMERA.homography()
    rng = np.random.default_rng(5)
    line = ((0.0, 0.62), (1.0, 0.62))
    scene = CameraScene(lines=(CountLine(name="in", start=line[0], end=line[1], limit_kmh=limit_kmh),))
    seen = look(CAMERA, movers, (0, seconds), fps=5, noise=Noise(), rng=rng, scene=scene, homography=ground)
    pose = pose_of(ground, CAMERA.aspect)
    more = {"ground": ground, "pose": pose, "paths": paths_of(seen.frames), "limit_kmh": limit_kmh}
    return quarter_of(seen.crossings, seconds=seconds, **more)


def test_speeds_density_and_occupancy_of_a_steady_stream():
    quarter = watched(convoy(15.0, 3.0, 14), 48)
    (line,) = [one for one in quarter.lines if one.vehicles]
    assert line.vehicles == 14
    assert line.speeds.measured == 14
    assert abs(line.speeds.v50_kmh - 54) < 1
    assert abs(line.speeds.v85_kmh - 54) < 1.5
    assert abs(line.headway_s - 3.0) < 0.1
    flow_per_s = 14 / 48
    assert abs(line.density_per_km - flow_per_s / 15 * 1000) < 0.5
    assert abs(line.occupancy - flow_per_s * 4.4 / 15) < 0.02
    assert quarter.queue.vehicles <= 1


def test_a_queue_is_as_long_as_the_cars_that_stand_in_it():
    quarter = watched(convoy(12.0, 3.0, 5, stop_at_m=45.0), 40)
    assert quarter.queue.vehicles == 5
    assert abs(quarter.queue.length_m - (4 * 7 + 4.4)) < 7
    assert 0 < quarter.queue.mean_vehicles < 5


def test_a_queue_breaks_where_the_road_is_free():
    spots = np.array([[0.0, 0.0], [0.0, 8.0], [0.0, 40.0], [0.0, 47.0], [0.0, 54.0]])
    assert queue_of(spots, 4.0) == (3, 18.0)


@pytest.mark.parametrize(("density", "letter"), [(0, "A"), (7.1, "B"), (16, "C"), (28, "E"), (29, "F")])
def test_level_of_service_follows_the_manual(density, letter):
    assert level_of_service(density) == letter


def test_csv_read_back_says_the_same_and_runs_no_formula():
    quarter = watched(convoy(15.0, 3.0, 8), 30)
    lines = tuple(replace(one, line="=cmd()") for one in quarter.lines)
    movement = Movement(entry="+a", exit="b", object_class=ObjectClass.CAR, count=3)
    rows = list(csv.DictReader(io.StringIO(to_csv([replace(quarter, lines=lines, movements=(movement,))]))))
    assert [row["kind"] for row in rows] == ["line", "line", "movement"]
    assert (rows[2]["line"], rows[2]["to_line"], rows[2]["car"], rows[2]["pcu"]) == ("'+a", "b", "3", "3.0")
    row, line = next((row, one) for row, one in zip(rows, lines, strict=False) if one.vehicles)
    assert row["line"] == "'=cmd()"
    assert int(row["car"]) == line.vehicles
    assert float(row["v85_kmh"]) == line.speeds.v85_kmh
    assert row["start"].endswith("Z")
    assert float(row["coverage"]) == 1.0


def test_datex_keeps_the_schema_and_says_the_same():
    quarter = watched(convoy(15.0, 3.0, 8), 30)
    lines = tuple(replace(one, line='a<"b&') for one in quarter.lines)
    text = to_datex([replace(quarter, lines=lines)], site="Tor & Söhne", country="de", now_ns=T0_NS)
    xmlschema.XMLSchema(str(DATEX)).validate(text)
    root = ElementTree.fromstring(text)
    sites = root.findall("{*}siteMeasurements")
    assert len(sites) == 2
    (site,) = [one for one in sites if one.find(".//{*}speed") is not None]
    line = next(one for one in lines if one.vehicles)
    assert site.find("{*}measurementSiteReference").get("id") == 'cam/a<"b&/' + (
        "forward" if line.is_forward else "backward"
    )
    assert float(site.findtext(".//{*}speed")) == line.speeds.mean_kmh
    assert int(site.findtext(".//{*}vehicleFlowRate")) == round(line.vehicles_per_h)
    assert site.findtext(".//{*}vehicleType") == "car"
    percentiles = [float(one.text) for one in site.findall(".//{*}speedPercentile/{*}speed")]
    assert percentiles == [line.speeds.v50_kmh, line.speeds.v85_kmh]
    assert {one.tag.rpartition("}")[2] for one in site.iter()} >= {"density", "occupancy", "duration", "endOfPeriod"}
    assert root.findtext("{*}publicationTime") == "2023-11-14T22:15:00Z"


def test_over_the_limit_and_lengths_are_counted_where_the_ground_is_measured():
    quarter = watched(convoy(15.0, 3.0, 14), 48, limit_kmh=50)
    (line,) = [one for one in quarter.lines if one.vehicles]
    assert line.speeds.over_limit == 14
    assert sum(line.speeds.histogram) == 14
    assert sum(line.speeds.histogram[10:]) == 14, "54 km/h, a bin of five on either side of 55"
    assert line.lengths == (0, 14, 0, 0)
    unmeasured = next(one for one in quarter_of([crossed(1, 5)]).lines if one.vehicles)
    assert unmeasured.lengths == ()


def busy(number, vehicles, *, start_s=None, histogram=(), coverage=1.0):
    """A quarter in which so many cars crossed forward."""
    start_ns = T0_NS // NS_PER_HOUR * NS_PER_HOUR + (900 * number if start_s is None else start_s) * NS_PER_S
    quarter = quarter_of([crossed(one, 1) for one in range(vehicles)], coverage=coverage)
    (line,) = [one for one in quarter.lines if one.is_forward]
    speeds = None
    if histogram:
        speeds = SpeedFigures(measured=sum(histogram), mean_kmh=50.0, v50_kmh=50.0, v85_kmh=50.0, v85_error_kmh=1.0,
                              single_error_kmh=1.0, histogram=histogram, limit_kmh=50.0, over_limit=1)  # fmt: skip
    lines = (replace(line, speeds=speeds),)
    return replace(quarter, start_ns=Ns(start_ns), end_ns=Ns(start_ns + 900 * NS_PER_S), lines=lines)


def test_the_peak_hour_is_four_quarters_in_a_row_and_its_factor_is_the_hour_over_four_times_the_busiest():
    quarters = [busy(number, count) for number, count in enumerate((10, 20, 30, 40, 30, 5))]
    peak = peak_of(quarters, "in", True)
    assert (peak.start_ns, peak.vehicles, peak.factor) == (quarters[1].start_ns, 120, 0.75)
    assert peak_of([*quarters[:2], *quarters[3:5]], "in", True) is None, "a quarter that nobody analysed is no zero"
    assert peak_of(quarters, "in", False) is None


def turning(number, counts):
    """A quarter with movements from `in` to `out`: counts by class, and one walker who crosses, too."""
    moves = [Movement(entry="in", exit="out", object_class=one, count=count) for one, count in counts.items()]
    walker = Movement(entry="in", exit="out", object_class=ObjectClass.PERSON, count=1)
    return replace(busy(number, 1, coverage=0.5), movements=(*moves, walker))


def test_a_movement_has_its_own_peak_hour_and_passenger_car_units():
    car, bus, bicycle = ObjectClass.CAR, ObjectClass.BUS, ObjectClass.BICYCLE
    quarters = [turning(0, {car: 4}), *(turning(n, {car: 10 * n, bus: 5, bicycle: 5}) for n in range(1, 5))]
    (row,) = movements_summed(quarters, quarters[0].start_ns, quarters[-1].end_ns)
    assert (row.entry, row.exit, row.vehicles, row.coverage) == ("in", "out", 144, 0.5)
    assert row.car_units == 104 + 4 * (5 * 2 + 5 * 0.2)
    assert (row.peak.start_ns, row.peak.vehicles, row.peak.flow_per_h) == (quarters[1].start_ns, 140, 200)
    assert (row.peak.factor, row.peak.coverage) == (0.7, 0.5)
    hours = movement_hours_of(quarters)
    assert [one.vehicles for one in hours] == [94, 50]
    assert hours[1].peak is None, "a single quarter is no hour"
    (text, _) = csv.DictReader(io.StringIO(hours_csv("cam", [], hours)))
    assert (text["kind"], text["line"], text["to_line"], text["vehicles"]) == ("movement", "in", "out", "94")
    assert (text["pcu"], text["peak_flow_per_h"]) == ("97.0", "160")


def test_hours_add_counts_and_take_percentiles_from_the_histograms_together():
    slow, fast = (0, 0, 0, 0, 80), (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20)
    rows = hours_of([busy(0, 3, histogram=slow), busy(1, 4, histogram=fast, coverage=0.5), busy(4, 5)])
    first, second = rows
    assert (first.vehicles, second.vehicles) == (7, 5)
    assert (first.coverage, second.coverage) == (0.375, 0.25)
    assert first.measured == 100
    assert 20 < first.v50_kmh < 25
    assert 50 < first.v85_kmh < 55
    assert first.over_limit_share == 0.02
    assert (second.measured, second.v85_kmh, second.over_limit_share) == (0, None, None)
    text = list(csv.DictReader(io.StringIO(hours_csv("cam", rows))))
    assert text[0]["kmh_20_25"] == "80"
    assert (text[1]["vehicles"], text[1]["kmh_20_25"]) == ("5", "")


@pytest.mark.parametrize(("form", "starts"), [("csv", 2), ("csv-hours", 1)])
def test_the_command_exports_quarters_and_hours(form, starts):
    table = TrafficTable(quarters=(busy(0, 3), busy(1, 4)))
    rows = list(csv.DictReader(io.StringIO(text_of(table, form, "cam", "", 0))))
    mine = [row for row in rows if row.get("way") == "forward" and row["vehicles"]]
    assert len({row["start"] for row in mine}) == starts
    assert sum(int(row["vehicles"]) for row in mine) == 7


@pytest.mark.parametrize(("share", "kmh"), [(0.0, 10.0), (0.5, 12.5), (1.0, 15.0)])
def test_a_percentile_lies_within_its_bin(share, kmh):
    assert percentile_kmh((0, 0, 4), share) == kmh
    assert percentile_kmh((0, 0, 0), share) is None


def stood(x, y, start_s, end_s, track_id=1, came_from=None):
    """A car that stands at (x, y) and, if it `came_from` there, was seen to drive first; a look a second."""
    drive = [] if came_from is None else [(x, came_from + (y - came_from) * step / 5) for step in range(5)]
    places = np.array([*drive, *[(x, y)] * round(end_s - start_s)], float)
    times = T0_NS + ((start_s - len(drive) + np.arange(len(places))) * NS_PER_S).astype(np.int64)
    boxes = np.zeros((len(places), 4))
    path = Path(run=RUN, track_id=track_id, object_class=ObjectClass.CAR, utc_ns=times, boxes_norm=boxes)
    return GroundPath(
        path=path,
        utc_ns=times,
        places_m=places,
        spread_m2=np.tile(np.eye(2), (len(places), 1, 1)),
        picture=np.tile([0.2 if x < 0 else 0.8, 0.5], (len(places), 1)),
        length_m=4.4,
    )


def queue_over(paths, seconds=900, roads=()):
    return longest_queue(paths, T0_NS, T0_NS + seconds * NS_PER_S, roads)


def test_cars_that_wait_for_a_light_are_a_queue_and_cars_parked_beside_them_are_none():
    waiting = [stood(0.0, 10.0 - 7 * number, 100, 160, number, came_from=-60.0) for number in range(3)]
    parked = [stood(-4.0, 10.0 - 7 * number, -300, 900, 10 + number) for number in range(5)]
    assert queue_over(waiting).vehicles == 3
    together = queue_over([*waiting, *parked])
    assert (together.vehicles, round(together.mean_vehicles, 1)) == (3, 0.2)
    assert queue_over(parked) == Queue(vehicles=0, length_m=0.0, utc_ns=0, mean_vehicles=0.0)


def test_a_parked_car_that_is_hidden_now_and_then_stays_parked():
    parts = [stood(-4.0, 10.0, 100 * number, 100 * number + 70, number) for number in range(8)]
    assert queue_over(parts).vehicles == 0
    # At a light one stops where the last one stood, and is seen to come.
    light = [stood(0.0, 10.0, 100 * number, 100 * number + 70, number, came_from=-60.0) for number in range(1, 8)]
    assert queue_over(light).vehicles == 1


def test_who_is_parked_is_known_from_before_the_stretch_that_runs():
    parked = stood(-4.0, 10.0, -310, 60)
    assert queue_over([parked], seconds=60).vehicles == 0
    assert queue_over([stood(-4.0, 10.0, -10, 60, came_from=-60.0)], seconds=60).vehicles == 1


def test_where_roads_are_drawn_only_those_who_stand_on_one_are_a_queue():
    left = Road(name="left", polygon=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
    cars = [stood(-4.0, 10.0, 0, 60, 1), stood(4.0, 10.0, 0, 60, 2)]
    assert queue_over(cars, seconds=60).vehicles == 2
    assert queue_over(cars, seconds=60, roads=(left,)).vehicles == 1
    assert queue_over(cars, seconds=60, roads=(replace(left, stop_after_s=0.0),)).vehicles == 0
