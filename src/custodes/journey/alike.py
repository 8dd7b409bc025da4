"""What it says that two tracks look alike: log odds of cosines of looks, one person's against two's.

Begins with what was measured once (ADR 124, 134) and learns without labels from the stretch itself: two tracks that a
picture shows at the same moment are two people, pairs of different pictures nearly always are, and the halves of one
track mostly are one. Looks themselves are made, and die, in a job (`app.job_looks`); nothing here keeps one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_OUTLIERS = 0.1
"""Share of looks that tell nothing, because somebody stood in front, or light changed; spread evenly. Bounds what a
look can say against somebody to some three nats."""
_PRIOR_TRACKS = 8.0
"""Tracks' worth of what was measured before; pairs are as many as tracks squared, but say no more than these."""
_LEAST_SD, _MOST_SD = 0.02, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of cosines: mean and standard deviation."""

    mean: float
    sd: float

    def towards(self, values: Floats, tracks: int) -> "Spread":
        """What so many tracks say beside what is known already."""
        if len(values) < 2:
            return self
        weight = tracks / (tracks + _PRIOR_TRACKS)
        mean = (1 - weight) * self.mean + weight * float(values.mean())
        sd = (1 - weight) * self.sd + weight * float(values.std())
        return Spread(mean=mean, sd=float(np.clip(sd, _LEAST_SD, _MOST_SD)))

    def density(self, cosines: Floats) -> Floats:
        """Normal, with outliers."""
        normal = np.exp(-0.5 * ((cosines - self.mean) / self.sd) ** 2) / (self.sd * np.sqrt(2 * np.pi))
        result: Floats = (1 - _OUTLIERS) * normal + _OUTLIERS
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Four spreads. The defaults lie between the two scenes of ADR 139, as those of `journey.likeness`, which learns
    online and of single looks what this learns at once and of means of several."""

    same_here: Spread = Spread(mean=0.95, sd=0.05)
    other_here: Spread = Spread(mean=0.6, sd=0.15)
    same_there: Spread = Spread(mean=0.8, sd=0.1)
    other_there: Spread = Spread(mean=0.58, sd=0.15)

    def nats(self, cosines: Floats, is_here: Flags) -> Floats:
        """(n,) logarithm of how much likelier each cosine is of one person than of two.

        Args: cosines: (n,), NaN where a look is missing, which says nothing; is_here: (n,) both of one camera. More
        alike never says less.
        """
        here = _rising(self.same_here, self.other_here, cosines)
        there = _rising(self.same_there, self.other_there, cosines)
        result: Floats = np.where(np.isfinite(cosines), np.where(is_here, here, there), 0.0)
        return result


def _rising(same: Spread, other: Spread, cosines: Floats) -> Floats:
    """Beyond its largest and below its least value that logarithm turns back; what a look says does not."""
    grid = np.linspace(-1.0, 1.0, 401)
    odds = np.log(same.density(grid)) - np.log(other.density(grid))
    least = int(odds.argmin())
    odds[:least] = odds[least]
    result: Floats = np.interp(np.nan_to_num(cosines), grid, np.maximum.accumulate(odds))
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One track's looks. `camera`: any number; `start_ns`, `end_ns`: when it was there; `vectors`: (k, d) of unit
    length."""

    camera: int
    start_ns: int
    end_ns: int
    vectors: npt.NDArray[np.float32]


def learn(looked: Sequence[Looked], prior: Likeness | None = None) -> Likeness:
    """Spreads of a stretch, from its own looks. Cost: pairs of tracks times d; 10 ms for 300 tracks."""
    prior = prior or Likeness()
    some = [one for one in looked if len(one.vectors)]
    if len(some) < 2:
        return prior
    means = np.stack([mean_of(one.vectors) for one in some])
    cosines = means @ means.T
    camera = np.array([one.camera for one in some])
    start, end = np.array([one.start_ns for one in some]), np.array([one.end_ns for one in some])
    is_here = camera[:, None] == camera[None, :]
    is_upper = np.triu(np.ones_like(is_here), 1).astype(bool)
    at_once = (start[:, None] <= end[None, :]) & (start[None, :] <= end[:, None])
    here, there = is_here & at_once & is_upper, ~is_here & ~at_once & is_upper
    halves = np.array([float(_half(one.vectors, 0) @ _half(one.vectors, 1)) for one in some if len(one.vectors) > 1])
    same_here = prior.same_here.towards(halves, len(halves))
    other_there = prior.other_there.towards(cosines[there], _tracks(there))
    reach = same_here.mean - other_there.mean
    usual = prior.same_here.mean - prior.other_there.mean
    between = (prior.same_there.mean - prior.other_there.mean) / usual
    return Likeness(
        same_here=same_here,
        other_here=prior.other_here.towards(cosines[here], _tracks(here)),
        # Nobody says who is one person in two pictures: as far between strangers' and one picture's as usual, .61
        # of the way on the terrace and .50 in pose2sim.
        same_there=Spread(
            mean=other_there.mean + between * reach,
            sd=float(np.clip(prior.same_there.sd * reach / usual, _LEAST_SD, _MOST_SD)),
        ),
        other_there=other_there,
    )


def _tracks(pairs: Flags) -> int:
    return int((pairs.any(axis=0) | pairs.any(axis=1)).sum())


def _half(vectors: npt.NDArray[np.float32], side: int) -> Floats:
    return mean_of(vectors[side::2])


def mean_of(vectors: npt.NDArray[np.float32]) -> Floats:
    """(d,) of unit length: what several looks of one track have in common. Args: vectors: (k, d), k at least 1."""
    mean = vectors.astype(np.float64).mean(axis=0)
    result: Floats = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return result


class Closet:
    """Looks of tracks for as long as one journey is told. `forget` overwrites them; nothing else reads them out."""

    def __init__(self) -> None:
        self._looked: dict[int, Looked] = {}

    def put(self, index: int, looked: Looked) -> None:
        """One track's looks, which are from now on ours to overwrite; without a vector it was not seen."""
        self._looked[index] = looked

    def __contains__(self, index: int) -> bool:
        return index in self._looked

    def __len__(self) -> int:
        return len(self._looked)

    def nats(self, pairs: Sequence[tuple[int, int]]) -> tuple[float | None, ...]:
        """What looks say of each pair, in tenths; None where one of them was not seen. Raises: KeyError for a track
        that nobody put in."""
        likeness = learn(list(self._looked.values()))
        cosines = np.array([self._cosine(*pair) for pair in pairs])
        is_here = np.array([self._looked[one].camera == self._looked[other].camera for one, other in pairs], bool)
        said = likeness.nats(cosines, is_here)
        return tuple(
            round(nats, 1) if np.isfinite(cosine) else None
            for nats, cosine in zip(said.tolist(), cosines.tolist(), strict=True)
        )

    def forget(self) -> None:
        """Overwrite every vector."""
        for one in self._looked.values():
            one.vectors[:] = 0
        self._looked.clear()

    def _cosine(self, one: int, other: int) -> float:
        first, second = self._looked[one].vectors, self._looked[other].vectors
        if not len(first) or not len(second):
            return float("nan")
        return float(mean_of(first) @ mean_of(second))
