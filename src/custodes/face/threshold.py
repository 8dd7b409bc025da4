"""Thresholds solved from what is wanted: how many strangers' tracks may give a candidate, for this gallery. Pure.

Scores are read against others (`face.calibration`): of different people they have mean 0 and deviation 1. The best of
N such scores exceeds t with probability 1 − F(t)^N, and the threshold is where that is the wanted FPIR (ISO/IEC
19795-1). F is t's curve with as many degrees of freedom as scores were seen: few enrolled people, a high threshold.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from custodes.errors import InvalidArgument

LEAST_SCORES = 5000
"""Scores of different people that a tail is measured from at least; with fewer it is taken as normal."""

_FROM_SHARE, _TO_COUNT = 0.05, 20
"""The tail is read between the highest twentieth and the twentieth highest score."""

_SLOPE_RANGE, _BEND_MAX = (0.5, 1.6), 0.25
"""Beyond this it was no tail of look-alikes: the same person twice, or a network that fails."""


_FREEDOM_NORMAL = 3000.0
"""Beyond this t's curve is the normal one for every share that a gallery of 10⁶ asks for, to a hundredth."""

_LEAST_BEND = 0.04
"""Below this a measured bend is noise: 600 people whose scores are normal gave up to .02 (2026-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """High scores of different people are `offset + slope · z + bend · z²`, z the normal quantile of their rank.

    Normal: 0, 1, 0. Not a Pareto distribution: scores are nearly normal, and a Pareto that fits at one in a hundred is
    far off at one in ten million, where a gallery of 10⁵ decides.
    """

    offset: float = 0.0
    slope: float = 1.0
    bend: float = 0.0


NORMAL = Tail()


def share_above(score: float, tail: Tail = NORMAL, freedom: float = math.inf) -> float:
    """The probability that one comparison of different people scores higher: FMR at that threshold."""
    excess = score - tail.offset
    if tail.bend <= 0:
        return _above(excess / tail.slope, freedom)
    inside = tail.slope**2 + 4 * tail.bend * excess
    if inside <= 0:
        return 1.0
    return _above((math.sqrt(inside) - tail.slope) / (2 * tail.bend), freedom)


def _above(quantile: float, freedom: float) -> float:
    return float(ndtr(-quantile) if freedom > _FREEDOM_NORMAL else stdtr(freedom, -quantile))


def solve(fpir: float, gallery: float, tail: Tail = NORMAL, freedom: float = math.inf) -> float:
    """The score at which a stranger's track gives a candidate with probability `fpir`.

    Args: fpir: 0 < fpir < 1. gallery: people, or templates where each counts alone, that a probe is compared with, or
        as how many independent ones they count; at least 1. tail: as measured; freedom: how many scores the deviation
        is from, above 0.
    Raises: InvalidArgument.
    """
    if not 0 < fpir < 1 or gallery < 1 or not freedom > 0:
        raise InvalidArgument(
            f"FPIR {fpir} among {gallery}; expected a share between 0 and 1, and at least one person"
        )
    single = -math.expm1(math.log1p(-fpir) / gallery)
    quantile = -float(ndtri(single) if freedom > _FREEDOM_NORMAL else stdtrit(freedom, single))
    bent = tail.bend * max(quantile, 0.0) ** 2
    return tail.offset + tail.slope * quantile + bent


def expected_fpir(threshold: float, gallery: int, tail: Tail = NORMAL, freedom: float = math.inf) -> float:
    """The other way round: what share of strangers' tracks a threshold lets through."""
    return -math.expm1(gallery * math.log1p(-min(share_above(threshold, tail, freedom), 1 - 1e-12)))


def fit_tail(scores: npt.NDArray[np.floating], few: Tail = NORMAL) -> Tail:
    """The tail of measured scores of different people, by least squares over its quantiles.

    Args: scores: (n,) normalised. Returns: `few` when there are too few.
    """
    count = len(scores)
    if count < LEAST_SCORES:
        return few
    high = int(count * _FROM_SHARE)
    ranks = np.unique(np.geomspace(_TO_COUNT, high, 60).astype(int))
    ordered = np.partition(np.asarray(scores, np.float64), [count - int(rank) for rank in ranks])
    values = ordered[count - ranks]
    quantiles = -ndtri((ranks - 0.5) / count)
    # A rank's share is known to one over its root, so that the far end does not decide alone.
    weights = np.sqrt(ranks) * _density(quantiles)
    bend, slope, offset = np.polyfit(quantiles, values, 2, w=weights)
    if bend < _LEAST_BEND:
        bend = 0.0
        slope, offset = np.polyfit(quantiles, values, 1, w=weights)
    return Tail(
        offset=float(np.clip(offset, -1, 1)),
        slope=float(np.clip(slope, *_SLOPE_RANGE)),
        bend=float(np.clip(bend, 0, _BEND_MAX)),
    )


def shrunk(measured: Tail, known: Tail, share: float) -> Tail:
    """Between two tails; `share`, 0 to 1, is the measured one's."""
    return Tail(
        offset=share * measured.offset + (1 - share) * known.offset,
        slope=share * measured.slope + (1 - share) * known.slope,
        bend=share * measured.bend + (1 - share) * known.bend,
    )


def _density(quantiles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How sharply a quantile fixes the score there: the normal hazard, up to a constant."""
    return np.exp(-(quantiles**2) / 2) / np.asarray(ndtr(-quantiles))


def rate_interval(errors: float, trials: float) -> tuple[float, float]:
    """95 % Wilson interval of a rate; without an error its upper end is the rule of three, 3/n (ISO/IEC 19795-1).

    Args: 0 ≤ errors ≤ trials; fractions of trials that hang together. Returns: (0, 1) when nothing was tried.
    """
    if trials <= 0:
        return 0.0, 1.0
    z = 1.959964
    rate, square = errors / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials)) / (1 + square)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return (0.0, min(3 / trials, 1.0)) if errors == 0 else (low, high)
