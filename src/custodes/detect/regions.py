"""Where a detector looks in a frame: crops around what changed and what is due, at the scale the objects need.

A network sees people best at some 48 pixels height; a frame scaled to its input as a whole loses people far away and
wastes most of its pixels on ground where nothing is. Crops cost what their pixels cost. What changed is `motion`, what
is due `standing`; cutting and running is the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import Boxes, empty_boxes
from custodes.types.model import ModelInput

Columns = npt.NDArray[np.float32]

BEST_PX = 48.0
"""Height in the network's input at which people are found best: with nanodet-g on PETS recall at a score of .5 is .81
at 28 pixels, .91 at 36, .94 at 43, .92 at 60, .89 at 80, .73 at 120 (whole frames scaled, every 40th, 2026-11)."""

_LARGE_SHARES = (0.4, 0.55)
_LARGE_BEST_PX = 150.0
"""What may be no person is shown at one of these shares of its height in turn, up to so many pixels, where that is
more than `BEST_PX`. Networks know vehicles as wide, large things: the cars of intel-car-detection, seen from above,
250 pixels long, get .2 to .7 at 100 to 150 pixels, now at one scale, now at another, and mostly nothing at 60. Large
people are found as well at .25 of their size as at .5 (.98 of those on one-by-one; nanodet-g, 2026-11)."""

LARGEST_PX = 112.0
LEAST_PX = 24.0
LEAST_WHOLE_PX = 32.0
"""What is smaller in the input is too often missed for a look to say that it is gone (same measurement: recall .81 at
28 pixels, .52 at 22). Whole looks come anyway, so they have to be surer; asking it of regions cost PETS a third more,
because groups are looked at coarser."""

ENLARGE_MAX = 2.0
SHRINK_MAX = 16.0

_MARGIN_SHARE = 0.4
"""Of the expected height, on each side: the network needs the ground around an object."""

_MARGIN_MIN_PX = 12.0
_MARGIN_LARGE = 0.3
"""Of a part's shorter side, if that is more: with 40 pixels around a car of 250 twice as many crossings were missed as
with 60 (car park, seven rates)."""
_PART_PIXELS = 6000
"""Pixels of input that a part costs by itself: cut, pack, read (0.4 ms beside nanodet-g), and its edges, where objects
are cut. With 2000, PETS lost .03 of its precision and a third of its speed, 2026-11."""

WHOLE_ENOUGH = 1.5
"""The whole frame will do instead of a region when that region wanted at most so many times its scale."""

_STRIDE_MIN_PX = 16
"""Regions of few different sizes run faster together."""

_WHOLE_SHARE = 0.6
"""Of the whole frame's pixels: regions that cost more than this are not worth their edges, where objects are cut."""

REGIONS_MAX = 24
"""More parts than this are not planned one by one: the nearest are joined first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A crop of the frame, even pixels, and the size at which the network gets it."""

    x1: int
    y1: int
    x2: int
    y2: int
    width_px: int
    height_px: int

    @property
    def scale(self) -> float:
        """Pixels of the input per pixel of the frame, vertically."""
        return self.height_px / (self.y2 - self.y1)

    @property
    def pixels(self) -> int:
        """What it costs."""
        return self.width_px * self.height_px


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionLimits:
    """What the detector takes, and how much of it a frame may cost."""

    stride_px: int = 32
    side_min_px: int = 96
    """Smaller inputs cost nearly the same and show no surroundings."""
    whole_px: int = 352 * 352
    """Pixels of input for a whole frame."""
    frame_px: int = 2 * 352 * 352
    """Pixels of input that the regions of one frame may take together; what does not fit is shed and counted."""
    fixed_px: tuple[int, int] | None = None
    """Width and height of the input of a network that takes no other."""


def limits_of(spec: ModelInput) -> RegionLimits:
    """What a network with this input takes. One of a fixed size gets several regions packed into its one picture."""
    whole_px = spec.width_px * spec.height_px
    return RegionLimits(
        stride_px=max(spec.stride_px, _STRIDE_MIN_PX),
        whole_px=whole_px,
        frame_px=2 * whole_px,
        fixed_px=None if spec.is_size_free else (spec.width_px, spec.height_px),
    )


def heights_as_people(boxes_px: Boxes, is_person: npt.NDArray[np.bool_], *, turn: int = 0) -> Columns:
    """(n,) heights of people who would need the scale at which these are best found; see `_LARGE_SHARES`.

    Args: boxes_px: (n, 4); is_person: (n,) known to be people. What is wider than tall counts as half as tall as
    wide. turn: which of the scales for large things.
    """
    sides = boxes_px[:, 2:] - boxes_px[:, :2]
    heights = np.maximum(np.maximum(sides[:, 1], sides[:, 0] / 2), 1)
    best_px = np.minimum(np.maximum(_LARGE_SHARES[turn % len(_LARGE_SHARES)] * heights, BEST_PX), _LARGE_BEST_PX)
    return np.asarray(np.where(is_person, heights, heights * BEST_PX / best_px), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Parts of the frame to be looked at, as columns.

    `boxes_px` (n, 4) float32; `small_px`, `large_px` (n,): heights of the smallest and largest object expected;
    `since_ns` (n,) int64: since when each waits, the earliest is served first.
    """

    boxes_px: Boxes
    small_px: Columns
    large_px: Columns
    since_ns: npt.NDArray[np.int64]


NOTHING = Wanted(
    boxes_px=empty_boxes(),
    small_px=np.zeros(0, np.float32),
    large_px=np.zeros(0, np.float32),
    since_ns=np.zeros(0, np.int64),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPlan:
    """`regions` to look at; `shed_px` (k, 4): parts that found no room; `is_whole`: the whole frame is looked at too,
    and stands for every part whose objects it shows large enough."""

    regions: tuple[Region, ...]
    shed_px: Boxes
    is_whole: bool


def plan_regions(
    wanted: Wanted, frame_size: tuple[int, int], limits: RegionLimits, *, is_whole_due: bool
) -> RegionPlan:
    """Join the parts into regions, choose each one's scale, and keep to the limits.

    Args: frame_size: width and height; is_whole_due: the whole frame is looked at anyway. It is, too, when it costs
    less than the regions that it makes unnecessary. Cost: 0.05 ms for one part, 0.4 ms for ten, on one core.
    """
    if not len(wanted.boxes_px):
        return RegionPlan(regions=(), shed_px=wanted.boxes_px, is_whole=is_whole_due)
    parts = _joined(wanted, frame_size, limits)
    whole_scale = (limits.whole_px / (frame_size[0] * frame_size[1])) ** 0.5
    scales = _scales(parts.small_px, parts.large_px)
    regions = [fit_region(box, scale, frame_size, limits)
               for box, scale in zip(_with_margin(parts).tolist(), scales.tolist(), strict=True)]  # fmt: skip
    cost = np.array([region.pixels + _PART_PIXELS for region in regions])
    is_finer = scales > WHOLE_ENOUGH * whole_scale
    is_whole = is_whole_due or bool(cost[~is_finer].sum() >= _WHOLE_SHARE * limits.whole_px)
    room, chosen, shed = limits.frame_px, [], []
    for row in np.argsort(parts.since_ns, kind="stable").tolist():
        if is_whole and not is_finer[row]:
            continue
        if regions[row].pixels <= room:
            room -= regions[row].pixels
            chosen.append(regions[row])
        else:
            shed.append(row)
    return RegionPlan(regions=tuple(chosen), shed_px=parts.boxes_px[shed], is_whole=is_whole)


def fit_region(box_px: Sequence[float], scale: float, frame_size: tuple[int, int], limits: RegionLimits) -> Region:
    """The smallest region with that scale, whole strides large, that holds the box; coarser if it would be too large.

    Where it is larger than the box it shows more of the surroundings; where the frame is smaller, the picture is
    stretched by less than a stride.
    """
    (frame_width, frame_height), stride = frame_size, limits.stride_px
    width, height = box_px[2] - box_px[0], box_px[3] - box_px[1]
    scale = min(scale, (limits.whole_px / max(width * height, 1.0)) ** 0.5)
    least = _strides(limits.side_min_px, stride)
    out_w, out_h = max(_strides(width * scale, stride), least), max(_strides(height * scale, stride), least)
    most_w, most_h = limits.fixed_px or (limits.whole_px, limits.whole_px)
    while (out_w * out_h > limits.whole_px or out_w > most_w or out_h > most_h) and max(out_w, out_h) > stride:
        scale *= 0.95
        out_w, out_h = _strides(width * scale, stride), _strides(height * scale, stride)
    x1, x2 = _placed((box_px[0] + box_px[2]) / 2, out_w / scale, frame_width)
    y1, y2 = _placed((box_px[1] + box_px[3]) / 2, out_h / scale, frame_height)
    # A side that the frame cuts needs no more strides than it has pixels.
    out_w = min(out_w, max(_strides((x2 - x1) * scale, stride), stride))
    out_h = min(out_h, max(_strides((y2 - y1) * scale, stride), stride))
    return Region(x1=x1, y1=y1, x2=x2, y2=y2, width_px=out_w, height_px=out_h)


def _strides(side_px: float, stride: int) -> int:
    return max(-int(-side_px // stride), 1) * stride


def _placed(middle: float, side: float, limit: int) -> tuple[int, int]:
    """Even first and last pixel of a side around its middle, moved into the frame."""
    length = min(2 * round(side / 2), limit - limit % 2)
    first = min(max(2 * round((middle - length / 2) / 2), 0), limit - limit % 2 - length)
    return first, first + length


def _scales(small_px: Columns, large_px: Columns) -> Columns:
    wanted = np.minimum(BEST_PX / small_px, LARGEST_PX / large_px)
    return np.asarray(np.minimum(np.maximum(wanted, 1 / SHRINK_MAX), ENLARGE_MAX), np.float32)


def _with_margin(parts: Wanted) -> Boxes:
    short_px = (parts.boxes_px[:, 2:] - parts.boxes_px[:, :2]).min(axis=1)
    margin = np.maximum(np.maximum(_MARGIN_SHARE * parts.large_px, _MARGIN_MIN_PX), _MARGIN_LARGE * short_px)[:, None]
    return np.concatenate([parts.boxes_px[:, :2] - margin, parts.boxes_px[:, 2:] + margin], axis=1)


_Part = tuple[float, float, float, float, float, float, int]
"""x1 y1 x2 y2, smallest and largest object, since when: plain numbers, a tenth of the time of small arrays."""


def _joined(wanted: Wanted, frame_size: tuple[int, int], limits: RegionLimits) -> Wanted:
    """Join two parts while one region for both costs no more than one for each, the greatest gain first.

    Above `REGIONS_MAX` parts the cheapest join is made whatever it costs.
    """
    if len(wanted.boxes_px) < 2:
        return wanted
    columns = (wanted.small_px.tolist(), wanted.large_px.tolist(), wanted.since_ns.tolist())
    parts: list[_Part] = [(*box, *rest) for box, *rest in zip(wanted.boxes_px.tolist(), *columns, strict=True)]
    costs = [_cost(part, frame_size, limits) for part in parts]
    gains = {
        (i, j): costs[i] + costs[j] - _cost(_union(parts[i], parts[j]), frame_size, limits)
        for i in range(len(parts))
        for j in range(i)
    }
    alive = set(range(len(parts)))
    while gains:
        first, second = max(gains, key=gains.__getitem__)
        if gains[first, second] < 0 and len(alive) <= REGIONS_MAX:
            break
        parts.append(_union(parts[first], parts[second]))
        costs.append(_cost(parts[-1], frame_size, limits))
        alive -= {first, second}
        gains = {pair: gain for pair, gain in gains.items() if pair[0] in alive and pair[1] in alive}
        new = len(parts) - 1
        for old in alive:
            union = _cost(_union(parts[new], parts[old]), frame_size, limits)
            gains[new, old] = costs[new] + costs[old] - union
        alive.add(new)
    rows = [parts[row] for row in sorted(alive)]
    table = np.array([row[:6] for row in rows], np.float32).reshape(-1, 6)
    since_ns = np.array([row[6] for row in rows], np.int64)
    return Wanted(boxes_px=table[:, :4], small_px=table[:, 4], large_px=table[:, 5], since_ns=since_ns)


def _union(a: _Part, b: _Part) -> _Part:
    return (
        min(a[0], b[0]),
        min(a[1], b[1]),
        max(a[2], b[2]),
        max(a[3], b[3]),
        min(a[4], b[4]),
        max(a[5], b[5]),
        min(a[6], b[6]),
    )


def _cost(part: _Part, frame_size: tuple[int, int], limits: RegionLimits) -> float:
    """Pixels of input of a region for a part, and what a region costs by itself."""
    x1, y1, x2, y2, small, large, _ = part
    margin = 2 * max(_MARGIN_SHARE * large, _MARGIN_MIN_PX, _MARGIN_LARGE * min(x2 - x1, y2 - y1))
    scale = min(max(min(BEST_PX / small, LARGEST_PX / large), 1 / SHRINK_MAX), ENLARGE_MAX)
    width = _strides(min(x2 - x1 + margin, frame_size[0]) * scale, limits.stride_px)
    height = _strides(min(y2 - y1 + margin, frame_size[1]) * scale, limits.stride_px)
    return max(width, limits.side_min_px) * max(height, limits.side_min_px) + _PART_PIXELS


class SizeMap:
    """How tall objects are in each part of the scene, learnt from confirmed tracks. Not thread-safe."""

    ROWS, COLUMNS = 8, 8
    _RATE = 0.1

    def __init__(self) -> None:
        self._height = np.zeros((self.ROWS, self.COLUMNS), np.float32)
        """Shares of the frame's height; 0 while nothing is known."""
        self._row_means: Columns | None = None

    def learn(self, boxes_norm: Boxes, heights: Columns) -> None:
        """Take boxes of confirmed objects, (n, 4), and their heights (`heights_as_people`), in shares of the frame."""
        if not len(boxes_norm):
            return
        self._row_means = None
        for (row, column), height in zip(self._cells(boxes_norm), heights, strict=True):
            before = self._height[row, column]
            self._height[row, column] = height if before == 0 else before + self._RATE * (height - before)

    def expected(self, boxes_norm: Boxes) -> Columns:
        """(n,): height of objects where each box stands, in shares of the frame; 0 where nothing is known.

        Where no track was, the mean of what is known as far away (in the same row) counts.
        """
        if self._row_means is None:
            known = np.count_nonzero(self._height, axis=1)
            self._row_means = self._height.sum(axis=1) / np.maximum(known, 1, dtype=np.float32)
        means = self._row_means
        own = [self._height[cell] or means[cell[0]] for cell in self._cells(boxes_norm)]
        return np.array(own, np.float32)

    def snapshot(self) -> bytes:
        """The map."""
        return self._height.tobytes()

    def restore(self, state: bytes) -> None:
        """Go on as the map that wrote `state`. Raises: ValueError."""
        self._height = np.frombuffer(state, np.float32).reshape(self.ROWS, self.COLUMNS).copy()
        self._row_means = None

    def _cells(self, boxes_norm: Boxes) -> list[tuple[int, int]]:
        """Row and column by the foot of each box: where it stands decides how far away it is."""
        last_row, last_column = self.ROWS - 1, self.COLUMNS - 1
        return [
            (min(max(int(y2 * self.ROWS), 0), last_row), min(max(int((x1 + x2) / 2 * self.COLUMNS), 0), last_column))
            for x1, _, x2, y2 in boxes_norm.tolist()
        ]
