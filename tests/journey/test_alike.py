"""What looks say: never less when they are more alike, never without end, learnt without labels, and forgotten."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.journey.alike import Closet, Likeness, Looked, Spread, learn, mean_of, refine

_CASES = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.booleans())


@given(_CASES)
def test_nats_are_bounded_and_never_fall_with_likeness(case) -> None:
    one, other, is_here = case
    low, high = Likeness().nats(np.array(sorted((one, other))), np.array([is_here, is_here]))
    assert -5 < low <= high < 5


@given(st.floats(0.1, 0.99), st.floats(0.03, 0.2), st.floats(0.1, 0.99), st.floats(0.03, 0.2))
def test_nats_rise_whatever_was_learnt(same, same_sd, other, other_sd) -> None:
    spread = Likeness(
        same_here=Spread(mean=max(same, other), sd=same_sd), other_here=Spread(mean=min(same, other), sd=other_sd)
    )
    said = spread.nats(np.linspace(-1, 1, 101), np.ones(101, bool))
    assert (np.diff(said) >= -1e-12).all()


def test_nats_of_a_look_that_is_missing_say_nothing() -> None:
    assert Likeness().nats(np.array([np.nan]), np.array([True])).tolist() == [0.0]


def _person(rng, number: int, noise: float = 0.1) -> np.ndarray:
    own = np.random.default_rng(number).normal(size=32)
    look = own / np.linalg.norm(own) + noise * rng.normal(size=32)
    return look / np.linalg.norm(look)


def _looked(rng, number: int, camera: int, start: int, noise: float = 0.1) -> Looked:
    vectors = np.stack([_person(rng, number, noise) for _ in range(4)]).astype(np.float32)
    return Looked(camera=camera, start_ns=start, end_ns=start + 10, vectors=vectors)


def test_learn_when_people_differ_more_than_on_the_terrace_then_says_so() -> None:
    rng = np.random.default_rng(0)
    many = [_looked(rng, number, number % 2, 20 * (number // 8)) for number in range(80)]
    learnt = learn(many)
    assert learnt.other_here.mean < Likeness().other_here.mean - 0.3
    assert learnt.other_there.mean < Likeness().other_there.mean - 0.3
    cosine = np.array([0.75])
    assert learnt.nats(cosine, np.array([False]))[0] > Likeness().nats(cosine, np.array([False]))[0]


def test_learn_from_nobody_keeps_what_is_known() -> None:
    rng = np.random.default_rng(0)
    assert learn([]) == learn([_looked(rng, 1, 0, 0)]) == Likeness()


def test_closet_tells_who_looks_like_whom_and_forgets_by_overwriting() -> None:
    rng = np.random.default_rng(1)
    closet, kept = Closet(), []
    for index, (number, camera) in enumerate([(1, 0), (2, 0), (1, 1), (2, 1)]):
        looked = _looked(rng, number, camera, 20 * index)
        kept.append(looked.vectors)
        closet.put(index, looked)
    closet.put(4, Looked(camera=1, start_ns=0, end_ns=1, vectors=np.zeros((0, 32), np.float32)))
    same, other, unseen = closet.nats([(0, 2), (0, 3), (0, 4)])
    assert same > 0.5 > -0.5 > other
    assert unseen is None
    with pytest.raises(KeyError):
        closet.nats([(0, 9)])
    closet.forget()
    assert len(closet) == 0
    assert not any(vectors.any() for vectors in kept)


def test_mean_of_looks_has_unit_length() -> None:
    rng = np.random.default_rng(2)
    assert np.linalg.norm(mean_of(_looked(rng, 1, 0, 0).vectors)) == pytest.approx(1.0)


def test_refine_finds_how_alike_one_person_is_from_pairs_that_nobody_named() -> None:
    rng = np.random.default_rng(3)
    is_one = rng.random(400) < 0.5
    cosines = np.where(is_one, rng.normal(0.88, 0.04, 400), rng.normal(0.6, 0.1, 400))
    before = Likeness(other_there=Spread(mean=0.6, sd=0.1))
    learnt = refine(before, cosines, np.full(400, 0.5))
    assert learnt.same_there.mean == pytest.approx(0.88, abs=0.02)
    assert 0.03 < learnt.same_there.sd < 0.08
    assert learnt.other_there == before.other_there


def test_refine_from_nobody_or_from_strangers_keeps_what_is_known() -> None:
    assert refine(Likeness(), np.zeros(0), np.zeros(0)) == Likeness()
    rng = np.random.default_rng(4)
    strangers = refine(Likeness(), rng.normal(0.5, 0.1, 300), np.full(300, 0.001))
    assert strangers.same_there.mean == pytest.approx(0.8, abs=0.03)


def test_learn_when_halves_of_tracks_are_alike_then_two_tracks_of_one_person_need_not_be() -> None:
    rng = np.random.default_rng(5)
    learnt = learn([_looked(rng, number, 0, 20 * number, noise=0.001) for number in range(40)])
    assert learnt.same_here.mean <= Likeness().same_here.mean
    assert learnt.same_here.sd >= Likeness().same_here.sd


def test_closet_when_several_tracks_are_one_person_then_compares_with_all_of_them() -> None:
    """Somebody who is like one of them by chance is not like the others."""
    closet = Closet()
    axes = np.eye(8, dtype=np.float32)
    person, other = [axes[0] + 0.2 * axes[at] for at in (1, 2, 3)], axes[0] + axes[1]
    for index, look in enumerate([*person, other]):
        vectors = np.stack([look / np.linalg.norm(look)] * 4)
        closet.put(index, Looked(camera=index, start_ns=20 * index, end_ns=20 * index + 10, vectors=vectors))
    (alone,) = closet.nats([(0, 3)])
    (among,) = closet.nats([(0, 3)], one=[0, 1, 2])
    assert alone is not None and among is not None
    assert among < alone
    assert closet.nats([(0, 1)], one=[0, 1, 2]) == closet.nats([(0, 1)])


def test_closet_counts_the_first_word_about_a_pair_alone() -> None:
    rng = np.random.default_rng(6)
    first, second = Closet(), Closet()
    for index in range(20):
        looked = _looked(rng, index // 2, index % 2, 20 * index, noise=0.05)
        for closet in (first, second):
            closet.put(index, looked)
    pairs = [(index, index + 1) for index in range(0, 20, 2)]
    said = first.nats(pairs, dict.fromkeys(pairs, 0.9))
    assert first.nats(pairs, dict.fromkeys(pairs, 0.001)) == said
    assert second.nats(pairs, dict.fromkeys(pairs, 0.001)) != said
