"""What it says that two tracks look alike: log odds of cosines of looks, one person's against two's.

Begins with what was measured once (ADR 124, 134) and learns without labels from the stretch itself: two tracks that a
picture shows at the same moment are two people, pairs of different pictures nearly always are, and the halves of one
track mostly are one. Looks themselves are made, and die, in a job (`app.job_looks`); nothing here keeps one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

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
_ROUNDS = 10
_MATES = 5
"""Tracks of one person that somebody is compared with at once; what is alike in each by chance is averaged away."""
_KINDS = 3
"""Means of so many and more spread alike."""

Pair = tuple[int, int]


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

    def weighed(self, values: Floats, weights: Floats) -> "Spread":
        """What values say that are each only so likely of this kind, beside what is known already."""
        weights = weights * (1 - _OUTLIERS / self.density(values))  # an outlier says nothing of the others
        count = _PRIOR_TRACKS + float(weights.sum())
        mean = (_PRIOR_TRACKS * self.mean + float(weights @ values)) / count
        known = _PRIOR_TRACKS * (self.sd**2 + (self.mean - mean) ** 2)
        sd = ((known + float(weights @ (values - mean) ** 2)) / count) ** 0.5
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
    same_track = prior.same_here.towards(halves, len(halves))
    other_there = prior.other_there.towards(cosines[there], _tracks(there))
    reach = same_track.mean - other_there.mean
    usual = prior.same_here.mean - prior.other_there.mean
    between = (prior.same_there.mean - prior.other_there.mean) / usual
    return Likeness(
        # Halves of one track share pose and light, which two tracks of one person do not.
        same_here=Spread(mean=min(same_track.mean, prior.same_here.mean), sd=max(same_track.sd, prior.same_here.sd)),
        other_here=prior.other_here.towards(cosines[here], _tracks(here)),
        # Nobody says who is one person in two pictures: as far between strangers' and one picture's as usual, .61
        # of the way on the terrace and .50 in pose2sim.
        same_there=Spread(
            mean=other_there.mean + between * reach,
            sd=float(np.clip(prior.same_there.sd * reach / usual, _LEAST_SD, _MOST_SD)),
        ),
        other_there=other_there,
    )


def refine(likeness: Likeness, cosines: Floats, chances: Floats) -> Likeness:
    """With how alike one person is over two pictures, from pairs of which only the chance is known that they are one.

    Who walks a way in its usual time is mostly one person, and what those have in common shows in their looks (EM).
    Args: cosines, chances: (n,), of pairs over two cameras; chances from all but their own looks.
    """
    same, prior = likeness.same_there, likeness.same_there
    other = (1 - chances) * likeness.other_there.density(cosines)
    for _ in range(_ROUNDS if len(cosines) else 0):
        one = chances * same.density(cosines)
        same = prior.weighed(cosines, one / (one + other))
    return replace(likeness, same_there=same)


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
        self._chances: dict[Pair, float] = {}

    def put(self, index: int, looked: Looked) -> None:
        """One track's looks, which are from now on ours to overwrite; without a vector it was not seen."""
        self._looked[index] = looked

    def __contains__(self, index: int) -> bool:
        return index in self._looked

    def __len__(self) -> int:
        return len(self._looked)

    def nats(
        self, pairs: Sequence[Pair], chances: Mapping[Pair, float] | None = None, one: Collection[int] = ()
    ) -> tuple[float | None, ...]:
        """What looks say of each pair, in tenths; None where one of them was not seen.

        Args: chances: how likely some are one person by all but their looks; the first word about a pair counts, and
        all that was asked before teaches. one: tracks that are one person already: whoever is compared with one of
        them is compared with all. Raises: KeyError for a track that nobody put in.
        """
        self._chances = {**(chances or {}), **self._chances}
        asked = [pair for pair in self._chances if not self._is_here(pair)]
        known = np.array([self._chances[pair] for pair in asked])
        taught, wanted = self._compared(asked, one), self._compared(pairs, one)
        likeness = learn(list(self._looked.values()))
        is_here = np.array([self._is_here(pair) for pair in pairs], bool)
        said = likeness.nats(wanted.cosines, is_here)
        for most in range(1, _KINDS + 1):
            # Of what few tracks teach, means of more begin with.
            rows = np.isfinite(taught.cosines) & (np.minimum(taught.mates, _KINDS) >= most)
            likeness = refine(likeness, taught.cosines[rows], known[rows])
            mine = ~is_here & (np.minimum(wanted.mates, _KINDS) == most)
            said[mine] = likeness.nats(wanted.cosines[mine], is_here[mine])
        return tuple(
            round(nats, 1) if np.isfinite(cosine) else None
            for nats, cosine in zip(said.tolist(), wanted.cosines.tolist(), strict=True)
        )

    def forget(self) -> None:
        """Overwrite every vector."""
        for one in self._looked.values():
            one.vectors[:] = 0
        self._looked.clear()
        self._chances.clear()

    def _is_here(self, pair: Pair) -> bool:
        return self._looked[pair[0]].camera == self._looked[pair[1]].camera

    def _compared(self, pairs: Sequence[Pair], one: Collection[int]) -> "_Compared":
        """Each pair; where one of both is of those that are one person, the mean over the nearest of them that are
        of another camera than the other."""
        means = {index: mean_of(own.vectors) for index, own in self._looked.items() if len(own.vectors)}
        chain = [index for index in sorted(one) if index in means]
        cosines, counts = [], []
        for pair in pairs:
            mates, other = [pair[0]], pair[1]
            if (pair[0] in one) != (pair[1] in one) and not self._is_here(pair):
                member, other = pair if pair[0] in one else pair[::-1]
                mates = self._mates(member, other, chain)
            is_seen = other in means and bool(mates) and all(index in means for index in mates)
            cosines.append(float(np.mean([means[index] @ means[other] for index in mates])) if is_seen else np.nan)
            counts.append(len(mates))
        return _Compared(np.array(cosines), np.array(counts, np.int64))

    def _mates(self, member: int, other: int, chain: Sequence[int]) -> list[int]:
        away = [index for index in chain if self._looked[index].camera != self._looked[other].camera]
        at_ns = self._looked[member].start_ns
        return sorted(away, key=lambda index: (abs(self._looked[index].start_ns - at_ns), index))[:_MATES]


@dataclass(frozen=True, slots=True)
class _Compared:
    """n pairs: `cosines` (n,), NaN where one was not seen; `mates` (n,): of how many tracks each is a mean."""

    cosines: Floats
    mates: npt.NDArray[np.int64]
