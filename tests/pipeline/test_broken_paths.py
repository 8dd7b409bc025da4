"""People who go on under another number are counted over lines as one person."""

import numpy as np
import pytest

from custodes.pipeline.broken_paths import BrokenPaths
from custodes.pipeline.path_points import PathPoint
from custodes.pipeline.scene import Crossings
from custodes.track.tracker import TrackColumns
from custodes.types.scene import CameraScene, CountLine
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId

T0 = 1_700_000_000 * NS_PER_S
SIDE = 0.1
UPRIGHT = CameraScene(lines=(CountLine(name="x", start=(0.5, 1.0), end=(0.5, 0.0)),))


def new_lines():
    return Crossings(CameraId("door"), RunId("0" * 12), UPRIGHT)


def look(lines, ms, *people):
    """People: number, x of the foot, whether the tracker believes them; a tenth of the frame wide and tall."""
    x = np.array([one[1] for one in people])
    boxes = np.stack([x - SIDE / 2, np.full(len(x), 0.6), x + SIDE / 2, np.full(len(x), 0.7)], axis=1)
    columns = TrackColumns(
        track_ids=np.array([one[0] for one in people], np.int64),
        class_ids=np.full(len(x), int(ObjectClass.PERSON), np.int16),
        boxes_norm=boxes.astype(np.float32),
        scores=np.full(len(x), 0.9, np.float32),
        is_measured=np.ones(len(x), bool),
        is_confirmed=np.array([one[2] for one in people], bool),
        is_hidden=np.zeros(len(x), bool),
        feet_norm=np.stack([x, np.full(len(x), 0.7)], axis=1),
    )
    return [(one.is_forward, one.track_id) for one in lines.take(columns, Ns(T0 + ms * NS_PER_MS), 1.0)]


def walk(found_at, after_ms, *, lost_at=0.45):
    """1 is lost left of the line; 2 is found, believed at the second look, and goes on to the right."""
    lines = new_lines()
    found = look(lines, 0, (1, lost_at - 0.05, True)) + look(lines, 200, (1, lost_at, True))
    found += look(lines, 200 + after_ms, (2, found_at, False))
    found += look(lines, 400 + after_ms, (2, found_at + 0.01, True))
    return [*found, *((one.is_forward, one.track_id) for one in lines.finish())]


@pytest.mark.parametrize(
    ("found_at", "after_ms", "expected"),
    [
        (0.57, 800, [(True, 2)]),
        (0.57, 2600, []),
        (0.9, 800, []),
        (0.96, 800, []),
    ],
    ids=["hidden for less than a second", "gone too long", "too far to walk", "comes in by the edge"],
)
def test_who_is_found_beyond_the_line_soon_after_being_lost_has_crossed_it(found_at, after_ms, expected):
    assert walk(found_at, after_ms) == expected


def test_who_left_by_the_edge_is_not_who_is_found_near_it():
    lines = Crossings(CameraId("door"), RunId("0" * 12),
                      CameraScene(lines=(CountLine(name="x", start=(0.1, 1.0), end=(0.1, 0.0)),)))  # fmt: skip
    assert look(lines, 0, (1, 0.06, True)) == look(lines, 200, (1, 0.04, True)) == []
    assert look(lines, 800, (2, 0.14, False)) == look(lines, 1000, (2, 0.15, True)) == []


def test_who_is_there_at_the_same_time_is_somebody_else():
    lines = new_lines()
    assert look(lines, 0, (1, 0.45, True)) == []
    for ms in (200, 400, 600):
        assert look(lines, ms, (1, 0.45, True), (2, 0.57, ms > 200)) == []


def test_a_crossing_before_somebody_is_believed_counts_once_they_are_and_at_its_own_time():
    lines = new_lines()
    assert look(lines, 0, (1, 0.45, False)) == []
    assert look(lines, 200, (1, 0.55, False)) == []
    columns_ms = 400
    assert look(lines, columns_ms, (1, 0.6, True)) == [(True, 1)]
    assert look(lines, 600, (1, 0.65, True)) == []


def test_who_is_never_believed_crosses_nothing():
    lines = new_lines()
    for step in range(40):
        assert look(lines, 200 * step, (1, 0.3 + 0.01 * step, False)) == []
    assert list(lines.finish()) == []


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_restored_count_goes_on_the_same(cut):
    steps = [(0, (1, 0.42, True)), (200, (1, 0.45, True)), (1000, (2, 0.57, False)), (1200, (2, 0.58, True))]
    first, second = new_lines(), new_lines()
    found = [one for ms, person in steps[:cut] for one in look(first, ms, person)]
    second.restore(first.state())
    assert second.state() == first.state()
    found += [one for ms, person in steps[cut:] for one in look(second, ms, person)]
    assert found == [(True, 2)]


def test_two_lost_and_two_found_are_joined_nearest_all_together():
    def at(x, ms):
        return PathPoint(utc_ns=T0 + ms * NS_PER_MS, at=(x, 0.7), size=0.1, left=(x, 0.7), is_cut=False)

    paths = BrokenPaths()
    paths.take([(1, at(0.4, 0), True), (2, at(0.5, 0), True)], T0, 1.0)
    # 3 is nearest to 2 by itself, but then nobody is left for 4.
    now = T0 + 900 * NS_PER_MS
    found = paths.take([(3, at(0.46, 900), True), (4, at(0.6, 900), True)], now, 1.0)
    assert {one.track_id: one.before for one in found} == {3: 1, 4: 2}
