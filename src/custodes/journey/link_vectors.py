"""Where looks lie while somebody may still go on: a fixed place in memory, overwritten when it is over. Nothing here
is written, sent or kept; nothing else holds a look.
"""

import numpy as np
import numpy.typing as npt

Looks = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

MEAN_FROM = 10
"""Tracks whose looks a camera's mean is over, at least: the least group. Below it a look is not compared."""
_NEWEST = 400.0
"""Tracks that a camera's mean is about: light changes."""


class LookPlaces:
    """Places for so many tracks: what each camera saw of one (a sum), and what it looks like as one that left (a mean
    with a half of what it looked like before). Not thread-safe."""

    def __init__(self, places: int, cameras: int) -> None:
        self._most = places
        self._cameras = cameras
        self._free = list(range(places - 1, -1, -1))
        self.own: Looks = np.zeros((0, 0), np.float32)
        self.front: Looks = np.zeros((0, 0), np.float32)
        self._means: Looks = np.zeros((0, 0), np.float32)
        self._over = np.zeros(cameras)

    @property
    def used(self) -> int:
        """Places with a look in them."""
        return self._most - len(self._free)

    def take(self, size: int) -> int | None:
        """A place; None where all are taken, or for looks of another size than the first one's."""
        if not self.own.size:
            # Pages are touched, and so taken, only by those that are used.
            self.own = np.zeros((self._most, size), np.float32)
            self.front = np.zeros((self._most, size), np.float32)
            self._means = np.zeros((self._cameras, size), np.float32)
        if self.own.shape[1] != size or not self._free:
            return None
        return self._free.pop()

    def add(self, place: int, look: Looks) -> None:
        """One more look, (d,), of unit length."""
        self.own[place] += look

    def count_in(self, place: int, camera: int) -> None:
        """To its camera's mean, once for each track."""
        self._over[camera] = min(self._over[camera] + 1, _NEWEST)
        self._means[camera] += (_unit(self.own[place]) - self._means[camera]) / self._over[camera]

    def seen(self, places: Rows, cameras: Rows) -> Looks:
        """(n, d) as each camera saw them, its mean taken off, of unit length; NaN where that is not known yet."""
        result = _unit(np.asarray(_unit(self.own[places]) - self._means[cameras], np.float32))
        result[self._over[cameras] < MEAN_FROM] = np.nan
        return result

    def carry(self, place: int, before: int) -> None:
        """What somebody looked like who went on as this one, for `leave`."""
        self.front[place] = self.front[before]

    def leave(self, places: Rows, cameras: Rows) -> None:
        """These are over: what they look like as those that left, a half of it carried on from before."""
        self.front[places] = _unit(self.seen(places, cameras) + self.front[places] / 2)

    def forget(self, place: int) -> None:
        """Overwrite, and give the place back."""
        self.own[place] = 0.0
        self.front[place] = 0.0
        self._free.append(place)

    def forget_all(self) -> None:
        """Overwrite everything, cameras' means too."""
        for each in (self.own, self.front, self._means, self._over):
            each.fill(0.0)
        self._free = list(range(self._most - 1, -1, -1))


def _unit(rows: npt.NDArray[np.floating]) -> Looks:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), np.float32)
