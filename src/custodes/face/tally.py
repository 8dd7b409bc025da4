"""What tracks of one zone scored with people whom they are not: numbers alone, of nobody, in memory alone.

From them the matcher learns what strangers score in this place, and sees when that changes (a camera that was turned,
a new lamp): a drift alarm. Holds no vector, no picture and no identity.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from custodes.face.calibration import LEAST_PEOPLE, LEAST_PROBES, NOBODY, Others

KEPT = 2000
"""Tracks: what was long ago says nothing of the light of today."""

RECENT = 100
"""Tracks that are compared with all before them."""

DRIFT_Z = 4.0
"""By chance once in 16,000 looks; a look is not independent of the one before, so far fewer."""

_BEST_OF = (0.0, 0.0, 0.5642, 0.8463, 1.0294, 1.1630, 1.2672, 1.3522, 1.4236, 1.4850, 1.5388)
"""Mean of the best of n normal scores (Harter 1961, table 1)."""


_OWN_SHARE = 0.1
"""Of the scores where one or two are enrolled, so many of the highest are left out: they may be the enrolled's own."""
_CUT_MEAN, _CUT_VARIANCE = 0.19500, 0.71210
"""A normal score without its highest tenth has its mean so many deviations lower, and this share of its variance."""


@dataclass(slots=True)
class ZoneTally:
    """Mutable; one a shelf. Scores in deviations of the model."""

    means: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    alone: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=KEPT))
    """All scores of each track while one or two were enrolled (ADR 143)."""
    _squares: float = 0.0
    _scores: float = 0.0

    def add(self, others: Others, best: float) -> None:
        """One track's scores with everybody but its best, and that one.

        A stranger's best is not among them, so their mean is lifted by what that takes away; of the enrolled it is
        lifted too, which makes thresholds higher, not lower. Where hardly anybody else is enrolled it counts as well.
        """
        if others.count + 1 < LEAST_PEOPLE:
            self.alone.append((best, others.mean)[: others.count + 1])
            return
        spread = math.sqrt(others.square_sum / others.count) if others.count > 1 else 1.0
        people = others.count + 1
        best = _BEST_OF[people] if people < len(_BEST_OF) else math.sqrt(2 * math.log(people))
        self.means.append(others.mean + best / others.count * max(spread, 0.5))
        keep = 1 - 1 / KEPT
        self._squares = keep * self._squares + others.square_sum
        self._scores = keep * self._scores + max(others.count - 1, 0)

    @property
    def probes(self) -> int:
        """Tracks in it: of those that three enrolled or more were compared with, while those are enough."""
        return len(self.means) if self._is_known or not self.alone else len(self.alone)

    def others(self) -> Others:
        """All of them; `NOBODY` while they are too few."""
        if self._is_known:
            count = max(int(self._scores), 1)
            return Others(count=count, mean=sum(self.means) / len(self.means), square_sum=self._squares)
        return self._others_alone() if len(self.alone) >= LEAST_PROBES else NOBODY

    @property
    def _is_known(self) -> bool:
        return len(self.means) >= LEAST_PROBES and self._scores >= LEAST_PROBES

    def _others_alone(self) -> Others:
        """What strangers score with one or two people, from the scores below those that may be their own. Whoever is
        enrolled and passes more often than a tenth makes the spread wider, and so the threshold higher."""
        scores = np.sort(np.concatenate([np.array(one) for one in self.alone]))
        kept = scores[: len(scores) - max(round(_OWN_SHARE * len(scores)), 1)]
        variance = float(kept.var(ddof=1)) / _CUT_VARIANCE
        mean = float(kept.mean()) + _CUT_MEAN * math.sqrt(variance)
        return Others(count=len(kept), mean=mean, square_sum=len(kept) * variance)

    def drift(self) -> float:
        """How far the latest tracks lie from those before, in deviations; 0 while there are too few."""
        before = len(self.means) - RECENT
        if before < 2 * RECENT:
            return 0.0
        old, new = list(self.means)[:before], list(self.means)[before:]
        old_mean, new_mean = sum(old) / before, sum(new) / RECENT
        variance = sum((value - old_mean) ** 2 for value in old) / (before - 1)
        return (new_mean - old_mean) / math.sqrt(max(variance, 1e-9) * (1 / before + 1 / RECENT))

    @property
    def is_drifting(self) -> bool:
        """What was learnt here does not fit any more."""
        return abs(self.drift()) > DRIFT_Z
