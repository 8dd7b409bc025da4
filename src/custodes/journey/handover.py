"""Whether a dot is still the same person after every track of it ended and others went on: who comes to where somebody
had gone is taken for them as long as the dot is kept. Knows moments, places and what looks said, and no vector.

As long as one track of any picture goes on, its tracker vouches. Where none does, whoever returns is weighed against
whoever else came in that time, to so small a part of the ground.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

RETURN_S = 3.0
"""Mean of how long somebody who stays is lost, as in `journey.ways`."""
WALK_MPS = 1.3
_NEAR_M = 0.5
"""Feet are known to so much."""
_LEAST_M2 = 10.0
APART = 3.0
"""Nats against one person, if a picture showed both at the same moments: its tracker is right 19 times in 20."""

K = TypeVar("K", bound=Hashable)
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomers:
    """Who else comes: `per_s` begin, anywhere on so much ground."""

    per_s: float
    ground_m2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What lies between two tracks of one dot. `look`: nats that looks say for one person; `at_once`: whether one
    picture showed both tracks at the same moments."""

    seconds: float
    look: float | None
    at_once: bool


def carried(spans: Mapping[K, Span]) -> list[list[K]]:
    """Tracks that hand a dot on to one another, as groups by time: within each, somebody always went on.

    Args: spans: from when to when each was the dot.
    """
    groups: list[list[K]] = []
    end = -math.inf
    for one in sorted(spans, key=lambda one: spans[one]):
        if spans[one][0] > end:
            groups.append([])
        groups[-1].append(one)
        end = max(end, spans[one][1])
    return groups


def chance(gap: Gap, newcomers: Newcomers) -> float:
    """That it is the same person after a gap."""
    reach_m2 = math.pi * (_NEAR_M + WALK_MPS * gap.seconds) ** 2
    others_per_s = newcomers.per_s * min(reach_m2 / max(newcomers.ground_m2, _LEAST_M2), 1.0)
    nats = -gap.seconds / RETURN_S - math.log(RETURN_S) - math.log(others_per_s)
    # That it is alike is why it was bound at all, and counts no second time; that it is not, does.
    nats += min(gap.look or 0.0, 0.0) - (APART if gap.at_once else 0.0)
    return 1 / (1 + math.exp(-max(min(nats, 50.0), -50.0)))
