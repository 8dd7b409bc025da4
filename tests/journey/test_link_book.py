"""Links while they happen: right, final, one to one; looks overwritten when they are over; all of it bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.journey.test_links import city

from custodes.journey.link_book import FINAL_S, LinkBook
from custodes.journey.link_vectors import MEAN_FROM
from custodes.journey.resolve import WINDOW_S
from custodes.units import CameraId, RunId


def key(number):
    return CameraId("c"), RunId("r"), number


def fed(book, tracklets, until_s, step_s=10.0):
    """Everything up to a moment; what became final, and the key of each row."""
    looks = (tracklets.looks / np.linalg.norm(tracklets.looks, axis=1, keepdims=True)).astype(np.float32)
    final, row = [], 0
    for now_s in np.arange(step_s, until_s, step_s):
        while row < len(looks) and tracklets.end_s[row] < now_s:
            camera, way = int(tracklets.camera[row]), int(tracklets.way[row])
            book.look(key(row), camera, tracklets.start_s[row], looks[row])
            book.end(key(row), camera, way, tracklets.start_s[row], tracklets.end_s[row])
            row += 1
        final.append(book.step(now_s))
    return final


@pytest.fixture(scope="module")
def walked():
    """A book that saw a street for 36 minutes, and all that it told."""
    tracklets, owner = city(minutes=36, noise=0.7)
    book = LinkBook(rows=8192, looks=2048)
    final = fed(book, tracklets, float(tracklets.end_s.max()) + FINAL_S + 120)
    return book, tracklets, owner, final


def test_links_become_final_once_and_are_about_as_many_as_there_were(walked):
    _, tracklets, _, final = walked
    soft = np.zeros((4, 4))
    for one in final:
        np.add.at(soft, (one.first, one.second), one.chance)
    told_s = min(one.start_s.min() for one in final if len(one.start_s))
    due = tracklets.start_s >= told_s
    assert told_s < 1200, "half of the stretch was told at least"
    for first, second in ((0, 1), (1, 2), (0, 3)):
        true = int((due & (tracklets.camera == second)).sum())
        assert abs(soft[first, second] - true) < 0.1 * true + 5
    others = soft.copy()
    others[[0, 1, 0], [1, 2, 3]] = 0
    assert others.sum() < 0.05 * soft.sum()
    tracks = [track for one in final for track, _ in one.tracks]
    assert len(tracks) == len(set(tracks)) > 0.5 * len(tracklets)


def test_what_is_decided_is_one_to_one(walked):
    _, _, _, final = walked
    held = [one for one in final if one.is_held.any()]
    assert held
    went = np.concatenate([np.stack([one.whole[one.is_held], one.first[one.is_held]]) for one in held], axis=1)
    assert len(np.unique(went, axis=1).T) == went.shape[1], "nobody leaves a camera twice in one walk down a street"


def test_a_transit_time_is_learnt(walked):
    book, *_ = walked
    assert abs(book.model.median_s(0, 1) - 30) < 3
    assert abs(book.model.median_s(0, 3) - 70) < 4


def test_looks_are_overwritten_when_nobody_can_go_on_any_more(walked):
    book, tracklets, *_ = walked
    assert float(tracklets.end_s.max()) + WINDOW_S[1] < float(tracklets.end_s.max()) + FINAL_S
    assert book.places.used == 0
    assert not book.places.own.any()
    assert not book.places.front.any()
    assert book.tracks == 0


def test_looks_live_for_a_window_and_go_one_by_one():
    tracklets, _ = city(minutes=12)
    book = LinkBook(rows=4096, looks=1024)
    now_s = 660.0
    fed(book, tracklets, now_s)
    can_go_on = int(((tracklets.end_s < now_s - 10) & (tracklets.end_s > now_s - WINDOW_S[1] - 40)).sum())
    assert 0 < book.places.used <= can_go_on + 20
    assert np.count_nonzero(np.abs(book.places.own).sum(axis=1)) == book.places.used
    book.forget_all()
    assert book.places.used == book.tracks == 0
    assert not any(each.any() for each in (book.places.own, book.places.front, book.places._means))
    assert len(book.step(now_s + 10).whole) == 0


def test_more_than_there_is_room_for_drops_the_oldest_and_counts_it():
    tracklets, _ = city(minutes=12)
    book = LinkBook(rows=64, looks=16)
    fed(book, tracklets, 660.0)
    assert book.tracks <= 64
    assert book.places.used <= 16
    assert book.dropped > 100


def test_a_camera_whose_mean_is_about_too_few_compares_no_look():
    book = LinkBook(rows=64, looks=64)
    rng = np.random.default_rng(2)
    for number in range(MEAN_FROM - 1):
        look = rng.random(16).astype(np.float32)
        book.look(key(number), 0, float(number), look / np.linalg.norm(look))
        book.end(key(number), 0, 0, float(number), number + 1.0)
    book.step(60.0)
    places = np.flatnonzero(np.abs(book.places.own).sum(axis=1))
    assert np.isnan(book.places.seen(places, np.zeros(len(places), np.int64))).all()


def test_what_is_told_twice_or_never_looked_at_is_no_trouble():
    book = LinkBook(rows=64, looks=8)
    book.end(key(1), 0, 3, 5.0, 9.0)
    book.end(key(1), 0, 3, 5.0, 19.0)
    book.look(key(1), 0, 20.0, np.ones(4, np.float32) / 2)
    assert (book.tracks, book.places.used) == (1, 0)
    for now_s in (30.0, 60.0, 300.0, 700.0, 1500.0):
        book.step(now_s)
    assert book.tracks == 0


SAID = st.tuples(
    st.sampled_from(["look", "end", "step", "forget"]), st.integers(0, 11), st.integers(0, 3), st.floats(0, 90),
    st.floats(-30, 90),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(SAID, max_size=60))
def test_whatever_comes_in_whatever_order_breaks_nothing_and_ends_with_nothing(said):
    book, now_s = LinkBook(rows=8, looks=4), 100.0
    rng = np.random.default_rng(1)
    for what, number, camera, ago_s, lasted_s in said:
        if what == "look":
            look = rng.random(8).astype(np.float32)
            book.look(key(number), camera, now_s - ago_s, look / np.linalg.norm(look))
        elif what == "end":
            book.end(key(number), camera, number, now_s - ago_s, now_s - ago_s + lasted_s)
        elif what == "step":
            now_s += 7 + ago_s
            final = book.step(now_s)
            assert ((final.chance >= 0) & (final.chance <= 1)).all()
        else:
            book.forget_all()
            now_s = 100.0 + ago_s
    for after_s in range(100, 2000, 100):
        book.step(now_s + after_s)
    assert book.tracks == book.places.used == 0
    assert not book.places.own.any()
