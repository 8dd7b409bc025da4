"""Hints at a picture of a face: what prints, screens, still pictures and heads look like to them."""

import numpy as np
import pytest

from custodes.face.presentation import LEAST_LOOKS, signals_of, worst
from custodes.types.face import Side, Signal, Speaks

HEAD_MM = np.array([[-31.5, 0, 0], [31.5, 0, 0], [0, 38, -32], [-25, 68, -4], [25, 68, -4]])
"""Eyes, tip of the nose, corners of the mouth; z away from the camera."""
PRINT_MM = HEAD_MM * [1, 1, 0]


def looks_of(shape_mm: np.ndarray, yaws_deg: tuple[float, ...], off: float = 0.01) -> list[np.ndarray]:
    """Landmarks 45 cm before a camera, as the shape is turned to its left by so much; off by so many eye distances."""
    random = np.random.default_rng(4)
    looks = []
    for yaw in np.radians(yaws_deg):
        turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        placed = (shape_mm - [0, 30, 0]) @ turn.T + [0, 0, 450]
        points = placed[:, :2] / placed[:, 2:] * 900 + [320, 240]
        eyes = np.linalg.norm(points[1] - points[0])
        looks.append((points + random.normal(size=points.shape) * off * eyes).astype(np.float32))
    return looks


def pictures(count: int) -> list[np.ndarray]:
    """Noise, another in each."""
    return list(np.random.default_rng(1).integers(0, 255, (count, 480, 640, 3), dtype=np.uint8))


def said(signals: list[Signal]) -> list[Speaks]:
    return [one.speaks for one in signals]


LEFT = (0.0, 12.0, 25.0, 28.0, 10.0)


def test_signals_when_a_head_turns_as_asked_then_all_speak_for_a_face() -> None:
    found = signals_of(pictures(5), looks_of(HEAD_MM, LEFT), Side.LEFT)
    assert said(found) == [Speaks.FACE, Speaks.FACE]
    assert worst(found) is Speaks.FACE


def test_signals_when_a_print_is_tilted_then_they_speak_against_it() -> None:
    found = signals_of(pictures(5), looks_of(PRINT_MM, (0.0, 20.0, 40.0, 45.0, 20.0)), Side.NONE)
    assert said(found) == [Speaks.FAKE]


def test_signals_when_a_head_turns_the_other_way_then_the_film_is_named() -> None:
    found = signals_of(pictures(5), looks_of(HEAD_MM, LEFT), Side.RIGHT)
    assert worst(found) is Speaks.FAKE
    assert "film" in found[0].words


@pytest.mark.parametrize("shape", [HEAD_MM, PRINT_MM], ids=["head", "print"])
def test_signals_when_nothing_turns_then_nothing_is_claimed(shape: np.ndarray) -> None:
    found = signals_of(pictures(5), looks_of(shape, (0.0, 1.0, -1.0, 2.0, 0.0)), Side.LEFT)
    assert set(said(found)) == {Speaks.NOTHING}


def test_signals_when_all_pictures_are_one_then_a_fed_camera_is_named() -> None:
    still = pictures(1) * 5
    found = signals_of(still, looks_of(HEAD_MM, (0.0,) * 5, off=0.0), Side.NONE)
    assert found[0].speaks is Speaks.FAKE


def test_signals_when_looks_are_too_few_then_nothing_is_claimed() -> None:
    few = LEAST_LOOKS - 1
    assert said(signals_of(pictures(few), looks_of(HEAD_MM, LEFT[:few]), Side.LEFT)) == [Speaks.NOTHING]
