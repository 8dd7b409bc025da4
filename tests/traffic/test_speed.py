"""Places and speeds of simulated cars under a pinhole camera, tracked by our own tracker."""

import numpy as np
import pytest

from custodes.geometry.homography import homography_from_matrix
from custodes.geometry.pose import pose_of
from custodes.traffic.paths import paths_of
from custodes.traffic.placing import place
from custodes.traffic.speed import speed_at
from custodes.types.vision import ObjectClass
from eval.pinhole import T0_NS, Mover, Noise, Pinhole, look

SIDE = Pinhole((-21.0, 10.0, 6.0), (0.0, 27.5), focal_px=900)
CAR = (4.4, 1.8, 1.5)


def driven(mps, brake_mps2=0.0, solid=CAR):
    def where(second):
        second = min(second, mps / brake_mps2 if brake_mps2 else second)
        return np.array([1.0, -5 + mps * second - brake_mps2 * second**2 / 2]), np.pi / 2

    return Mover(1, ObjectClass.CAR, solid, where)


def seen(mover, *, seconds=6.0, fps=5.0, camera=SIDE, **noise):
    ground = camera.homography()
    rng = np.random.default_rng(3)
    watched = look(camera, [mover], (0, seconds), fps=fps, noise=Noise(**noise), rng=rng, homography=ground)
    path = max(paths_of(watched.frames), key=lambda one: len(one.utc_ns))
    return place(path, ground, pose_of(ground, camera.aspect)), ground


def test_pose_is_the_cameras_own_whichever_way_the_grounds_axes_turn():
    pose = pose_of(SIDE.homography(), SIDE.aspect)
    assert np.allclose(pose.place, SIDE.place, atol=1e-6)
    assert np.isclose(pose.focal, SIDE.focal_px / SIDE.size[1])
    solid = np.array([[0.5, 20.0, 1.5], [3.0, 30.0, 0.0]])
    assert np.allclose(pose.project(solid), SIDE.project(solid))
    mirrored = homography_from_matrix(np.diag([-1.0, 1.0, 1.0]) @ SIDE.homography().to_ground)
    other = pose_of(mirrored, SIDE.aspect)
    assert np.allclose(other.project(solid * np.array([-1, 1, 1])), SIDE.project(solid))


def test_pose_of_a_camera_that_looks_straight_down_is_not_told():
    assert pose_of(homography_from_matrix(np.diag([16.0, 9.0, 1.0])), 16 / 9) is None


@pytest.mark.parametrize("solid", [CAR, (3.9, 1.7, 1.4), (5.0, 1.95, 1.75)], ids=["usual", "small", "large"])
def test_places_seen_from_the_side_are_the_cars_middle_not_its_boxs(solid):
    on_ground, ground = seen(driven(10.0, solid=solid), edge_px=0.0, fps=10.0)
    truth = -5 + 10.0 * (on_ground.utc_ns - T0_NS) / 1e9
    naive = ground.ground_of(on_ground.picture)
    assert np.abs(naive - np.column_stack([np.ones(len(truth)), truth])).max() > 1.0
    assert np.abs(on_ground.places_m - np.column_stack([np.ones(len(truth)), truth])).max() < 0.35


def test_speed_is_right_also_when_frames_come_irregularly():
    for jitter in (0.0, 0.25):
        on_ground, ground = seen(driven(14.0), jitter=jitter)
        speed = speed_at(on_ground, ground=ground)
        assert abs(speed.mps - 14.0) < max(3 * speed.error_mps, 0.15), jitter
        assert 0 < speed.error_mps < 0.5


def test_speed_of_a_car_that_brakes_is_that_of_the_moment():
    on_ground, ground = seen(driven(14.0, brake_mps2=3.0), fps=10.0, seconds=4.0)
    for second in (1.5, 2.5):
        speed = speed_at(on_ground, T0_NS + int(second * 1e9), ground=ground)
        assert abs(speed.mps - (14.0 - 3.0 * second)) < 0.6


def test_speed_of_too_little_is_not_given():
    on_ground, _ = seen(driven(14.0), seconds=2.0, fps=5.0)
    assert speed_at(on_ground, T0_NS - int(9e9)) is None
