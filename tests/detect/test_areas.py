"""Zones and object masks: what counts where, by class and by where it stands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.detect.areas import counted, is_inside
from custodes.types.vision import DetectArea, Detections, ObjectClass

SIZE = (200, 100)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
NOTCHED = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.2), (0.0, 1.0))
PERSON, CAR = ObjectClass.PERSON, ObjectClass.CAR


def found(*rows):
    """(class, x, y) of where each stands, in pixels."""
    return Detections(
        boxes_px=np.array([(x - 5, y - 20, x + 5, y) for _, x, y in rows], np.float32).reshape(-1, 4),
        scores=np.full(len(rows), 0.9, np.float32),
        class_ids=np.array([int(item) for item, _, _ in rows], np.int16),
    )


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_point_when_in_a_rectangle_then_the_rule_says_what_coordinates_say(x, y):
    box = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5))
    is_in = 0.25 <= x < 0.75 and 0.25 <= y < 0.5
    assert is_inside(np.array([[x, y]]), box).tolist() == [is_in]


def test_a_notch_when_stood_in_then_it_is_outside():
    assert is_inside(np.array([[0.5, 0.9], [0.1, 0.5], [0.5, 0.1]]), NOTCHED).tolist() == [False, True, True]


@pytest.mark.parametrize(
    "areas, expected",
    [
        ((), [True] * 4),
        ((DetectArea(polygon=LEFT),), [True, False, True, False]),
        ((DetectArea(polygon=LEFT, classes=(CAR,)),), [True, True, True, False]),
        ((DetectArea(polygon=LEFT, is_mask=True),), [False, True, False, True]),
        ((DetectArea(polygon=LEFT, classes=(PERSON,), is_mask=True),), [False, True, True, True]),
        (
            (DetectArea(polygon=LEFT, classes=(CAR,)), DetectArea(polygon=LEFT, is_mask=True)),
            [False, True, False, False],
        ),
    ],
    ids=["none", "zone", "zone of cars", "mask", "mask of people", "zone and mask"],
)
def test_areas_when_people_and_cars_stand_left_and_right_then_those_count(areas, expected):
    detections = found((PERSON, 50, 90), (PERSON, 150, 90), (CAR, 50, 90), (CAR, 150, 90))
    assert counted(detections, areas, SIZE).tolist() == expected


def test_an_object_when_it_reaches_the_lower_edge_then_it_stands_in_the_picture():
    assert counted(found((CAR, 50, 100)), (DetectArea(polygon=LEFT),), SIZE).tolist() == [True]
