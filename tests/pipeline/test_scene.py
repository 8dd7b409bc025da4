"""Lines and ground of a camera in its analysis."""

import numpy as np
import pytest

from custodes.errors import InvalidArgument
from custodes.pipeline.camera import CameraPipeline
from custodes.pipeline.scene import Crossings, ground_of
from custodes.testing.media import make_clip
from custodes.track.tracker import TrackColumns
from custodes.types.event import FrameAnalysed, LineCrossed, TrackEnded
from custodes.types.message import StreamClosed, StreamOpened
from custodes.types.scene import CameraScene, CountLine, GroundPoint
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, Ns

T0 = Ns(1_700_000_000 * NS_PER_S)
INFO, PACKETS = make_clip(frames=60, fps=10, gop=10, start_ns=T0)
ITEMS = [StreamOpened(info=INFO), *PACKETS, StreamClosed(camera_id=INFO.camera_id, run=INFO.run)]
LINES = tuple(CountLine(name=f"at {x}", start=(x, 1.0), end=(x, 0.0)) for x in (0.25, 0.5, 0.75))
GROUND = tuple(
    GroundPoint(at=at, place_m=place)
    for at, place in (((0.0, 1.0), (0, 0)), ((1.0, 1.0), (6, 0)), ((0.8, 0.3), (6, 12)), ((0.2, 0.3), (0, 12)))
)


def crossings(pipeline, items=ITEMS):
    return [fact for item in items for fact in pipeline.process(item) if isinstance(fact, LineCrossed)]


@pytest.mark.parametrize("ground", [(), GROUND], ids=["picture", "ground"])
def test_people_who_walk_over_lines_are_facts_with_time_and_direction(make_looking, ground):
    scene = CameraScene(lines=LINES, ground=ground)
    found = crossings(CameraPipeline(INFO.camera_id, make_looking(), fps=5.0, scene=scene))
    assert found
    assert {one.object_class for one in found} == {ObjectClass.PERSON}
    assert all(T0 <= one.utc_ns <= T0 + 6 * NS_PER_S for one in found)
    assert {one.line for one in found} <= {line.name for line in LINES}


def test_a_pipeline_restored_in_the_middle_counts_the_same(make_looking):
    def fresh():
        return CameraPipeline(INFO.camera_id, make_looking(), fps=5.0, scene=CameraScene(lines=LINES))

    whole = crossings(fresh())
    first, second = fresh(), fresh()
    half = crossings(first, ITEMS[:31])
    second.restore(first.snapshot())
    assert half + crossings(second, ITEMS[31:]) == whole


def test_a_ground_that_is_none_is_refused():
    points = tuple(GroundPoint(at=(x, x), place_m=(x, 0)) for x in (0.1, 0.2, 0.3, 0.4))
    with pytest.raises(InvalidArgument):
        ground_of(CameraScene(ground=points))


def test_lines_that_are_drawn_while_a_run_goes_on_count_from_then_and_end_what_was_tracked(make_looking):
    pipeline = CameraPipeline(INFO.camera_id, make_looking(), fps=5.0)
    assert crossings(pipeline, ITEMS[:31]) == []
    ended = pipeline.set_scene(CameraScene(lines=LINES, ground=GROUND))
    assert ended
    assert all(isinstance(fact, TrackEnded) for fact in ended)
    assert pipeline.set_scene(CameraScene(lines=LINES, ground=GROUND)) == []
    after = [fact for item in ITEMS[31:] for fact in pipeline.process(item)]
    old = {fact.tracklet.track_id for fact in ended}
    assert not old & {fact.tracklet.track_id for fact in after if isinstance(fact, TrackEnded)}
    assert any(isinstance(fact, FrameAnalysed) for fact in after)


def test_a_new_ground_that_is_none_changes_nothing(make_looking):
    pipeline = CameraPipeline(INFO.camera_id, make_looking(), fps=5.0, scene=CameraScene(lines=LINES))
    with pytest.raises(InvalidArgument):
        pipeline.set_scene(CameraScene(ground=GROUND[:3]))
    assert crossings(pipeline)


def columns(*rows):
    """rows: (number, box, is measured, class)."""
    boxes = np.array([row[1] for row in rows], np.float32)
    return TrackColumns(
        track_ids=np.array([row[0] for row in rows], np.int64),
        class_ids=np.array([row[3] for row in rows], np.int16),
        boxes_norm=boxes,
        scores=np.full(len(rows), 0.8, np.float32),
        is_measured=np.array([row[2] for row in rows]),
        is_confirmed=np.ones(len(rows), bool),
        is_hidden=np.zeros(len(rows), bool),
        feet_norm=np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1).astype(np.float64),
    )


CABIN, COASTING, LORRY = (0.5, 0.2, 0.6, 0.4), (0.5, 0.25, 0.6, 0.45), (0.45, 0.2, 0.65, 0.75)


@pytest.mark.parametrize(
    ("kind", "after_ms", "count"),
    [(ObjectClass.CAR, 200, 1), (ObjectClass.CAR, 1000, 0), (ObjectClass.PERSON, 200, 0)],
    ids=["a lorry", "long after", "people"],
)
def test_a_vehicle_that_goes_on_under_another_number_is_counted_once_over(kind, after_ms, count):
    lines = Crossings(
        INFO.camera_id, INFO.run, CameraScene(lines=(CountLine(name="y", start=(0, 0.5), end=(1, 0.5)),))
    )
    assert lines.take(columns((1, CABIN, True, kind)), T0, 1.0) == []
    found = lines.take(columns((1, COASTING, False, kind), (2, LORRY, True, kind)), Ns(T0 + after_ms * 1_000_000), 1.0)
    assert [one.track_id for one in found] == [2] * count


@pytest.mark.parametrize(("right", "count"), [(1.0, 1), (0.93, 0)], ids=["by the edge", "within"])
def test_who_leaves_by_the_frames_edge_has_crossed_the_lines_before_it(right, count):
    crossings = Crossings(INFO.camera_id, INFO.run, CameraScene(lines=(LINES[2],)))
    found = []
    for step, (left, end) in enumerate(((0.4, 0.6), (0.5, 0.7), (0.55, right))):
        found += crossings.take(person(left, end), Ns(T0 + step * NS_PER_S // 5), 16 / 9)
    assert found == []
    assert [one.is_forward for one in crossings.finish()] == [True] * count


def person(left, right):
    """One confirmed and measured person whose foot the filter has behind the box."""
    return TrackColumns(
        track_ids=np.array([5]),
        class_ids=np.array([int(ObjectClass.PERSON)], np.int16),
        boxes_norm=np.array([[left, 0.2, right, 0.8]], np.float32),
        scores=np.array([0.9], np.float32),
        is_measured=np.array([True]),
        is_confirmed=np.array([True]),
        is_hidden=np.array([False]),
        feet_norm=np.array([[min((left + right) / 2, 0.7), 0.8]]),
    )
