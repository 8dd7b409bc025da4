"""What a busy stretch tells of its own ways: whom time alone would not have told, and nobody where there is no way."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.journey.assignment import marginals
from custodes.journey.flows import lane_of
from custodes.journey.stretch import lanes_of
from custodes.journey.usual import Way
from custodes.journey.ways import Passage, links
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import CameraId, Ns, RunId

RUN = RunId("0123456789ab")
SPAN_S = 3600.0
TOLD = 0.7


@dataclass
class Scene:
    """Passages by start, and whose each is."""

    passages: list[Passage]
    whose: list[int]


def scene(rows):
    """Rows of camera, moment, who, and where they left (shares of the frame's height)."""
    rows = sorted(rows, key=lambda row: row[1])
    passages = [
        Passage(key=(CameraId(camera), RUN, at), start_s=when, end_s=when, first=(0.0, y), last=(1.0, y))
        for at, (camera, when, _, y) in enumerate(rows)
    ]
    return Scene(passages, [who for _, _, who, _ in rows])


def told(made, ways, least=TOLD):
    """Links that are told: how many, how many of them right, and how many are said to be."""
    found = links(made.passages, {pair: Way(usual_s=usual_s) for pair, usual_s in ways.items()}, SPAN_S)
    chance = marginals(found, len(made.passages))
    keep = chance >= least
    right = [
        made.whose[one] == made.whose[other]
        for one, other in zip(found.first[keep].tolist(), found.second[keep].tolist(), strict=True)
    ]
    return len(right), sum(right), float(chance[keep].sum())


def walkers(rng, to, count, *, who, usual_s, spread_s, y=0.5):
    """Some who leave the hall for another camera."""
    left = rng.uniform(0, SPAN_S, count)
    for at, when in enumerate(left.tolist()):
        yield "hall", when, who + at, y
        yield to, when + usual_s + rng.normal(0, spread_s), who + at, y


@pytest.mark.parametrize("seed", range(3))
def test_links_on_a_busy_site_when_all_take_about_as_long_then_tells_nearly_half_of_them(seed):
    rng = np.random.default_rng(seed)
    busy = scene(walkers(rng, "yard", 300, who=0, usual_s=30.0, spread_s=1.5))
    told_now, right, said = told(busy, {("hall", "yard"): 33.0})
    assert told_now > 120
    assert right > 0.9 * told_now
    assert abs(said - right) < 0.1 * told_now


@pytest.mark.parametrize("usual_s", [15.0, 33.0, 70.0])
def test_links_when_two_cameras_do_not_know_of_each_other_then_a_drawn_way_tells_nobody(usual_s):
    rng = np.random.default_rng(4)
    rows = [(camera, float(when), 1000 * at + number, 0.5) for at, camera in enumerate(("hall", "yard"))
            for number, when in enumerate(rng.uniform(0, SPAN_S, 300))]  # fmt: skip
    assert told(scene(rows), {("hall", "yard"): usual_s})[0] <= 3


def test_links_when_lights_with_one_period_let_streams_through_then_a_drawn_way_tells_nobody():
    rng = np.random.default_rng(5)
    rows = [
        (camera, float(60 * rng.integers(0, 60) + phase + rng.uniform(0, 15)), 1000 * phase + number, 0.5)
        for camera, phase in (("hall", 5), ("yard", 38))
        for number in range(300)
    ]
    assert told(scene(rows), {("hall", "yard"): 33.0})[0] <= 3


def test_links_when_who_leaves_on_the_left_goes_elsewhere_then_lanes_tell_more():
    ways = {("hall", "yard"): 30.0, ("hall", "gate"): 30.0}
    counts = {}
    for left, right in ((0.1, 0.9), (0.5, 0.5)):
        rng = np.random.default_rng(6)
        rows = [
            *walkers(rng, "yard", 150, who=0, usual_s=30.0, spread_s=4.0, y=left),
            *walkers(rng, "gate", 150, who=1000, usual_s=30.0, spread_s=4.0, y=right),
        ]
        counts[left] = told(scene(rows), ways)
    assert counts[0.1][0] > counts[0.5][0]
    assert counts[0.1][1] >= 0.85 * counts[0.1][0]


def test_links_when_two_people_an_hour_pass_then_are_as_a_drawn_way_has_them():
    rows = [("hall", 0.0, 0, 0.5), ("yard", 31.0, 0, 0.5), ("hall", 1800.0, 1, 0.5), ("yard", 1829.0, 1, 0.5)]
    count, right, said = told(scene(rows), {("hall", "yard"): 30.0})
    assert (count, right) == (2, 2)
    assert said < 2 * 0.995


@given(st.tuples(*[st.integers(0, 64).map(lambda part: part / 64)] * 4))
def test_lanes_are_those_of_flows(places):
    first, last = places[:2], places[2:]
    boxes = [(x, y - 0.3, x, y) for x, y in (first, last)]
    track = Tracklet(
        camera_id=CameraId("hall"), run=RUN, track_id=1, object_class=ObjectClass.PERSON, start_ns=Ns(0), end_ns=Ns(1),
        frames=20, mean_score=0.8, first_box_norm=boxes[0], last_box_norm=boxes[1],
    )  # fmt: skip
    assert lanes_of(np.array([first]), np.array([last])).tolist() == [lane_of(track)]
