"""When a found picture was taken: its content against that of many archived frames of one fixed camera.

A fixed camera looks the same for months; only people, light and clocks in the picture tell. Here moments are compared;
which others fit as well as the best, and what may then be said of the time, is `stretch`.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.sketch import COLUMNS, Plane, Sketch
from custodes.leaks.smooth import smooth
from custodes.watermark.residual import Aligned

_TRUNCATED = 24.0
"""Luma steps beyond which a cell is simply wrong: a sticker, a fill, glare."""

NEAR_STRETCHES = 12
"""Of so many every frame is looked at."""

_EXACT = 600
_AT_ONCE = 512


def sketch_of_found(aligned: Aligned, columns: int = COLUMNS) -> Sketch:
    """Of a found picture, in the coordinates of the archive."""
    height, width = aligned.picture.shape
    size = (columns, max(round(columns * height / width), 8))
    seen = cv2.resize(aligned.valid, size, interpolation=cv2.INTER_AREA)
    luma = cv2.resize(aligned.picture * aligned.valid, size, interpolation=cv2.INTER_AREA)
    return Sketch(luma=luma / np.maximum(seen, 1e-3), seen=np.where(seen > 0.6, seen, 0).astype(np.float32))


def compare(found: Sketch, archived: Sequence[Sketch]) -> npt.NDArray[np.float64]:
    """Cost of each archived sketch: mean truncated difference after the best exposure. O(n · cells), 0.1 ms each.

    Cells that nothing archived explains (a sticker, a filled person) count little, in all of them alike. Of more than
    `_EXACT`, only the likeliest by a plain difference are compared so; the others' cost is estimated by that.
    """
    if len(archived) > _EXACT:
        plain = _plain_costs(found, archived)
        likely = np.sort(plain.argsort(kind="stable")[:_EXACT])
        exact = compare(found, [archived[int(n)] for n in likely])
        costs = np.maximum(plain + np.median(exact - plain[likely]), np.nextafter(exact.min(), np.inf))
        costs[likely] = exact
        return np.asarray(costs, dtype=np.float64)
    if not archived:
        return np.zeros(0)
    differences = np.stack([_difference(found, one) for one in archived])
    least = differences.min(axis=0)
    weight = found.seen / (1.0 + (least / 6.0) ** 2)
    return np.asarray((differences * weight).sum(axis=(1, 2)) / max(float(weight.sum()), 1e-6), dtype=np.float64)


def compare_stretches(found: Sketch, archived: Sequence[Sketch]) -> npt.NDArray[np.float64]:
    """Cost of what lies from each archived sketch to the next; of the last: of itself. O(n · cells), 0.1 ms each.

    Between two keyframes a cell shows what it shows in one of them, unless somebody passes: the smaller of both
    differences counts. Who has walked on since a keyframe is held against it by `compare`, twice: where they were, and
    where they are. An empty scene would be cheaper.
    """
    if not archived:
        return np.zeros(0)
    if len(archived) <= _EXACT:
        return _stretch_costs(found, np.stack([_difference(found, one) for one in archived]))
    plain = _plain_costs(found, archived, is_to_next=True)
    costs = np.full(len(archived), np.inf)
    likely = np.sort(plain.argsort(kind="stable")[: _EXACT // 2])
    wanted = np.unique(np.concatenate([likely, np.minimum(likely + 1, len(archived) - 1)]))
    exact = _stretch_costs(found, np.stack([_difference(found, archived[int(n)]) for n in wanted]))
    costs[likely] = exact[np.searchsorted(wanted, likely)]
    return costs


def _stretch_costs(found: Sketch, differences: Plane) -> npt.NDArray[np.float64]:
    weight = found.seen / (1.0 + (differences.min(axis=0) / 6.0) ** 2)
    to_next = np.minimum(differences, np.concatenate([differences[1:], differences[-1:]]))
    return np.asarray((to_next * weight).sum(axis=(1, 2)) / max(float(weight.sum()), 1e-6), dtype=np.float64)


def _plain_costs(found: Sketch, archived: Sequence[Sketch], *, is_to_next: bool = False) -> npt.NDArray[np.float64]:
    """Truncated differences under one exposure for all, that of the median of some. 10 µs each.

    `is_to_next`: the smaller of a sketch's own and the next one's.
    """
    middle = np.median(np.stack([one.luma for one in archived[:: max(len(archived) // 25, 1)]]), axis=0)
    gain, offset = _exposure(Sketch(luma=middle.astype(np.float32), seen=found.seen), found)
    wanted = (found.luma - offset) / np.float32(gain)
    costs = np.empty(len(archived))
    for first in range(0, len(archived), _AT_ONCE):
        stack = np.stack([one.luma for one in archived[first : first + _AT_ONCE + is_to_next]])
        rest = np.minimum(np.abs(stack - wanted), _TRUNCATED) * found.seen
        if is_to_next:
            rest = np.minimum(rest, np.concatenate([rest[1:], rest[-1:]]))[:_AT_ONCE]
        costs[first : first + len(rest)] = rest.mean(axis=(1, 2))
    return costs


def _exposure(archived: Sketch, found: Sketch) -> tuple[float, float]:
    """(gain, offset) from the archived to the found, by robust regression in two rounds."""
    x, y, weight = archived.luma, found.luma, found.seen
    gain, offset = 1.0, 0.0
    for _ in range(2):
        total = max(float(weight.sum()), 1e-6)
        mean_x, mean_y = float((x * weight).sum()) / total, float((y * weight).sum()) / total
        spread = float((weight * (x - mean_x) ** 2).sum())
        gain = float((weight * (x - mean_x) * (y - mean_y)).sum()) / max(spread, 1e-6)
        gain = min(max(gain, 0.3), 3.0)
        offset = mean_y - gain * mean_x
        weight = found.seen * (np.abs(y - gain * x - offset) < _TRUNCATED).astype(np.float32)
    return gain, offset


def rest_of(found: Sketch, archived: Sketch) -> Plane:
    """What the archived sketch does not explain, cell by cell, signed, in its own luma; 0 where nothing is seen."""
    gain, offset = _exposure(archived, found)
    x, y = archived.luma, found.luma
    weight = found.seen * (np.abs(y - gain * x - offset) < _TRUNCATED).astype(np.float32)
    rest = (y - gain * x - offset) / np.float32(gain)
    # Slow differences are light on a screen or a lens, not the scene.
    slow = smooth(np.asarray(rest * weight, dtype=np.float32), 8.0) / (smooth(weight, 8.0) + np.float32(0.05))
    return np.asarray((rest - slow) * (found.seen > 0), dtype=np.float32)


def _difference(found: Sketch, archived: Sketch) -> Plane:
    return np.asarray(np.minimum(np.abs(rest_of(found, archived)), _TRUNCATED), dtype=np.float32)
