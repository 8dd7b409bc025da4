"""Box arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.geometry.boxes import areas, clip_norm, grow, iou_matrix, norm_from_px

number = st.floats(-50, 150, width=32)
boxes = st.lists(st.tuples(number, number, number, number), min_size=1, max_size=6).map(
    lambda rows: np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in rows], np.float32)
)


@given(boxes, boxes)
@settings(max_examples=60, deadline=None)
def test_overlap_is_symmetric_and_a_share(first, second):
    iou = iou_matrix(first, second)
    assert iou.shape == (len(first), len(second))
    assert np.allclose(iou, iou_matrix(second, first).T)
    assert ((iou >= 0) & (iou <= 1 + 1e-6)).all()


@given(boxes)
@settings(max_examples=60, deadline=None)
def test_a_box_overlaps_itself_wholly_unless_it_is_flat(rows):
    solid = rows[areas(rows) > 1e-3]
    assert np.allclose(np.diag(iou_matrix(solid, solid)), 1, atol=1e-3)


@given(boxes, st.floats(0, 2))
@settings(max_examples=60, deadline=None)
def test_a_grown_box_holds_the_box(rows, margin):
    grown = grow(rows, margin)
    assert (grown[:, :2] <= rows[:, :2]).all()
    assert (grown[:, 2:] >= rows[:, 2:]).all()


def test_known_values():
    iou = iou_matrix(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 3, 3], [2, 2, 3, 3], [0, 0, 2, 2]]))
    assert iou[0].tolist() == pytest.approx([1 / 7, 0, 1])
    norm = norm_from_px(np.array([[-10, 0, 50, 200]], np.float32), 100, 100)
    assert norm.tolist() == [[0, 0, 0.5, 1]]
    assert clip_norm(np.array([[-1, 0.5, 2, 1]], np.float32)).tolist() == [[0, 0.5, 1, 1]]
