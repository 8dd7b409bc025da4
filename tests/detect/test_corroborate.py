"""What moves raises the score of a vehicle's box that it fills, and of nothing else."""

import numpy as np
import pytest

from custodes.detect.corroborate import corroborated
from custodes.detect.motion import Motion
from custodes.types.vision import Detections, ObjectClass

CELL = 8
CAR = (160, 80, 240, 200)


def motion(*moving: tuple[int, int, int, int]) -> Motion:
    changed = np.zeros((54, 96), bool)
    for x1, y1, x2, y2 in moving:
        changed[y1 // CELL : y2 // CELL, x1 // CELL : x2 // CELL] = True
    grid = np.zeros(changed.shape, np.float32)
    return Motion(is_moving=True, is_lighting_change=False, share=0.1, changed=changed, grid=grid, threshold=grid,
                  cell_px=CELL)  # fmt: skip


def score(box: tuple[int, int, int, int], seen: Motion, kind: ObjectClass = ObjectClass.CAR, of: float = 0.3) -> float:
    found = Detections(boxes_px=np.array([box], np.float32), scores=np.array([of], np.float32),
                       class_ids=np.array([kind], np.int16))  # fmt: skip
    return float(corroborated(found, seen).scores[0])


def test_a_doubted_car_that_moves_alone_is_believed():
    assert score(CAR, motion(CAR)) > 0.65


def test_a_shadow_at_two_sides_tells_less_but_something():
    shaded = motion((120, 80, 240, 240))
    assert 0.3 < score(CAR, shaded) < score(CAR, motion(CAR))


@pytest.mark.parametrize(
    ("box", "seen", "kind"),
    [
        (CAR, motion(), ObjectClass.CAR),
        (CAR, motion((0, 0, 600, 400)), ObjectClass.CAR),
        ((0, 0, 600, 400), motion(CAR), ObjectClass.CAR),
        (CAR, motion(CAR), ObjectClass.PERSON),
    ],
    ids=["still", "everything moves", "far too large", "a person"],
)
def test_scores_stay_where_motion_does_not_speak_for_a_vehicle(box, seen, kind):
    assert score(box, seen, kind) == pytest.approx(0.3)


def test_a_car_at_the_edge_of_the_picture_counts_as_ending_there():
    cut = (160, 352, 240, 432)
    assert score(cut, motion(cut)) > 0.65
