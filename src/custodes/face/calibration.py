"""What a cosine means: scores normalised per probe, and likelihood ratios. Pure.

A template is thought of as A (what all faces have in common) + B (the person) + W (the look: pose, light, noise),
shares of its squared length. Averaging k looks divides W by k, so the scores of different people and of one person
move with k as computed here; nothing is tuned per k.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]

COHORT_PRIOR = 60.0
"""A cohort of fewer people than this says less about a probe than the model does."""

QUALITY_BINS = (0.35, 0.6)
"""Edges of low, middle, high `FaceQuality.score`."""
_LOOK_OF_BIN = (2.0, 1.25, 0.9)
"""How much larger W is in a bin than on the whole."""

LIKELIHOOD_MAX = 6.0
"""No set of faces at hand supports a larger claim than a million to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreModel:
    """Of single looks under one contract. `other_mean`, `other_sd`: cosines of different people; `same_mean`,
    `same_sd`: of one person."""

    other_mean: float
    other_sd: float
    same_mean: float
    same_sd: float


KNOWN = {
    # LFW View 2, folds 1 to 5, with mirror image (2026-11; eval.faces prints what they are today).
    "dlib-face-resnet": ScoreModel(other_mean=0.838, other_sd=0.034, same_mean=0.956, same_sd=0.016),
    "face-reidentification-retail-0095": ScoreModel(other_mean=0.005, other_sd=0.096, same_mean=0.679, same_sd=0.127),
    "dlib-face-resnet+face-reidentification-retail-0095": ScoreModel(
        other_mean=0.630, other_sd=0.040, same_mean=0.887, same_sd=0.042
    ),
}
"""By the names in a contract. A contract that is not here has to be measured before it decides anything."""


def model_of(contract: str) -> ScoreModel | None:
    """None for networks whose scores nobody measured."""
    return KNOWN.get(contract.partition(":")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Mean and deviation of cosines for k fused looks."""

    other_mean: float
    other_sd: float
    same_mean: float
    same_sd: float


def expected(model: ScoreModel, samples: int, quality: float = 0.5) -> Expected:
    """Cosines between the mean of `samples` looks and a template of one look.

    Args: samples: 1 or more; quality: of the looks, 0 to 1, for the scores of one person.
    """
    common = max(model.other_mean, 0.0)
    person = max(model.same_mean - common, 1e-3)
    look = max(1 - common - person, 1e-3)
    factor = _LOOK_OF_BIN[int(np.searchsorted(QUALITY_BINS, quality))]
    length = math.sqrt(common + person + look / samples)
    worse = math.sqrt(common + person + look * factor / samples)
    own = math.sqrt((person + look / samples) / (person + look))
    return Expected(
        other_mean=model.other_mean / length,
        other_sd=model.other_sd * own / length,
        same_mean=model.same_mean / worse,
        same_sd=model.same_sd * math.sqrt(0.5 + 0.5 * factor / samples),
    )


def normalise(scores: Scores, model: ScoreModel, samples: int, cohort: Scores) -> npt.NDArray[np.float64]:
    """Cosines of one probe as deviations from what it scores with people it is not (T-norm, shrunk).

    Args: scores: (n,) with the gallery; cohort: (m,) with the synthetic look-alikes, possibly none. What a cohort says
        counts by its size beside what the model says. Returns: (n,); different people have mean 0, deviation 1.
    """
    prior = expected(model, samples)
    share = len(cohort) / (len(cohort) + COHORT_PRIOR)
    mean, variance = prior.other_mean, prior.other_sd**2
    if len(cohort):
        mean = (1 - share) * mean + share * float(np.mean(cohort))
        variance = (1 - share) * variance + share * float(np.var(cohort))
    return (np.asarray(scores, np.float64) - mean) / math.sqrt(max(variance, 1e-12))


def log10_likelihood(cosine: float, model: ScoreModel, samples: int, quality: float) -> float:
    """log10 of how much likelier this cosine is from one person than from two, for looks of this quality.

    Both sides normal; a score better than the mean of one person is as good as that mean. Bounded by `LIKELIHOOD_MAX`.
    """
    one = expected(model, samples, quality)
    same = (min(cosine, one.same_mean) - one.same_mean) / one.same_sd
    other = (cosine - one.other_mean) / one.other_sd
    natural = math.log(one.other_sd / one.same_sd) + (other * other - same * same) / 2
    if cosine < one.other_mean:
        return -LIKELIHOOD_MAX
    return float(np.clip(natural / math.log(10), -LIKELIHOOD_MAX, LIKELIHOOD_MAX))
