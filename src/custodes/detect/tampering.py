"""Whether a picture is still the camera's usual one: covered, moved or defocused, by what the camera itself showed.

The usual picture is learnt as a field of edges, which light hardly changes: direction without sign, so that a night
filter that turns dark into bright is no other place. Nothing is compared with other cameras, and no limit was tuned on
footage: a limit is a chance level of the same picture, or a share that is explained where it stands. How long
something lasts before somebody is told does not belong here (`pipeline.tampering`).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.geometry.cells import Grid, cell_means
from custodes.types.event import TamperKind
from custodes.units import NS_PER_S, Ns

_ACROSS, _SAMPLES = 64, 3
"""Cells of a sixty-fourth of the width: a shift of 1.6 % is noticed from two cells on."""
MIN_PX = 64
_SOFT = np.float32(2)
"""Grey levels: a weaker step between two cells is coding noise rather than an edge."""
_NEAR = 1
"""Cells that wind may shake a camera by."""
LEARN_LOOKS = 60
"""About a minute of activity; four minutes of a quiet camera, whose keyframes alone are looked at."""
_STEADY = 0.95
"""Of the looks of the last minute, so many must agree on the place; else the camera turns, and nothing is judged."""
_FOLLOW_S = 300.0
"""Shadows wander and dusk falls over more than this, hands and tape are faster."""
_DRIFT_S = 12 * 3600.0
_BLANK = 0.25
"""An area that kept less than a quarter of its contrast shows nothing of what it showed."""
_PLAIN = np.float32(2)
"""Areas with less contrast than this never showed anything (sky, a wall); they do not count."""
_COVERED_SHARE = 0.5
_DULL = math.log(2)
"""Edges are twice as wide as usual, and that is more than the camera's own ups and downs."""
_DULL_SPREADS = 4.0
_AREAS = (6, 8)
_ROWS = 4
"""Every fourth row tells the fine detail."""

_Field = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneLook:
    """What one picture says against the usual one."""

    is_known: bool
    """False: the usual picture is being learnt, or the camera turns too often to have one."""
    kind: TamperKind | None = None
    detail: str = ""
    """The measure in words."""
    agreement: float = 0.0
    """Of the edges with the usual ones, in place; 1 is the same, about 0 another scene."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Where the usual edges are now: to the right and down, as shares of the picture's width and height."""


@dataclass(slots=True)
class _Usual:
    """Means over the last minutes."""

    edges: _Field
    contrast: Grid
    """(6, 8): of areas."""
    fineness: float
    """Logarithm of the energy of steps between pixels, per energy of steps between cells."""
    spread: float = 0.0
    """Mean distance of `fineness`."""


@dataclass(frozen=True, slots=True)
class _Seen:
    edges: _Field
    contrast: Grid
    fineness: float


class SceneWatch:
    """Of one camera, over its runs. Not thread-safe.

    2.5 ms of CPU a look at 1080p, 0.4 ms at 768×432 on one core (2026-11-26, under load).
    """

    def __init__(self) -> None:
        self._usual: _Usual | None = None
        self._first: _Field | None = None
        """Edges over half a day, to notice a camera that sags slowly."""
        self._looks = 0
        self._steady = 0.0
        self._utc_ns = 0

    @property
    def is_known(self) -> bool:
        """Whether there is a usual picture to compare with."""
        return self._looks >= LEARN_LOOKS and self._steady >= _STEADY

    def forget(self) -> None:
        """What is shown from now on is the usual picture."""
        self._usual = self._first = None
        self._looks, self._steady = 0, 0.0

    def look(self, luma: npt.NDArray[np.uint8], utc_ns: Ns) -> SceneLook:
        """Compare a picture with the usual one, and learn from it where it fits.

        Args: luma: (h, w) uint8; below 64 × 64 nothing is told.
        """
        if min(luma.shape) < MIN_PX:
            return SceneLook(is_known=False)
        seen = _see(luma)
        usual = self._usual
        if usual is None or usual.edges.shape != seen.edges.shape:
            self.forget()
            self._usual = _Usual(seen.edges.copy(), seen.contrast.copy(), seen.fineness)
            self._first = seen.edges.copy()
            self._looks, self._utc_ns = 1, utc_ns
            return SceneLook(is_known=False)
        agreement, shift = _displacement(usual.edges, seen.edges)
        is_known = self.is_known
        kind, detail = _judge(usual, seen, shift) if is_known else (None, "")
        if kind is None and is_known and self._first is not None:
            _, drift = _displacement(self._first, usual.edges)
            if max(map(abs, drift)) > _NEAR:
                words = _shift_words(drift, seen.edges.shape)
                kind = TamperKind.MOVED
                detail = f"slowly, by {words} since half a day"
        if kind is None:
            is_near = max(map(abs, shift)) <= _NEAR
            self._learn(usual, seen, utc_ns, is_near=is_near)
        self._utc_ns = utc_ns
        rows, columns = seen.edges.shape
        return SceneLook(
            is_known=is_known,
            kind=kind,
            detail=detail,
            agreement=agreement,
            shift=(shift[1] / columns, shift[0] / rows),
        )

    def _learn(self, usual: _Usual, seen: _Seen, utc_ns: int, *, is_near: bool) -> None:
        self._looks += 1
        count = min(self._looks, LEARN_LOOKS)
        if self._looks > 2:
            self._steady += (is_near - self._steady) / min(self._looks - 2, LEARN_LOOKS)
        passed_s = min(max((utc_ns - self._utc_ns) / NS_PER_S, 0.0), _FOLLOW_S)
        rate = 1 / count if count < LEARN_LOOKS else 1 - math.exp(-passed_s / _FOLLOW_S)
        usual.edges += np.float32(rate) * (seen.edges - usual.edges)
        usual.contrast += np.float32(rate) * (seen.contrast - usual.contrast)
        usual.spread += rate * (abs(seen.fineness - usual.fineness) - usual.spread)
        usual.fineness += rate * (seen.fineness - usual.fineness)
        if self._first is not None:
            slow = 1 / count if count < LEARN_LOOKS else 1 - math.exp(-passed_s / _DRIFT_S)
            self._first += np.float32(slow) * (seen.edges - self._first)


def _see(luma: npt.NDArray[np.uint8]) -> _Seen:
    means, _ = cell_means(luma, across=_ACROSS, samples=_SAMPLES)
    down, right = np.gradient(means)
    size = np.hypot(right, down).astype(np.float32)
    # Twice the angle: an edge from dark to bright counts like one from bright to dark.
    turned = (right + 1j * down) ** 2 / (np.maximum(size, 1e-6) * (size + _SOFT))
    # Squares: a step of ten grey levels that is blurred over five pixels stays ten in sum, in squares it is a fifth.
    steps = np.diff(luma[::_ROWS].astype(np.float32), axis=1).ravel()
    fine = float(np.dot(steps, steps)) / steps.size
    coarse = float(np.square(size).mean())
    return _Seen(turned.astype(np.complex64), _areas(size), math.log((fine + 0.1) / (coarse + 0.1)))


def _areas(size: Grid) -> Grid:
    """(6, 8) means of parts of the picture."""
    rows = np.linspace(0, size.shape[0], _AREAS[0] + 1).astype(int)[:-1]
    columns = np.linspace(0, size.shape[1], _AREAS[1] + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(size, rows, axis=0), columns, axis=1)
    counts = np.add.reduceat(np.add.reduceat(np.ones_like(size), rows, axis=0), columns, axis=1)
    areas: Grid = (sums / counts).astype(np.float32)
    return areas


def _displacement(usual: _Field, seen: _Field) -> tuple[float, tuple[int, int]]:
    """How well the edges agree in place (0 to 1), and at which shift, in cells down and right, they agree best."""
    scores = np.fft.ifft2(np.conj(np.fft.fft2(usual)) * np.fft.fft2(seen)).real
    scale = max(float((usual.real**2 + usual.imag**2).sum()), 1e-6)
    best = int(np.argmax(scores))
    rows, columns = scores.shape
    down, right = divmod(best, columns)
    down, right = (down + rows // 2) % rows - rows // 2, (right + columns // 2) % columns - columns // 2
    near = max(float(scores[y, x]) for y in range(-_NEAR, _NEAR + 1) for x in range(-_NEAR, _NEAR + 1))
    return min(max(near / scale, 0.0), 1.0), (down, right)


def _judge(usual: _Usual, seen: _Seen, shift: tuple[int, int]) -> tuple[TamperKind | None, str]:
    counted = usual.contrast >= _PLAIN
    if counted.any():
        blank = seen.contrast[counted] < _BLANK * usual.contrast[counted]
        share = float(blank.mean())
        if share >= _COVERED_SHARE:
            return TamperKind.COVERED, f"{share:.0%} of the picture that usually has contrast has none"
    if max(map(abs, shift)) > _NEAR:
        words = _shift_words(shift, seen.edges.shape)
        return TamperKind.MOVED, f"the usual edges are found nowhere near their place: {words}"
    fell = usual.fineness - seen.fineness
    if fell > max(_DULL, _DULL_SPREADS * usual.spread):
        return (
            TamperKind.DEFOCUSED,
            f"fine detail has {math.exp(-fell):.0%} of its usual energy, while the scene is in its place",
        )
    return None, ""


def _shift_words(shift: tuple[int, int], shape: tuple[int, ...]) -> str:
    down, right = shift[0] / shape[0], shift[1] / shape[1]
    side, way = "right" if right >= 0 else "left", "down" if down >= 0 else "up"
    across, along = abs(right), abs(down)
    return f"{across:.0%} of the width to the {side}, {along:.0%} of the height {way}"
