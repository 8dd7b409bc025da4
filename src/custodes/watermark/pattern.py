"""Secret ±1 chips of one session and one time slot, laid over a picture's luma. Applying is `mark`, reading `score`.

The chips are keyed to a 10-second slot because a pattern that never changes on a fixed camera can be averaged out of
one's own exports and pasted into another's (measured: field notes on leaks, 2.7). Two layers as measured there: fine
cells of 8 pixels and coarse ones of 24, counted on a 1080p picture; the coarse layer outlives strong coding.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.units import NS_PER_S, Ns

SLOT_NS = 10 * NS_PER_S
"""How long one pattern is shown."""

KEY_BYTES = 32
_DOMAIN = b"custodes.mark/v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A grid of chips over the whole picture; `share` is its part of the amplitude."""

    columns: int
    rows: int
    share: float


LAYERS = (Layer(columns=240, rows=135, share=0.75), Layer(columns=80, rows=45, share=0.66))
"""Relative to the picture, so that scaling does not move the cells. Shares: field notes 2 (85 % and 53 %), shifted
towards the coarse layer because our smallest delivery, 768×432 at crf 28, keeps little of 3-pixel cells."""

Chips = tuple[npt.NDArray[np.float32], ...]
"""Per layer: (rows, columns) float32 of -1 and +1."""


def slot_of(utc_ns: Ns) -> int:
    """Number of the slot that a moment falls into."""
    return utc_ns // SLOT_NS


def chips(mark_key: bytes, slot: int) -> Chips:
    """All chips of a slot: SHAKE-256(domain | key | slot), one bit each, layer after layer. 0.2 ms.

    Args: mark_key: 32 bytes, of one camera and one session. slot: from `slot_of`.
    Raises: InvalidArgument for a key of another length.
    """
    if len(mark_key) != KEY_BYTES:
        raise InvalidArgument(f"mark key of {len(mark_key)} bytes; expected {KEY_BYTES}")
    counts = [layer.columns * layer.rows for layer in LAYERS]
    stream = hashlib.shake_256(_DOMAIN + mark_key + slot.to_bytes(8, "big", signed=True))
    bits = np.unpackbits(np.frombuffer(stream.digest((sum(counts) + 7) // 8), dtype=np.uint8))
    signs = bits.astype(np.float32) * 2 - 1
    grids, at = [], 0
    for layer, count in zip(LAYERS, counts, strict=True):
        grids.append(signs[at : at + count].reshape(layer.rows, layer.columns))
        at += count
    return tuple(grids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lerp:
    """Linear interpolation along one axis: sample i = low[i] + weight[i] · (high[i] - low[i])."""

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


def lerp(cells: int, samples: int) -> Lerp:
    """From cell centres to sample centres."""
    at = np.clip((np.arange(samples) + 0.5) * (cells / samples) - 0.5, 0, cells - 1)
    low = np.floor(at).astype(np.intp)
    return Lerp(low=low, high=np.minimum(low + 1, cells - 1), weight=(at - low).astype(np.float32))


def upsample(grid: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Bilinear, (rows, columns) → (height, width) float32: no hard cell edges that an eye would find."""
    down, across = lerp(grid.shape[0], height), lerp(grid.shape[1], width)
    tall = grid[down.low] + down.weight[:, None] * (grid[down.high] - grid[down.low])
    # Gathering columns of a C-ordered array is slow; transposed it is a gather of rows.
    flipped = np.ascontiguousarray(tall.T)
    wide = flipped[across.low] + across.weight[:, None] * (flipped[across.high] - flipped[across.low])
    return np.ascontiguousarray(wide.T)


def cell_means(plane: npt.NDArray[np.float32], layer: Layer) -> npt.NDArray[np.float32]:
    """Mean of a (height, width) plane over each cell of a layer, by summed areas; (rows, columns) float32."""
    height, width = plane.shape
    rows = np.round(np.arange(layer.rows + 1) * (height / layer.rows)).astype(np.intp)
    columns = np.round(np.arange(layer.columns + 1) * (width / layer.columns)).astype(np.intp)
    sums = np.zeros((height + 1, width + 1), dtype=np.float64)
    np.cumsum(np.cumsum(plane, axis=0, dtype=np.float64), axis=1, out=sums[1:, 1:])
    corners = sums[np.ix_(rows, columns)]
    totals = corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]
    areas = np.outer(np.diff(rows), np.diff(columns))
    return (totals / np.maximum(areas, 1)).astype(np.float32)
