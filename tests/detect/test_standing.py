"""What is believed between looks: replaced inside a region, kept outside, verified at growing intervals."""

import numpy as np
import pytest

from custodes.detect.standing import FIRST_NS, LONGEST_OTHER_NS, LONGEST_VEHICLE_NS, Standing
from custodes.errors import DataLoss
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

EVERYWHERE = (0, 0, 1000, 1000)
CAR = (500, 500, 600, 560)
MAN = (100, 100, 130, 190)


def found(*boxes, object_class=ObjectClass.PERSON, score=0.9):
    return Detections(
        boxes_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(len(boxes), score, np.float32),
        class_ids=np.full(len(boxes), object_class, np.int16),
    )


def look(standing, detections, at_s, region=EVERYWHERE, least=1.0):
    standing.update([detections], np.array([region], np.float32), Ns(round(at_s * NS_PER_S)),
                    least_px=np.array([least], np.float32))  # fmt: skip


def boxes(standing):
    return [tuple(row) for row in standing.detections.boxes_px.tolist()]


@pytest.mark.parametrize(
    "object_class, longest",
    [(ObjectClass.PERSON, LONGEST_OTHER_NS), (ObjectClass.CAR, LONGEST_VEHICLE_NS)],
    ids=["person", "car"],
)
def test_an_unmoved_object_when_verified_again_and_again_then_its_interval_doubles_to_a_limit(object_class, longest):
    standing, at_ns, intervals = Standing(), 0, []
    for _ in range(6):
        look(standing, found(CAR, object_class=object_class), at_ns / NS_PER_S)
        after = at_ns
        while not standing.known(Ns(after))[2][0]:
            after += NS_PER_S // 2
        intervals.append(after - at_ns)
        at_ns = after
    assert intervals[0] == FIRST_NS
    assert intervals == sorted(intervals)
    assert intervals[-1] == longest


def test_an_object_that_moved_when_found_then_it_is_new():
    standing = Standing()
    look(standing, found(CAR), 0)
    look(standing, found((560, 500, 660, 560)), 1)
    assert boxes(standing) == [(560, 500, 660, 560)]
    assert standing.known(Ns(2 * NS_PER_S))[2].tolist() == [True]


def test_a_region_when_looked_at_then_only_what_it_holds_is_replaced():
    standing = Standing()
    look(standing, found(MAN, CAR), 0)
    look(standing, found(), 1, region=(50, 50, 200, 250))
    assert boxes(standing) == [CAR]


def test_a_look_too_coarse_for_an_object_when_it_finds_nothing_then_the_object_stays():
    standing = Standing()
    look(standing, found(MAN), 0)
    look(standing, found(), 1, least=120)
    assert boxes(standing) == [MAN]


def test_looks_too_coarse_for_an_object_when_they_find_nothing_for_long_then_it_is_given_up():
    standing = Standing()
    look(standing, found(MAN), 0)
    look(standing, found(), 6.5, least=120)
    assert boxes(standing) == []


def test_an_object_in_doubt_when_a_coarse_look_misses_it_then_it_is_gone():
    standing = Standing()
    look(standing, found(MAN, CAR), 100)
    standing.doubt(np.array([True, False]))
    look(standing, found(), 100.2, least=120)
    assert boxes(standing) == [CAR]


def test_two_regions_when_both_find_one_object_then_it_counts_once():
    standing = Standing()
    regions = np.array([(0, 0, 300, 300), (90, 90, 400, 400)], np.float32)
    near = (102, 100, 132, 190)
    standing.update([found(MAN), found(near, score=0.8)], regions, Ns(0), least_px=np.ones(2, np.float32))
    assert boxes(standing) == [MAN]


def test_one_region_when_it_finds_somebody_before_another_then_both_stay():
    standing, child = Standing(), (105, 130, 125, 188)
    look(standing, found(MAN, child), 0)
    assert boxes(standing) == [MAN, child]


def test_a_weak_finding_when_nothing_changes_then_it_is_kept_and_not_verified():
    standing = Standing()
    look(standing, found(MAN, score=0.12), 0)
    assert boxes(standing) == [MAN]
    assert len(standing.known(Ns(9 * NS_PER_S))[0]) == 0


def test_a_snapshot_when_restored_then_it_is_the_same_and_broken_ones_are_refused():
    first, second = Standing(), Standing()
    look(first, found(MAN, CAR), 3)
    state = first.snapshot()
    second.restore(state)
    assert second.snapshot() == state
    for broken in (state[:1] * 5, (state[0][:-1], *state[1:]), (state[0][:16], *state[1:])):
        with pytest.raises(DataLoss):
            second.restore(broken)
