"""Links: probabilities against all possible worlds, the best set, models learnt without labels."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.journey.assignment import DOUBT, Links, decide, doubted, marginals, taught
from custodes.journey.resolve import TOLD, numbers, resolve
from custodes.journey.tracklets import Tracklets, candidates, centred, chains
from custodes.journey.transit import evident

ODDS = st.lists(st.floats(-3, 3), min_size=1, max_size=6)


def worlds(links):
    """Every one-to-one subset with its weight."""
    for size in range(len(links.first) + 1):
        for chosen in itertools.combinations(range(len(links.first)), size):
            rows = list(chosen)
            if len(set(links.first[rows])) == len(set(links.second[rows])) == size:
                yield rows, float(np.exp(links.log_odds[rows].sum()))


@st.composite
def small(draw):
    pairs = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(4, 7)), min_size=1, max_size=7, unique=True))
    odds = draw(st.lists(st.floats(-3, 3), min_size=len(pairs), max_size=len(pairs)))
    first, second = np.array(pairs).T
    return Links(first, second, np.array(odds))


@settings(max_examples=60, deadline=None)
@given(small())
def test_probabilities_are_close_to_those_of_all_possible_worlds(links):
    total = sum(weight for _, weight in worlds(links))
    exact = np.zeros(len(links.first))
    for rows, weight in worlds(links):
        exact[rows] += weight / total
    found = marginals(links, 8)
    assert np.abs(found - exact).max() < 0.12
    assert (np.bincount(links.first, found) <= 1 + 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(small())
def test_what_is_decided_is_the_likeliest_world(links):
    chosen = decide(links, 8)
    best = max(weight for _, weight in worlds(links))
    assert np.isclose(np.exp(links.log_odds[chosen].sum()), best)


@settings(max_examples=60, deadline=None)
@given(small())
def test_what_chances_teach_is_less_than_they_say_but_never_by_more_than_the_doubt(links):
    chance = marginals(links, 8)
    learnt = taught(links.first, links.second, chance)
    assert (learnt <= chance + 1e-12).all()
    assert (learnt >= chance * np.exp(-DOUBT) - 1e-9).all()


def test_what_sure_links_teach_is_as_much_less_as_doubt_is_and_of_unsure_ones_next_to_nothing():
    alone, apart = np.array([0, 1]), np.array([2, 3])
    assert taught(alone, apart, np.array([1.0, 0.999]))[1] == pytest.approx(doubted(np.array([0.999]))[0], abs=1e-3)
    fan = np.zeros(20, np.int64), np.arange(1, 21)
    assert taught(*fan, np.full(20, 0.04)).sum() == pytest.approx(0.8, abs=0.01)
    crossed = taught(np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3]), np.array([0.6, 0.3, 0.3, 0.6]))
    assert crossed[0] == pytest.approx(2 * crossed[1], rel=1e-6), "which of two it was is no less sure"
    assert len(taught(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))) == 0


def city(minutes=25, seed=4, noise=0.9, size=32):
    """A street A → B → C and a side street A → D; every object takes 30 ± 3 s, 45 ± 4 s, 70 ± 5 s."""
    rng = np.random.default_rng(seed)
    rows = []
    for owner, start_s in enumerate(np.cumsum(rng.exponential(6.0, int(minutes * 10)))):
        look, way = rng.normal(size=size), int(rng.random() < 0.3)
        look /= np.linalg.norm(look)
        legs = (
            [(0, 0.0), (3, rng.normal(70, 5))] if way else [(0, 0.0), (1, rng.normal(30, 3)), (2, rng.normal(75, 5))]
        )
        for camera, after_s in legs:
            seen = look + noise * rng.normal(size=size) / size**0.5 + 0.5 * np.eye(4, size)[camera]
            rows.append((start_s + after_s, camera, way if camera == 0 else 0, owner, seen))
    rows.sort(key=lambda row: row[0])
    at_s = np.array([row[0] for row in rows])
    tracklets = Tracklets(
        camera=np.array([row[1] for row in rows]),
        way=np.array([row[2] for row in rows]),
        start_s=at_s,
        end_s=at_s,
        looks=np.array([row[4] for row in rows]),
    )
    return tracklets, np.array([row[3] for row in rows])


def right_share(owner, found):
    return float((owner[found.first] == owner[found.second]).mean())


def test_links_and_transit_times_are_learnt_from_the_flow_alone():
    tracklets, owner = city()
    found = resolve(tracklets)
    assert right_share(owner, found) > 0.97
    assert len(found.first) > 0.85 * (len(owner) - len(set(owner.tolist())))
    assert abs(found.model.median_s(0, 1) - 30) < 3
    assert abs(found.model.median_s(0, 3) - 70) < 4
    assert np.isnan(found.model.median_s(3, 0)) or found.model.times[3, 0].sum() < 3


def test_without_looks_time_and_way_alone_still_tell_the_graph():
    tracklets, owner = city()
    blind = Tracklets(
        camera=tracklets.camera,
        way=tracklets.way,
        start_s=tracklets.start_s,
        end_s=tracklets.end_s,
        looks=np.full_like(tracklets.looks, np.nan),
    )
    found = resolve(blind)
    times = found.model.times.sum(axis=2)
    assert times[0, 1] > 5 * max(times[1, 0], 1)
    assert abs(found.model.median_s(0, 1) - 30) < 6
    # Six seconds from one object to the next, three of scatter: who was who is not told, and not claimed.
    assert len(found.first) == 0 or right_share(owner, found) > 0.7


def passing(events):
    """Tracklets of (camera, second), each three seconds long, without looks."""
    cameras, starts = zip(*sorted(events, key=lambda one: one[1]), strict=True)
    start_s = np.array(starts)
    none = np.zeros(len(starts), np.int64)
    return Tracklets(camera=np.array(cameras), way=none, start_s=start_s, end_s=start_s + 3.0,
                     looks=np.full((len(starts), 1), np.nan))  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_lights_and_loops_that_repeat_are_no_way_from_one_camera_to_another(seed):
    rng = np.random.default_rng(seed)
    # Two streets whose lights turn green every minute, the second 25 s after the first; nobody goes to the other.
    lights = [
        (camera, cycle * 60.0 + 25.0 * camera + rng.uniform(0, 12))
        for camera in (0, 1) for cycle in range(60) for _ in range(rng.poisson(5))
    ]  # fmt: skip
    loops = [
        (camera, turn * 13.7 + s)
        for camera, some in enumerate(((1, 4, 9), (2, 3, 11)))
        for turn in range(260)
        for s in some
    ]
    for events in (lights, loops):
        assert not evident(passing(events), (2.0, 240.0)).any()


@pytest.mark.parametrize("seed", range(3))
def test_a_flow_is_evident_in_its_direction(seed):
    rng = np.random.default_rng(seed)
    left_s = rng.uniform(0, 3600, 400)
    events = [(0, one) for one in left_s] + [(1, one + 43 + rng.normal(0, 4)) for one in left_s]
    assert evident(passing(events), (2.0, 240.0)).tolist() == [[False, True], [False, False]]


def test_what_is_told_is_as_sure_as_is_asked():
    tracklets, _ = city(minutes=10)
    told, surest = resolve(tracklets), resolve(tracklets, least=0.999)
    assert told.probability.min() >= TOLD
    assert surest.probability.min() >= 0.999
    assert set(zip(surest.first, surest.second, strict=True)) < set(zip(told.first, told.second, strict=True))


def test_chains_average_what_is_surely_one():
    looks = np.eye(4)
    whole = chains(looks, np.array([0, 1]), np.array([1, 3]))
    assert whole.count_before.tolist() == [1, 2, 1, 3]
    assert whole.count_after.tolist() == [3, 2, 1, 1]
    assert np.allclose(whole.before[3], np.array([1, 1, 0, 1]) / 3**0.5)
    assert numbers(4, np.array([0, 1]), np.array([1, 3])).tolist() == [0, 0, 2, 0]


def test_nothing_and_one_are_no_trouble():
    for count in (0, 1):
        tracklets = Tracklets(
            camera=np.zeros(count, np.int64),
            way=np.zeros(count, np.int64),
            start_s=np.zeros(count),
            end_s=np.zeros(count),
            looks=np.zeros((count, 4)),
        )
        assert len(resolve(tracklets).first) == 0


@pytest.mark.parametrize("most", [3, 50])
def test_candidates_lie_in_the_window_and_are_the_likest(most):
    tracklets, _ = city(minutes=5)
    looks = centred(tracklets)
    pairs = candidates(tracklets, looks, window_s=(5.0, 60.0), most=most)
    assert ((pairs.gap_s >= 5.0) & (pairs.gap_s <= 60.0)).all()
    assert np.bincount(pairs.first).max() <= most
    assert np.allclose(pairs.cosine, (looks[pairs.first] * looks[pairs.second]).sum(axis=1))
