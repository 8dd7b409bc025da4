"""What a camera with two streams is to recorder and analysers."""

from dataclasses import replace

from custodes.testing.catalog import make_spec
from custodes.types.scene import CameraScene, CountLine
from custodes.types.stream import WHOLE_PICTURE, SecondStream, WallStream, camera_of, is_second, second_of
from custodes.units import CameraId

ZONE = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5))
OWN = ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4))
LINE = CountLine(name="gate", start=(0.0, 0.5), end=(1.0, 0.5))
SCENE = CameraScene(lines=(LINE,), privacy=(ZONE,))
SECOND = SecondStream(url="rtsp://192.0.2.1/2")


def test_streams_of_a_camera_with_one_are_itself() -> None:
    assert make_spec().streams() == (make_spec(),)


def test_streams_of_a_camera_with_two_are_cameras_of_which_the_second_counts_nothing() -> None:
    spec = replace(make_spec("gate"), scene=SCENE, retention_h=5.0, second=replace(SECOND, has_same_view=True))
    first, second = spec.streams()
    assert first == replace(spec, second=None)
    assert (second.camera_id, second.url, second.retention_h, second.is_analysed) == (
        "gate.second",
        SECOND.url,
        5.0,
        False,
    )
    assert (second.username, second.password_ref) == (spec.username, spec.password_ref)
    assert second.scene == CameraScene(privacy=(ZONE,))
    assert replace(spec, second=replace(SECOND, retention_h=9.0)).streams()[1].retention_h == 9.0


def test_privacy_zones_of_the_first_when_nobody_said_where_they_lie_in_the_second_cover_all_of_it() -> None:
    spec = replace(make_spec(), scene=SCENE)

    def zones(second: SecondStream) -> object:
        return replace(spec, second=second).streams()[1].scene.privacy

    assert zones(SECOND) == (WHOLE_PICTURE,)
    assert zones(replace(SECOND, privacy=(OWN,))) == (OWN,)
    assert zones(replace(SECOND, has_same_view=True, privacy=(OWN,))) == (ZONE, OWN)
    assert replace(make_spec(), second=SECOND).streams()[1].scene.privacy == ()


def test_names_of_streams_lead_back_to_their_camera() -> None:
    gate = CameraId("gate")
    assert camera_of(second_of(gate)) == camera_of(gate) == gate
    assert is_second(second_of(gate)) and not is_second(gate)
    assert not is_second(CameraId("second"))


def test_kept_hours_of_a_camera_are_those_of_the_stream_that_is_kept_longer() -> None:
    assert make_spec().kept_h(72.0) == 72.0
    assert replace(make_spec(), retention_h=24.0, second=SECOND).kept_h(72.0) == 24.0
    assert replace(make_spec(), retention_h=24.0, second=replace(SECOND, retention_h=720.0)).kept_h(72.0) == 720.0


def test_wall_when_nobody_chose_shows_the_second_only_where_it_is_analysed_and_smaller() -> None:
    large, small = 1920 * 1080, 640 * 360
    analysed = replace(SECOND, is_analysed=True)
    assert analysed.is_for_wall(large, small)
    assert not SECOND.is_for_wall(large, small), "it would be covered whole"
    assert not analysed.is_for_wall(small, large)
    assert not analysed.is_for_wall(large, 0) and not analysed.is_for_wall(0, small), "not known yet"
    assert not replace(analysed, wall=WallStream.FIRST).is_for_wall(large, small)
    assert replace(analysed, wall=WallStream.SECOND).is_for_wall(small, large)
