"""One person's chain of links: from what two people confirmed, over what is likely enough, and no further."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.journey.assignment import Links, marginals
from custodes.journey.together import Met
from custodes.journey.trail import Meet, trail
from custodes.journey.usual import Way
from custodes.journey.ways import Passage, links
from custodes.types.journey import LinkKind
from custodes.units import CameraId, RunId

RUN = RunId("0123456789ab")
WAYS = {("hall", "yard"): 30.0, ("yard", "gate"): 60.0}


def passage(camera, number, start_s, end_s, **changes):
    kind = {"first": (0.1, 0.5), "last": (0.9, 0.5), **changes}
    return Passage(key=(CameraId(camera), RUN, number), start_s=start_s, end_s=end_s, **kind)


def _met(some):
    return some if isinstance(some, Met) else Met(share=some)


def followed(passages, verified, *, ways=WAYS, excluded=(), met=None, alike=None, span_s=3600.0):
    """Steps, with the company that `met` says; what was asked for is checked to be of the chain."""
    possible = links(passages, {pair: Way(usual_s=usual_s) for pair, usual_s in ways.items()}, span_s)
    known = {index: (passages[index].start_s + passages[index].end_s) / 2 for index in verified}
    chance = marginals(possible, len(passages))
    walk = trail(passages, possible, chance, verified=known, excluded=excluded, has_looks=alike is not None)
    try:
        wanted = next(walk)
        while True:
            if isinstance(wanted, Meet):
                company = (met or {}).get(wanted.index, {})
                wanted = walk.send({one: _met(some) for one, some in company.items()})
            else:
                assert not any(index in excluded for pair in wanted.pairs for index in pair)
                wanted = walk.send({pair: alike(*pair) for pair in wanted.pairs})
    except StopIteration as ended:
        return {step.index: step for step in ended.value}


def test_trail_when_somebody_walks_drawn_ways_alone_then_finds_each_camera_both_ways():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70), passage("gate", 3, 131, 150)]
    steps = followed(passages, [1])
    assert set(steps) == {0, 1, 2}
    assert steps[1].kind is LinkKind.VERIFIED
    assert steps[2].kind is LinkKind.TRANSIT
    assert 0.7 <= steps[2].probability < 1
    assert steps[0].came_from == 1


def test_trail_without_a_verified_sighting_finds_nobody():
    assert followed([passage("hall", 1, 0, 20), passage("yard", 2, 50, 70)], []) == {}


def test_trail_when_two_could_be_the_one_then_tells_neither():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 49, 70), passage("yard", 3, 51, 70)]
    assert set(followed(passages, [0])) == {0}


def test_trail_when_two_could_be_the_one_then_clothes_say_which_and_how_surely():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 49, 70), passage("yard", 3, 51, 70)]
    says = {(0, 1): -3.0, (0, 2): 2.0}
    steps = followed(passages, [0], alike=lambda one, other: says.get((one, other)))
    assert set(steps) == {0, 2}
    assert steps[2].look == 2.0
    assert 0.85 <= steps[2].probability < 1


def test_trail_when_clothes_are_unlike_then_does_not_tell_whom_time_alone_would_have_told():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70)]
    assert set(followed(passages, [0])) == {0, 1}
    assert set(followed(passages, [0], alike=lambda *_: -3.2)) == {0}


def test_trail_when_nobody_could_be_looked_at_then_tells_the_likelier_half_of_what_time_tells():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70), passage("gate", 3, 131, 150)]
    steps = followed(passages, [1], alike=lambda *_: None)
    assert {0} <= set(steps) | {0}
    assert all(step.look is None and (step.probability >= 0.85) for step in steps.values())


def test_trail_when_a_rival_is_likelier_the_next_one_then_leaves_it_to_the_rival():
    passages = [passage("hall", 1, 0, 20), passage("hall", 2, 0, 20.5), passage("yard", 3, 51, 70)]
    says = {(0, 2): 1.0, (1, 2): 2.0}
    assert set(followed(passages, [0], alike=lambda one, other: says.get((one, other), 0.0))) == {0}


def test_trail_asks_for_looks_of_the_alternatives_at_hand_alone():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70), *(
        passage("far", 10 + at, 100.0 * at, 100.0 * at + 5) for at in range(8))]  # fmt: skip
    passages.sort(key=lambda one: one.start_s)
    start = next(at for at, one in enumerate(passages) if one.key[2] == 1)
    seen = set()
    followed(passages, [start], alike=lambda one, other: seen.update((one, other)) or 0.0)
    assert {passages[at].camera_id for at in seen} <= {"hall", "yard"}


def test_trail_when_two_people_said_that_one_of_two_is_somebody_else_then_tells_the_other():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 49, 70), passage("yard", 3, 51, 70)]
    steps = followed(passages, [0], excluded=[1])
    assert set(steps) == {0, 2}


def test_trail_when_both_came_at_once_and_a_rival_left_at_once_then_is_unsure():
    passages = [
        passage("hall", 1, 0, 20), passage("hall", 2, 0, 20),
        passage("yard", 3, 50, 70), passage("yard", 4, 50, 70),
    ]  # fmt: skip
    assert set(followed(passages, [0])) == {0}


def test_trail_when_two_cameras_see_one_ground_then_chances_of_both_add_up():
    # Leaves the hall; both cameras of the yard show the same person from the same second on.
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70), passage("roof", 3, 50, 70)]
    ways = {("hall", "yard"): 30.0, ("hall", "roof"): 30.0}
    together = {1: {2: 0.97}, 2: {1: 0.97}}
    assert set(followed(passages, [0], ways=ways)) == {0}
    steps = followed(passages, [0], ways=ways, met=together)
    assert set(steps) == {0, 1, 2}
    assert {steps[1].kind, steps[2].kind} == {LinkKind.TRANSIT, LinkKind.TOGETHER}


def test_trail_when_both_of_two_cameras_find_the_same_two_then_is_as_unsure_as_one():
    """Two left at once and two came at once, each in two pictures: that either picture could go on is one event."""
    passages = [
        passage("hall", 1, 0, 20), passage("lobby", 2, 0, 20), passage("hall", 3, 0, 20), passage("lobby", 4, 0, 20),
        passage("yard", 5, 50, 70), passage("roof", 6, 50, 70), passage("yard", 7, 50, 70), passage("roof", 8, 50, 70),
    ]  # fmt: skip
    ways = {("hall", "yard"): 30.0, ("lobby", "roof"): 30.0}
    together = {one: {one: 0.97, other: 0.97} for pair in ((0, 1), (2, 3), (4, 5), (6, 7)) for one, other in
                (pair, pair[::-1])}  # fmt: skip
    assert set(followed(passages, [0], ways=ways, met=together)) == {0, 1}


def test_trail_when_a_later_dot_was_somebody_else_before_then_who_is_known_to_be_elsewhere_stays_there():
    passages = [passage("hall", 1, 0, 20), passage("roof", 2, 0, 20), passage("yard", 3, 50, 70)]
    known = {
        0: {0: Met(share=0.97, spans=((0.0, 20.0),))},
        2: {2: Met(share=0.97, spans=((50.0, 70.0),)), 1: Met(share=0.97, spans=((0.0, 20.0),)),
            0: Met(share=0.97, spans=((0.0, 20.0),))},
    }  # fmt: skip
    assert set(followed(passages, [0], met=known)) == {0, 2}


def test_links_when_somebody_begins_where_many_come_then_are_less_likely_who_was_lost_there():
    door, middle = {"first": (0.1, 0.5), "last": (0.1, 0.5)}, {"first": (0.6, 0.5), "last": (0.6, 0.5)}
    passages = [
        *(passage("hall", number, 100.0 * number, 100.0 * number + 20, **door) for number in range(1, 30)),
        passage("hall", 40, 5000, 5020, **door), passage("hall", 41, 5021, 5040, **door),
        passage("hall", 42, 6000, 6020, **middle), passage("hall", 43, 6021, 6040, **middle),
    ]  # fmt: skip
    found = links(passages, {}, 7000.0)
    odds = dict(zip(zip(found.first.tolist(), found.second.tolist(), strict=True), found.log_odds, strict=True))
    assert odds[29, 30] < odds[31, 32] - 1


def test_trail_when_a_link_would_have_somebody_in_two_places_then_the_less_likely_goes():
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70), passage("gate", 3, 40, 90)]
    steps = followed(passages, [0, 1], met={0: {2: 0.75}})
    assert set(steps) == {0, 1}


def test_trail_when_ground_is_measured_then_place_and_heading_tell_two_apart():
    # Two leave together in opposite directions; each comes into another camera where and when they would.
    floor = {"floor": "ground"}
    passages = [
        passage("mid", 1, 0, 10, enter_m=(0.0, 0.0), leave_m=(8.0, 0.0), **floor),
        passage("mid", 2, 0, 10, enter_m=(0.0, 1.0), leave_m=(-8.0, 1.0), **floor),
        passage("east", 3, 20, 30, enter_m=(20.0, 0.0), leave_m=(30.0, 0.0), **floor),
        passage("west", 4, 20, 30, enter_m=(-20.0, 1.0), leave_m=(-30.0, 1.0), **floor),
    ]
    steps = followed(passages, [0], ways={})
    assert set(steps) == {0, 2}
    assert steps[2].probability > 0.9


def test_links_when_there_is_nothing_then_nothing():
    assert len(links([], WAYS, 60.0).first) == 0
    assert len(links([passage("hall", 1, 0, 5)], {}, 60.0).first) == 0


def test_trail_when_a_way_is_not_known_then_ends_there():
    assert set(followed([passage("hall", 1, 0, 20), passage("attic", 2, 50, 70)], [0])) == {0}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["hall", "yard", "gate"]), st.floats(0, 900), st.floats(1, 60)), min_size=1,
                max_size=25), st.integers(0, 24))  # fmt: skip
def test_trail_whatever_walks_then_is_rooted_in_what_was_verified_and_in_one_place(rows, chosen):
    passages = sorted(
        (passage(camera, number, start, start + long) for number, (camera, start, long) in enumerate(rows)),
        key=lambda one: one.start_s,
    )
    anchor = chosen % len(passages)
    steps = followed(passages, [anchor])
    assert anchor in steps
    for index, step in steps.items():
        assert 0.5 <= step.probability <= 1
        assert step.came_from in steps
        assert step.index == index
        assert step.probability <= steps[step.came_from].probability + 1e-9
    chain = sorted(steps, key=lambda one: passages[one].start_s)
    for one, other in itertools.pairwise(chain):
        assert passages[other].start_s >= passages[one].end_s - 1.0


@pytest.mark.parametrize("excluded", [[], [2]])
def test_trail_never_returns_what_was_excluded(excluded):
    passages = [passage("hall", 1, 0, 20), passage("yard", 2, 50, 70), passage("gate", 3, 131, 150)]
    assert not set(followed(passages, [0], excluded=excluded)) & set(excluded)


def test_marginals_of_a_lone_link_are_its_odds():
    only = Links(np.array([0]), np.array([1]), np.array([np.log(3.0)]))
    assert marginals(only, 2)[0] == pytest.approx(0.75)
