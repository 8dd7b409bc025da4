"""A walker whose number goes over to somebody else is counted on under the number that they get."""

import pytest
from tests.pipeline.test_broken_paths import look, new_lines

from custodes.pipeline.path_points import PathPoint
from custodes.pipeline.taken_numbers import HIDDEN_NS, TRAIL_NS, Trails
from custodes.units import NS_PER_S

STEP_MS = 200


def walk_and_lose(lines, *, taken_to=0.46, back=-0.02, found_at=0.57, late=0):
    """1 walks to the right at .03 a look; from .45 on the number is a bystander's, who goes `back` a look. 2 begins at
    `found_at` after one look that finds nobody there, and `late` more. All in shares, people a tenth of the frame."""
    told = []
    for step in range(8):
        told += look(lines, STEP_MS * step, (1, 0.24 + 0.03 * step, True))
    for step in range(2 + late):
        told += look(lines, STEP_MS * (8 + step), (1, taken_to + back * step, True))
    told += look(lines, STEP_MS * (10 + late), (1, taken_to + back * (2 + late), True), (2, found_at, False))
    told += look(lines, STEP_MS * (11 + late), (1, taken_to + back * (3 + late), True), (2, found_at + 0.03, True))
    return [*told, *((one.is_forward, one.track_id) for one in lines.finish())]


def test_who_goes_on_beyond_the_line_under_a_new_number_has_crossed_it():
    # the bystander stands back from the course at once: .46 and then .44 where .48 and .51 were to be expected
    assert walk_and_lose(new_lines(), taken_to=0.4) == [(True, 2)]


@pytest.mark.parametrize(
    "case",
    [{"found_at": 0.85}, {"found_at": 0.57, "taken_to": 0.48, "back": 0.03}, {"taken_to": 0.4, "found_at": 0.96}],
    ids=["off the course", "the number keeps its course", "comes in by the edge"],
)
def test_whoever_else_begins_beyond_the_line_was_there(case):
    assert [number for _, number in walk_and_lose(new_lines(), **case) if number == 2] == []


def test_what_was_crossed_before_under_the_old_number_is_not_told_again():
    lines, told = new_lines(), []
    for step in range(12):  # crosses at .5 itself
        told += look(lines, STEP_MS * step, (1, 0.36 + 0.03 * step, True))
    for step in range(12, 14):
        told += look(lines, STEP_MS * step, (1, 0.6, True))
    for step in range(14, 17):
        told += look(lines, STEP_MS * step, (1, 0.6, True), (2, 0.36 + 0.03 * step, step > 14))
    assert told == [(True, 1)]


def test_a_restored_count_knows_whose_number_was_taken():
    whole, first, second = new_lines(), new_lines(), new_lines()
    for lines in (whole, first):
        for step in range(8):
            look(lines, STEP_MS * step, (1, 0.24 + 0.03 * step, True))
    second.restore(first.state())
    assert second.state() == first.state()
    for lines in (whole, second):
        assert look(lines, STEP_MS * 8, (1, 0.4, True)) == look(lines, STEP_MS * 9, (1, 0.38, True)) == []
        assert look(lines, STEP_MS * 10, (1, 0.36, True), (2, 0.57, False)) == []
        assert look(lines, STEP_MS * 11, (1, 0.36, True), (2, 0.6, True)) == [(True, 2)]


def at(x, second, *, is_cut=False):
    return PathPoint(utc_ns=round(second * NS_PER_S), at=(x, 0.7), size=0.1, left=(x, 0.7), is_cut=is_cut)


def trails_of(xs):
    trails = Trails()
    for step, x in enumerate(xs):
        trails.put(1, at(x, 0.2 * step))
    return trails


LEFT = (0.24, 0.27, 0.30, 0.33, 0.36, 0.39, 0.42, 0.45, 0.40, 0.38, 0.36)
"""The ninth look is somebody else's."""


def test_a_past_is_given_once():
    trails = trails_of(LEFT)
    assert [round(one.at[0], 2) for one in trails.take_over(at(0.57, 2.2), [1], 1.0)] == list(LEFT[:8])
    assert trails.take_over(at(0.57, 2.2), [1], 1.0) == ()


@pytest.mark.parametrize(
    ("start", "live"),
    [
        (at(0.57, 2.2, is_cut=True), [1]),
        (at(0.57, 2.2), [2]),
        (at(0.57 + 0.15 * 2, 2.2), [1]),
        (at(0.45 + 0.15 * 3.0, 1.4 + HIDDEN_NS / NS_PER_S + 0.2), [1]),
    ],
    ids=["cut by the edge", "another is asked", "off the course", "too late"],
)
def test_no_past_without_a_course_that_leads_there(start, live):
    assert trails_of(LEFT).take_over(start, live, 1.0) == ()


def test_trails_are_short():
    trails = Trails()
    for look_number in range(3000):
        trails.put(1, at(0.3, look_number / 30))
    assert len(trails.state()) <= TRAIL_NS / NS_PER_S * 10 + 1
