"""A fixed camera's view without people: the median of pictures in which whoever was found is left out. Pure.

A place is known when at least `_MIN_FREE` of `SAMPLES` pictures had nobody there and agree on how it looks; what never
was free, or changes all the time (a screen, a tree, somebody whom no detector sees), stays masked. Against it the slot
layer of the mark is read when the footage itself is gone.
"""

import struct
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss
from custodes.leaks.sketch import Luma
from custodes.units import Ns

WIDTH_PX = 960
"""As wide as pictures are compared (`watermark.residual.WORK_PX`)."""
SAMPLES = 9
_MIN_FREE = 5
_CELL_PX = 8
_GROWN = 0.15
"""Of a box, added on each side: what a detector cuts off, and a shadow."""
_UNSURE_STEPS = 6.0
_UNSURE_TIMES = 4.0
"""A place is unsettled where the middle half of its values spreads wider than so many steps, and so many times what
is usual in this picture: sensor noise is everywhere, somebody who comes and goes is in one place."""
MIN_KNOWN = 0.3
"""Of the picture, for a background to be worth keeping."""
_BANDS = 4
_GREY_STEPS = 2.5
"""Mean distance of chroma from grey below which a picture is infrared's or night's."""

_HEAD = struct.Struct(">4sqqHHI")
_MAGIC = b"BKG1"
_MAX_SIDE_PX = 4096

Known = npt.NDArray[np.bool_]
Box = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A view without people."""

    y: Luma
    """(h, w) uint8, at most `WIDTH_PX` wide; where it is not known, the mean of what is."""
    known: Known
    """(ceil(h/8), ceil(w/8)): whether a cell is known."""
    start_ns: Ns
    """Of the first picture that is in it."""
    end_ns: Ns

    @property
    def known_share(self) -> float:
        """0..1."""
        return float(self.known.mean())


def regime_of(y: Luma, u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8]) -> str:
    """The light of a picture: `c` or `g` for colour or grey, and its brightness in four bands. 0.2 ms."""
    chroma = np.concatenate([u[::8, ::8].ravel(), v[::8, ::8].ravel()]).astype(np.int16)
    # A cast of the white balance is no colour: what differs from place to place is.
    spread = float(np.abs(chroma - np.median(chroma)).mean())
    band = min(int(np.median(y[::8, ::8])) * _BANDS // 256, _BANDS - 1)
    return f"{'g' if spread < _GREY_STEPS else 'c'}{band}"


class BackgroundMaker:
    """Of one camera in one light. Owned by one thread; holds at most `SAMPLES` reduced pictures (5 MB)."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Luma, Known]] = deque(maxlen=SAMPLES)

    def add(self, utc_ns: Ns, y: Luma, boxes_norm: Box, privacy: Sequence[Sequence[tuple[float, float]]] = ()) -> None:
        """One more picture. About 1 ms.

        Args: boxes_norm: (n, 4) x1 y1 x2 y2 in 0..1, whoever and whatever was found or may be there. privacy: polygons
            in 0..1 that nobody is ever shown.
        """
        height, width = y.shape
        if width > WIDTH_PX:
            y = np.asarray(cv2.resize(y, (WIDTH_PX, round(height * WIDTH_PX / width)), interpolation=cv2.INTER_AREA))
        if self._samples and self._samples[-1][1].shape != y.shape:
            self._samples.clear()
        self._samples.append((utc_ns, y.copy(), _hidden(y.shape, boxes_norm, privacy)))

    def made(self) -> Background | None:
        """The view as it is known by now; None before `SAMPLES` pictures, or when too little of it is. 0.2 s."""
        if len(self._samples) < SAMPLES:
            return None
        stack = np.stack([y for _, y, _ in self._samples])
        hidden = np.stack([cells for _, _, cells in self._samples])
        free = SAMPLES - hidden.sum(axis=0)
        height, width = stack.shape[1:]
        # What is hidden sorts behind everything that is seen.
        values = np.where(_widened(hidden, height, width), np.uint16(999), stack)
        values.sort(axis=0)
        count = np.maximum(_widened(free[None], height, width)[0], 1)
        middle, low, high = (
            np.take_along_axis(values, at[None], axis=0)[0].astype(np.int16)
            for at in ((count - 1) // 2, count // 4, (3 * count - 1) // 4)
        )
        is_free = free >= _MIN_FREE
        spread = _cell_means((high - low).astype(np.float32), free.shape)
        usual = float(np.median(spread[is_free])) if is_free.any() else 0.0
        known = is_free & (spread <= max(_UNSURE_STEPS, _UNSURE_TIMES * usual))
        # A neighbour of what is not known may hold its edge.
        known = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if float(known.mean()) < MIN_KNOWN:
            return None
        seen = _widened(known[None], height, width)[0]
        luma = np.where(seen, np.clip(middle, 0, 255), int(middle[seen].mean())).astype(np.uint8)
        start_ns, end_ns = self._samples[0][0], self._samples[-1][0]
        return Background(y=luma, known=known, start_ns=Ns(start_ns), end_ns=Ns(end_ns))


def _hidden(shape: tuple[int, ...], boxes_norm: Box, privacy: Sequence[Sequence[tuple[float, float]]]) -> Known:
    rows, columns = -(-shape[0] // _CELL_PX), -(-shape[1] // _CELL_PX)
    cells = np.zeros((rows, columns), np.uint8)
    for x1, y1, x2, y2 in np.asarray(boxes_norm, dtype=np.float64).reshape(-1, 4):
        grown_x, grown_y = _GROWN * (x2 - x1), _GROWN * (y2 - y1)
        left, right = int((x1 - grown_x) * columns), int(np.ceil((x2 + grown_x) * columns))
        top, bottom = int((y1 - grown_y) * rows), int(np.ceil((y2 + grown_y) * rows))
        cells[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
    for polygon in privacy:
        points = np.array([[x * columns, y * rows] for x, y in polygon], dtype=np.float64)
        cv2.fillPoly(cells, [np.rint(points).astype(np.int32)], 1)
        cv2.polylines(cells, [np.rint(points).astype(np.int32)], True, 1, 2)
    return cells > 0


def _widened(cells: npt.NDArray[np.generic], height: int, width: int) -> npt.NDArray[np.generic]:
    """(n, rows, columns) → (n, height, width)."""
    tall = cells.repeat(_CELL_PX, axis=1)[:, :height]
    return tall.repeat(_CELL_PX, axis=2)[:, :, :width]


def _cell_means(plane: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    padded = np.pad(
        plane,
        ((0, shape[0] * _CELL_PX - plane.shape[0]), (0, shape[1] * _CELL_PX - plane.shape[1])),
        mode="edge",
    )
    means = padded.reshape(shape[0], _CELL_PX, shape[1], _CELL_PX).mean(axis=(1, 3))
    return np.asarray(means, dtype=np.float32)


def known_pixels(background: Background) -> npt.NDArray[np.uint8]:
    """(h, w) uint8, 1 where the view is known."""
    height, width = background.y.shape
    return np.asarray(_widened(background.known[None], height, width)[0], dtype=np.uint8)


def pack_background(background: Background) -> bytes:
    """Lossless: 200 to 400 kB."""
    is_coded, picture = cv2.imencode(".png", background.y, [cv2.IMWRITE_PNG_COMPRESSION, 7])
    assert is_coded
    cells = zlib.compress(np.packbits(background.known).tobytes(), 9)
    rows, columns = background.known.shape
    head = _HEAD.pack(_MAGIC, background.start_ns, background.end_ns, rows, columns, len(cells))
    return bytes(head + cells + picture.tobytes())


def unpack_background(packed: bytes) -> Background:
    """Raises: DataLoss for what `pack_background` did not make."""
    try:
        magic, start_ns, end_ns, rows, columns, length = _HEAD.unpack_from(packed)
        if magic != _MAGIC or not 0 < max(rows, columns) * _CELL_PX <= _MAX_SIDE_PX or not rows * columns:
            raise DataLoss("not a background picture, or too large")
        count = rows * columns
        opened = zlib.decompressobj().decompress(packed[_HEAD.size : _HEAD.size + length], count)
        known = np.unpackbits(np.frombuffer(opened, np.uint8), count=count).reshape(rows, columns) > 0
        coded = np.frombuffer(packed[_HEAD.size + length :], np.uint8)
        y = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) if len(coded) else None
    except (struct.error, zlib.error, ValueError, cv2.error) as error:
        raise DataLoss(f"background picture is damaged: {error}") from error
    if y is None or (-(-y.shape[0] // _CELL_PX), -(-y.shape[1] // _CELL_PX)) != (rows, columns):
        raise DataLoss("background picture is damaged: its size is not that of its cells")
    return Background(y=np.asarray(y), known=known, start_ns=Ns(start_ns), end_ns=Ns(end_ns))
