"""Pauses between two tries: doubled, bounded, with jitter, longer where a login could lock an account."""

import pytest

from custodes.app.recorder_reconnect import FIRST_PAUSE_S, JITTER, LAST_PAUSE_S, LOGIN_PAUSE_S, STEADY_NS, Reconnects
from custodes.errors import CameraUnauthorized, CameraUnreachable

DOWN, REFUSED = CameraUnreachable("down"), CameraUnauthorized("no")


def test_pause_when_a_camera_stays_away_then_doubles_up_to_a_bound() -> None:
    reconnects = Reconnects(chance=lambda: 0.5)
    pauses = [reconnects.pause_s(DOWN, lasted_ns=0) for _ in range(9)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, LAST_PAUSE_S, LAST_PAUSE_S, LAST_PAUSE_S]


def test_pause_when_a_connection_lasted_then_begins_again() -> None:
    reconnects = Reconnects(chance=lambda: 0.5)
    for _ in range(9):
        reconnects.pause_s(DOWN, lasted_ns=0)
    assert reconnects.pause_s(DOWN, lasted_ns=STEADY_NS + 1) == FIRST_PAUSE_S


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1 - JITTER), (1.0, 1 + JITTER)])
def test_pause_when_jittered_then_within_its_share(chance: float, factor: float) -> None:
    assert Reconnects(chance=lambda: chance).pause_s(DOWN, lasted_ns=0) == pytest.approx(FIRST_PAUSE_S * factor)


def test_pause_when_a_login_is_refused_then_no_account_gets_locked() -> None:
    reconnects = Reconnects(chance=lambda: 0.0)
    assert all(reconnects.pause_s(REFUSED, lasted_ns=0) >= LOGIN_PAUSE_S * (1 - JITTER) for _ in range(3))
