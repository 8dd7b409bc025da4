"""How sure a moment is: which other moments fit as well as the best, judged by the archive itself.

Three rules, each of which can only widen the answer:

1. *Noise is learnt, not assumed.* Costs of keyframes that follow each other in a scene that stands still differ by
   noise alone. A true moment's cost lies above the least of n such costs by √(2 ln n) standard deviations, and in one
   of twenty by 1.64 more: whatever is within that of the best fits as well.
2. *The best is the best of all that were looked at*, also of the frames between keyframes: a keyframe somewhere else
   has to stand the comparison with those.
3. *Something that no moment explains* may be a sticker, or somebody who was there at a moment that was not looked at.
   Unless what moves in the best moment is all in the picture, those cells are left out, and what fits as well in the
   others is told.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.moment import compare, rest_of
from custodes.leaks.sketch import Plane, Sketch
from custodes.units import NS_PER_S, Ns

Costs = npt.NDArray[np.float64]

_ONE_OF_TWENTY = 1.64
_QUARTILE_OF_DIFFERENCES = 0.4506
"""Lower quartile of |a - b| of two draws from a unit Gaussian: .3186 · √2."""
_MIN_NOISE = 0.004
"""Luma steps: sketches in an index are rounded to whole steps of 3, over a thousand cells."""

_OFF_LUMA = 12.0
_OFF_DEVIATIONS = 6.0
_MIN_OFF_SHARE = 0.003
_MIN_MOVED_SHARE = 0.003
"""A person of 4 % of the picture's height at 16:9 covers about as much."""
_CONFIRMED_SHARE = 0.8
_HIDDEN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Moments that a picture was compared with, in time order."""

    times_ns: Sequence[int]
    sketches: Sequence[Sketch]
    costs: Costs
    """Of `moment.compare`, for all of them together."""

    @property
    def best(self) -> int:
        """Where it fits best."""
        return int(self.costs.argmin())


def noise_of(costs: Costs) -> float:
    """Standard deviation of the cost where nothing changes, from moments that follow each other.

    By the lower quartile of their differences: somebody who walks through three quarters of the time does not count.
    """
    steps = np.abs(np.diff(costs))
    return max(float(np.quantile(steps, 0.25)) / _QUARTILE_OF_DIFFERENCES, _MIN_NOISE) if len(steps) else _MIN_NOISE


def margin_of(noise: float, count: int) -> float:
    """How much dearer than the best of `count` a true moment comes out, in 19 of 20 cases at most."""
    return noise * (math.sqrt(2 * math.log(max(count, 2))) + _ONE_OF_TWENTY)


def covered_by_nothing(found: Sketch, best: Sketch, background: Sketch) -> Plane | None:
    """Cells (0 or 1) of a picture that its best moment leaves unexplained; None when that does not matter.

    It does not when they are few, or when what is before the background at that moment is found in the picture.
    """
    rest = np.abs(rest_of(found, best))
    is_seen = found.seen > 0
    if not is_seen.any():
        return None
    noise = 1.4826 * float(np.median(rest[is_seen]))
    # Edges that lie half a pixel off are lines; somebody is a blob.
    spots = (rest > max(_OFF_LUMA, _OFF_DEVIATIONS * noise)).astype(np.float32)
    is_off = (cv2.blur(spots, (3, 3)) > 0.6) & is_seen
    total = float(is_seen.sum())
    if float(is_off.sum()) < _MIN_OFF_SHARE * total:
        return None
    has_moved = (np.abs(best.luma - background.luma) > _OFF_LUMA) & is_seen
    moved = float(has_moved.sum())
    is_confirmed = moved >= _MIN_MOVED_SHARE * total and float((has_moved & ~is_off).sum()) >= _CONFIRMED_SHARE * moved
    return None if is_confirmed else cv2.dilate(is_off.astype(np.float32), np.ones((5, 5), np.uint8))


def stretch(found: Sketch, keys: Looked, near: Looked, *, uncovered: Plane | None) -> tuple[Ns, Ns]:
    """(earliest, latest) that the picture could be from, judged by content alone.

    Args:
        found: sketch of the picture, as coarse as those of `keys`.
        keys: all keyframes.
        near: all frames around the likeliest keyframes, at any fineness.
        uncovered: from `covered_by_nothing`, at any fineness.
    """
    times = np.asarray(near.times_ns)
    alike = near.costs <= near.costs.min() + margin_of(noise_of(near.costs), len(near.costs))
    step_ns = _step(near.times_ns)
    earliest, latest = int(times[alike].min()) - step_ns, int(times[alike].max()) + step_ns
    if uncovered is None:
        costs = compare(found, [_as_coarse(near.sketches[near.best], found), *keys.sketches])
        # The keyframes' own best may be dearer than the best of all, by what moved since; the wider of the two counts.
        least, costs = max(float(costs[0]), float(costs[1:].min())), costs[1:]
    else:
        hidden = cv2.resize(uncovered, found.luma.shape[::-1], interpolation=cv2.INTER_AREA)
        rest = Sketch(luma=found.luma, seen=np.asarray(found.seen * (hidden < _HIDDEN), dtype=np.float32))
        costs = compare(rest, keys.sketches) if rest.seen.any() else np.zeros(len(keys.costs))
        least = float(costs.min())
    as_well = np.flatnonzero(costs <= least + margin_of(noise_of(costs), len(costs)))
    if len(as_well):
        wide_ns = _step(keys.times_ns)
        earliest = min(earliest, int(keys.times_ns[as_well[0]]) - wide_ns)
        latest = max(latest, int(keys.times_ns[as_well[-1]]) + wide_ns)
    return Ns(earliest), Ns(latest)


def _as_coarse(one: Sketch, like: Sketch) -> Sketch:
    luma = cv2.resize(one.luma, like.luma.shape[::-1], interpolation=cv2.INTER_AREA)
    return Sketch(luma=np.asarray(luma), seen=np.ones_like(like.seen))


def _step(times_ns: Sequence[int]) -> int:
    steps = np.diff(sorted(set(times_ns)))
    return int(np.median(steps)) if len(steps) else NS_PER_S
