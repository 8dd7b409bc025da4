"""The house rule: z ≥ 9 names a copy, 6.8 to 9 supports it, less is never written next to a name (field notes 4).

Knows neither pictures nor patterns, so the server, which makes no mark, may judge.
"""

import math

NAMED_Z = 9.0
SUPPORTING_Z = 6.8

COPY_LIKENESS = 0.9
"""A copy of the very frame that is laid right is as like as this or more; below it more is tried, and costs time."""
MEANS_MORE = 1.15
"""How many times the weight of another place means clearly more than that (`leaks.seeking`, `leaks.ranking`)."""

LOG10_RATIO_CAP = 6.0
"""Above it the chance of a stolen key, a wrong log or a clerk's error dominates (field notes 4)."""


def false_accusation_bound(z: float, *, trials: int) -> float:
    """Upper bound of the chance that any of `trials` innocent comparisons reaches z; at most 1.

    Args: trials: candidates × registrations × references that were scored, decoys not counted.
    """
    return min(1.0, trials * math.exp(-(z**2) / 2)) if z > 0 else 1.0


def log10_likelihood_ratio(z: float) -> float:
    """log10 of how much more probable this agreement is for the copy's own key than for another: z²/4.6, capped.

    A Gaussian of unit width around the observed z against one around 0.
    """
    return min(LOG10_RATIO_CAP, max(z, 0.0) ** 2 / (2 * math.log(10)))
