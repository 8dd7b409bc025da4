"""What it tells how alike two looks are: learnt on each ground, from what is sure there. It keeps no look.

How alike one person's looks are depends on the cameras (ADR 139), also after what all have in common is taken off
(`journey.crowd`). So a fixed scale that tells two people apart in one place tears one person apart in another. What is
sure teaches it: a track that nothing stood near is itself, and two tracks of one picture are two.
"""

import math
from dataclasses import dataclass, field

SAME_VIEW, OTHER_VIEW = 0, 1
"""Kinds of pairs: looks of one camera, looks of two."""

_FEW = 40.0
"""Samples that what is usual counts for: a second of eight people."""
_MEMORY = 3000.0
"""Samples; older ones fade: light changes, and so does who is there."""
_LEAST_SPREAD = 0.03
_STRAY = 0.1
"""One look in ten is not what it is taken for: of a box that holds a neighbour, or of somebody dressed alike. So none
says more than 2.2 nats, for one object or against it, however far out of both spreads it is."""
MOST_NATS = math.log((1 - _STRAY) / _STRAY)
_UTTERMOST = 30.0


@dataclass(slots=True)
class _Spread:
    """Mean and variance of cosines, fading."""

    count: float = 0.0
    mean: float = 0.0
    square: float = 0.0

    def take(self, value: float) -> None:
        self.count = min(self.count + 1.0, _MEMORY)
        step = (value - self.mean) / self.count
        self.square += ((value - self.mean) * (value - self.mean - step) - self.square) / self.count
        self.mean += step

    def nats(self, value: float) -> float:
        spread = max(math.sqrt(max(self.square, 0.0)), _LEAST_SPREAD)
        return -0.5 * ((value - self.mean) / spread) ** 2 - math.log(spread)


def _usual(mean: float, spread: float) -> _Spread:
    return _Spread(_FEW, mean, spread * spread)


@dataclass(slots=True)
class Likeness:
    """One ground's, of people or of vehicles. Begins with what was usual on two others (ADR 140)."""

    same: tuple[_Spread, _Spread] = field(default_factory=lambda: (_usual(0.88, 0.12), _usual(0.6, 0.2)))
    other: tuple[_Spread, _Spread] = field(default_factory=lambda: (_usual(0.0, 0.35), _usual(0.0, 0.3)))

    def learn(self, kind: int, cosine: float, *, is_same: bool) -> None:
        """One pair of which it is sure whether both are one object."""
        (self.same if is_same else self.other)[kind].take(cosine)

    def nats(self, kind: int, cosine: float) -> float:
        """For one object, against two: positive where the looks speak for it.

        More alike than one object's usual look is no evidence against it, less alike than strangers' none for it.
        """
        same, other = self.same[kind], self.other[kind]
        if same.mean <= other.mean:
            return 0.0
        said = same.nats(min(cosine, same.mean)) - other.nats(max(cosine, other.mean))
        odds = math.exp(min(max(said, -_UTTERMOST), _UTTERMOST))
        return math.log(((1 - _STRAY) * odds + _STRAY) / (1 - _STRAY + _STRAY * odds))
