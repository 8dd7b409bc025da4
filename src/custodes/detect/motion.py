"""Pixel motion on a small grid of the luma plane: is anything moving that a detector should look at?

Errs towards "yes": a missed person costs a mask, a false alarm costs one detector call. Activity from the compressed
stream does not belong here.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss
from custodes.units import NS_PER_S, Ns

_GRID_WIDTH = 96
"""Cells across: 8 pixels each at 768. A person 12 × 30 pixels large still touches six of them."""

_SAMPLES = 2
"""Luma samples per cell and direction; enough against sensor noise, and 0.1 ms less than all of them."""

_THRESHOLD_MIN = 6.0
_THRESHOLD_MAX = 14.0
"""Grey levels. The upper bound keeps waving trees and an ever busy door from growing deaf."""

_NOISE_FACTOR = 4.0
_LEARN_S = 8.0
_LEARN_CHANGED_S = 30.0
"""Where something changed the background learns slowly, so that somebody who stands still stays visible longer."""

_NOISE_LEARN_S = 20.0
_MIN_CELLS = 3
_LIGHTING_SHARE = 0.5
_LIGHTING_SHIFT = 12.0
_MAX_STEP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """One frame's answer. `share`: of the cells that changed, 0 to 1."""

    is_moving: bool
    is_lighting_change: bool
    share: float


class MotionDetector:
    """Background of one run of one camera. Not thread-safe."""

    def __init__(self) -> None:
        self._background: npt.NDArray[np.float32] | None = None
        self._noise: npt.NDArray[np.float32] | None = None
        self._utc_ns = 0

    def look(self, luma: npt.NDArray[np.uint8], utc_ns: Ns) -> Motion:
        """Compare a frame with the background and learn from it.

        Args: luma: (h, w) uint8, at least 16 × 16. Returns: moving for the first frame, after a pause of 5 s and after
        a change of size, because nothing is known then. Cost: 0.2 ms at 768×432 and at 1080p on one core.
        """
        grid = _grid(luma)
        pause_s = (utc_ns - self._utc_ns) / NS_PER_S
        self._utc_ns = utc_ns
        background, noise = self._background, self._noise
        if background is None or noise is None or background.shape != grid.shape or not 0 <= pause_s <= _MAX_STEP_S:
            self._background, self._noise = grid, np.full(grid.shape, 1.5, np.float32)
            return Motion(is_moving=True, is_lighting_change=False, share=1.0)
        difference = grid - background
        shift = float(np.median(difference[::2, ::2]))
        distance = np.abs(difference - np.float32(shift))
        changed = distance > np.clip(_NOISE_FACTOR * noise, _THRESHOLD_MIN, _THRESHOLD_MAX)
        share = float(changed.mean())
        is_lighting = share > _LIGHTING_SHARE or abs(shift) > _LIGHTING_SHIFT
        if is_lighting:
            self._background = grid
        else:
            rate = np.where(changed, _rate(pause_s, _LEARN_CHANGED_S), _rate(pause_s, _LEARN_S))
            self._background = background + rate * difference
            self._noise = noise + _rate(pause_s, _NOISE_LEARN_S) * (np.minimum(distance, 8) - noise)
        is_moving = is_lighting or int(_neighboured(changed).sum()) >= _MIN_CELLS
        return Motion(is_moving=is_moving, is_lighting_change=is_lighting, share=share)

    def snapshot(self) -> bytes:
        """The background and what is known of its noise; about 40 kB."""
        planes = None
        if self._background is not None and self._noise is not None:
            planes = (*self._background.shape, self._background.tobytes(), self._noise.tobytes())
        return msgspec.msgpack.encode((self._utc_ns, planes))

    def restore(self, state: bytes) -> None:
        """Go on as the detector that wrote `state`. Raises: DataLoss."""
        try:
            utc_ns, planes = _STATE.decode(state)
            if planes is None:
                background = noise = None
            else:
                height, width, *raw = planes
                background, noise = (np.frombuffer(plane, np.float32).reshape(height, width).copy() for plane in raw)
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"motion snapshot cannot be read: {error}") from error
        self._utc_ns, self._background, self._noise = utc_ns, background, noise


_STATE = msgspec.msgpack.Decoder(tuple[int, tuple[int, int, bytes, bytes] | None])


def _rate(duration_s: float, time_constant_s: float) -> np.float32:
    return np.float32(-np.expm1(-duration_s / time_constant_s))


def _grid(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(h, w) uint8 → about (54, 96) float32 means of a few samples each."""
    step = max(1, luma.shape[1] // (_GRID_WIDTH * _SAMPLES))
    sampled = luma[step // 2 :: step, step // 2 :: step]
    side = max(1, sampled.shape[1] // _GRID_WIDTH)
    height, width = sampled.shape[0] // side, sampled.shape[1] // side
    total = np.zeros((height, width), np.uint16)
    for y in range(side):  # strided sums: a fifth of the time of reshape and mean
        for x in range(side):
            total += sampled[y : height * side : side, x : width * side : side]
    return total.astype(np.float32) / np.float32(side * side)


def _neighboured(changed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Cells that changed together with a cell beside, above or below: single ones are noise."""
    beside = np.zeros_like(changed)
    beside[1:] |= changed[:-1]
    beside[:-1] |= changed[1:]
    beside[:, 1:] |= changed[:, :-1]
    beside[:, :-1] |= changed[:, 1:]
    return changed & beside
