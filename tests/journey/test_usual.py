"""What flows of groups tell of a way: its seconds, and how far they spread."""

import numpy as np
import pytest

from custodes.journey.times import time_bands
from custodes.journey.usual import DRAWN_SPREAD, LEAST_SPREAD, Way, spread_of, ways_of
from custodes.types.flow import FlowCell, FlowGroup, FlowHour, TimeBand
from custodes.types.place import DrawnWay
from custodes.units import CameraId, Ns

HALL, YARD, GATE = CameraId("hall"), CameraId("yard"), CameraId("gate")
BIN_S = 3.0


def told(usual_s, spread, count, *, seed=1):
    """Bands as an hour tells them, of log-normal times."""
    times = np.exp(np.random.default_rng(seed).normal(np.log(usual_s), spread, count))
    counts = np.bincount((times / BIN_S).astype(int), minlength=80).astype(float)
    return time_bands(counts, BIN_S, float(count), 10, round_to=5)


def hour(*cells, group=FlowGroup.PEOPLE):
    return FlowHour(
        camera_id=CameraId(""), start_ns=Ns(0), end_ns=Ns(1), group=group, min_group=10, cells=cells, places=()
    )


def cell(one, other, median_s, count, times=()):
    return FlowCell(from_camera=one, to_camera=other, count=count, median_s=median_s, coverage=1.0, times=times)


@pytest.mark.parametrize("spread", [0.25, 0.3, 0.36])
def test_spread_when_groups_took_a_way_for_hours_is_theirs(spread):
    hours = [told(60.0, spread, 200, seed=seed) for seed in range(5)]
    assert spread_of(hours, 60.0) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("hours", [[], [()], [(TimeBand(from_s=0.0, to_s=None, count=500),)]])
def test_spread_when_bands_tell_nothing_is_that_of_a_drawn_way(hours):
    assert spread_of(hours, 30.0) == pytest.approx(DRAWN_SPREAD, rel=0.06)


def test_spread_of_few_stays_nearer_the_drawn_one_than_of_many():
    few, many = (spread_of([told(60.0, 0.25, 60, seed=0)] * hours, 60.0) for hours in (1, 20))
    assert many < few < DRAWN_SPREAD


def test_spread_when_all_took_equally_long_is_not_less_than_that_of_walking():
    assert spread_of([(TimeBand(from_s=55.0, to_s=65.0, count=5000),)], 60.0) == pytest.approx(LEAST_SPREAD)


@pytest.mark.parametrize(("drawn_s", "spread"), [(30.0, 0.2), (60.0, 0.7)], ids=["drawn too short", "many stop"])
def test_spread_when_times_are_far_from_the_usual_ones_is_no_wider_than_of_a_drawn_way(drawn_s, spread):
    assert spread_of([told(60.0, spread, 200)], drawn_s) == pytest.approx(DRAWN_SPREAD)


def test_ways_are_as_drawn_else_as_flows_of_people_say_by_count():
    people = [hour(cell(HALL, YARD, 20.0, 10), cell(YARD, GATE, 40.0, 10)), hour(cell(YARD, GATE, 70.0, 20))]
    cars = hour(cell(GATE, HALL, 5.0, 500), group=FlowGroup.VEHICLES)
    ways = ways_of([*people, cars], [DrawnWay(from_camera=HALL, to_camera=YARD, seconds=25.0)])
    assert {pair: way.usual_s for pair, way in ways.items()} == {(HALL, YARD): 25.0, (YARD, GATE): 60.0}


def test_ways_when_an_hour_tells_bands_have_their_spread():
    some = told(60.0, 0.25, 200)
    ways = ways_of([hour(cell(HALL, YARD, 60.0, 200, some))] * 3, [])
    assert ways[HALL, YARD].spread < 0.32
    assert ways_of([], [DrawnWay(from_camera=HALL, to_camera=YARD, seconds=25.0)])[HALL, YARD] == Way(
        usual_s=25.0, spread=pytest.approx(DRAWN_SPREAD)
    )
