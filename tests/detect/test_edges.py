"""Motion at the edge of the picture that nothing explains, and what is covered of it."""

import numpy as np
import pytest

from custodes.detect.edges import COVERED_NS, EdgeWatch
from custodes.geometry.boxes import empty_boxes
from custodes.units import NS_PER_S, Ns

STEP_NS = NS_PER_S // 5
ROWS, COLUMNS = 54, 96


def moving(rows: slice, columns: slice) -> np.ndarray:
    cells = np.zeros((ROWS, COLUMNS), bool)
    cells[rows, columns] = True
    return cells


LOW = moving(slice(48, 54), slice(40, 48))


def test_a_head_at_the_lower_edge_is_covered_with_a_margin():
    (box,) = EdgeWatch().step(LOW, LOW, empty_boxes(), Ns(0)).tolist()
    assert box[0] < 40 / COLUMNS
    assert box[1] < 48 / ROWS
    assert box[2] > 48 / COLUMNS
    assert box[3] == 1


@pytest.mark.parametrize("columns", [slice(0, 6), slice(90, 96)])
def test_so_is_one_at_a_side(columns: slice):
    assert len(EdgeWatch().step(*2 * (moving(slice(20, 30), columns),), empty_boxes(), Ns(0))) == 1


@pytest.mark.parametrize(
    "cells",
    [
        moving(slice(0, 8), slice(40, 48)),
        moving(slice(20, 30), slice(40, 48)),
        moving(slice(53, 54), slice(40, 42)),
        moving(slice(10, 54), slice(0, 96)),
    ],
    ids=["upper edge", "inside", "specks", "everything"],
)
def test_other_motion_is_not(cells: np.ndarray):
    assert not len(EdgeWatch().step(cells, cells, empty_boxes(), Ns(0)))


def test_a_dark_coat_is_covered_whole_though_only_its_rim_moves():
    (box,) = EdgeWatch().step(LOW, LOW & ~np.roll(LOW, 1, axis=0), empty_boxes(), Ns(0)).tolist()
    assert box[3] == 1


def test_what_only_stands_there_is_not():
    assert not len(EdgeWatch().step(LOW, np.zeros_like(LOW), empty_boxes(), Ns(0)))


def test_who_is_known_there_explains_it():
    known = np.array([[39 / COLUMNS, 46 / ROWS, 49 / COLUMNS, 1.0]], np.float32)
    assert not len(EdgeWatch().step(LOW, LOW, known, Ns(0)))
    assert len(EdgeWatch().step(LOW, LOW, known + np.float32(0.3), Ns(0))) == 1


def test_what_does_not_stop_is_no_person_until_it_stops():
    watch, count = EdgeWatch(), 2 * COVERED_NS // STEP_NS
    covered = [len(watch.step(LOW, LOW, empty_boxes(), Ns(n * STEP_NS))) for n in range(count)]
    assert sum(covered) == COVERED_NS // STEP_NS + 1
    assert covered == sorted(covered, reverse=True)
    assert len(watch.step(LOW, LOW, empty_boxes(), Ns((count + 10) * STEP_NS))) == 1


def test_a_restored_watch_goes_on_with_what_moves():
    watch, other = EdgeWatch(), EdgeWatch()
    for n in range(COVERED_NS // STEP_NS + 1):
        watch.step(LOW, LOW, empty_boxes(), Ns(n * STEP_NS))
    other.restore(watch.snapshot())
    later = Ns(COVERED_NS + STEP_NS)
    assert other.snapshot() == watch.snapshot()
    assert len(watch.step(LOW, LOW, empty_boxes(), later)) == len(other.step(LOW, LOW, empty_boxes(), later)) == 0
