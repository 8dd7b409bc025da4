"""The view without people: who walked by is not in it, what never was free is not told, damage is said."""

import numpy as np
import pytest
from tests.leaks.scenes import NOW_NS, scene

from custodes.errors import DataLoss
from custodes.leaks.background import (
    SAMPLES,
    Background,
    BackgroundMaker,
    known_pixels,
    pack_background,
    regime_of,
    unpack_background,
)
from custodes.units import NS_PER_S, Ns

WIDTH, HEIGHT = 640, 360
PLACE = scene(5, width=WIDTH, height=HEIGHT)


def drawn(boxes: list[tuple[float, float, float, float]], number: int = 0) -> np.ndarray:
    y = np.clip(PLACE + np.random.default_rng(number).normal(0, 1.5, PLACE.shape), 0, 255).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        y[int(y1 * HEIGHT) : int(y2 * HEIGHT), int(x1 * WIDTH) : int(x2 * WIDTH)] = 250
    return y


def made(seen: list[list], told: list[list], privacy=()) -> Background | None:
    maker = BackgroundMaker()
    for number, (there, found) in enumerate(zip(seen, told, strict=True)):
        boxes = np.array(found, np.float32).reshape(-1, 4)
        maker.add(Ns(NOW_NS + number * NS_PER_S), drawn(there, number), boxes, privacy)
    return maker.made()


def error_of(view: Background) -> float:
    at = known_pixels(view) > 0
    return float(np.abs(view.y.astype(int) - PLACE)[at].max())


def test_made_when_somebody_walks_then_nothing_of_them_is_in_it():
    walk = [[(0.1 * n, 0.3, 0.1 * n + 0.12, 0.8)] for n in range(SAMPLES)]
    view = made(walk, walk)
    assert view is not None
    assert view.known_share > 0.9
    assert error_of(view) < 12


def test_made_when_somebody_sits_and_is_found_then_that_place_stays_unknown():
    there = [[(0.4, 0.3, 0.6, 0.9)]] * SAMPLES
    view = made(there, there)
    assert view is not None
    assert not known_pixels(view)[int(0.5 * HEIGHT), int(0.5 * WIDTH)]
    assert view.y[int(0.5 * HEIGHT), int(0.5 * WIDTH)] < 200, "nothing of them shows there either"
    assert error_of(view) < 12


def test_made_when_somebody_unseen_is_there_in_four_of_nine_then_not_in_it():
    there = [[(0.4, 0.3, 0.6, 0.9)] if n % 2 else [] for n in range(SAMPLES)]
    view = made(there, [[]] * SAMPLES)
    assert view is not None
    assert not known_pixels(view)[int(0.5 * HEIGHT), int(0.5 * WIDTH)]


def test_made_when_a_zone_is_private_or_pictures_are_few_then_it_is_unknown():
    corner = [(0.0, 0.0), (0.3, 0.0), (0.3, 0.3), (0.0, 0.3)]
    view = made([[]] * SAMPLES, [[]] * SAMPLES, [corner])
    assert view is not None
    assert not known_pixels(view)[20, 20]
    assert made([[]] * (SAMPLES - 1), [[]] * (SAMPLES - 1)) is None
    everywhere = [[(0.0, 0.0, 1.0, 1.0)]] * SAMPLES
    assert made(everywhere, everywhere) is None


def test_packed_when_unpacked_then_the_same_and_damage_is_said():
    view = made([[]] * SAMPLES, [[]] * SAMPLES)
    assert view is not None
    packed = pack_background(view)
    again = unpack_background(packed)
    assert np.array_equal(again.y, view.y)
    assert np.array_equal(again.known, view.known)
    assert (again.start_ns, again.end_ns) == (view.start_ns, view.end_ns)
    for broken in (b"", packed[:20], packed[:-400], b"XXXX" + packed[4:], packed[:30] + bytes(len(packed) - 30)):
        with pytest.raises(DataLoss):
            unpack_background(broken)


def test_regime_when_it_is_night_or_infrared_then_another():
    grey = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    colour = grey.copy()
    colour[:, ::16] = 160
    colour[:, ::24] = 90
    day, night = regime_of(PLACE, colour, grey), regime_of(PLACE // 4, grey, grey)
    assert day[0] == "c"
    assert night == "g0"
