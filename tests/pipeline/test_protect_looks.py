"""Which looks a check plans: few for each person, apart in time, where they are largest and over their whole stay."""

from itertools import pairwise

from custodes.pipeline.protect_looks import APART_NS, plan_looks
from custodes.testing.media import vouch
from custodes.units import NS_PER_MS, Ns


def growing(frames: int):
    """Somebody who comes nearer: a frame each 100 ms."""
    boxes = [[(0.4, 0.4, 0.45, 0.42 + 0.005 * n)] for n in range(frames)]
    return vouch([Ns(n * 100 * NS_PER_MS) for n in range(frames)], boxes)


def test_looks_at_a_long_stay_are_few_apart_and_spread() -> None:
    plan = plan_looks(growing(100), per_track=8)
    times = [look.utc_ns for look in plan]
    assert len(plan) == 8
    assert times == sorted(times)
    assert min(later - earlier for earlier, later in pairwise(times)) >= APART_NS
    assert times[-1] >= 9_000 * NS_PER_MS, "where they are largest"
    assert times[0] < 3_000 * NS_PER_MS, "and early on"


def test_look_is_where_the_head_is_and_inside_the_picture() -> None:
    for look in plan_looks(growing(3)):
        x1, y1, x2, y2 = look.part
        assert 0 <= x1 < look.at[0] < x2 <= 1
        assert 0 <= y1 < look.at[1] < y2 <= 1


def test_nobody_is_looked_at_without_a_track() -> None:
    assert plan_looks(vouch([Ns(0)], [[]])) == []
