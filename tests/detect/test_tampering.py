"""Whether a picture is the camera's usual one: synthetic scenes with edges, changing light, and attacks on them."""

import numpy as np
import pytest

from custodes.detect.tampering import LEARN_LOOKS, SceneWatch
from custodes.types.event import TamperKind
from custodes.units import NS_PER_S, Ns

SIZE = (144, 192)


def ground(seed, size=SIZE):
    """Rectangles of many greys: (h, w) float."""
    rng = np.random.default_rng(seed)
    picture = np.full(size, 110.0)
    for _ in range(120):
        y, x = rng.integers(0, size[0] - 8), rng.integers(0, size[1] - 8)
        height, width = rng.integers(6, 40, 2)
        picture[y : y + height, x : x + width] = rng.integers(20, 235)
    return picture


def seen(picture, second, *, noise=2.0):
    rng = np.random.default_rng(second)
    return (picture + rng.normal(0, noise, picture.shape)).clip(0, 255).astype(np.uint8)


def learnt(picture, *, seconds=LEARN_LOOKS + 5):
    watch = SceneWatch()
    for second in range(1, seconds + 1):
        watch.look(seen(picture, second), Ns(second * NS_PER_S))
    assert watch.is_known
    return watch, seconds


def blur(picture, times):
    for _ in range(times):
        padded = np.pad(picture, 1, mode="edge")
        picture = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + picture) / 5
    return picture


@pytest.mark.parametrize(
    ("attack", "kind"),
    [
        pytest.param(lambda picture: np.full(SIZE, 18.0), TamperKind.COVERED, id="black"),
        pytest.param(lambda picture: np.full(SIZE, 140.0), TamperKind.COVERED, id="paper"),
        pytest.param(lambda picture: np.roll(picture, 12, 1), TamperKind.MOVED, id="shifted"),
        pytest.param(lambda picture: np.rot90(ground(1, SIZE[::-1])), TamperKind.MOVED, id="rotated"),
        pytest.param(lambda picture: ground(9), TamperKind.MOVED, id="elsewhere"),
        pytest.param(lambda picture: picture, None, id="as it was"),
        pytest.param(lambda picture: picture * 0.5 + 10, None, id="half the light"),
        pytest.param(lambda picture: 255 - picture, None, id="infrared turns dark into bright"),
        pytest.param(lambda picture: np.where(np.arange(192) < 60, 90.0, picture), None, id="lorry"),
    ],
)
def test_a_picture_against_the_usual_one(attack, kind):
    watch, second = learnt(ground(1))
    look = watch.look(seen(attack(ground(1)), second + 1), Ns((second + 1) * NS_PER_S))
    assert (look.is_known, look.kind) == (True, kind), look
    assert bool(look.detail) is (kind is not None)


def test_a_lens_that_is_turned_out_of_focus_keeps_its_place():
    large = np.kron(ground(1), np.ones((4, 4)))
    watch, second = learnt(large)
    look = watch.look(seen(blur(large, 60), second + 1), Ns((second + 1) * NS_PER_S))
    assert look.kind is TamperKind.DEFOCUSED
    assert look.shift == (0, 0)


def test_a_shift_is_told_by_how_far():
    watch, second = learnt(ground(1))
    look = watch.look(seen(np.roll(ground(1), 24, 1), second + 1), Ns((second + 1) * NS_PER_S))
    assert look.shift[0] == pytest.approx(24 / 192, abs=0.02)
    assert "12% of the width to the right" in look.detail


def test_a_camera_that_turns_has_no_usual_picture():
    watch = SceneWatch()
    for second in range(1, 4 * LEARN_LOOKS):
        look = watch.look(seen(ground(second // 10), second), Ns(second * NS_PER_S))
        assert not look.is_known


def test_a_wall_without_edges_is_never_called_covered():
    watch = SceneWatch()
    for second in range(1, 3 * LEARN_LOOKS):
        assert watch.look(seen(np.full(SIZE, 120.0), second), Ns(second * NS_PER_S)).kind is None


def test_light_that_goes_slowly_is_followed():
    picture = ground(1)
    watch, second = learnt(picture)
    for step in range(200):
        light = 1 - 0.85 * step / 200
        second += 10
        assert watch.look(seen(picture * light, second), Ns(second * NS_PER_S)).kind is None, light


def test_a_camera_that_sags_is_noticed_though_no_look_differs_from_the_one_before():
    wide = ground(1, (144, 400))
    watch, second = learnt(wide[:, :192])
    kinds = set()
    for step in range(20 * 25):
        second += 20
        shift = step // 25
        look = watch.look(seen(wide[:, shift : shift + 192], second), Ns(second * NS_PER_S))
        kinds.add(look.kind)
    assert TamperKind.MOVED in kinds


def test_too_small_a_picture_tells_nothing():
    assert not SceneWatch().look(np.zeros((32, 48), np.uint8), Ns(1)).is_known
