"""Secret ±1 chips of one session and one time slot, laid over a picture's luma. Applying is `mark`, reading `score`.

Two layers share the power, 85 % keyed to the 10-second slot and 15 % to the session. Only the slot layer accuses: on a
fixed camera a pattern that never changes can be averaged out of one's own exports and pasted into another's (measured:
field notes on leaks, 2.7). The session layer is a lead: it adds up over a clip, and narrows a search over months.

Each layer has two grids as measured there: fine cells of 8 pixels and coarse ones of 24, counted on a 1080p picture;
the coarse grid outlives strong coding.
"""

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument

KEY_BYTES = 32
_SLOT_DOMAIN = b"custodes.mark-slot/v2\x00"
_SESSION_DOMAIN = b"custodes.mark-session/v2\x00"
_CHIPS_DOMAIN = b"custodes.mark-chips/v2\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells of chips over the whole picture; `share` is their part of the amplitude."""

    columns: int
    rows: int
    share: float

    @property
    def cells(self) -> int:
        """How many chips it has."""
        return self.columns * self.rows


GRIDS = (Grid(columns=240, rows=135, share=0.55), Grid(columns=80, rows=45, share=0.83))
"""Relative to the picture, so that scaling does not move the cells. The field notes have .85 and .53. Measured on two
clips at 48 dB, crf 28: this way JPEG 10 goes from z 7.8 to 10, a quarter at JPEG 50 from 8.4 to 11, a thumbnail of
160 pixels from 4.9 to 8.4; an untouched frame from 45 to 40, where nobody needs it. A third, coarser grid won less."""

CELLS = sum(grid.cells for grid in GRIDS)
"""36,000."""

SLOT_POWER, SESSION_POWER = 0.85, 0.15
"""What accuses gets what it can: z goes with the root of the power, so the session's is .42 of the slot's, and still a
lead (9) where the slot's is 21. Field notes 5.3 have .7 and .3, inferred there; that is .65, and a slot z of .91."""

Chips = tuple[npt.NDArray[np.float32], ...]
"""Per grid: (rows, columns) float32 of -1 and +1."""


def slot_key(mark_key: bytes, slot: int) -> bytes:
    """32 bytes that make the slot layer of one camera, session and slot, and no other: what a case may show.

    Args: mark_key: 32 bytes that the warden derived for camera and session. slot: from `types.mark.slot_of`.
    Raises: InvalidArgument for a key of another length.
    """
    _check(mark_key)
    return hmac.digest(mark_key, _SLOT_DOMAIN + slot.to_bytes(8, "big", signed=True), "sha256")


def session_key(mark_key: bytes) -> bytes:
    """32 bytes that make the session layer. Raises: InvalidArgument for a key of another length."""
    _check(mark_key)
    return hmac.digest(mark_key, _SESSION_DOMAIN, "sha256")


def chip_bytes(layer_key: bytes) -> bytes:
    """The chips of a layer as bits, grid after grid, most significant first: SHAKE-256(domain | key). 20 µs.

    Raises: InvalidArgument for a key of another length.
    """
    _check(layer_key)
    return hashlib.shake_256(_CHIPS_DOMAIN + layer_key).digest(CELLS // 8)


def chips(layer_key: bytes) -> Chips:
    """All chips of a layer. 0.1 ms.

    Args: layer_key: from `slot_key` or `session_key`.
    Raises: InvalidArgument for a key of another length.
    """
    signs = np.unpackbits(np.frombuffer(chip_bytes(layer_key), dtype=np.uint8)).astype(np.float32) * 2 - 1
    grids, at = [], 0
    for grid in GRIDS:
        grids.append(signs[at : at + grid.cells].reshape(grid.rows, grid.columns))
        at += grid.cells
    return tuple(grids)


def _check(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise InvalidArgument(f"mark key of {len(key)} bytes; expected {KEY_BYTES}")


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


def cell_means(plane: npt.NDArray[np.float32], grid: Grid) -> npt.NDArray[np.float32]:
    """Mean of a (height, width) plane over each cell of a grid, by summed areas; (rows, columns) float32."""
    height, width = plane.shape
    rows = np.round(np.arange(grid.rows + 1) * (height / grid.rows)).astype(np.intp)
    columns = np.round(np.arange(grid.columns + 1) * (width / grid.columns)).astype(np.intp)
    sums = np.zeros((height + 1, width + 1), dtype=np.float64)
    np.cumsum(np.cumsum(plane, axis=0, dtype=np.float64), axis=1, out=sums[1:, 1:])
    corners = sums[np.ix_(rows, columns)]
    totals = corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]
    areas = np.outer(np.diff(rows), np.diff(columns))
    return (totals / np.maximum(areas, 1)).astype(np.float32)
