"""Solid fill in all three planes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.redact.fill import FILL_UV, FILL_Y, fill_boxes, fill_frame
from custodes.types.media import Frame
from custodes.units import CameraId, Ns, RunId


def noise(width, height, seed=1):
    rng = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    return Frame(
        camera_id=CameraId("a"),
        run=RunId("a" * 12),
        seq=0,
        utc_ns=Ns(0),
        y=rng.integers(100, 200, (height, width), np.uint8),
        u=rng.integers(140, 200, half, np.uint8),
        v=rng.integers(140, 200, half, np.uint8),
        is_keyframe=True,
        is_corrupt=False,
    )


share = st.floats(-0.25, 1.25, width=32)


@given(st.integers(2, 33), st.integers(2, 33), share, share, share, share)
@settings(max_examples=200, deadline=None)
def test_every_pixel_that_a_box_touches_is_filled_in_y_u_and_v(width, height, a, b, c, d):
    box = np.array([[min(a, b), min(c, d), max(a, b), max(c, d)]], np.float32)
    filled = fill_boxes(noise(width, height), box)
    x = np.arange(width)
    y = np.arange(height)
    left, top, right, bottom = np.clip(box[0].astype(float), 0, 1)
    columns = (x + 1 > left * width) & (x < right * width)
    rows = (y + 1 > top * height) & (y < bottom * height)
    inside = rows[:, None] & columns[None, :]
    assert (filled.y[inside] == FILL_Y).all()
    ys, xs = np.nonzero(inside)
    assert (filled.u[ys // 2, xs // 2] == FILL_UV).all()
    assert (filled.v[ys // 2, xs // 2] == FILL_UV).all()


def test_the_rest_of_the_picture_and_the_given_frame_stay():
    frame = noise(64, 48)
    kept = frame.y.copy()
    filled = fill_boxes(frame, np.array([[0.25, 0.25, 0.5, 0.5]], np.float32))
    assert (frame.y == kept).all()
    assert (filled.y[:, 40:] == kept[:, 40:]).all()
    assert (filled.y[12:24, 16:32] == FILL_Y).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_box_that_is_no_box_covers_everything(value):
    filled = fill_boxes(noise(16, 16), np.array([[0.1, value, 0.2, 0.3]], np.float32))
    assert (filled.y == FILL_Y).all()


def test_fill_frame_leaves_one_flat_picture():
    filled = fill_frame(noise(17, 15))
    assert (filled.y == FILL_Y).all()
    assert (filled.u == FILL_UV).all()
    assert (filled.v == FILL_UV).all()
