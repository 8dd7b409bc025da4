"""What is told from outside: how the camera moved, what things look like; and what hides behind others."""

import numpy as np
import pytest

from custodes.errors import InvalidArgument
from custodes.track.config import TrackerConfig
from custodes.track.tracker import Tracker
from custodes.types.vision import Detections
from custodes.units import NS_PER_S, Ns

SIZE = (1280, 720)
RED, BLUE = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])


def people(*boxes, score=0.9):
    return Detections(
        boxes_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(len(boxes), score, np.float32),
        class_ids=np.zeros(len(boxes), np.int16),
    )


def at(step, fps=5):
    return Ns(step * NS_PER_S // fps)


def box(left, top=300, width=50, height=130):
    return (left, top, left + width, top + height)


@pytest.mark.parametrize(("is_told", "numbers"), [(True, 2), (False, 4)])
def test_a_jerk_of_the_camera_keeps_numbers_only_when_told(is_told, numbers):
    tracker, ids = Tracker(), set()
    for n in range(14):
        jerk = 0 if n < 7 else 400  # everything moves 400 px to the right at once
        shift = np.array([[1, 0, -400 / SIZE[0] if n == 7 else 0], [0, 1, 0]])
        found = people(box(100 + 4 * n + jerk), box(700 - 4 * n + jerk, top=200))
        columns = tracker.step(found, at(n), SIZE, shift=shift if is_told else None)
        ids |= set(columns.track_ids[columns.is_measured].tolist())
    assert len(ids) == numbers


def test_predictions_are_in_the_newest_picture_after_a_jerk():
    tracker = Tracker()
    for n in range(5):
        tracker.step(people(box(100)), at(n), SIZE)
    shift = np.array([[1, 0, -0.25], [0, 1, 0.0]])
    columns = tracker.step(people(), at(5), SIZE, shift=shift)
    assert columns.boxes_norm[0, 0] * SIZE[0] == pytest.approx(100 + 0.25 * SIZE[0], abs=2)


@pytest.mark.parametrize("shift", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.eye(3)])
def test_an_impossible_motion_of_the_camera_is_refused(shift):
    with pytest.raises(InvalidArgument):
        Tracker().step(people(box(100)), at(0), SIZE, shift=shift)


def swap_behind_a_pillar(looks_given):
    """Two people meet at a pillar, stop for 3 s behind it and come out where each came from. Numbers before, after."""
    tracker = Tracker(config=TrackerConfig(look_size=3))
    looks = np.stack([RED, BLUE])
    numbers = []
    for n in range(8):
        columns = tracker.step(
            people(box(100 + 20 * n), box(560 - 20 * n)), at(n), SIZE, looks=looks if looks_given else None
        )
    numbers.append(columns.track_ids[:2].tolist())
    for n in range(8, 22):
        tracker.step(people(), at(n), SIZE, looks=np.zeros((0, 3)) if looks_given else None)
    for n in range(22, 28):
        columns = tracker.step(
            people(box(270 - 15 * (n - 22)), box(400 + 15 * (n - 22))), at(n), SIZE,
            looks=looks if looks_given else None,
        )  # fmt: skip
    measured = columns.track_ids[columns.is_measured]
    by_place = measured[np.argsort(columns.boxes_norm[columns.is_measured][:, 0])]
    numbers.append(by_place.tolist())
    return numbers


def test_a_look_brings_people_back_after_a_long_occlusion():
    before, after = swap_behind_a_pillar(looks_given=True)
    assert after == before
    before, after = swap_behind_a_pillar(looks_given=False)
    assert not set(after) & set(before)


def test_looks_of_the_wrong_shape_are_refused():
    with pytest.raises(InvalidArgument):
        Tracker(config=TrackerConfig(look_size=3)).step(people(box(1)), at(0), SIZE, looks=np.zeros((1, 4)))


def test_who_walks_behind_somebody_is_hidden_and_who_vanishes_in_the_open_is_not():
    tracker = Tracker()
    for n in range(8):
        tracker.step(people(box(470, top=310, width=80), box(300 + 24 * n), box(900)), at(n), SIZE)
    columns = tracker.step(people(box(470, top=310, width=80)), at(8), SIZE)
    by_number = dict(zip(columns.track_ids.tolist(), columns.is_hidden.tolist(), strict=True))
    assert by_number == {1: False, 2: True, 3: False}


def test_quality_is_high_for_what_was_seen_and_low_for_what_was_guessed():
    tracker = Tracker()
    for n in range(20):
        seen = [box(100 + 5 * n)] + ([box(700 + 5 * n)] if n < 3 or n % 5 == 0 else [])
        tracker.step(people(*seen), at(n), SIZE)
    tracker.finish()
    steady, flickering = sorted(tracker.ended(), key=lambda track: track.track_id)
    assert steady.quality == pytest.approx(0.9)
    assert flickering.quality < 0.4
