"""Cameras' places and people's heights of real footage by its frames' real shape, against calibration and truth."""

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from custodes.geometry.homography import homography_from_camera, homography_from_points
from custodes.geometry.pose import pose_of
from eval import terrace

SHARED = Path(os.environ.get("CUSTODES_SHARED", Path(__file__).parents[3] / "shared"))
DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no shared footage")
_STEPS_M = np.linspace(0.5, 3.0, 251)


def median_height_m(ground, pose, boxes):
    """Of who stands in `boxes` (shares): where above the feet each box's upper edge is."""
    feet = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
    places = ground.ground_of(feet)
    column = np.concatenate(
        [np.broadcast_to(places[:, None], (len(places), len(_STEPS_M), 2)),
         np.broadcast_to(_STEPS_M[None, :, None], (len(places), len(_STEPS_M), 1))], axis=2
    )  # fmt: skip
    tops = pose.project(column)[..., 1]
    return float(np.median(_STEPS_M[np.nanargmin(np.abs(tops - boxes[:, 1, None]), axis=1)]))


@needs_data
def test_people_of_pets_are_as_tall_as_people_are_at_768_by_576():
    rows = np.loadtxt(DATA / "people/pets09-s2l1-view001.gt.txt", delimiter=",")[::9]
    boxes = np.column_stack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]) / np.tile([768, 576], 2)
    feet = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
    ground = homography_from_points(feet.tolist(), rows[:, 7:9].tolist())
    assert 1.65 < median_height_m(ground, pose_of(ground, 768 / 576), boxes) < 1.85
    assert median_height_m(ground, pose_of(ground, 16 / 9), boxes) < 1.4


@needs_data
def test_people_of_both_terrace_views_are_equally_tall_at_360_by_288():
    views = terrace.grounds(DATA / "multicam/epfl")
    truth = terrace.truth()
    heights = []
    for name in terrace.CAMERAS:
        ground = homography_from_points([one.at for one in views[name]], [one.place_m for one in views[name]])
        boxes = np.concatenate([seen[0][1] for (camera, _), seen in truth.items() if camera == name])
        whole = boxes[(boxes[:, 3] < 0.97) & (boxes[:, 1] > 0.02)]
        heights.append(median_height_m(ground, pose_of(ground, 360 / 288), whole))
        assert median_height_m(ground, pose_of(ground, 16 / 9), whole) < 1.4
    # The ground's unit was chosen so that people are 1.75 m; that both views agree was not.
    assert np.allclose(heights, 1.75, atol=0.08)


def upright_cameras():
    root = ElementTree.parse(DATA / "multicam/pose2sim/Demo_MultiPerson.Calib.qca.txt").getroot()
    for camera in root.iter("camera"):
        pose, lens = camera.find("transform").attrib, camera.find("intrinsic").attrib
        rotation = np.array([[float(pose[f"r{row}{column}"]) for row in (1, 2, 3)] for column in (1, 2, 3)])
        place = np.array([float(pose[axis]) for axis in "xyz"]) / 1000
        # 64ths of a pixel. Qualisys' camera looks against its third axis, its second points up.
        u, v = (float(lens[f"focalLength{axis}"]) / 64 for axis in "UV")
        x, y = (float(lens[f"centerPoint{axis}"]) / 64 for axis in "UV")
        yield np.diag([1.0, -1.0, -1.0]) @ rotation, place, np.array([[u, 0, x], [0, v, y], [0, 0, 1]])


@needs_data
def test_four_upright_cameras_hang_where_their_calibration_has_them():
    for rotation, place, lens in upright_cameras():
        ground = homography_from_camera(rotation, -rotation @ place, lens, (1088, 1920))
        assert np.linalg.norm(pose_of(ground, 1088 / 1920).place - place) < 0.05
        assumed = pose_of(ground, 16 / 9)
        assert assumed is None or np.linalg.norm(assumed.place - place) > 0.5
