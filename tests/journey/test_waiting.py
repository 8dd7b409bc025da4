"""Queues of people: how many, how long; never about few; who walks through does not wait."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.journey.waiting import QueueWatch, queue_figures
from custodes.types.scene import QueueArea
from custodes.units import NS_PER_S, CameraId

AREA = QueueArea(name="desk", polygon=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
GATE = CameraId("gate")


def watched(stays, *, fps=2, seconds=3600):
    """`stays`: (track, begin s, end s, x) of people; everybody is measured in each frame of their stay."""
    watch = QueueWatch(AREA)
    for frame in range(seconds * fps):
        second = frame / fps
        here = [(track, x) for track, begin, end, x in stays if begin <= second <= end]
        ids = np.array([track for track, _ in here], np.int64)
        feet = np.array([(x, 0.5) for _, x in here], np.float64).reshape(-1, 2)
        watch.take(round(second * NS_PER_S), ids, feet)
    watch.end()
    return watch


def figures(watch, min_group=10):
    return queue_figures(GATE, {"desk": watch}, min_group, 0.9)[0]


def test_people_who_stand_in_it_are_its_length_and_their_stay_is_the_wait():
    stays = [(number, 60 * number, 60 * number + 90, 0.2) for number in range(20)]
    told = figures(watched([*stays, (99, 0, 1500, 0.8)]))
    assert (told.wait_median_s, told.wait_p90_s) == (90.0, 90.0)
    assert told.peak_length == 2
    assert told.mean_length == pytest.approx(20 * 90 / 3600, abs=0.06)
    assert told.coverage == 0.9


def test_few_are_held_back_and_who_walks_through_does_not_wait():
    few = figures(watched([(number, 60 * number, 60 * number + 90, 0.2) for number in range(9)]))
    assert (few.wait_median_s, few.wait_p90_s, few.mean_length, few.peak_length) == (None, None, None, None)
    walking = figures(watched([(number, 20 * number, 20 * number + 3, 0.2) for number in range(50)]))
    assert walking.wait_median_s is None


def test_who_is_hidden_for_a_moment_waited_once_and_who_comes_back_later_twice():
    watch = watched([(1, 0, 40, 0.2), (1, 60, 100, 0.2), (2, 0, 40, 0.2), (2, 900, 940, 0.2)])
    assert sorted(watch.waits_s) == [40.0, 40.0, 100.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60)), max_size=14), st.integers(10, 14))
def test_nothing_is_told_unless_the_group_waited(rows, min_group):
    stays = [(number, begin, begin + long, 0.2) for number, (begin, long) in enumerate(rows)]
    watch = watched(stays, fps=1, seconds=200)
    told = figures(watch, min_group)
    waited = sum(long >= 5 for _, long in rows)
    assert (told.wait_median_s is not None) == (waited >= min_group)
    assert (told.mean_length is None) == (told.peak_length is None) == (told.wait_p90_s is None)
