"""Detections on the ground and back, and tracking there."""

import numpy as np
import pytest

from custodes.geometry.homography import homography_from_points
from custodes.track.plane import PERSON_GROUP, Plane
from custodes.track.tracker import Tracker
from custodes.types.vision import Detections
from custodes.units import NS_PER_S, Ns

SIZE = (1280, 720)
ASPECT = SIZE[0] / SIZE[1]
# A street seen from a mast: 20 m wide at the lower edge, 60 m deep.
STREET = homography_from_points(
    [(0.0, 1.0), (1.0, 1.0), (0.62, 0.3), (0.38, 0.3)], [(-5.0, 8.0), (5.0, 8.0), (5.0, 40.0), (-5.0, 40.0)]
)
NOTHING_CUT = np.zeros((1, 2), bool)


def test_a_box_comes_back_from_the_ground():
    plane = Plane(STREET)
    box = np.array([[0.9, 0.5, 0.98, 0.72]])
    placed = plane.place(box, np.ones(1), NOTHING_CUT, ASPECT)
    assert np.allclose(plane.boxes(placed.place, placed.size, ASPECT), box)


def test_depth_is_less_sure_than_width_and_far_less_than_near():
    plane = Plane(STREET)
    boxes = np.array([[0.85, 0.2, 0.93, 0.4], [0.85, 0.7, 0.93, 0.9]])
    noise = plane.place(boxes, np.ones(2), np.zeros((2, 2), bool), ASPECT).noise
    for row in noise:
        assert row[1, 1] > 2 * row[0, 0]
    assert noise[0, 1, 1] > 3 * noise[1, 1, 1]


def test_weak_and_cut_boxes_are_less_sure():
    plane = Plane(None)
    box = np.array([[0.5, 0.4, 0.58, 0.6]])
    sure = plane.place(box, np.array([0.95]), NOTHING_CUT, ASPECT)
    weak = plane.place(box, np.array([0.2]), NOTHING_CUT, ASPECT)
    cut = plane.place(box, np.array([0.95]), np.array([[False, True]]), ASPECT)
    assert (weak.noise[0].diagonal() > sure.noise[0].diagonal()).all()
    assert cut.noise[0, 1, 1] > 4 * sure.noise[0, 1, 1]
    assert cut.noise[0, 0, 0] == sure.noise[0, 0, 0]


def test_the_yardstick_is_metres_on_the_ground_and_the_object_in_the_picture():
    size, group = np.log(np.array([[0.05, 0.2]])), np.array([PERSON_GROUP])
    assert Plane(STREET).units(size, group)[0] == 1.0
    assert Plane(None).units(size, group)[0] == pytest.approx(0.1)


@pytest.mark.parametrize("fps", [30, 5, 3])
@pytest.mark.parametrize("homography", [STREET, None], ids=["ground", "picture"])
def test_a_walker_into_the_distance_keeps_the_number(fps, homography):
    tracker, ids = Tracker(homography=homography), set()
    for n in range(12 * fps):
        foot = STREET.picture_of(np.array([[1.0, 9.0 + 1.5 * n / fps]]))[0] * SIZE
        height = 1.7 * 720 * STREET.slope_at(np.array([[1.0, 9.0 + 1.5 * n / fps]]))[0, 0, 0] * ASPECT
        box = (foot[0] - height / 6, foot[1] - height, foot[0] + height / 6, foot[1])
        found = Detections(
            boxes_px=np.array([box], np.float32), scores=np.array([0.9], np.float32), class_ids=np.zeros(1, np.int16)
        )
        ids |= set(tracker.step(found, Ns(n * NS_PER_S // fps), SIZE).track_ids.tolist())
    assert ids == {1}


def test_boxes_above_the_horizon_do_no_harm():
    tracker = Tracker(homography=STREET)
    for n in range(6):
        found = Detections(
            boxes_px=np.array([(600, 2, 640, 60), (100, 0, 130, 5)], np.float32),
            scores=np.array([0.9, 0.9], np.float32),
            class_ids=np.zeros(2, np.int16),
        )
        columns = tracker.step(found, Ns(n * NS_PER_S // 5), SIZE)
    assert np.isfinite(columns.boxes_norm).all()
    assert sorted(columns.track_ids.tolist()) == [1, 2]


def test_a_restored_tracker_on_the_ground_goes_on_bit_identically():
    rng = np.random.default_rng(5)
    steps = []
    for n in range(20):
        left = np.array([300 + 8 * n, 800 - 9 * n, 500.0])
        boxes = np.stack([left, [400, 420, 300], left + 40, [520, 540, 380]], axis=1) + rng.normal(0, 2, (3, 4))
        scores = rng.uniform(0.3, 0.95, 3)
        found = Detections(
            boxes_px=boxes.astype(np.float32), scores=scores.astype(np.float32), class_ids=np.zeros(3, np.int16)
        )
        steps.append((found, Ns(n * NS_PER_S // 5)))
    whole, first, second = (Tracker(homography=STREET) for _ in range(3))
    for found, utc_ns in steps[:9]:
        whole.step(found, utc_ns, SIZE)
        first.step(found, utc_ns, SIZE)
    second.restore(first.snapshot())
    for found, utc_ns in steps[9:]:
        expected, got = whole.step(found, utc_ns, SIZE), second.step(found, utc_ns, SIZE)
        assert got.boxes_norm.tobytes() == expected.boxes_norm.tobytes()
        assert got.track_ids.tolist() == expected.track_ids.tolist()
