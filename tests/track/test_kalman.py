"""The filter on a plane: time composes, measurements correct, repeated ones do not make it sure."""

import numpy as np

from custodes.track import kalman
from custodes.track.kalman import Motion

MOTION = Motion(acceleration=(0.5, 0.5), speed_decay_s=4.0, first_speed=1.0, size_drift=0.1)
NOISE = np.array([[[0.04, 0.01], [0.01, 0.09]]])
SIZE, SIZE_NOISE = np.zeros((1, 2)), np.full((1, 2), 0.02)


def begun(speed=(0.0, 0.0)):
    state = kalman.begin(np.array([[3.0, 10.0]]), NOISE, SIZE, SIZE_NOISE, np.ones(1))
    state.speed[:] = speed
    return state


def test_one_long_prediction_equals_many_short_ones():
    one, many = begun((1.2, -0.4)), begun((1.2, -0.4))
    kalman.predict(one, 1.0, MOTION, np.ones(1))
    for _ in range(20):
        kalman.predict(many, 0.05, MOTION, np.ones(1))
    for name in ("place", "speed", "size_spread"):
        assert np.allclose(getattr(one, name), getattr(many, name))
    for name in ("pp", "ps", "ss"):
        assert np.allclose(getattr(one, name), getattr(many, name), rtol=0.1)


def test_a_measurement_pulls_along_what_correlates_with_it():
    state = begun()
    kalman.predict(state, 0.5, MOTION, np.ones(1))
    before = np.linalg.det(state.pp)
    kalman.update(state, np.array([0]), np.array([[3.5, 10.0]]), NOISE, SIZE, SIZE_NOISE)
    assert 3.0 < state.place[0, 0] < 3.5
    assert state.speed[0, 0] > 0.1
    assert (np.linalg.det(state.pp) < before).all()
    assert np.allclose(state.pp, state.pp.transpose(0, 2, 1))
    assert (np.linalg.eigvalsh(state.pp) > 0).all()


def test_surprise_is_the_textbook_distance():
    state = begun()
    place, noise = np.array([[3.3, 9.0], [2.0, 12.0]]), np.repeat(NOISE, 2, axis=0)
    got = kalman.surprise(state, place, noise, np.zeros((2, 2)), np.repeat(SIZE_NOISE, 2, axis=0))
    for column in range(2):
        gap, total = place[column] - state.place[0], state.pp[0] + noise[column]
        assert np.isclose(got.squared[0, column], gap @ np.linalg.inv(total) @ gap)
        assert np.isclose(got.volume[0, column], np.log(np.linalg.det(total)))


def test_a_covariance_stays_one_where_the_horizon_makes_it_kilometres_long():
    rng = np.random.default_rng(1)

    def spread(along):
        angle = rng.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return (turn @ np.diag([along, 10 ** rng.uniform(-3, 2)]) @ turn.T)[None]

    for _ in range(20):
        state = kalman.begin(np.zeros((1, 2)), spread(1e9), SIZE, SIZE_NOISE, np.full(1, 3.0))
        for look in range(20):
            kalman.predict(state, 0.2, MOTION, np.ones(1))
            noise = spread(1e8 if look % 4 == 0 else 1.0)
            found = kalman.surprise(state, np.zeros((1, 2)), noise, SIZE, SIZE_NOISE)
            assert np.isfinite(found.volume).all()
            assert (found.squared >= 0).all()
            kalman.update(state, np.array([0]), rng.normal(0, 3, (1, 2)), noise, SIZE, SIZE_NOISE)
            whole = np.block([[state.pp[0], state.ps[0]], [state.ps[0].T, state.ss[0]]])
            size = np.linalg.eigvalsh(whole)
            assert size[0] > -1e-9 * size[-1]
            assert np.array_equal(state.pp, state.pp.transpose(0, 2, 1))
