"""Pixel motion on a small grid of the luma plane: what differs from the background, and what differs from the picture
that a detector last examined there.

Errs towards "yes": a missed person costs a mask, a false alarm costs one small detector call. Where to look is chosen
in `detect.regions`; activity from the compressed stream does not belong here.
"""

from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss
from custodes.geometry.cells import Cells, Grid, beside_another, cell_means
from custodes.units import NS_PER_MS, NS_PER_S, Ns

_GRID_WIDTH = 96
"""Cells across: 8 pixels each at 768. A person 12 × 30 pixels large still touches six of them."""

_GRID_WIDTH_LARGE = 144
_LARGE_PX = 1200
"""Pictures at least so wide get the finer grid (12 pixels a cell at 1080p), for people far away."""

_SAMPLES = 2
"""Luma samples per cell and direction; enough against sensor noise, and 0.1 ms less than all of them."""

_THRESHOLD_MIN = np.float32(6)
_THRESHOLD_MAX = np.float32(14)
"""Grey levels. The upper bound keeps waving trees and an ever busy door from growing deaf."""

_NOISE_FACTOR = np.float32(4)
_NOISE_MAX = np.float32(8)
"""A cell's threshold follows its mean deviation times the factor; a walker adds to it no more than the bound."""

_LEARN_EVERY_NS = 350 * NS_PER_MS
"""Learning takes half of a look's time and hardly differs from one frame to the next."""

_LEARN_S = 8.0
_LEARN_CHANGED_S = 30.0
"""Where something changed the background learns slowly, so that somebody who stands still stays visible longer."""

_NOISE_LEARN_S = 20.0
MIN_CELLS = 3
"""Fewer cells that changed together are noise."""

_LIGHTING_SHARE = 0.5
_LIGHTING_SHIFT = 12.0
_MAX_STEP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """One frame's answer. `share`: of the cells that changed, 0 to 1."""

    is_moving: bool
    is_lighting_change: bool
    """Much of the picture, or all of it evenly, changed at once: a lamp, the night filter, a covered lens. Also when
    nothing is known yet: the first frame, after a pause of 5 s or a change of size."""
    share: float
    changed: Cells = field(compare=False)
    """(h, w): cells that differ from the background."""
    grid: Grid = field(compare=False)
    """(h, w): mean grey level per cell."""
    threshold: Grid = field(compare=False)
    """(h, w): what counts as different, in grey levels."""
    cell_px: int
    """Side of a cell in pixels of the frame; cell (0, 0) is at the top left."""


class MotionDetector:
    """Background of one run of one camera. Not thread-safe."""

    def __init__(self) -> None:
        self._background: Grid | None = None
        self._threshold: Grid | None = None
        self._utc_ns = self._learnt_ns = 0

    def look(self, luma: npt.NDArray[np.uint8], utc_ns: Ns) -> Motion:
        """Compare a frame with the background and learn from it.

        Args: luma: (h, w) uint8, at least 16 × 16. Returns: moving for the first frame, after a pause of 5 s and after
        a change of size, because nothing is known then. Cost: 0.2 ms at 768×432 and at 1080p on one core.
        """
        grid, cell_px = _grid(luma)
        pause_s = (utc_ns - self._utc_ns) / NS_PER_S
        self._utc_ns = utc_ns
        background, threshold = self._background, self._threshold
        if (
            background is None
            or threshold is None
            or background.shape != grid.shape
            or not 0 <= pause_s <= _MAX_STEP_S
        ):
            self._background, self._learnt_ns = grid.copy(), utc_ns
            self._threshold = np.full(grid.shape, _THRESHOLD_MIN, np.float32)
            return Motion(is_moving=True, is_lighting_change=True, share=1.0, changed=np.ones(grid.shape, bool),
                          grid=grid, threshold=self._threshold, cell_px=cell_px)  # fmt: skip
        difference = grid - background
        shift = _middle(difference)
        distance = np.abs(difference - shift)
        changed = distance > threshold
        share = int(np.count_nonzero(changed)) / changed.size
        is_uneven = share > _LIGHTING_SHARE
        is_lighting = is_uneven or bool(abs(shift) > _LIGHTING_SHIFT)
        if is_uneven:
            self._background, self._learnt_ns = grid.copy(), utc_ns
        elif is_lighting:
            # An exposure that follows who came in: what stands before the background stays visible.
            self._background, self._learnt_ns = background + shift, utc_ns
        elif utc_ns - self._learnt_ns >= _LEARN_EVERY_NS:
            self._learn(difference, distance, changed, (utc_ns - self._learnt_ns) / NS_PER_S)
            self._learnt_ns = utc_ns
        is_moving = is_lighting or beside_another(changed) >= MIN_CELLS
        return Motion(is_moving=is_moving, is_lighting_change=is_lighting, share=share, changed=changed, grid=grid,
                      threshold=threshold, cell_px=cell_px)  # fmt: skip

    def _learn(self, difference: Grid, distance: Grid, changed: Cells, duration_s: float) -> None:
        """Move background and thresholds towards this frame; `difference` and `distance` are used up."""
        assert self._background is not None
        assert self._threshold is not None
        difference *= np.where(changed, _rate(duration_s, _LEARN_CHANGED_S), _rate(duration_s, _LEARN_S))
        self._background += difference
        np.minimum(distance, _NOISE_MAX, out=distance)
        distance *= _NOISE_FACTOR
        distance -= self._threshold
        distance *= _rate(duration_s, _NOISE_LEARN_S)
        self._threshold += distance
        np.maximum(self._threshold, _THRESHOLD_MIN, out=self._threshold)
        np.minimum(self._threshold, _THRESHOLD_MAX, out=self._threshold)

    def snapshot(self) -> bytes:
        """The background and what is known of its noise; 40 to 100 kB."""
        planes = None
        if self._background is not None and self._threshold is not None:
            planes = (*self._background.shape, self._background.tobytes(), self._threshold.tobytes())
        return msgspec.msgpack.encode((self._utc_ns, self._learnt_ns, planes))

    def restore(self, state: bytes) -> None:
        """Go on as the detector that wrote `state`. Raises: DataLoss."""
        try:
            utc_ns, learnt_ns, planes = _STATE.decode(state)
            if planes is None:
                background = threshold = None
            else:
                shape, raw = planes[:2], planes[2:]
                background, threshold = (np.frombuffer(plane, np.float32).reshape(shape).copy() for plane in raw)
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"motion snapshot cannot be read: {error}") from error
        self._utc_ns, self._learnt_ns = utc_ns, learnt_ns
        self._background, self._threshold = background, threshold


_STATE = msgspec.msgpack.Decoder(tuple[int, int, tuple[int, int, bytes, bytes] | None])


class LookedGrid:
    """The picture that the detector last examined, cell by cell, and when. Not thread-safe.

    What looks as it did when it was examined needs no second look; what the detector saw there still holds.
    """

    def __init__(self) -> None:
        self._grid: Grid | None = None
        self._utc_ns: npt.NDArray[np.int64] | None = None

    def changed(self, motion: Motion) -> Cells:
        """(h, w): cells that differ from when they were examined, the whole picture's shift in brightness taken off.

        All of them when nothing was examined yet, or the size is another.
        """
        if self._grid is None or self._grid.shape != motion.grid.shape:
            return np.ones(motion.grid.shape, bool)
        difference = motion.grid - self._grid
        difference -= _middle(difference)
        np.abs(difference, out=difference)
        # Asked this way round, what was never examined (infinite, or no number) counts as changed.
        return ~np.asarray(difference <= motion.threshold, np.bool_)

    def older_than(self, utc_ns: Ns) -> Cells | np.bool_:
        """(h, w): cells examined before that time; a single True while none was."""
        return np.True_ if self._utc_ns is None else np.asarray(self._utc_ns < utc_ns, np.bool_)

    def oldest_ns(self, rows: slice, columns: slice) -> int:
        """When the cell of a part was examined whose examination is longest ago; 0 for never."""
        if self._utc_ns is None:
            return 0
        part = self._utc_ns[rows, columns]
        return int(part.min()) if part.size else 0

    def mark(self, motion: Motion, utc_ns: Ns, rows: slice = slice(None), columns: slice = slice(None)) -> None:
        """A part of the frame, or all of it, was examined."""
        if self._grid is None or self._utc_ns is None or self._grid.shape != motion.grid.shape:
            self._grid = np.full(motion.grid.shape, -np.inf, np.float32)
            self._utc_ns = np.zeros(motion.grid.shape, np.int64)
        self._grid[rows, columns] = motion.grid[rows, columns]
        self._utc_ns[rows, columns] = utc_ns

    def snapshot(self) -> tuple[int, int, bytes, bytes] | None:
        """Height, width, grey levels and times; None before the first examination."""
        if self._grid is None or self._utc_ns is None:
            return None
        return (*self._grid.shape, self._grid.tobytes(), self._utc_ns.tobytes())

    def restore(self, state: tuple[int, int, bytes, bytes] | None) -> None:
        """Go on as the grid that wrote `state`. Raises: DataLoss."""
        if state is None:
            self._grid = self._utc_ns = None
            return
        height, width, grid, times = state
        try:
            restored = np.frombuffer(grid, np.float32).reshape(height, width).copy()
            restored_ns = np.frombuffer(times, np.int64).reshape(height, width).copy()
        except ValueError as error:
            raise DataLoss(f"snapshot of what was examined cannot be read: {error}") from error
        self._grid, self._utc_ns = restored, restored_ns


def _middle(difference: Grid) -> np.float32:
    """Median of a sixteenth of the cells: how much brighter the whole picture is."""
    sample = np.sort(difference[1::4, 1::4], axis=None)  # a fifth of the time of np.median
    return np.float32(sample[len(sample) // 2]) if len(sample) else np.float32(0)


def _rate(duration_s: float, time_constant_s: float) -> np.float32:
    return np.float32(-np.expm1(-duration_s / time_constant_s))


def _grid(luma: npt.NDArray[np.uint8]) -> tuple[Grid, int]:
    """(h, w) uint8 → about (54, 96) float32 means of a few samples each, and the cells' side in pixels."""
    across = _GRID_WIDTH if luma.shape[1] < _LARGE_PX else _GRID_WIDTH_LARGE
    return cell_means(luma, across=across, samples=_SAMPLES)
