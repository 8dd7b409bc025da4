"""Bands of transit times: each holds a group, whatever is subtracted from what; nobody is alone at an edge."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from custodes.journey.flows import LEAST_GROUP, ROUND_TO
from custodes.journey.times import BAND_S, bands, time_bands

BIN_S = 3.0
TIMES = st.lists(st.floats(0, 40), min_size=1, max_size=80).map(np.array)


def test_a_wide_flow_is_told_in_bands_that_follow_each_other():
    times = np.zeros(80)
    times[10:20] = 12.0  # 30 to 60 s
    found = time_bands(times, BIN_S, 120.0, LEAST_GROUP, round_to=ROUND_TO)
    assert [(one.from_s, one.to_s) for one in found] == [(0, 40), (40, 50), (50, None)]
    assert [one.count for one in found] == [40, 40, 40]


def test_fewer_than_two_groups_are_one_band_without_ends():
    found = bands(np.ones(20), BIN_S, 19.0, LEAST_GROUP)
    assert found == ((0.0, None, 19.0),)
    assert bands(np.ones(20), BIN_S, 9.0, LEAST_GROUP) == ()
    assert bands(np.zeros(20), BIN_S, 50.0, LEAST_GROUP) == ()


@given(TIMES, st.floats(0, 500), st.integers(LEAST_GROUP, 40))
def test_each_band_holds_a_group_and_so_does_what_remains_beside_any_of_them(times, count, min_group):
    found = bands(times, BIN_S, count, min_group)
    assert (found == ()) == (count < min_group or times.sum() <= 0)
    held = [one[2] for one in found]
    assert all(one >= min_group - 1e-6 for one in held)
    assert abs(sum(held) - (count if found else 0)) < 1e-6
    # whoever knows the total and takes any run of bands away is left with a group, or with nothing
    for first in range(len(held)):
        for last in range(first, len(held)):
            rest = count - sum(held[first : last + 1])
            assert rest < 1e-6 or rest >= min_group - 1e-6
    ends = [(one[0], one[1]) for one in found]
    assert all(ends[at][1] == ends[at + 1][0] for at in range(len(ends) - 1))
    assert all((to_s - from_s) % BAND_S == 0 for from_s, to_s in ends[:-1])
    if found:
        assert (ends[0][0], ends[-1][1]) == (0.0, None)


@given(TIMES, st.floats(0, 500), st.integers(LEAST_GROUP, 40))
def test_what_is_told_is_rounded_and_never_below_the_group(times, count, min_group):
    for one in time_bands(times, BIN_S, count, min_group, round_to=ROUND_TO):
        assert one.count >= min_group
        assert one.count % ROUND_TO == 0 or one.count == min_group
