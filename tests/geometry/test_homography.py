"""The ground plane: four points, a camera, the way there and back, and how sure it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.geometry.homography import homography_from_camera, homography_from_matrix, homography_from_points

POINTS = [(0.1, 0.95), (0.9, 0.9), (0.65, 0.35), (0.3, 0.4)]
PLACES = [(0.0, 0.0), (6.0, 0.0), (6.0, 20.0), (0.0, 18.0)]


def test_the_given_points_stand_where_they_were_measured():
    ground = homography_from_points(POINTS, PLACES)
    assert np.allclose(ground.ground_of(np.array(POINTS)), PLACES, atol=1e-6)
    assert np.allclose(ground.picture_of(np.array(PLACES)), POINTS, atol=1e-6)


@given(st.floats(0.3, 0.7), st.floats(0.45, 0.95))
def test_there_and_back_is_the_same_point(x, y):
    ground = homography_from_points(POINTS, PLACES)
    point = np.array([[x, y]])
    assert np.allclose(ground.picture_of(ground.ground_of(point)), point)


def test_a_camera_file_and_four_of_its_points_give_the_same_plane():
    tilt = np.deg2rad(-20)  # mast of 5 m, looking down by 20°
    rotation = np.array([[1, 0, 0], [0, np.sin(tilt), -np.cos(tilt)], [0, np.cos(tilt), np.sin(tilt)]])
    translation = -rotation @ np.array([0.0, 0.0, 5.0])
    camera = homography_from_camera(
        rotation, translation, np.array([[1000, 0, 640], [0, 1000, 360], [0, 0, 1]]), (1280, 720)
    )
    places = [(-2.0, 8.0), (2.0, 8.0), (3.0, 25.0), (-3.0, 25.0)]
    points = [tuple(row) for row in camera.picture_of(np.array(places))]
    again = homography_from_points(points, places)
    wanted = np.array([[0.4, 0.8], [0.6, 0.5]])
    assert np.allclose(camera.ground_of(wanted), again.ground_of(wanted))


def test_uncertainty_of_a_point_is_what_moving_it_does():
    ground = homography_from_matrix(homography_from_points(POINTS, PLACES).to_ground)
    rng, point, sd = np.random.default_rng(2), np.array([[0.5, 0.6]]), 0.002
    moved = ground.ground_of(point + rng.normal(0, sd, (4000, 2)))
    expected = ground.spread_of(point, np.eye(2)[None] * sd**2)[0]
    assert np.allclose(np.cov(moved.T), expected, rtol=0.15, atol=1e-5)


def test_uncertainty_of_the_calibration_is_what_clicking_again_does():
    ground = homography_from_points(POINTS, PLACES, point_sd=0.002)
    rng, point = np.random.default_rng(3), np.array([[0.5, 0.6]])
    again = [
        homography_from_points([tuple(p) for p in np.array(POINTS) + rng.normal(0, 0.002, (4, 2))], PLACES).ground_of(
            point
        )[0]
        for _ in range(400)
    ]
    expected = ground.spread_of(point, np.zeros((1, 2, 2)))[0]
    assert np.allclose(np.cov(np.array(again).T), expected, rtol=0.3, atol=1e-4)


def test_above_the_horizon_is_far_but_finite():
    ground = homography_from_points(POINTS, PLACES)
    places = ground.ground_of(np.array([[0.5, 0.0], [0.5, -3.0]]))
    assert np.isfinite(places).all()
    assert (places[:, 1] > 20).all()


@pytest.mark.parametrize(
    ("points", "places"),
    [
        (POINTS[:3], PLACES[:3]),
        (POINTS, PLACES[:3]),
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.9, 0.1)], PLACES),
        (POINTS, [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ([(np.nan, 0), *POINTS[1:]], PLACES),
        ([POINTS[0]] * 4, PLACES),
    ],
    ids=["three", "unequal", "points on a line", "places on a line", "nan", "one point"],
)
def test_points_that_fix_no_plane_are_refused(points, places):
    with pytest.raises(InvalidArgument):
        homography_from_points(points, places)
