"""What a cosine means here: scores read against those of other people, and likelihood ratios. Pure.

A template is thought of as A (what all faces have in common) + B (the person) + W (the look: pose, light, noise),
shares of its squared length. Averaging k looks divides W by k, so the scores of different people and of one person
move with k as computed here; nothing is tuned per k.

Where a network was measured says little about the place where it is used: five people filmed by one camera score two
deviations higher among each other than people of LFW do (2026-11, eval.faces). So a score is read against what the
same probe scores with the other enrolled people, and what is not known yet makes its deviation larger. See ADR 46.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custodes.face.threshold import NORMAL, Tail

Scores = npt.NDArray[np.floating]

QUALITY_BINS = (0.35, 0.6)
"""Edges of low, middle, high `FaceQuality.score`."""
LOOK_OF_BIN = (2.0, 1.25, 0.9)
"""How much larger W is in a bin than on the whole. Set, not fitted: `python -m eval.faces --likelihood` says what
LFW's pictures, made worse, would fit. It moves the number that verifiers see, not the threshold."""

LIKELIHOOD_MAX = 6.0
"""No set of faces at hand supports a larger claim than a million to one."""

PLACE_VARIANCE = 2.25
"""Of the mean score of different people between places, in variances of one place: 0.3 and 2.1 deviations were
seen."""

PROBE_SHARE = 0.17
"""Of the variance of scores of different people, what is the probe's own: some faces are like many (LFW)."""

PROBE_FREEDOM = 38.0
"""How many scores the place's spread counts as for one probe: spreads of probes differ among each other as variances
from so many normal scores do (two over the variance of their logarithms: .053 on LFW with 1,240 others, .048 to .051
with 50 to 300 when what so few scores add is taken off)."""

_SPREAD_FREEDOM = 8.0
"""How many scores the measured spread counts as in a new place: on film it was 0.6 of what it is on LFW."""

LEAST_PEOPLE = 3
"""With fewer enrolled people there are no two scores of different people to learn a place from."""

LEAST_PROBES = 30
"""Tracks after which a zone's own scores say more than those of the pictures that people gave."""

_PROBES_MAX, _FREEDOM_MAX = 150.0, 60.0
"""Beyond these more of the same says nothing new: many tracks are of the same people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreModel:
    """Of single looks under one contract. `other_mean`, `other_sd`: cosines of different people; `same_mean`,
    `same_sd`: of one person; `tail`: high scores of one probe with different people, over their deviation."""

    other_mean: float
    other_sd: float
    same_mean: float
    same_sd: float
    tail: Tail = NORMAL


KNOWN = {
    # LFW View 2, folds 1 to 5, with mirror image (2026-11; eval.faces prints what they are today).
    "dlib-face-resnet": ScoreModel(
        other_mean=0.838, other_sd=0.034, same_mean=0.956, same_sd=0.016,
        tail=Tail(offset=0.49, slope=0.53, bend=0.09),
    ),
    "face-reidentification-retail-0095": ScoreModel(
        other_mean=0.005, other_sd=0.096, same_mean=0.679, same_sd=0.127,
        tail=Tail(offset=-0.04, slope=0.92, bend=0.07),
    ),
    "dlib-face-resnet+face-reidentification-retail-0095": ScoreModel(
        other_mean=0.630, other_sd=0.040, same_mean=0.887, same_sd=0.042,
        tail=Tail(offset=-0.2, slope=1.11, bend=0.04),
    ),
}  # fmt: skip
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


def expected(
    model: ScoreModel, samples: int, quality: float = 0.5, *, look_of_bin: tuple[float, float, float] = LOOK_OF_BIN
) -> Expected:
    """Cosines between the mean of `samples` looks and a template of one look.

    Args: samples: 1 or more; quality: of the looks, 0 to 1, for the scores of one person; look_of_bin: other
    widths than the shipped ones, to measure what they do.
    """
    common = max(model.other_mean, 0.0)
    person = max(model.same_mean - common, 1e-3)
    look = max(1 - common - person, 1e-3)
    factor = look_of_bin[int(np.searchsorted(QUALITY_BINS, quality))]
    length = math.sqrt(common + person + look / samples)
    worse = math.sqrt(common + person + look * factor / samples)
    own = math.sqrt((person + look / samples) / (person + look))
    return Expected(
        other_mean=model.other_mean / length,
        other_sd=model.other_sd * own / length,
        same_mean=model.same_mean / worse,
        same_sd=model.same_sd * math.sqrt(0.5 + 0.5 * factor / samples),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Scores of one probe, or of many, with people whom it is not. `square_sum`: of deviations from their mean."""

    count: int
    mean: float
    square_sum: float

    def over(self, one: Expected) -> "Others":
        """In deviations of what the model expects."""
        return Others(
            count=self.count,
            mean=(self.mean - one.other_mean) / one.other_sd,
            square_sum=self.square_sum / one.other_sd**2,
        )


NOBODY = Others(count=0, mean=0.0, square_sum=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is known of scores of different people here, in deviations of the model: their mean as if from `weight`
    scores, the variance of one probe's scores as if from `freedom`."""

    mean: float = 0.0
    weight: float = (1.0 - PROBE_SHARE) / PLACE_VARIANCE
    variance: float = 1.0 - PROBE_SHARE
    freedom: float = _SPREAD_FREEDOM


ANYWHERE = Place()


def learn(place: Place, others: Others, *, weight: float, freedom: float) -> Place:
    """After scores of different people were seen; conjugate normal, variance inverse gamma.

    Args: others: in deviations of the model; weight, freedom: what they count, less than their number where they hang
        together: n people make n(n-1)/2 pairs, but they are n people.
    """
    if not others.count or weight <= 0:
        return place
    whole, degrees = place.weight + weight, place.freedom + freedom
    apart = place.weight * weight / whole * (others.mean - place.mean) ** 2
    squares = place.freedom * place.variance + freedom * others.square_sum / others.count + apart
    return Place(
        mean=(place.weight * place.mean + weight * others.mean) / whole,
        weight=whole,
        variance=squares / degrees,
        freedom=degrees,
    )


def place_of_gallery(others: Others, people: int) -> Place:
    """From the scores between the enrolled, in deviations of the model; the square sum is within each one's scores."""
    if people < LEAST_PEOPLE:
        return ANYWHERE
    # n(n-1)/2 scores without the n means of their rows.
    return learn(ANYWHERE, others, weight=people - 1.0, freedom=(people - 2) * (people + 1) / 2)


def place_of_probes(others: Others, probes: int) -> Place:
    """From what `probes` tracks scored with people whom they were not. Their spread is within the probes."""
    return learn(ANYWHERE, others, weight=min(probes / 2, _PROBES_MAX), freedom=min(float(others.count), _FREEDOM_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A score in deviations of what this probe scores with others, on t's curve with `freedom`; and those cosines."""

    score: float
    freedom: float
    other_mean: float
    other_sd: float


def read_score(cosine: float, others: Others, one: Expected, place: Place) -> Reading:
    """How far a probe's best score lies above what it has with people whom it is not.

    Args: others: its cosines with everybody but the best; one: `expected` of the probe. Each comparison of strangers
        is above `Tail` of t's quantile with that quantile's chance, whatever the place (leave-one-out prediction).
    """
    seen = others.over(one)
    # Between probes mean and spread differ by the probe's own share, however well the place is known.
    start = replace(
        place,
        weight=1.0 / (PROBE_SHARE / (1 - PROBE_SHARE) + 1.0 / place.weight),
        freedom=1.0 / (1.0 / PROBE_FREEDOM + 1.0 / place.freedom),
    )
    known = learn(start, seen, weight=float(seen.count), freedom=float(seen.count))
    deviation = math.sqrt(max(known.variance, 1e-6) * (1 + 1 / known.weight))
    return Reading(
        score=((cosine - one.other_mean) / one.other_sd - known.mean) / deviation,
        freedom=known.freedom,
        other_mean=one.other_mean + one.other_sd * known.mean,
        other_sd=one.other_sd * deviation,
    )


def log10_likelihood(cosine: float, one: Expected) -> float:
    """log10 of how much likelier this cosine is from one person than from two.

    Args: one: `expected` of the probe; with the other side as `read_score` found it, where it is known.
    Both sides normal; a score better than the mean of one person is as good as that mean. Bounded by `LIKELIHOOD_MAX`.
    """
    same = (min(cosine, one.same_mean) - one.same_mean) / one.same_sd
    other = (cosine - one.other_mean) / one.other_sd
    natural = math.log(one.other_sd / one.same_sd) + (other * other - same * same) / 2
    if cosine < one.other_mean:
        return -LIKELIHOOD_MAX
    return float(np.clip(natural / math.log(10), -LIKELIHOOD_MAX, LIKELIHOOD_MAX))
