"""Pixel motion: sees what moves, is quiet on noise, knows a lamp from a person."""

import numpy as np
import pytest

from custodes.detect.motion import MotionDetector
from custodes.errors import DataLoss
from custodes.units import NS_PER_S, Ns

STEP = NS_PER_S // 5


class Scene:
    """A noisy static picture with an optional moving figure."""

    def __init__(self, width=768, height=432, noise=3.0):
        self.rng = np.random.default_rng(5)
        self.ground = self.rng.integers(60, 160, (height, width)).astype(np.float32)
        self.noise = noise

    def frame(self, figure=None, gain=0.0):
        picture = self.ground + gain + self.rng.normal(0, self.noise, self.ground.shape)
        if figure is not None:
            x, y, w, h = figure
            picture[y : y + h, x : x + w] = 30
        return np.clip(picture, 0, 255).astype(np.uint8)


def settle(detector, scene, frames=25):
    answers = [detector.look(scene.frame(), Ns((n + 1) * STEP)) for n in range(frames)]
    return answers, (frames + 1) * STEP


def test_the_first_frame_counts_as_moving_and_noise_does_not():
    answers, _ = settle(MotionDetector(), Scene())
    assert answers[0].is_moving
    assert not any(a.is_moving for a in answers[1:])


@pytest.mark.parametrize("size", [(20, 48), (40, 110), (120, 300)], ids=["far", "middle", "near"])
def test_somebody_who_enters_is_seen_at_once_and_while_standing(size):
    detector, scene = MotionDetector(), Scene()
    _, now = settle(detector, scene)
    for n in range(10):
        assert detector.look(scene.frame(figure=(300, 100, *size)), Ns(now + n * STEP)).is_moving


def test_a_lamp_is_a_lighting_change_and_motion_and_is_learnt_at_once():
    detector, scene = MotionDetector(), Scene()
    _, now = settle(detector, scene)
    lamp = detector.look(scene.frame(gain=45), Ns(now))
    assert lamp.is_lighting_change
    assert lamp.is_moving
    assert not detector.look(scene.frame(gain=45), Ns(now + STEP)).is_moving


def test_somebody_whose_coming_makes_the_camera_darker_stays_visible():
    detector, scene = MotionDetector(), Scene()
    _, now = settle(detector, scene)
    for n in range(5):  # darker by 8 a frame, so that it is too much at once and then again
        seen = detector.look(scene.frame(figure=(300, 100, 60, 160), gain=-8 * n), Ns(now + n * STEP))
        assert np.count_nonzero(seen.changed) > 0.6 * 60 * 160 / seen.cell_px**2
        assert seen.share < 0.1


@pytest.mark.parametrize("pause", [-STEP, 10 * NS_PER_S])
def test_after_a_pause_or_a_step_back_nothing_is_known(pause):
    detector, scene = MotionDetector(), Scene()
    _, now = settle(detector, scene)
    assert detector.look(scene.frame(), Ns(now - STEP + pause)).is_moving


def test_a_new_size_begins_anew():
    detector = MotionDetector()
    settle(detector, Scene())
    assert detector.look(Scene(320, 240).frame(), Ns(27 * STEP)).is_moving


def test_a_restored_detector_answers_alike_and_a_broken_state_is_refused():
    first, second, scene = MotionDetector(), MotionDetector(), Scene()
    _, now = settle(first, scene)
    state = first.snapshot()
    second.restore(state)
    frame = scene.frame(figure=(10, 10, 30, 60))
    assert first.look(frame, Ns(now)) == second.look(frame, Ns(now))
    for broken in (b"", state[:-1], b"\x00\x01"):
        with pytest.raises(DataLoss):
            second.restore(broken)
