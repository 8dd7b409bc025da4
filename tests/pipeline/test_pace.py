"""Choosing frames by the camera's clock."""

import itertools

import pytest

from custodes.pipeline.pace import SLOWEST_NS, Pace
from custodes.units import NS_PER_S, Ns

T0 = 1_700_000_000 * NS_PER_S


def chosen(fps, camera_fps, seconds=20, backlog_ns=0):
    pace = Pace(fps)
    times = [Ns(T0 + n * NS_PER_S // camera_fps) for n in range(camera_fps * seconds)]
    return [t for t in times if pace.is_due(t, backlog_ns)]


@pytest.mark.parametrize("camera_fps", [5, 7, 8, 10, 12, 15, 25, 30])
def test_the_wanted_rate_comes_out_whatever_the_cameras_rate(camera_fps):
    assert len(chosen(5.0, camera_fps)) == pytest.approx(100, abs=2)


def test_a_slower_camera_gives_every_frame():
    assert len(chosen(5.0, 3)) == 60


def test_under_load_fewer_frames_are_chosen_but_never_more_than_a_second_apart():
    times = chosen(5.0, 25, backlog_ns=60 * NS_PER_S)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert max(gaps) <= NS_PER_S
    assert min(gaps) >= SLOWEST_NS - NS_PER_S // 25
    assert len(chosen(5.0, 25, backlog_ns=NS_PER_S // 5)) == pytest.approx(100, abs=2)


def test_the_rate_falls_smoothly_with_the_backlog():
    counts = [len(chosen(5.0, 25, backlog_ns=NS_PER_S * tenths // 10)) for tenths in (2, 3, 4, 6, 9)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1] > counts[-1]


@pytest.mark.parametrize("jump_s", [-3600, 3600, -3])
def test_after_a_clock_jump_the_pace_goes_on_at_once(jump_s):
    pace = Pace(5.0)
    assert pace.is_due(Ns(T0))
    assert pace.is_due(Ns(T0 + jump_s * NS_PER_S))
    assert not pace.is_due(Ns(T0 + jump_s * NS_PER_S + NS_PER_S // 25))


def test_resuming_gives_the_same_choice():
    first, second = Pace(5.0), Pace(5.0)
    for n in range(7):
        first.is_due(Ns(T0 + n * 40_000_000))
    second.resume(first.due_ns)
    later = [Ns(T0 + n * 40_000_000) for n in range(7, 60)]
    assert [first.is_due(t) for t in later] == [second.is_due(t) for t in later]
