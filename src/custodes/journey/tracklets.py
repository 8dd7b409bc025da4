"""What one camera saw of one object, as columns; and which of them could be one. No probabilities."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracklets:
    """n tracklets by time.

    `camera`: (n,) int64, numbers from 0. `way`: (n,) int64, which way it left the picture, or its lane; 0 where not
    known. `start_s`, `end_s`: (n,) float64, seconds from any moment, by the site's clock. `looks`: (n, d) float64
    appearance, any length; NaN where not known.
    """

    camera: Rows
    way: Rows
    start_s: Floats
    end_s: Floats
    looks: Floats

    def __len__(self) -> int:
        return len(self.camera)

    @property
    def cameras(self) -> int:
        """One more than the largest number."""
        return int(self.camera.max(initial=-1)) + 1


def centred(tracklets: Tracklets) -> Floats:
    """(n, d) looks with each camera's mean taken off, of unit length.

    A camera's light and angle are in every look it gives; taking them off is worth ten points of rank-1 and costs
    nothing.
    """
    means = np.zeros((tracklets.cameras, tracklets.looks.shape[1]))
    for camera in range(tracklets.cameras):
        mine = tracklets.looks[tracklets.camera == camera]
        mine = mine[np.isfinite(mine).all(axis=1)]
        means[camera] = mine.mean(axis=0) if len(mine) else 0.0
    gaps = tracklets.looks - means[tracklets.camera]
    lengths = np.linalg.norm(gaps, axis=1, keepdims=True)
    result: Floats = gaps / np.where(lengths > 0, lengths, 1.0)
    return result


_BLOCK = 64
"""Tracklets whose candidates are looked up at once; their windows nearly coincide."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """m pairs: `first` and `second` (m,) indices, `gap_s` (m,) from the first's end to the second's start, `cosine`
    (m,); NaN where a look is missing."""

    first: Rows
    second: Rows
    gap_s: Floats
    cosine: Floats


def candidates(
    tracklets: Tracklets, looks: Floats, *, window_s: tuple[float, float], most: int, later: Floats | None = None
) -> Candidates:
    """For each tracklet the `most` that came after it within the window and look most like it.

    Args: looks: (n, d) of unit length; later: the same for tracklets as those that come after, where these differ.
    Cost: n · (tracklets in a window) · d multiplications.
    """
    later = looks if later is None else later
    low = np.searchsorted(tracklets.start_s, tracklets.end_s + window_s[0])
    high = np.searchsorted(tracklets.start_s, tracklets.end_s + window_s[1], side="right")
    parts: list[tuple[Rows, Rows, Floats]] = []
    for begin in range(0, len(tracklets), _BLOCK):
        mine = np.arange(begin, min(begin + _BLOCK, len(tracklets)))
        mine = mine[high[mine] > low[mine]]
        if not len(mine):
            continue
        others = np.arange(low[mine].min(), high[mine].max())
        cosine = looks[mine] @ later[others].T
        is_within = (others[None, :] >= low[mine][:, None]) & (others[None, :] < high[mine][:, None])
        # Where no look is known, the soonest come first.
        gap_s = tracklets.start_s[others][None, :] - tracklets.end_s[mine][:, None]
        rank = np.where(is_within, np.where(np.isfinite(cosine), cosine, -2.0 - gap_s / 1e6), -9.0)
        if len(others) > most:
            best = np.argpartition(-rank, most, axis=1)[:, :most]
        else:
            best = np.broadcast_to(np.arange(len(others)), (len(mine), len(others)))
        row, column = np.repeat(np.arange(len(mine)), best.shape[1]), best.ravel()
        keep = is_within[row, column]
        row, column = row[keep], column[keep]
        parts.append((mine[row], others[column], cosine[row, column]))
    if not parts:
        none = np.zeros(0, np.int64)
        return Candidates(none, none, np.zeros(0), np.zeros(0))
    first, second, cosines = (np.concatenate([part[index] for part in parts]) for index in range(3))
    gap_s = tracklets.start_s[second] - tracklets.end_s[first]
    return Candidates(first.astype(np.int64), second.astype(np.int64), gap_s, cosines.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Chains:
    """Each tracklet with what it is surely linked to: `before` and `after` (n, d), mean looks up to it and from it on,
    of unit length; `count_before`, `count_after` (n,) over how many."""

    before: Floats
    after: Floats
    count_before: Rows
    count_after: Rows


def chains(looks: Floats, first: Rows, second: Rows) -> Chains:
    """From sure links (k,) → (k,), each tracklet at most once on each side; the earlier comes first. A mean over
    several looks of one object errs less than one look."""
    count = len(looks)
    known = np.nan_to_num(looks)
    sums = known.copy(), known.copy()
    counts = np.ones(count, np.int64), np.ones(count, np.int64)
    order = np.argsort(second, kind="stable")
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        sums[0][other] += sums[0][one]
        counts[0][other] += counts[0][one]
    order = np.argsort(-first, kind="stable")
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        sums[1][one] += sums[1][other]
        counts[1][one] += counts[1][other]
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in sums]
    before, after = (each / np.where(length > 0, length, 1.0) for each, length in zip(sums, lengths, strict=True))
    return Chains(before, after, counts[0], counts[1])
