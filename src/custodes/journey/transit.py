"""How objects go from camera to camera: where to, how long it takes, and how alike two looks of one object are. Learnt
from the flow itself, without a label: what is likely one object teaches what one object does, and the other way round
(EM).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.journey.assignment import Links, marginals
from custodes.journey.tracklets import Candidates, Tracklets

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

BIN_S = 3.0
KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / 1.1) ** 2)
KERNEL = KERNEL / KERNEL.sum()
_EVIDENT_BINS = 3
_EVIDENT_SD = 5.0
"""Standard deviations: one in a million bins by chance, and a site of a hundred cameras has a million."""
_FAR_GAP_S = 60.0
"""Between the longest way that is thought of, and durations that count as chance."""
_PRIOR_TIME = 1.5
"""Transits' worth of the mean over all pairs that a pair's times begin with."""
_PRIOR_WAY = 0.03
"""Objects' worth of going to each camera that a camera's ways begin with."""
_PRIOR_END = 0.5
COSINE_BINS = 100
_COSINE_PRIOR = 1e-5
"""Share of all in each bin that none was seen in."""
_STRANGERS = 0.998
_DRAWN = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitModel:
    """What was learnt.

    `times`: (cameras, cameras, bins) soft transits by duration, smoothed; `ways`: (cameras, ways, cameras) soft
    counts; `left`: (cameras, ways) objects that did not come again; `seen`: (cameras, ways) all; `born_per_s`:
    (cameras,) those that came from nowhere; `same`, `other`: (classes, bins) density of cosines by how many looks they
    are over (`log_odds`).
    """

    window_s: tuple[float, float]
    times: Floats
    ways: Floats
    left: Floats
    seen: Floats
    born_per_s: Floats
    same: Floats
    other: Floats

    def log_odds(
        self, tracklets: Tracklets, pairs: Candidates, own: Floats | None = None, kind: Rows | None = None
    ) -> Floats:
        """(m,) of each pair. `kind`: (m,) which density of cosines is meant. `own`: (m,) what each pair itself gave to
        this model, taken off again, so that no link vouches for itself."""
        first, second = tracklets.camera[pairs.first], tracklets.camera[pairs.second]
        way = np.minimum(tracklets.way[pairs.first], self.ways.shape[1] - 1)
        finite = np.isfinite(pairs.cosine)
        at = cosine_bin(pairs.cosine)
        kind = np.zeros(len(at), np.int64) if kind is None else np.minimum(kind, len(self.same) - 1)
        looks = np.where(finite, np.log(self.same[kind, at]) - np.log(self.other[kind, at]), 0.0)
        own = np.zeros(len(first)) if own is None else own
        bins = np.clip((pairs.gap_s / BIN_S).astype(np.int64), 0, self.times.shape[2] - 1)
        usual = self.times.sum(axis=(0, 1))
        usual = (usual + 0.1) / (usual + 0.1).sum()
        total = self.times.sum(axis=2)
        middle = KERNEL[len(KERNEL) // 2]
        at = np.maximum(self.times[first, second, bins] - own * middle, 0.0)
        time = (at + _PRIOR_TIME * usual[bins]) / (np.maximum(total[first, second] - own, 0.0) + _PRIOR_TIME) / BIN_S
        count = self.seen[first, way]
        cameras = len(self.born_per_s)
        all_of = count + _PRIOR_WAY * cameras + _PRIOR_END
        # What is known of a way leans on what is known of its camera.
        whole = self.ways[first, :, second].sum(axis=1)
        lean = np.maximum(whole - own, 0.0) / np.maximum(self.seen[first].sum(axis=1), 1.0)
        goes = (np.maximum(self.ways[first, way, second] - own, 0.0) + _PRIOR_WAY + 2.0 * lean) / (all_of + 2.0)
        ends = (self.left[first, way] + own + _PRIOR_END) / all_of
        born = np.maximum(self.born_per_s[second], 1e-5)
        result: Floats = looks + np.log(goes) + np.log(time) - np.log(ends) - np.log(born)
        return result

    def median_s(self, first: int, second: int) -> float:
        """Half of all transits between two cameras take less."""
        times = np.cumsum(self.times[first, second])
        if times[-1] <= 0:
            return float("nan")
        return float(np.interp(times[-1] / 2, times, (np.arange(len(times)) + 1) * BIN_S))


def evident(tracklets: Tracklets, window_s: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """(cameras, cameras): between which cameras some duration is far commoner than chance would have it.

    Without looks EM finds a way in any two streams that do not know of each other; this says which are worth a look.
    For each pair the number of arrivals so long after each departure, in bins of nine seconds, against what it is at
    durations that nobody takes: far longer than the window, and backwards. There, too, lights and loops that repeat
    after a minute have their peaks. Cost: departures · bins per pair, 15 s for 76 cameras and 10,000 tracklets.
    """
    count = tracklets.cameras
    span_s = max(float(np.ptp(tracklets.start_s)), window_s[1]) if len(tracklets) else 1.0
    beyond_s = window_s[1] + _FAR_GAP_S
    longer = (beyond_s, beyond_s + window_s[1] - window_s[0])
    result = np.zeros((count, count), bool)
    starts = [tracklets.start_s[tracklets.camera == camera] for camera in range(count)]
    ends = [tracklets.end_s[tracklets.camera == camera] for camera in range(count)]
    for first in range(count):
        for second in range(count):
            usual = len(ends[first]) * len(starts[second]) * _EVIDENT_BINS * BIN_S / span_s
            found = _after(ends[first], starts[second], window_s, span_s)
            if not bool(((found - usual) / (usual + 1) ** 0.5 >= _EVIDENT_SD).any()):
                continue
            far = [_after(ends[first], starts[second], lags, span_s) for lags in (longer, (-longer[1], -longer[0]))]
            never = np.concatenate(far)
            spread = max((usual + 1) ** 0.5, float(never.std()))
            result[first, second] = bool(((found - never.mean()) / spread >= _EVIDENT_SD).any())
    return result


def _after(ends: Floats, starts: Floats, lags_s: tuple[float, float], span_s: float) -> Floats:
    """Arrivals in each nine seconds between two lags after departures, as if all of the span had been seen for it."""
    edges = np.arange(lags_s[0], lags_s[1] + BIN_S, BIN_S)
    arrived = np.searchsorted(starts, (ends[:, None] + edges[None, :]).ravel()).reshape(len(ends), len(edges))
    found = np.convolve(np.diff(arrived, axis=1).sum(axis=0), np.ones(_EVIDENT_BINS), mode="valid")
    middle_s = edges[: len(found)] + _EVIDENT_BINS * BIN_S / 2
    result: Floats = found * span_s / np.maximum(span_s - np.abs(middle_s), span_s / 2)
    return result


def learn(
    tracklets: Tracklets,
    pairs: Candidates,
    drawn: "Strangers",
    *,
    window_s: tuple[float, float],
    rounds: int = 10,
    kind: Rows | None = None,
    chance: Floats | None = None,
) -> tuple[TransitModel, Floats]:
    """A model and the probability of each pair, from tracklets alone.

    Args: chance_cosines: (k,) of pairs drawn at random, which says how alike strangers are (`strangers`);
    kind: (m,) of pairs whose cosines spread differently; chance: (m,) to begin with.
    Begins with looks only: of each tracklet the best candidate that also has it as its best is taken to be the same.
    """
    finite = np.isfinite(pairs.cosine)
    best = _mutual_best(pairs, len(tracklets))
    chance_cosines, chance_kind = drawn.cosine, drawn.kind
    kind = np.zeros(len(pairs.first), np.int64) if kind is None else kind
    kinds = int(max(kind.max(initial=0), chance_kind.max(initial=0))) + 1
    other = np.stack(
        [_density(chance_cosines[chance_kind == k], np.ones((chance_kind == k).sum())) for k in range(kinds)]
    )
    if chance is None:
        # The likest of hundreds of strangers are alike, too: only what is above nearly all of them is a beginning.
        usual = float(np.quantile(chance_cosines, _STRANGERS)) if len(chance_cosines) else 1.0
        chance = np.where(best & finite & (np.nan_to_num(pairs.cosine, nan=-1.0) > usual), 0.8, 0.0)
        # Without looks all that can be are equally likely; what takes the same time again and again stands out.
        alone = np.bincount(pairs.first, ~finite, len(tracklets))[pairs.first]
        chance = np.where(finite, chance, 0.5 / np.maximum(alone, 1.0))
    for step in range(rounds + 1):
        same = np.stack(
            [_density(pairs.cosine[finite & (kind == k)], chance[finite & (kind == k)]) for k in range(kinds)]
        )
        model = _counted(tracklets, pairs, chance, window_s, same, other)
        if step < rounds:
            links = Links(pairs.first, pairs.second, model.log_odds(tracklets, pairs, chance, kind))
            chance = marginals(links, len(tracklets))
    return model, chance


def _mutual_best(pairs: Candidates, count: int) -> npt.NDArray[np.bool_]:
    cosine = np.nan_to_num(pairs.cosine, nan=-1.0)
    forth, back = np.full(count, -2.0), np.full(count, -2.0)
    np.maximum.at(forth, pairs.first, cosine)
    np.maximum.at(back, pairs.second, cosine)
    result: npt.NDArray[np.bool_] = (cosine >= forth[pairs.first]) & (cosine >= back[pairs.second])
    return result


def _counted(
    tracklets: Tracklets,
    pairs: Candidates,
    chance: Floats,
    window_s: tuple[float, float],
    same: Floats,
    other: Floats,
) -> TransitModel:
    cameras, ways = tracklets.cameras, int(tracklets.way.max(initial=0)) + 1
    bins = int(window_s[1] / BIN_S) + 1
    first, second = tracklets.camera[pairs.first], tracklets.camera[pairs.second]
    bin_of = np.clip((pairs.gap_s / BIN_S).astype(np.int64), 0, bins - 1)
    flat = np.bincount((first * cameras + second) * bins + bin_of, chance, cameras * cameras * bins)
    times = _smoothed(flat.reshape(cameras, cameras, bins).astype(np.float64))
    way = tracklets.way[pairs.first]
    gone = np.bincount((first * ways + way) * cameras + second, chance, cameras * ways * cameras)
    seen = np.bincount(tracklets.camera * ways + tracklets.way, minlength=cameras * ways).astype(np.float64)
    linked = np.bincount(first * ways + way, chance, cameras * ways)
    came = np.bincount(second, chance, cameras)
    span_s = max(float(tracklets.start_s.max() - tracklets.start_s.min()), 1.0) if len(tracklets) else 1.0
    born = np.maximum(seen.reshape(cameras, ways).sum(axis=1) - came, 0.2) / span_s
    return TransitModel(
        window_s=window_s,
        times=times,
        ways=gone.reshape(cameras, ways, cameras).astype(np.float64),
        left=np.maximum(seen - linked, 0.0).reshape(cameras, ways),
        seen=seen.reshape(cameras, ways),
        born_per_s=born,
        same=same,
        other=other,
    )


def _smoothed(counts: Floats) -> Floats:
    half = len(KERNEL) // 2
    padded = np.pad(counts, ((0, 0), (0, 0), (half, half)))
    bins = counts.shape[2]
    result: Floats = np.sum([weight * padded[:, :, step : step + bins] for step, weight in enumerate(KERNEL)], axis=0)
    return result


@dataclass(frozen=True, slots=True)
class Strangers:
    """`cosine` (k,) and `kind` (k,) of pairs drawn at random: nearly all of them are two objects."""

    cosine: Floats
    kind: Rows


def strangers(
    tracklets: Tracklets, first: Floats, second: Floats, kind_of: Rows | None = None, *, seed: int = 1
) -> Strangers:
    """Pairs of different cameras.

    Args: first, second: (n, d) looks of tracklets as the earlier and as the later one; kind_of: (n, n') would be too
    large, so (2, n): what each adds to a pair's kind as the earlier, and as the later one.
    """
    rng = np.random.default_rng(seed)
    if len(tracklets) < 2:
        return Strangers(np.zeros(0), np.zeros(0, np.int64))
    one, other = rng.integers(0, len(tracklets), (2, _DRAWN))
    keep = tracklets.camera[one] != tracklets.camera[other]
    one, other = one[keep], other[keep]
    cosine = np.einsum("nd,nd->n", first[one], second[other])
    kind = np.zeros(len(one), np.int64) if kind_of is None else kind_of[0][one] + kind_of[1][other]
    finite = np.isfinite(cosine)
    return Strangers(cosine[finite], kind[finite])


def cosine_bin(values: Floats) -> Rows:
    """(n,) the bin of each cosine; NaN goes anywhere."""
    result: Rows = np.clip(((np.nan_to_num(values) + 1) / 2 * COSINE_BINS).astype(np.int64), 0, COSINE_BINS - 1)
    return result


def _density(values: Floats, weights: Floats) -> Floats:
    """(bins,) smoothed density of cosines, nowhere zero."""
    counts = np.bincount(cosine_bin(values), weights, COSINE_BINS)
    half = len(KERNEL) // 2
    smooth = np.convolve(np.pad(counts, half), KERNEL, mode="valid") + _COSINE_PRIOR * max(float(weights.sum()), 1.0)
    result: Floats = smooth / smooth.sum()
    return result
