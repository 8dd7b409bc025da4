"""How long to wait before a camera is tried again. Pure: the caller says what happened, and sleeps."""

import random
from collections.abc import Callable

from custodes.errors import CameraError, CameraUnauthorized
from custodes.units import NS_PER_S

FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 20.0

LOGIN_PAUSE_S = 15.0
"""Least pause after a refused login: many cameras lock the account after five tries in a few minutes."""

STEADY_NS = 10 * NS_PER_S
"""A connection that lasted so long resets the pauses."""

JITTER = 0.2
"""Share by which a pause is longer or shorter, so that cameras behind one switch do not come back in step."""


class Reconnects:
    """Pauses of one camera: doubled each time, bounded, with jitter."""

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        """`chance`: uniform in [0, 1)."""
        self._chance = chance
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self, error: CameraError, *, lasted_ns: int) -> float:
        """Seconds to wait after a connection that lasted `lasted_ns` and ended with `error`."""
        if lasted_ns > STEADY_NS:
            self._pause_s = FIRST_PAUSE_S
        wanted_s = max(self._pause_s, LOGIN_PAUSE_S if isinstance(error, CameraUnauthorized) else 0.0)
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)
        return wanted_s * (1 - JITTER + 2 * JITTER * self._chance())
