"""Suppression: properties that hold for any boxes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from custodes.detect.boxes import suppress
from custodes.geometry.boxes import iou_matrix


@st.composite
def detections(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(0, 25))
    number = st.integers(0, 40)
    corners = np.array([[draw(number) for _ in range(4)] for _ in range(n)], np.float32).reshape(-1, 4)
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + 1 + corners[:, 2:]], axis=1)
    scores = np.array([draw(st.integers(0, 10)) / 10 for _ in range(n)], np.float32)
    return boxes, scores, np.array([draw(st.integers(0, 2)) for _ in range(n)], np.int16)


@given(detections(), st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_suppress_when_done_then_kept_boxes_do_not_overlap_more(found, iou_max: float) -> None:
    boxes, scores, groups = found
    kept = suppress(boxes, scores, groups, iou_max=iou_max)
    overlaps = iou_matrix(boxes[kept], boxes[kept]) * (groups[kept][:, None] == groups[kept][None, :])
    np.fill_diagonal(overlaps, 0)
    assert (overlaps <= iou_max + 1e-6).all()
    assert (np.diff(scores[kept]) <= 0).all()


@given(detections(), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_suppress_when_a_box_is_dropped_then_a_better_kept_one_overlaps_it(found, iou_max: float) -> None:
    boxes, scores, groups = found
    kept = suppress(boxes, scores, groups, iou_max=iou_max)
    for row in set(range(len(boxes))) - set(kept.tolist()):
        rivals = [k for k in kept if groups[k] == groups[row] and scores[k] >= scores[row]]
        assert rivals
        assert iou_matrix(boxes[row : row + 1], boxes[rivals]).max() > iou_max


@given(detections())
def test_suppress_when_done_again_then_nothing_changes(found) -> None:
    boxes, scores, groups = found
    kept = suppress(boxes, scores, groups, iou_max=0.5)
    again = suppress(boxes[kept], scores[kept], groups[kept], iou_max=0.5)
    assert again.tolist() == list(range(len(kept)))


def test_a_cabin_in_its_lorry_goes_where_a_group_is_solid_and_stays_elsewhere():
    boxes = np.array([[0, 0, 100, 100], [40, 50, 90, 110], [95, 0, 195, 100]], np.float32)
    scores = np.array([0.8, 0.7, 0.6], np.float32)
    groups = np.ones(3, np.int16)
    assert suppress(boxes, scores, groups, iou_max=0.5, solid_group=1).tolist() == [0, 2]
    assert suppress(boxes, scores, groups, iou_max=0.5, solid_group=2).tolist() == [0, 1, 2]
