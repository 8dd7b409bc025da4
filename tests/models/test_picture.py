"""Pictures into inputs: placement, scaling, normalising."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.detect.picture import fill_input, place, resize
from custodes.testing.models import input_of
from custodes.types.model import ColourOrder, PictureFit, PixelLayout

SIDES = st.integers(16, 4000)


@given(SIDES, SIDES, st.sampled_from(list(PictureFit)), st.booleans())
def test_place_when_any_picture_then_it_lies_inside_and_within_the_budget(width, height, fit, is_free) -> None:
    spec = input_of(width_px=352, height_px=352, fit=fit, is_size_free=is_free)
    placement = place(width, height, spec)
    assert placement.width_px * placement.height_px <= 352 * 352
    assert placement.width_px % 32 == 0
    assert placement.height_px % 32 == 0
    assert round(width * placement.scale_x) <= placement.width_px
    assert round(height * placement.scale_y) <= placement.height_px


@given(st.integers(240, 3000), st.floats(0.4, 2.5))
def test_place_when_the_picture_was_scaled_before_then_it_is_not_again(width: int, aspect: float) -> None:
    spec = input_of(width_px=352, height_px=352)
    first = place(width, max(int(width * aspect), 240), spec)
    second = place(first.width_px, first.height_px, spec)
    assert (second.width_px, second.height_px) == (first.width_px, first.height_px)
    assert second.scale_x == second.scale_y == 1


def test_resize_when_enlarged_by_two_then_centres_are_aligned() -> None:
    row = np.array([[[0], [100]]], np.uint8)
    assert resize(row, 4, 1)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_resize_when_shrunk_by_whole_blocks_then_they_are_averaged() -> None:
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    assert resize(picture, 2, 2)[:, :, 0].tolist() == [[3, 5], [11, 13]]


@given(SIDES.map(lambda side: side // 10 + 1), SIDES.map(lambda side: side // 10 + 1), st.integers(1, 90))
def test_resize_when_the_picture_is_flat_then_it_stays_flat(width: int, height: int, target: int) -> None:
    picture = np.full((height, width, 3), 77, np.uint8)
    scaled = resize(picture, target, target)
    assert scaled.shape == (target, target, 3)
    np.testing.assert_allclose(scaled, 77, atol=1e-3)


@pytest.mark.parametrize("layout", list(PixelLayout))
def test_fill_input_when_bgr_with_mean_then_each_channel_gets_its_own(layout: PixelLayout) -> None:
    spec = input_of(layout=layout, colour=ColourOrder.BGR, mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    picture = np.tile(np.array([10, 20, 30], np.uint8), (64, 64, 1))
    filled = fill_input(picture, place(64, 64, spec), spec)
    pixel = filled[0, :, 5, 7] if layout is PixelLayout.NCHW else filled[0, 5, 7]
    assert filled.shape == ((1, 3, 64, 64) if layout is PixelLayout.NCHW else (1, 64, 64, 3))
    np.testing.assert_allclose(pixel, [(30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 8])


def test_fill_input_when_letterboxed_then_the_rest_is_grey() -> None:
    spec = input_of(is_size_free=False, fit=PictureFit.LETTERBOX)
    filled = fill_input(np.zeros((32, 64, 3), np.uint8), place(64, 32, spec), spec)
    assert filled[0, :32].max() == 0
    assert filled[0, 32:].min() == filled[0, 32:].max() == 114
