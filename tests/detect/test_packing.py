"""Packing parts into inputs: nothing overlaps, nothing is lost, and each finding goes back to its own part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.adapters.model import load_detector
from custodes.detect.packing import owners, pack, paint
from custodes.errors import InvalidArgument

SIDES = st.sampled_from(range(32, 353, 32))
SIZES = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=30)


@given(SIZES, st.sampled_from([None, (672, 384)]))
def test_pack_when_any_parts_then_each_lies_once_and_none_on_another(sizes, fixed):
    canvases = pack(sizes, pixels_max=352 * 352, fixed=fixed)
    assert sorted(slot.index for canvas in canvases for slot in canvas.slots) == list(range(len(sizes)))
    for canvas in canvases:
        covered = np.zeros((canvas.height, canvas.width), int)
        for slot in canvas.slots:
            assert (slot.width, slot.height) == sizes[slot.index]
            part = covered[slot.y : slot.y + slot.height, slot.x : slot.x + slot.width]
            assert part.shape == (slot.height, slot.width)
            part += 1
        assert covered.max() == 1
        assert fixed is None or (canvas.width, canvas.height) == fixed
        assert canvas.width * canvas.height <= 352 * 352 or fixed or len(canvas.slots) == 1


def test_pack_when_parts_are_alike_then_little_is_wasted():
    (canvas,) = pack([(96, 96)] * 8, pixels_max=352 * 352, fixed=None)
    assert canvas.width * canvas.height == 8 * 96 * 96


def test_pack_when_a_part_is_larger_than_a_fixed_input_then_it_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        pack([(700, 96)], pixels_max=1, fixed=(672, 384))


def test_owners_when_boxes_lie_in_parts_and_between_then_each_is_its_own():
    canvas = pack([(64, 96), (64, 32)], pixels_max=64 * 200, fixed=None)[0]
    middles = [(slot.x + slot.width / 2, slot.y + slot.height / 2) for slot in canvas.slots]
    boxes = np.array([(x - 5, y - 5, x + 5, y + 5) for x, y in [*middles, (1000, 1000)]], np.float32)
    assert owners(canvas, boxes).tolist() == [0, 1, -1]


def test_paint_when_parts_have_colours_then_they_lie_in_their_slots():
    pictures = [np.full((32, 64, 3), 10 * n, np.uint8) for n in range(1, 4)]
    (canvas,) = pack([(64, 32)] * 3, pixels_max=352 * 352, fixed=None)
    painted = paint(canvas, pictures)
    for slot in canvas.slots:
        part = painted[slot.y : slot.y + slot.height, slot.x : slot.x + slot.width]
        np.testing.assert_array_equal(part, pictures[slot.index])


def test_parts_when_detected_together_then_each_has_what_it_has_alone():
    detector = load_detector(models_dir=None, name=None, threads=1, floor=0.05)
    rng = np.random.default_rng(6)
    parts = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (96, 160, 128)]
    together = detector.detect_parts(parts)
    assert len(together) == 3
    for found, part in zip(together, parts, strict=True):
        assert (found.boxes_px <= part.shape[0]).all()
        assert (found.boxes_px >= 0).all()
    assert detector.detect_parts([]) == []
    with pytest.raises(InvalidArgument):
        detector.detect_parts([np.zeros((8, 8, 3), np.uint8)])
