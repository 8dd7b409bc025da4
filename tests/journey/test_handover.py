"""Who goes on as a dot whose tracks all ended: near, soon and never seen beside them, it is the same person."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.journey.dots import PERSON_GROUP, Placed
from custodes.journey.handover import Gap, Newcomers, carried, chance
from custodes.journey.together import STEP_NS, stay
from custodes.units import CameraId, RunId

SHORT = Gap(seconds=0.4, look=None, at_once=False)
QUIET = Newcomers(per_s=0.05, ground_m2=300.0)
FRONT, SIDE, RUN = CameraId("front"), CameraId("side"), RunId("0123456789ab")


def test_carried_when_one_track_goes_on_then_its_tracker_vouches_for_the_rest() -> None:
    assert carried({"a": (0, 10), "b": (8, 30), "c": (31, 40)}) == [["a", "b"], ["c"]]
    assert carried({"a": (0, 40), "b": (8, 10), "c": (31, 50)}) == [["a", "b", "c"]]
    assert carried({}) == []


def test_chance_after_a_moment_is_high_and_falls_with_each_second() -> None:
    some = [chance(replace(SHORT, seconds=seconds), QUIET) for seconds in (0.4, 1.0, 3.0, 8.0)]
    assert some[0] > 0.95
    assert some == sorted(some, reverse=True)
    assert some[-1] < 0.5


@pytest.mark.parametrize(
    ("gap", "newcomers"),
    [
        (replace(SHORT, look=-2.5), QUIET),
        (replace(SHORT, at_once=True), QUIET),
        (SHORT, Newcomers(per_s=0.5, ground_m2=300.0)),
        (SHORT, Newcomers(per_s=0.05, ground_m2=30.0)),
    ],
    ids=["looks unlike", "one picture showed both", "many come", "there is little room"],
)
def test_chance_is_less_when(gap: Gap, newcomers: Newcomers) -> None:
    assert chance(gap, newcomers) < chance(SHORT, QUIET)


@given(st.floats(0, 60), st.floats(-8, 8), st.booleans(), st.floats(1e-4, 10), st.floats(0, 1e5))
def test_chance_is_one_and_likeness_counts_only_against(seconds, look, at_once, per_s, ground_m2) -> None:
    newcomers = Newcomers(per_s=per_s, ground_m2=ground_m2)
    found = chance(Gap(seconds=seconds, look=look, at_once=at_once), newcomers)
    assert 0 <= found <= 1
    assert found <= chance(Gap(seconds=seconds, look=None, at_once=at_once), newcomers)


def _walk(number: int, steps: range, look: int, camera: CameraId = FRONT) -> list[tuple[int, Placed]]:
    """Somebody who walks along, a step each fifth of a second; `look`: one of some that differ wholly."""
    vector = np.zeros(8)
    vector[look] = 1.0
    return [
        (
            step * STEP_NS,
            Placed(
                key=(camera, RUN, number), group=PERSON_GROUP, place_m=np.array([0.25 * step, 0.0]),
                spread_m2=0.01 * np.eye(2), look=vector,
            ),
        )
        for step in steps
    ]  # fmt: skip


def _share(placed: list[tuple[int, Placed]], at: int) -> float:
    """How likely the second track is the person of the first one at a moment."""
    found = stay(sorted(placed, key=lambda one: one[0]), (FRONT, RUN, 1), at * STEP_NS)
    assert found is not None
    assert found.met[FRONT, RUN, 1].share > 0.8
    met = found.met.get((FRONT, RUN, 2))
    return 0.0 if met is None else met.share


def test_stay_when_a_tracker_lost_somebody_for_a_moment_then_goes_on_with_them() -> None:
    assert _share([*_walk(1, range(60), 0), *_walk(2, range(62, 120), 0)], at=30) > 0.8


def test_stay_when_another_camera_saw_them_meanwhile_then_goes_on_however_long() -> None:
    seen = [*_walk(1, range(60), 0), *_walk(2, range(90, 150), 0), *_walk(3, range(50, 100), 0, SIDE)]
    assert _share(seen, at=30) > 0.8


def test_stay_when_somebody_comes_after_to_where_one_had_gone_then_it_is_somebody_else() -> None:
    assert _share([*_walk(1, range(60), 0), *_walk(2, range(75, 120), 0)], at=30) < 0.7


def test_stay_when_one_picture_showed_both_then_it_is_somebody_else() -> None:
    # The second one walked behind, out of the first one's reach, and is then taken for who had gone.
    seen = [*_walk(1, range(60), 0), *_walk(2, range(62, 120), 0)]
    beside = [(58 * STEP_NS, 0.0), (59 * STEP_NS, 0.0)]
    behind = [(at, replace(seen[-1][1], place_m=np.array([x, 9.0]))) for at, x in beside]
    before = _share(seen, at=30)
    assert _share([*seen, *behind], at=30) < before
    assert math.isfinite(before)
