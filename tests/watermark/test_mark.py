"""The mark is invisible enough, survives delivery, names the right session and no other."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.leaks.rule import false_accusation_bound
from custodes.testing.marks import score, score_all
from custodes.testing.media import draw_frame
from custodes.types.mark import SLOT_NS, slot_of
from custodes.units import NS_PER_S, Ns
from custodes.watermark.mark import Marker, local_weights, make_pattern, mark_frame
from custodes.watermark.pattern import CELLS, GRIDS, chips, session_key, slot_key, upsample
from custodes.watermark.score import Evidence, scores

START_NS = 1_767_225_600 * NS_PER_S


def key(number: int) -> bytes:
    return hashlib.sha256(f"session {number}".encode()).digest()


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def test_mark_when_applied_then_stays_below_visibility_and_leaves_chroma():
    frame = draw_frame(3, width=768, height=432, utc_ns=START_NS)
    marked = Marker(key(1)).mark(frame)
    assert 45.5 < psnr_db(marked.y, frame.y) < 46.6
    assert np.abs(marked.y.astype(int) - frame.y).max() <= 6
    assert marked.u is frame.u
    assert marked.v is frame.v


def test_score_when_many_candidates_then_only_the_shown_session_stands_out():
    frame = draw_frame(3, width=768, height=432, utc_ns=START_NS)
    marked = Marker(key(1)).mark(frame)
    slot = slot_of(Ns(START_NS))
    assert score(frame.y, marked.y, key(1), slot) > 40
    others = score_all(frame.y, marked.y, [key(n) for n in range(2, 1000)], slot)
    assert np.abs(others).max() < 5
    assert 0.7 < others.std() < 1.25, "the score of the innocent is about N(0, 1)"


def test_score_when_another_slot_then_no_mark():
    frame = draw_frame(3, width=768, height=432, utc_ns=START_NS)
    marked = Marker(key(1)).mark(frame)
    slot = slot_of(Ns(START_NS))
    assert abs(score(frame.y, marked.y, key(1), slot + 1)) < 5
    later = draw_frame(3, width=768, height=432, utc_ns=START_NS + SLOT_NS)
    assert not np.array_equal(Marker(key(1)).mark(later).y, marked.y)


def test_score_when_picture_was_never_marked_then_names_nobody():
    frame = draw_frame(3, width=768, height=432)
    noisy = np.clip(frame.y + np.random.default_rng(1).normal(0, 3, frame.y.shape), 0, 255).astype(np.uint8)
    assert np.abs(score_all(frame.y, noisy, [key(n) for n in range(64)], 5)).max() < 5
    assert abs(score(frame.y, frame.y, key(1), 5)) < 5


@pytest.mark.parametrize("luma", [0, 3, 128, 253, 255])
def test_mark_when_luma_is_at_its_ends_then_nothing_wraps_around(luma: int):
    frame = draw_frame(0, width=320, height=240)
    frame.y[:] = luma
    pattern = make_pattern(
        chips(slot_key(key(1), 0)), chips(session_key(key(1))), local_weights(frame.y), height=240, width=320
    )
    marked = mark_frame(frame, pattern)
    assert np.abs(marked.y.astype(int) - luma).max() <= 12


def test_mark_when_frame_changes_size_then_pattern_follows():
    marker = Marker(key(1))
    for width, height in ((320, 240), (640, 360), (96, 54)):
        assert marker.mark(draw_frame(1, width=width, height=height)).y.shape == (height, width)


def test_chips_when_key_has_wrong_length_then_refused():
    with pytest.raises(InvalidArgument, match="32"):
        chips(b"short")
    with pytest.raises(InvalidArgument):
        slot_key(b"short", 0)
    with pytest.raises(InvalidArgument):
        Marker(b"")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 1 << 30))
def test_chips_when_key_or_slot_differ_then_uncorrelated_and_repeatable(slot: int, number: int):
    grid = chips(slot_key(key(number), slot))
    assert all(np.array_equal(a, b) for a, b in zip(grid, chips(slot_key(key(number), slot)), strict=True))
    others = (slot_key(key(number + 1), slot), slot_key(key(number), slot + 1), session_key(key(number)))
    for other in map(chips, others):
        agreement = sum(float((a * b).sum()) for a, b in zip(grid, other, strict=True))
        assert abs(agreement) < 6.5 * np.sqrt(CELLS)


def test_upsample_when_constant_then_constant_and_size_right():
    grid = np.full((45, 80), 1.5, dtype=np.float32)
    field = upsample(grid, 431, 767)
    assert field.shape == (431, 767)
    assert np.allclose(field, 1.5)


def test_bound_when_more_is_tried_then_larger_and_never_above_one():
    assert false_accusation_bound(9.0, trials=10_000) < 1e-12
    assert false_accusation_bound(6.8, trials=10_000) < 1e-5
    assert false_accusation_bound(1.0, trials=10_000) == 1.0
    assert false_accusation_bound(-20.0, trials=1) == 1.0


def test_scores_when_table_is_used_then_equal_to_the_plain_sum():
    values = np.random.default_rng(2).normal(size=CELLS).astype(np.float32)
    evidence = Evidence(values=values / np.linalg.norm(values))
    keys = [slot_key(key(1), n) for n in range(5)]
    plain = [sum(float((e * c).sum()) for e, c in zip(_split(evidence), chips(k), strict=True)) for k in keys]
    assert np.allclose(scores(evidence, keys), plain, atol=1e-3)


def _split(evidence: Evidence) -> list[np.ndarray]:
    cut = np.split(evidence.values, np.cumsum([grid.cells for grid in GRIDS])[:-1])
    return [part.reshape(grid.rows, grid.columns) for part, grid in zip(cut, GRIDS, strict=True)]
