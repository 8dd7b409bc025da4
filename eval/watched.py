"""The product's book of links over simulated passes, with what it decided written down beside it."""

import time

import numpy as np
import numpy.typing as npt

from custodes.journey.fusion import TrackKey
from custodes.journey.link_book import FINAL_S, LinkBook
from custodes.journey.link_pairs import FinalLinks
from custodes.journey.resolve import WINDOW_S
from custodes.journey.tracklets import Tracklets
from custodes.units import CameraId, RunId

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
STEP_S = 10.0
TOLD_OF_S = 3.0
"""From a pass's end until the server knows of it."""


class Watched(LinkBook):
    """The product's, with its rows' passes and its decisions written down beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._passes: dict[int, int] = {}
        self.first: list[Rows] = []
        self.second: list[Rows] = []
        self.chance: list[Floats] = []
        self.held: list[npt.NDArray[np.bool_]] = []
        self.told: set[int] = set()
        self.peak = 0

    def links(self) -> tuple[Rows, Rows, Floats, npt.NDArray[np.bool_]]:
        """All that were told: passes that left and came, chance, whether it holds."""
        none = np.zeros(0, np.int64)
        return (
            np.concatenate([none, *self.first]),
            np.concatenate([none, *self.second]),
            np.concatenate([np.zeros(0), *self.chance]),
            np.concatenate([np.zeros(0, bool), *self.held]),
        )

    def _row(self, key: TrackKey, camera: int, at_s: float) -> int:
        row = super()._row(key, camera, at_s)
        self._passes[row] = key[2]
        return row

    def _close(self, now_s: float) -> FinalLinks:
        before, (first, second), held = self._is_final.copy(), self._ends, self._held
        chance = self._chance
        final = super()._close(now_s)
        new = (self._is_final & ~before)[second]
        if final.tracks:
            self.told |= {key[2] for key, _ in final.tracks}
            self.first.append(np.array([self._passes[row] for row in first[new].tolist()], np.int64))
            self.second.append(np.array([self._passes[row] for row in second[new].tolist()], np.int64))
            self.chance.append(chance[new])
            self.held.append(held[new])
        return final


def fed(book: Watched, tracklets: Tracklets) -> float:
    """Everything, as it would come; the seconds of CPU."""
    looks = tracklets.looks / np.linalg.norm(tracklets.looks, axis=1, keepdims=True)
    looks = looks.astype(np.float32)
    row, began = 0, time.process_time()
    for now_s in np.arange(STEP_S, float(tracklets.end_s.max()) + WINDOW_S[1] + FINAL_S, STEP_S):
        while row < len(looks) and tracklets.end_s[row] + TOLD_OF_S < now_s:
            key = CameraId("c"), RunId("r"), row
            camera, start_s = int(tracklets.camera[row]), float(tracklets.start_s[row])
            book.look(key, camera, start_s, looks[row])
            book.end(key, camera, int(tracklets.way[row]), start_s, float(tracklets.end_s[row]))
            row += 1
        book.step(float(now_s))
        book.peak = max(book.peak, book.places.used)
    return time.process_time() - began
