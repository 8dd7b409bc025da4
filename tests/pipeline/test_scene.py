"""Lines and ground of a camera in its analysis."""

import pytest

from custodes.errors import InvalidArgument
from custodes.pipeline.camera import CameraPipeline
from custodes.pipeline.scene import ground_of
from custodes.testing.media import make_clip
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
