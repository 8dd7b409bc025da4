"""Line crossings: hysteresis, direction, the moment in clock time, ends of the line, state."""

import numpy as np
import pytest

from custodes.geometry.lines import FORGET_NS, GONE_NS, LineCounter
from custodes.types.scene import CountLine
from custodes.units import NS_PER_S

LINE = CountLine(name="gate", start=(0.2, 0.5), end=(0.8, 0.5))
SIZE = 0.2


def walk(counter, path, *, fps=5.0, number=1, size=SIZE):
    """`path`: (seconds → (x, y)) or list of points; returns all crossings."""
    found = []
    for step, (x, y) in enumerate(path):
        utc_ns = round(step * NS_PER_S / fps)
        found += counter.step(np.array([number]), np.array([[x, y]]), np.array([size]), utc_ns, 16 / 9)
    return found


@pytest.mark.parametrize("fps", [30, 10, 5, 3])
def test_a_walker_counts_once_at_the_same_moment_at_any_rate(fps):
    (one,) = walk(LineCounter((LINE,)), [(0.5, 0.3 + 0.1 * n / fps) for n in range(4 * fps + 1)], fps=fps)
    assert one.is_forward
    assert one.line == "gate"
    assert one.utc_ns / NS_PER_S == pytest.approx(2.0, abs=0.01)
    assert one.at == pytest.approx((0.5, 0.5), abs=0.002)


def test_who_lingers_at_the_line_counts_when_and_where_they_stepped_over_it():
    before = [(0.3, 0.4)] + [(0.3 + 0.01 * n, 0.49) for n in range(20)]
    after = [(0.5 + 0.01 * n, 0.51) for n in range(20)] + [(0.7, 0.6)]
    (one,) = walk(LineCounter((LINE,)), [*before, *after])
    assert one.utc_ns / NS_PER_S == pytest.approx(20.5 / 5)
    assert one.at == pytest.approx((0.495, 0.5))


def test_who_walks_beside_the_line_and_round_its_end_is_not_counted():
    path = [(0.5, 0.3), *[(0.5 + 0.05 * n, 0.47) for n in range(10)], (0.95, 0.53), (0.5, 0.7)]
    assert walk(LineCounter((LINE,)), path) == []


@pytest.mark.parametrize(("last", "count"), [(0.535, 1), (0.52, 0)], ids=["over it", "on it"])
def test_who_is_last_seen_just_over_the_line_counts_once_when_gone(last, count):
    counter = LineCounter((LINE,))
    assert walk(counter, [(0.5, 0.3), (0.5, 0.4), (0.5, last)]) == []
    nobody = np.zeros(0, int), np.zeros((0, 2)), np.zeros(0)
    found = counter.step(*nobody, GONE_NS + NS_PER_S, 16 / 9)
    assert [one.is_forward for one in found] == [True] * count
    assert counter.step(*nobody, GONE_NS + 2 * NS_PER_S, 16 / 9) == []
    assert counter.finish() == []


def test_the_end_of_a_run_counts_who_is_just_over_the_line():
    counter = LineCounter((LINE,))
    assert walk(counter, [(0.5, 0.3), (0.5, 0.535)]) == []
    assert [one.is_forward for one in counter.finish()] == [True]
    assert counter.state() == []


def test_the_way_back_counts_backward():
    found = walk(LineCounter((LINE,)), [(0.5, y) for y in (0.3, 0.7, 0.3)])
    assert [one.is_forward for one in found] == [True, False]


def test_who_trembles_on_the_line_is_not_counted():
    rng = np.random.default_rng(1)
    path = [(0.5, 0.5 + y) for y in rng.uniform(-0.02, 0.02, 200)]
    assert walk(LineCounter((LINE,)), [(0.5, 0.4), *path, (0.5, 0.4)]) == []


def test_who_passes_the_ends_is_not_counted():
    assert walk(LineCounter((LINE,)), [(0.1, 0.3), (0.1, 0.7)]) == []
    assert walk(LineCounter((LINE,)), [(0.9, 0.3), (0.95, 0.7)]) == []


def test_a_jump_over_the_whole_margin_counts_where_the_path_met_the_line():
    (one,) = walk(LineCounter((LINE,)), [(0.3, 0.1), (0.7, 0.9)], fps=1)
    assert one.utc_ns == NS_PER_S // 2
    assert one.at == pytest.approx((0.5, 0.5))


def test_lines_and_numbers_do_not_mix():
    other = CountLine(name="side", start=(0.5, 0.1), end=(0.5, 0.9))
    counter = LineCounter((LINE, other))
    points = [np.array([[0.3, 0.3], [0.7, 0.7]]), np.array([[0.3, 0.7], [0.3, 0.7]])]
    found = []
    for step, both in enumerate(points):
        found += counter.step(np.array([1, 2]), both, np.full(2, SIZE), step * NS_PER_S, 16 / 9)
    assert sorted((one.line, one.track_id, one.is_forward) for one in found) == [("gate", 1, True), ("side", 2, True)]


def test_a_restored_counter_goes_on():
    first, second = LineCounter((LINE,)), LineCounter((LINE,))
    assert walk(first, [(0.5, 0.3)]) == []
    second.restore(first.state())
    assert len(second.step(np.array([1]), np.array([[0.5, 0.7]]), np.array([SIZE]), NS_PER_S, 16 / 9)) == 1


def test_numbers_that_are_gone_are_forgotten():
    counter = LineCounter((LINE,))
    walk(counter, [(0.5, 0.3)])
    counter.step(np.zeros(0, int), np.zeros((0, 2)), np.zeros(0), FORGET_NS + 1, 16 / 9)
    assert counter.state() == []
