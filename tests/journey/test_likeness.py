"""What likeness says, and that it learns what it means in a place."""

import math

import numpy as np
import pytest

from custodes.journey.likeness import MOST_NATS, OTHER_VIEW, SAME_VIEW, Likeness

KINDS = (SAME_VIEW, OTHER_VIEW)


def taught(same: tuple[float, float], other: tuple[float, float], count: int = 2000) -> Likeness:
    rng, likeness = np.random.default_rng(1), Likeness()
    for kind in KINDS:
        for value in np.clip(rng.normal(*same, count), -1, 1):
            likeness.learn(kind, float(value), is_same=True)
        for value in np.clip(rng.normal(*other, count), -1, 1):
            likeness.learn(kind, float(value), is_same=False)
    return likeness


@pytest.mark.parametrize("kind", KINDS)
def test_before_anything_was_seen_the_usual_is_said(kind):
    likeness = Likeness()
    assert likeness.nats(kind, 0.9) > 1.5
    assert likeness.nats(kind, 0.0) < -0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_likeness_says_another_thing_in_another_place(kind):
    small, large = taught((0.93, 0.04), (0.75, 0.1)), taught((0.73, 0.1), (0.49, 0.07))
    assert small.nats(kind, 0.73) < -1.5
    assert large.nats(kind, 0.73) > 1.5


def test_more_alike_is_never_less_likely():
    likeness = taught((0.8, 0.05), (0.5, 0.1))
    said = [likeness.nats(SAME_VIEW, value) for value in np.linspace(-1, 1, 101)]
    assert said == sorted(said)


def test_where_strangers_are_as_alike_as_one_person_it_says_nothing():
    uniform = taught((0.9, 0.05), (0.93, 0.05))  # all wear the same
    assert uniform.nats(SAME_VIEW, 0.99) == uniform.nats(SAME_VIEW, 0.2) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_look_is_sure_however_far_out_it_is(kind):
    sharp = taught((0.95, 0.03), (0.0, 0.1))
    said = [sharp.nats(kind, cosine) for cosine in (-1.0, 1.0)]
    assert said == pytest.approx([-MOST_NATS, MOST_NATS], abs=1e-3)
    assert math.exp(MOST_NATS) == pytest.approx(9)


def test_what_was_long_ago_fades():
    likeness = taught((0.9, 0.03), (0.6, 0.05))
    assert likeness.nats(SAME_VIEW, 0.7) < -1.5
    for _ in range(9000):
        likeness.learn(SAME_VIEW, 0.7, is_same=True)
    assert likeness.nats(SAME_VIEW, 0.7) > 0
