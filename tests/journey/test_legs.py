"""Ways over a camera that missed somebody: who could have gone over it, and who is less likely somebody else then."""

import numpy as np
import pytest

from custodes.journey.assignment import marginals
from custodes.journey.legs import net
from custodes.journey.usual import Way
from custodes.journey.ways import Passage, links
from custodes.units import CameraId, RunId

RUN = RunId("0123456789ab")
SPAN_S = 3600.0
HALL, STAIRS, YARD, GATE = (CameraId(name) for name in ("hall", "stairs", "yard", "gate"))
WAYS = {(HALL, STAIRS): Way(usual_s=25.0), (STAIRS, YARD): Way(usual_s=30.0)}


def chances(rows, ways):
    """Chance of each pair of people's passages: (camera and person, camera and person) → chance."""
    rows = sorted(rows, key=lambda row: row[1])
    passages = [
        Passage(key=(camera, RUN, at), start_s=when, end_s=when, first=(0.0, 0.5), last=(1.0, 0.5))
        for at, (camera, when, _) in enumerate(rows)
    ]
    found = links(passages, ways, SPAN_S)
    chance = marginals(found, len(passages))
    names = [(camera, who) for camera, _, who in rows]
    return {
        (names[first], names[second]): share
        for first, second, share in zip(found.first.tolist(), found.second.tolist(), chance.tolist(), strict=True)
    }


def walkers(seed, count, missed):
    """People from the hall by the stairs to the yard; so many are missed on the stairs."""
    rng = np.random.default_rng(seed)
    for who, when in enumerate(np.linspace(0, SPAN_S - 100, count).tolist()):
        yield HALL, when, who
        if who >= missed:
            yield STAIRS, when + 25 * np.exp(rng.normal(0, 0.15)), who
        yield YARD, when + 55 * np.exp(rng.normal(0, 0.15)), who


def test_links_when_a_camera_missed_somebody_then_they_may_have_gone_over_it():
    told = chances(walkers(1, 20, missed=1), WAYS)
    assert told[(HALL, 0), (YARD, 0)] > 0.3
    assert all(told[(HALL, who), (STAIRS, who)] > 0.7 for who in range(1, 20))
    assert all(told.get(((HALL, who), (YARD, who)), 0.0) < 0.05 for who in range(1, 20))


def test_links_when_no_camera_lies_between_then_nobody_goes_over_one():
    assert not any(
        {first[0], second[0]} == {HALL, YARD}
        for first, second in chances(walkers(3, 20, missed=5), {(HALL, STAIRS): Way(usual_s=25.0)})
    )


def test_links_when_somebody_may_have_been_missed_then_a_stranger_is_less_likely_theirs():
    stranger, missed = (STAIRS, 30.0, 1), (YARD, 56.0, 0)
    alone = chances([(HALL, 0.0, 0), stranger], WAYS)
    beside = chances([(HALL, 0.0, 0), stranger, missed], {**WAYS, (STAIRS, YARD): Way(usual_s=26.0)})
    assert beside[(HALL, 0), (STAIRS, 1)] < alone[(HALL, 0), (STAIRS, 1)]


@pytest.mark.parametrize("seed", range(3))
def test_links_when_two_busy_streams_do_not_know_of_each_other_then_nobody_was_missed_between(seed):
    rng = np.random.default_rng(seed)
    rows = [(camera, float(when), 1000 * at + number) for at, camera in enumerate((HALL, YARD))
            for number, when in enumerate(rng.uniform(0, SPAN_S, 200))]  # fmt: skip
    assert max(chances(rows, WAYS).values()) < 0.5


def test_net_takes_the_quickest_way_over_one_camera_and_leaves_known_ways_as_they_are():
    ways = WAYS | {(HALL, GATE): Way(usual_s=10.0), (GATE, YARD): Way(usual_s=20.0), (STAIRS, HALL): Way(usual_s=25.0)}
    found = net(ways, [HALL, YARD, STAIRS], {GATE: 7.0})
    assert found.way[HALL, YARD].usual_s == 37.0  # the gate saw nobody; people stay there all the same
    assert {pair: found.way[pair] for pair in ways} == ways
    assert set(found.way) == {*ways, (HALL, YARD), (STAIRS, GATE)} - {(STAIRS, GATE)}
    over = found.number[HALL, YARD]
    legs = found.columns.before[over], found.columns.after[over]
    assert legs == (found.number[HALL, GATE], found.number[GATE, YARD])
    assert net({**ways, (HALL, YARD): Way(usual_s=99.0)}, [HALL, YARD], {}).way[HALL, YARD].usual_s == 99.0
