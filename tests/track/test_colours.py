"""Looks made of colours: what they tell apart, what they leave out, and what travels of them."""

import numpy as np
import pytest

from custodes.track.colours import SIZE, colours, packed, unpacked
from custodes.types.media import Frame
from custodes.units import CameraId, Ns, RunId

HEIGHT, WIDTH = 120, 80
BOX = np.array([[0.25, 0.1, 0.75, 0.9]])


def _frame(*, y: int = 120, upper: tuple[int, int] = (128, 128), lower: tuple[int, int] = (128, 128)) -> Frame:
    """Somebody who fills the picture's middle: `upper`, `lower` are U and V of their clothes."""
    u, v = np.full((2, HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    half = HEIGHT // 4
    (u[:half], v[:half]), (u[half:], v[half:]) = upper, lower
    return Frame(
        camera_id=CameraId("c"),
        run=RunId("r"),
        seq=0,
        utc_ns=Ns(0),
        y=np.full((HEIGHT, WIDTH), y, np.uint8),
        u=u,
        v=v,
        is_keyframe=True,
        is_corrupt=False,
    )


def test_rows_have_unit_length_and_the_same_clothes_are_alike() -> None:
    first, second = colours(_frame(upper=(90, 170)), BOX), colours(_frame(upper=(90, 170)), BOX + 0.02)
    assert first.shape == (1, SIZE)
    assert np.linalg.norm(first) == pytest.approx(1)
    assert float(first[0] @ second[0]) > 0.95


def test_upper_and_lower_clothes_are_told_apart() -> None:
    red_above = colours(_frame(upper=(100, 180)), BOX)[0]
    red_below = colours(_frame(lower=(100, 180)), BOX)[0]
    assert float(red_above @ red_below) < 0.3  # the row at the waist is in both


def test_the_head_is_left_out() -> None:
    plain = _frame()
    other = _frame()
    other.u[: int(0.25 * HEIGHT / 2)] = 90  # down to 18 % of the box
    other.v[: int(0.25 * HEIGHT / 2)] = 160
    assert np.array_equal(colours(plain, BOX), colours(other, BOX))


@pytest.mark.parametrize("box", [(1.5, 1.5, 2.0, 2.0), (-3.0, -3.0, -2.0, -2.0)])
def test_a_box_outside_the_frame_has_no_look(box: tuple[float, float, float, float]) -> None:
    assert not colours(_frame(), np.array([box])).any()


def test_a_box_that_the_frame_cuts_has_the_look_of_its_rest() -> None:
    cut = colours(_frame(upper=(90, 170)), np.array([[-0.4, -0.2, 0.6, 1.4]]))
    assert np.linalg.norm(cut) == pytest.approx(1)


def test_no_boxes_have_no_looks() -> None:
    assert colours(_frame(), np.zeros((0, 4))).shape == (0, SIZE)
    assert unpacked(packed(np.zeros((0, SIZE), np.float32))).shape == (0, SIZE)


def test_a_byte_a_number_is_enough() -> None:
    rng = np.random.default_rng(1)
    frame = _frame()
    frame.u[:] = rng.integers(100, 156, frame.u.shape)
    looks = colours(frame, BOX)
    again = unpacked(packed(looks))
    assert float(looks[0] @ again[0]) > 0.9999
    assert not unpacked(packed(np.zeros((1, SIZE), np.float32))).any()
