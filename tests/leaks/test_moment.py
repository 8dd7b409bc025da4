"""The moment is found by what moves; where nothing does, the answer is a stretch, not a second."""

import numpy as np
from tests.leaks.scenes import scene

from custodes.leaks.moment import compare, interval, moments, sketch
from custodes.leaks.place import background_of
from custodes.units import NS_PER_S

SECONDS = 40


def walked(second: int) -> np.ndarray:
    y = scene(4).copy()
    y[200:420, 20 + 20 * second : 80 + 20 * second] = 30
    return y


def noisy(y: np.ndarray, seed: int) -> np.ndarray:
    return np.clip(y * 0.9 + 12 + np.random.default_rng(seed).normal(0, 4, y.shape), 0, 255).astype(np.uint8)


def test_moments_when_somebody_walks_then_the_second_is_found():
    archive = [sketch(noisy(walked(n), 100 + n)) for n in range(SECONDS)]
    found = moments(compare(sketch(noisy(walked(23), 1)), archive))
    assert found.best == 23
    assert set(found.alike) <= {22, 23, 24}
    start, end = interval([n * NS_PER_S for n in range(SECONDS)], found, step_ns=NS_PER_S)
    assert start <= 23 * NS_PER_S <= end
    assert end - start <= 4 * NS_PER_S


def test_moments_when_nothing_moves_then_all_of_them():
    archive = [sketch(noisy(scene(4), 100 + n)) for n in range(SECONDS)]
    found = moments(compare(sketch(noisy(scene(4), 1)), archive))
    start, end = interval([n * NS_PER_S for n in range(SECONDS)], found, step_ns=NS_PER_S)
    assert end - start >= 0.9 * SECONDS * NS_PER_S


def test_background_when_people_walk_then_they_are_not_in_it():
    background = background_of([walked(n) for n in range(0, SECONDS, 5)])
    assert np.abs(background.astype(int) - scene(4)).mean() < 1
