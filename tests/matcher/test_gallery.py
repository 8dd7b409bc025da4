"""Exact search, separate contracts, and nothing left in memory of what was removed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import AlreadyExists, InvalidArgument, NotFound
from custodes.face.gallery import Gallery


def vector(seed, dimension=32):
    return np.random.default_rng(seed).normal(size=dimension).astype(np.float32)


def filled(count=40, contract="c1"):
    gallery = Gallery()
    for n in range(count):
        gallery.add(contract=contract, person_id=f"p{n // 2}", template_id=f"{contract}-t{n}", vector=vector(n))
    return gallery


@given(st.integers(1, 60), st.integers(0, 1000), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_search_gives_what_comparing_with_each_template_gives(count, seed, limit):
    probe = vector(10_000 + seed)
    found = filled(count).search(contract="c1", probe=probe, limit=limit)
    units = [vector(n) / np.linalg.norm(vector(n)) for n in range(count)]
    scores = sorted((float(u @ probe / np.linalg.norm(probe)) for u in units), reverse=True)[:limit]
    assert [c.score for c in found] == pytest.approx(scores, abs=1e-5)


def test_a_template_finds_itself_and_the_probe_is_left_as_it_was():
    gallery, probe = filled(), vector(7)
    best = gallery.search(contract="c1", probe=probe, limit=1)[0]
    assert (best.person_id, best.template_id) == ("p3", "c1-t7")
    assert best.score == pytest.approx(1.0, abs=1e-5)
    assert (probe == vector(7)).all()


def test_contracts_never_meet():
    gallery = filled()
    gallery.add(contract="c2", person_id="p0", template_id="x", vector=vector(7))
    assert [c.template_id for c in gallery.search(contract="c2", probe=vector(7), limit=9)] == ["x"]
    assert gallery.search(contract="c3", probe=vector(7), limit=9) == []
    assert (gallery.people, gallery.templates, gallery.contracts) == (20, 41, ("c1", "c2"))


def test_what_is_removed_is_not_found_and_not_in_memory():
    gallery = filled()
    rows = gallery._shelves["c1"].rows
    assert gallery.remove_person("p3") == 2
    unit = vector(7) / np.linalg.norm(vector(7))
    assert not np.isclose(rows @ unit, 1.0, atol=1e-4).any()
    assert (rows[38:] == 0).all()
    assert "p3" not in {c.person_id for c in gallery.search(contract="c1", probe=vector(7), limit=100)}
    assert gallery.search(contract="c1", probe=vector(39), limit=1)[0].template_id == "c1-t39"
    with pytest.raises(NotFound):
        gallery.remove_person("p3")


def test_growing_and_clearing_leave_no_copy():
    gallery = filled(16)
    small = gallery._shelves["c1"].rows
    gallery.add(contract="c1", person_id="p", template_id="one more", vector=vector(99))
    assert (small == 0).all()
    large = gallery._shelves["c1"].rows
    gallery.clear()
    assert (large == 0).all()
    assert gallery.templates == 0


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(32, np.float32),
        np.full(32, np.nan, np.float32),
        np.ones(32, np.float64),
        np.ones(8, np.float32),
        np.ones((2, 32), np.float32),
        np.ones(64, np.float32),
    ],
    ids=["zero", "nan", "float64", "short", "matrix", "other dimension"],
)
def test_what_is_no_template_of_the_contract_is_refused(bad):
    gallery = filled()
    with pytest.raises(InvalidArgument):
        gallery.add(contract="c1", person_id="p", template_id="t", vector=bad)
    with pytest.raises(InvalidArgument):
        gallery.search(contract="c1", probe=bad, limit=1)


def test_a_template_id_is_used_once_a_shelf():
    with pytest.raises(AlreadyExists):
        filled().add(contract="c1", person_id="p", template_id="c1-t0", vector=vector(1))
