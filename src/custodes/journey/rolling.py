"""How objects go from camera to camera, learnt while they go: the model of `transit` as sums that fade, without a
table of all cameras times all cameras, so that a thousand of them fit.

Numbers about cameras alone; no look, no tracklet.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.journey.transit import BIN_S, COSINE_BINS, KERNEL, cosine_bin

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

MAX_CAMERAS = 4096
MAX_WAYS = 16
KINDS = 3
"""Over how many looks the earlier one is a mean: one, two, three and more."""
_HALF = len(KERNEL) // 2
_PRIOR_TIME = 1.5
_PRIOR_WAY = 0.03
_PRIOR_END = 0.5
"""As in `transit`."""
_PRIOR_GOES = 2.0
_LEAN = 20.0
"""Looks' worth of the first kind's density that the others begin with."""
_COSINE_PRIOR = 1e-5
_LEAST = 1e-3
"""Sums below are forgotten."""


class Sums:
    """A sum for each key that was seen."""

    def __init__(self) -> None:
        self.keys: Rows = np.zeros(0, np.int64)
        self.values: Floats = np.zeros(0)

    def at(self, keys: Rows) -> Floats:
        """(n,) 0 where nothing was."""
        if not len(self.keys):
            return np.zeros(len(keys))
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        result: Floats = np.where(self.keys[found] == keys, self.values[found], 0.0)
        return result

    def add(self, keys: Rows, values: Floats) -> None:
        """To each key its values."""
        if len(keys):
            self.keys, inverse = np.unique(np.concatenate([self.keys, keys]), return_inverse=True)
            self.values = _counts(inverse, np.concatenate([self.values, values]), len(self.keys))

    def fade(self, share: float) -> None:
        """Keep this share of all."""
        values = self.values * share
        keep = values >= _LEAST
        self.keys, self.values = self.keys[keep], values[keep]


@dataclass(frozen=True, slots=True)
class Pairs:
    """m possible links as numbers: cameras, way and kind (m,) int64; `gap_s`, `cosine` (m,), NaN where a look is
    missing."""

    first: Rows
    way: Rows
    second: Rows
    gap_s: Floats
    cosine: Floats
    kind: Rows

    def taken(self, keep: npt.NDArray[np.bool_] | Rows) -> "Pairs":
        """Some of them."""
        return Pairs(
            self.first[keep], self.way[keep], self.second[keep], self.gap_s[keep], self.cosine[keep], self.kind[keep]
        )


def _camera_ways() -> Floats:
    return np.zeros((MAX_CAMERAS, MAX_WAYS))


def _cameras() -> Floats:
    return np.zeros(MAX_CAMERAS)


def _cosines() -> Floats:
    return np.zeros((KINDS, COSINE_BINS))


@dataclass(slots=True)
class Counted:
    """Soft counts. `times` by pair and duration, `totals` and `went_to` by pair, `ways` by camera, way and camera;
    `seen` and `went` (cameras, ways): all that left, and those that came again; `arrived` and `came` (cameras,): all
    that began, and those that came from somewhere; `same`, `other` (kinds, bins): cosines of links and of strangers;
    `sure`: links, each counted by its chance once more, so that many doubtful ones are not many.
    """

    window_s: tuple[float, float]
    times: Sums = field(default_factory=Sums)
    totals: Sums = field(default_factory=Sums)
    went_to: Sums = field(default_factory=Sums)
    ways: Sums = field(default_factory=Sums)
    usual: Floats = field(default_factory=lambda: np.zeros(0))
    seen: Floats = field(default_factory=_camera_ways)
    went: Floats = field(default_factory=_camera_ways)
    arrived: Floats = field(default_factory=_cameras)
    came: Floats = field(default_factory=_cameras)
    same: Floats = field(default_factory=_cosines)
    other: Floats = field(default_factory=_cosines)
    sure: float = 0.0
    span_s: float = 0.0

    @property
    def bins(self) -> int:
        """Of durations."""
        return int(self.window_s[1] / BIN_S) + 1

    def time_key(self, pairs: Pairs) -> Rows:
        """(m,) of `times`."""
        bins = np.clip((pairs.gap_s / BIN_S).astype(np.int64), 0, self.bins - 1)
        # Room between cameras' bins, so that smoothing never reaches into another pair's.
        return (pairs.first * MAX_CAMERAS + pairs.second) * (self.bins + 2 * _HALF) + _HALF + bins

    def add_links(self, pairs: Pairs, chance: Floats, is_over: npt.NDArray[np.bool_]) -> None:
        """Possible links with their chance. `is_over`: (m,) those whose first can come again no more, so that where it
        went may be set against all that left."""
        pair = pairs.first * MAX_CAMERAS + pairs.second
        self.times.add(self.time_key(pairs), chance)
        self.totals.add(pair, chance)
        self.sure += float((chance**2).sum())
        bins = np.clip((pairs.gap_s / BIN_S).astype(np.int64), 0, self.bins - 1)
        self.usual = _sum(self.usual, _counts(bins, chance, self.bins))
        self.came += np.bincount(pairs.second, chance, MAX_CAMERAS)
        self.add_ways(pairs.taken(is_over), chance[is_over])
        finite = np.isfinite(pairs.cosine)
        flat = pairs.kind[finite] * COSINE_BINS + cosine_bin(pairs.cosine[finite])
        self.same += np.bincount(flat, chance[finite], KINDS * COSINE_BINS).reshape(KINDS, COSINE_BINS)

    def add_ways(self, pairs: Pairs, chance: Floats) -> None:
        """Where objects went that can come again no more."""
        self.went_to.add(pairs.first * MAX_CAMERAS + pairs.second, chance)
        self.ways.add((pairs.first * MAX_WAYS + pairs.way) * MAX_CAMERAS + pairs.second, chance)
        flat = np.bincount(pairs.first * MAX_WAYS + pairs.way, chance, MAX_CAMERAS * MAX_WAYS)
        self.went += flat.reshape(MAX_CAMERAS, MAX_WAYS)

    def add_strangers(self, cosine: Floats, kind: Rows) -> None:
        """Pairs drawn at random."""
        flat = kind * COSINE_BINS + cosine_bin(cosine)
        self.other += np.bincount(flat, minlength=KINDS * COSINE_BINS).reshape(KINDS, COSINE_BINS)

    def plus(self, other: "Counted") -> "Counted":
        """Both, as a new one."""
        result = Counted(self.window_s)
        for name in ("times", "totals", "went_to", "ways"):
            for one in (self, other):
                sums = getattr(one, name)
                getattr(result, name).add(sums.keys, sums.values)
        result.usual = _sum(self.usual, other.usual)
        for name in ("seen", "went", "arrived", "came", "same", "other", "sure", "span_s"):
            setattr(result, name, getattr(self, name) + getattr(other, name))
        return result

    def fade(self, share: float) -> None:
        """Keep this share of all that was learnt."""
        for sums in (self.times, self.totals, self.went_to, self.ways):
            sums.fade(share)
        for name in ("usual", "seen", "went", "arrived", "came", "same", "other", "sure", "span_s"):
            setattr(self, name, getattr(self, name) * share)

    def likely(self, cosine: Floats) -> Floats:
        """(n,) share of strangers that look less alike, by the first kind; 0 where nothing is known."""
        whole = np.cumsum(self.other[0])
        if whole[-1] <= 0:
            return np.zeros(len(cosine))
        result: Floats = np.where(np.isfinite(cosine), whole[cosine_bin(cosine)] / whole[-1], 0.0)
        return result

    def median_s(self, first: int, second: int) -> float:
        """Half of all transits between two cameras take less; NaN where none is known."""
        begin = (first * MAX_CAMERAS + second) * (self.bins + 2 * _HALF) + _HALF
        counts = self.times.at(begin + np.arange(self.bins))
        whole = np.cumsum(counts)
        if whole[-1] <= 0:
            return float("nan")
        return float(np.interp(whole[-1] / 2, whole, (np.arange(self.bins) + 1) * BIN_S))


def _counts(of: Rows, weights: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(of, weights, count), np.float64)


def _sum(one: Floats, other: Floats) -> Floats:
    if not len(one) or not len(other):
        return one.copy() if len(one) else other.copy()
    return one + other


def _densities(counts: Floats) -> Floats:
    """(kinds, bins), nowhere zero; kinds of which little is known lean on the first."""
    rows: list[Floats] = []
    for row in counts:
        lean = rows[0] * _LEAN if rows else 0.0
        smooth = np.convolve(np.pad(row, _HALF), KERNEL, mode="valid") + _COSINE_PRIOR * max(float(row.sum()), 1.0)
        smooth = smooth + lean
        rows.append(smooth / smooth.sum())
    return np.stack(rows)


class Asked:
    """The same pairs asked again and again: where their keys lie is looked up once."""

    def __init__(
        self, model: Counted, pairs: Pairs, *, is_over: npt.NDArray[np.bool_] | None = None, seen: Floats | None = None
    ) -> None:
        """`is_over`: as in `Counted.add_links`; `seen`: (cameras, ways) what left of late and comes again no more."""
        self._model, self._pairs = model, pairs
        self._is_over = np.zeros(len(pairs.first), bool) if is_over is None else is_over
        self._seen = model.seen if seen is None else model.seen + seen
        keys, self._key = np.unique(model.time_key(pairs), return_inverse=True)
        self._near = _near(model.times, keys)
        self._beside = [_positions(keys, keys + step - _HALF) for step in range(len(KERNEL))]
        self.pairs, self._pair = np.unique(pairs.first * MAX_CAMERAS + pairs.second, return_inverse=True)
        self._total, self._went_to = model.totals.at(self.pairs), model.went_to.at(self.pairs)
        ways, self._way = np.unique(
            (pairs.first * MAX_WAYS + pairs.way) * MAX_CAMERAS + pairs.second, return_inverse=True
        )
        self._ways = model.ways.at(ways)
        self._bins = np.clip((pairs.gap_s / BIN_S).astype(np.int64), 0, model.bins - 1)
        self._finite, self._at = np.isfinite(pairs.cosine), cosine_bin(pairs.cosine)

    def totals(self, chance: Floats) -> Floats:
        """(k,) of each of `pairs`, these included."""
        result: Floats = self._total + np.bincount(self._pair, chance, len(self._total))
        return result

    def log_odds(self, chance: Floats | None = None) -> Floats:
        """(m,) by what the model knows and, with `chance` (m,), by what the pairs themselves teach; each one's own
        share is taken off, so that no link vouches for itself. As `transit.TransitModel.log_odds` has it."""
        model, pairs = self._model, self._pairs
        own = np.zeros(len(pairs.first)) if chance is None else chance
        own_over = np.where(self._is_over, own, 0.0)
        looks = self._looks(own)
        near, total, went_to = self._near, self.totals(own), self._went_to
        came, went = model.came, model.went
        ways = self._ways + np.bincount(self._way, own_over, len(self._ways))
        usual = _sum(model.usual, _counts(self._bins, own, model.bins))
        if chance is not None:
            counts = np.append(np.bincount(self._key, own, len(near)), 0.0)
            near = near + sum(weight * counts[at] for weight, at in zip(KERNEL, self._beside, strict=True))
            went_to = went_to + np.bincount(self._pair, own_over, len(went_to))
            came = came + np.bincount(pairs.second, own, MAX_CAMERAS)
            left = np.bincount(pairs.first * MAX_WAYS + pairs.way, own_over, MAX_CAMERAS * MAX_WAYS)
            went = went + left.reshape(MAX_CAMERAS, MAX_WAYS)
        usual = np.convolve(np.pad(usual, _HALF), KERNEL, mode="valid") + 0.1
        usual = usual / usual.sum()
        time = np.maximum(near[self._key] - own * KERNEL[_HALF], 0.0) + _PRIOR_TIME * usual[self._bins]
        time = time / (np.maximum(total[self._pair] - own, 0.0) + _PRIOR_TIME) / BIN_S
        cameras = max(int((model.arrived > 0).sum()), 1)
        all_of = self._seen[pairs.first, pairs.way] + _PRIOR_WAY * cameras + _PRIOR_END
        whole = np.maximum(self._seen.sum(axis=1), 1.0)[pairs.first]
        lean = np.maximum(went_to[self._pair] - own_over, 0.0) / whole
        goes = np.maximum(ways[self._way] - own_over, 0.0) + _PRIOR_WAY + _PRIOR_GOES * lean
        ends = np.maximum(self._seen - went, 0.0)[pairs.first, pairs.way] + own_over + _PRIOR_END
        born = np.maximum(model.arrived - came, 0.2)[pairs.second] / max(model.span_s, 1.0)
        result: Floats = (
            looks
            + np.log(goes / (all_of + _PRIOR_GOES))
            + np.log(time)
            - np.log(ends / all_of)
            - np.log(np.maximum(born, 1e-5))
        )
        return result

    def _looks(self, own: Floats) -> Floats:
        kind = self._pairs.kind
        flat = np.bincount((kind * COSINE_BINS + self._at)[self._finite], own[self._finite], KINDS * COSINE_BINS)
        same = np.log(_densities(self._model.same + flat.reshape(KINDS, COSINE_BINS)))
        other = np.log(_densities(self._model.other))
        result: Floats = np.where(self._finite, same[kind, self._at] - other[kind, self._at], 0.0)
        return result


def _near(sums: Sums, keys: Rows) -> Floats:
    result = np.zeros(len(keys))
    for step, weight in enumerate(KERNEL):
        result += weight * sums.at(keys + step - _HALF)
    return result


def _positions(keys: Rows, wanted: Rows) -> Rows:
    """(n,) where each lies among sorted keys; one beyond the last for none."""
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    result: Rows = np.where(keys[found] == wanted, found, len(keys))
    return result
