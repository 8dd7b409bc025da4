"""What a look has that not everybody's has: a look less most of what looks of its camera have in common.

A camera's light, what is behind people and the fashion of a day are in all looks of it; with them, two strangers are
.7 alike and the worth of a look lies in its last tenth (ADR 140). The mean is of everybody who was there; it is
overwritten when nobody's look is known any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from custodes.journey.dots import Look, Placed
from custodes.units import CameraId

_SHARE = 0.8
"""So much of the mean is taken off: who was alone for minutes is most of it, and must not be nothing but noise."""
_ENOUGH = 200
"""Looks after which a mean counts in full: five seconds of eight people."""
_MEMORY = 3000
"""Looks; older ones fade, as in `journey.likeness`."""


@dataclass(slots=True)
class _Mean:
    look: Look
    count: int = 0

    def take(self, look: Look) -> None:
        self.count = min(self.count + 1, _MEMORY)
        self.look += (look - self.look) / np.float32(self.count)


class Crowd:
    """Mean looks of each group in each camera of one ground."""

    def __init__(self) -> None:
        self._means: dict[tuple[int, CameraId], _Mean] = {}

    def __len__(self) -> int:
        return len(self._means)

    def take(self, seen: Iterable[Placed]) -> None:
        """Learn from all that is seen now; copied."""
        for one in seen:
            if one.look is not None:
                key = (one.group, one.key[0])
                if key not in self._means:
                    self._means[key] = _Mean(np.zeros(len(one.look), np.float32))
                self._means[key].take(one.look)

    def apart(self, group: int, camera_id: CameraId, look: Look) -> Look:
        """(d,) unit vector: what of a look of that camera is not everybody's."""
        mean = self._means.get((group, camera_id))
        share = 0.0 if mean is None else _SHARE * min(1.0, mean.count / _ENOUGH)
        rest = np.asarray(look if mean is None else look - share * mean.look, np.float32)
        return np.asarray(rest / max(float(np.linalg.norm(rest)), 1e-9), np.float32)

    def forget(self) -> None:
        """Overwrite all of it."""
        for mean in self._means.values():
            mean.look[:] = 0
        self._means.clear()
