"""How often a way of not looking missed something: counts that fade, an interval, and when to trust it again."""

import math
from dataclasses import dataclass

_Z = 1.96
_FADE_AT = 1000
"""Beyond so many trials old ones fade, so that a camera that was moved is judged by what it is now."""


def wilson(missed: float, trials: float) -> tuple[float, float]:
    """95 % score interval of missed/trials; (0, 1) without a trial. Source: Wilson 1927, eq. 1 with z = 1.96."""
    if trials <= 0:
        return 0.0, 1.0
    share, spread = missed / trials, _Z * _Z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(slots=True)
class Evidence:
    """Trials and misses of one way of not looking."""

    trials: float = 0.0
    missed: float = 0.0

    def put(self, *, is_missed: bool) -> None:
        """One more trial."""
        if self.trials >= _FADE_AT:
            self.trials /= 2
            self.missed /= 2
        self.trials += 1
        self.missed += is_missed

    def interval(self) -> tuple[float, float]:
        """See `wilson`."""
        return wilson(self.missed, self.trials)

    def is_bad(self, limit: float) -> bool:
        """Surely worse than `limit`, by more than one unlucky miss."""
        return self.missed >= 2 and self.interval()[0] > limit

    def is_good(self, limit: float, trials: int) -> bool:
        """Tried at least so often, and likely better than `limit`."""
        return self.trials >= trials and self.missed / self.trials <= limit
