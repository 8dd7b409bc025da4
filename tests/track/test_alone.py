"""A weak box far from where a track was predicted continues it where nothing else can be meant."""

import numpy as np
import pytest

from custodes.track.association import only_pairs
from custodes.track.tracker import Tracker
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns


def step(tracker, number, *boxes):
    """Boxes: left edge, score; 100 × 300 pixels, five looks a second."""
    lefts = np.array([left for left, _ in boxes], np.float32)
    found = Detections(
        boxes_px=np.stack([lefts, lefts * 0 + 200, lefts + 100, lefts * 0 + 500], axis=1),
        scores=np.array([score for _, score in boxes], np.float32),
        class_ids=np.full(len(boxes), int(ObjectClass.PERSON), np.int16),
    )
    columns = tracker.step(found, Ns(number * NS_PER_S // 5), (1280, 720))
    return sorted(columns.track_ids[columns.is_measured & (columns.track_ids >= 0)].tolist())


@pytest.mark.parametrize(
    ("others", "expected"), [((), [1]), (((470.0, 0.9),), [2])], ids=["alone", "somebody else is near"]
)
def test_who_runs_off_blurred_keeps_the_number_when_alone(others, expected):
    tracker = Tracker()
    for number in range(5):
        step(tracker, number, (300.0, 0.9), *others)
    # Off by 85 of 100 pixels: they overlap by .08 of their union.
    assert step(tracker, 5, (385.0, 0.4), *others) == expected


def test_a_pair_is_the_only_one_when_neither_has_another():
    possible = np.array([[True, False, False], [False, True, True], [True, False, False]])
    assert not only_pairs(possible).any()
    possible[2, 0] = False
    assert only_pairs(possible).tolist() == [[True, False, False], [False] * 3, [False] * 3]
