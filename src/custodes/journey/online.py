"""Links as objects appear, by a model that was learnt before: each new tracklet goes on from the one that left it, or
is new.

What was decided stays; `journey.resolve` tells it better an hour later.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.journey.assignment import Links, decide, marginals, told
from custodes.journey.resolve import KEPT, MOST
from custodes.journey.tracklets import Tracklets, candidates, centred
from custodes.journey.transit import TransitModel

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_COUNTS = 3


@dataclass(frozen=True, slots=True)
class Linked:
    """Of one new tracklet: its number (that of the object's first tracklet) and the probability of the link; 0 for
    none."""

    number: int
    probability: float


class Linker:
    """Keeps only what may still go on: at most a window of time."""

    def __init__(self, model: TransitModel, means: Floats) -> None:
        """`means`: (cameras, d) of looks, from `resolve` over what was before."""
        self._model = model
        self._means = means
        self._open: Tracklets | None = None
        self._looks = np.zeros((0, means.shape[1]))
        self._sums = np.zeros((0, means.shape[1]))
        self._counts = np.zeros(0, np.int64)
        self._numbers = np.zeros(0, np.int64)
        self._next = 0

    def step(self, fresh: Tracklets) -> list[Linked]:
        """Tracklets of a batch (some seconds), by time, none earlier than the last batch's. Returns one answer each.

        Cost: 2 ms for 30 new ones among 600 open.
        """
        looks, _ = centred(fresh, means=self._means)
        both = fresh if self._open is None else _joined(self._open, fresh)
        known = len(both) - len(fresh)
        numbers = np.concatenate([self._numbers, self._next + np.arange(len(fresh))])
        self._next += len(fresh)
        sums = np.concatenate([self._sums, np.nan_to_num(looks)])
        counts = np.concatenate([self._counts, np.ones(len(fresh), np.int64)])
        before = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        later = np.concatenate([self._looks, looks])
        pairs = candidates(both, before, window_s=self._model.window_s, most=MOST, later=later)
        kind = _COUNTS * (np.minimum(counts[pairs.first], _COUNTS) - 1)
        links = Links(pairs.first, pairs.second, self._model.log_odds(both, pairs, kind=kind))
        chance = marginals(links, len(both))
        chosen = decide(links, len(both)) & (chance >= KEPT) & (pairs.second >= known)
        probability = np.zeros(len(both))
        is_open = np.ones(len(both), bool)
        order = np.argsort(pairs.second[chosen], kind="stable")
        for first, second, likely in zip(
            pairs.first[chosen][order].tolist(),
            pairs.second[chosen][order].tolist(),
            told(chance[chosen][order]).tolist(),
            strict=True,
        ):
            numbers[second], probability[second] = numbers[first], likely
            sums[second] += sums[first]
            counts[second] += counts[first]
            is_open[first] = False
        is_open &= both.end_s >= both.start_s.max() - self._model.window_s[1]
        answers = [Linked(int(numbers[row]), float(probability[row])) for row in range(known, len(both))]
        self._open = _taken(both, is_open)
        self._looks, self._sums, self._counts, self._numbers = (
            each[is_open] for each in (later, sums, counts, numbers)
        )
        return answers


def _joined(first: Tracklets, second: Tracklets) -> Tracklets:
    names = ("camera", "way", "start_s", "end_s", "looks")
    return Tracklets(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names})


def _taken(tracklets: Tracklets, keep: npt.NDArray[np.bool_]) -> Tracklets:
    names = ("camera", "way", "start_s", "end_s", "looks")
    return Tracklets(**{name: getattr(tracklets, name)[keep] for name in names})
