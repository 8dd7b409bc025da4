"""Putting the mark into frames: after redaction, at delivery resolution, before encoding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custodes.types.mark import slot_of
from custodes.types.media import Frame
from custodes.units import NS_PER_S
from custodes.watermark.pattern import GRIDS, SESSION_POWER, SLOT_POWER, Chips, chips, session_key, slot_key, upsample

DELIVERED_DB = 46.0
"""PSNR of a marked picture to the unmarked. Field notes 5.3: 48 dB up to crf 26, 46 above; delivery is at 28."""

SMALL_DB = 44.0
SMALL_PX = 320
"""Pictures at most this wide carry fewer pixels a cell and are looked at from farther away (field notes 5.7)."""

_MAX_STEP = 6
"""No sample is moved further, whatever the picture is."""

_REFRESH_NS = NS_PER_S
"""The local weights follow the picture once a second (field notes 2.10): fixed cameras change slowly."""

_SAME_WEIGHT = 0.06
"""Weights that moved less on average keep their pattern: on a still scene the mark costs one addition a frame."""

_FIELD_ROWS, _FIELD_COLUMNS = 2 * GRIDS[0].rows, 2 * GRIDS[0].columns
_WEIGHT_ROWS, _WEIGHT_COLUMNS = 45, 80
_MAX_SAMPLES = 4
_TEXTURE_GAIN = 0.10
_FLAT_WEIGHT, _MAX_WEIGHT = 0.75, 1.5
_BRIGHT_LUMA, _BRIGHT_WEIGHT = 170.0, 0.85
"""Mottling shows first on flat bright walls (field notes 0.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What is added to every frame of a slot: (h, w) int8 luma steps within ±`_MAX_STEP`."""

    steps: npt.NDArray[np.int8]


def local_weights(y: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """How much of the mark a place bears: more in texture, less on plain walls where mottling would show.

    Args: y: (h, w) uint8 luma.
    Returns: (45, 80) float32 within 0.6..1.5. 0.2 ms: at most four rows and columns a cell are looked at.
    """
    down, across = _samples_a_cell(y.shape[0], _WEIGHT_ROWS), _samples_a_cell(y.shape[1], _WEIGHT_COLUMNS)
    rows = np.arange(_WEIGHT_ROWS * down) * y.shape[0] // (_WEIGHT_ROWS * down)
    columns = np.arange(_WEIGHT_COLUMNS * across) * y.shape[1] // (_WEIGHT_COLUMNS * across)
    sampled = y.take(rows, axis=0).take(columns, axis=1).astype(np.int16)
    slopes = np.zeros_like(sampled)
    np.abs(sampled[:, 1:] - sampled[:, :-1], out=slopes[:, :-1])
    slopes[:-1] += np.abs(sampled[1:] - sampled[:-1])

    def means(plane: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        # Sums over strided views: a mean over two axes at once takes five times as long.
        tall = plane.reshape(_WEIGHT_ROWS, down, -1)
        bands = sum((tall[:, n] for n in range(1, down)), start=tall[:, 0])
        wide = bands.reshape(_WEIGHT_ROWS, _WEIGHT_COLUMNS, across)
        sums = sum((wide[:, :, n] for n in range(1, across)), start=wide[:, :, 0])
        return np.asarray(sums * np.float32(1 / (down * across)), dtype=np.float32)

    weights = np.clip(_FLAT_WEIGHT + _TEXTURE_GAIN * means(slopes), _FLAT_WEIGHT, _MAX_WEIGHT)
    is_bright_wall = (means(sampled) > _BRIGHT_LUMA) & (weights < 1.0)
    return np.asarray(np.where(is_bright_wall, weights * np.float32(_BRIGHT_WEIGHT), weights), dtype=np.float32)


def _samples_a_cell(pixels: int, cells: int) -> int:
    return min(max(pixels // cells, 1), _MAX_SAMPLES)


def make_pattern(
    slot_chips: Chips,
    session_chips: Chips,
    weights: npt.NDArray[np.float32],
    *,
    height: int,
    width: int,
    psnr_db: float = DELIVERED_DB,
) -> Pattern:
    """Lay chips over a picture of (height, width), weighted locally. About 3 ms whatever the size, once a second.

    Smoothing happens on a grid of two samples per fine cell; from there on samples are repeated, which at steps of
    one or two nobody sees and which is twenty times as fast as interpolating 1080p in float.
    """
    rows, columns = min(height, _FIELD_ROWS), min(width, _FIELD_COLUMNS)
    field = np.zeros((rows, columns), dtype=np.float32)
    for grid, slot_grid, session_grid in zip(GRIDS, slot_chips, session_chips, strict=True):
        both = np.float32(SLOT_POWER**0.5) * slot_grid + np.float32(SESSION_POWER**0.5) * session_grid
        field += np.float32(grid.share) * upsample(both, rows, columns)
    field *= upsample(weights, rows, columns)
    steps = _rounded_to(field, psnr_db)
    across = _widened(steps, width, axis=1)
    return Pattern(steps=_widened(across, height, axis=0))


def _widened(steps: npt.NDArray[np.int8], samples: int, *, axis: int) -> npt.NDArray[np.int8]:
    cells = steps.shape[axis]
    if samples % cells == 0:
        return np.asarray(steps.repeat(samples // cells, axis=axis), dtype=np.int8)
    return np.asarray(steps.take(np.arange(samples) * cells // samples, axis=axis), dtype=np.int8)


def _rounded_to(field: npt.NDArray[np.float32], psnr_db: float) -> npt.NDArray[np.int8]:
    """The field in whole luma steps, of the wanted power after rounding."""
    wanted = 255.0 * 10 ** (-psnr_db / 20)
    scaled = field * np.float32(wanted / max(float(np.sqrt(np.mean(field**2))), 1e-6))
    # Rounding moves the power by some per cent, more for weak marks; one correction lands within 0.1 dB.
    rounded = float(np.sqrt(np.mean(np.rint(scaled) ** 2)))
    scaled *= np.float32(wanted / max(rounded, 1e-6))
    return np.asarray(np.clip(np.rint(scaled), -_MAX_STEP, _MAX_STEP), dtype=np.int8)


def mark_frame(frame: Frame, pattern: Pattern) -> Frame:
    """`frame` with the pattern added to its luma; chroma is shared with the input. 0.1 ms for 768×432.

    Args: pattern: of the frame's size.
    """
    assert pattern.steps.shape == frame.y.shape, "a pattern is made for one picture size"
    # Keeping ±_MAX_STEP clear of the ends lets the sum stay in uint8, four times as fast as int16 and a clip.
    marked = np.clip(frame.y, _MAX_STEP, 255 - _MAX_STEP)
    marked += pattern.steps.view(np.uint8)
    return replace(frame, y=marked)


class Marker:
    """Marks the frames of one session, in any order of time; keeps the current slot's pattern."""

    def __init__(self, mark_key: bytes, *, psnr_db: float | None = None) -> None:
        """Args: mark_key: 32 bytes that the warden derived for camera and session. psnr_db: for measurements."""
        # A key that cannot mark is refused before the first frame.
        self._begin(session_key(mark_key), lambda slot: slot_key(mark_key, slot), psnr_db)

    @classmethod
    def of_layers(cls, session_layer: bytes, slots: Mapping[int, bytes]) -> "Marker":
        """One that marks in these ten seconds alone, without the session's key (`layers`): for a part of an export.

        A frame of another moment is an error, which leaves it unmarked and unshown.
        """
        marker = cls.__new__(cls)
        marker._begin(session_layer, slots.__getitem__, None)
        return marker

    def _begin(self, session_layer: bytes, key_of: Callable[[int], bytes], psnr_db: float | None) -> None:
        self._key_of = key_of
        self._psnr_db = psnr_db
        self._session_chips = chips(session_layer)
        self._slot: int | None = None
        self._chips: Chips = ()
        self._made_ns = 0
        self._weights: npt.NDArray[np.float32] | None = None
        self._pattern: Pattern | None = None

    def mark(self, frame: Frame) -> Frame:
        """`frame`, marked for its own moment (not for when it is shown: the log knows the latter)."""
        slot = slot_of(frame.utc_ns)
        if slot != self._slot:
            self._slot, self._chips, self._pattern = slot, chips(self._key_of(slot)), None
        if self._pattern is None or self._pattern.steps.shape != frame.y.shape:
            self._pattern = self._made(frame, local_weights(frame.y))
        elif abs(frame.utc_ns - self._made_ns) >= _REFRESH_NS:
            weights = local_weights(frame.y)
            self._made_ns = frame.utc_ns
            if self._weights is None or float(np.abs(weights - self._weights).mean()) > _SAME_WEIGHT:
                self._pattern = self._made(frame, weights)
        return mark_frame(frame, self._pattern)

    def _made(self, frame: Frame, weights: npt.NDArray[np.float32]) -> Pattern:
        height, width = frame.y.shape
        self._weights, self._made_ns = weights, frame.utc_ns
        psnr_db = self._psnr_db or (SMALL_DB if width <= SMALL_PX else DELIVERED_DB)
        return make_pattern(self._chips, self._session_chips, weights, height=height, width=width, psnr_db=psnr_db)
