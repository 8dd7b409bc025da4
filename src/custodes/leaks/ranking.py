"""Which of many cameras a picture may be of, before any is looked at closely: laid everywhere at once, by FFT.

As `seeking`, half as fine: some 10 ms a camera, templates transformed once for all of one shape. It leaves nobody out
for good; it says who is looked at first.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.registration import Luma
from custodes.leaks.seeking import Plane, padded, structure

RANK_PX = 96
_SCALES = tuple(1.3 * 1.12**-n for n in range(17))
_TURNS = (-8.0, -4.0, 0.0, 4.0, 8.0)
_MIN_SIDE = 8
_SIGMA = 3.0

_Group = tuple[tuple[int, int], npt.NDArray[np.complex64], npt.NDArray[np.float32]]
"""(height, width) of templates; their spectra, conjugated; their norms."""


def rank_plane(y: Luma) -> Plane:
    """An archived picture as it is ranked by. 1 ms."""
    height, width = y.shape
    size = (RANK_PX, max(round(RANK_PX * height / width), _MIN_SIDE))
    return padded(structure(cv2.resize(y, size, interpolation=cv2.INTER_AREA).astype(np.float32), _SIGMA))


class Ranker:
    """For one picture, or the pictures of one clip."""

    def __init__(self, sides: Sequence[Luma]) -> None:
        """Args: sides: each picture as it is, and mirrored."""
        self._templates: dict[tuple[int, int], list[Plane]] = {}
        for y in sides:
            height, width = y.shape
            for scale in _SCALES:
                size = (round(RANK_PX * scale), round(RANK_PX * scale * height / width))
                if min(size) >= _MIN_SIDE:
                    plane = structure(cv2.resize(y, size, interpolation=cv2.INTER_AREA).astype(np.float32), _SIGMA)
                    self._templates.setdefault(size[::-1], []).extend(_turned(plane))
        self._groups: dict[tuple[int, int], list[_Group]] = {}

    def weight(self, archived: Plane) -> float:
        """How much the best place in it means: correlation times the square root of the cells. 10 ms."""
        rows, columns = archived.shape
        spectrum = np.fft.rfft2(archived).astype(np.complex64)
        energy = np.zeros((rows + 1, columns + 1))
        energy[1:, 1:] = np.cumsum(np.cumsum(archived.astype(np.float64) ** 2, axis=0), axis=1)
        best = 0.0
        for (height, width), spectra, norms in self._of(rows, columns):
            agrees = np.fft.irfft2(spectrum[None] * spectra, s=(rows, columns), axes=(1, 2))
            down, across = rows - height + 1, columns - width + 1
            within = (
                energy[height:, width:] - energy[:down, width:] - energy[height:, :across] + energy[:down, :across]
            )
            norm = np.sqrt(np.maximum(within, 1e-3 * height * width))
            most = float((agrees[:, :down, :across] / norm / norms[:, None, None]).max())
            best = max(best, most * float(np.sqrt(height * width)))
        return best

    def _of(self, rows: int, columns: int) -> list[_Group]:
        """Spectra for archived pictures of this size."""
        if (rows, columns) not in self._groups:
            self._groups[rows, columns] = [
                (
                    size,
                    _spectra(planes, rows, columns),
                    np.array([max(float(np.linalg.norm(one)), 1e-3) for one in planes]),
                )
                for size, planes in self._templates.items()
                if size[0] <= rows and size[1] <= columns
            ]
        return self._groups[rows, columns]


def _spectra(planes: Sequence[Plane], rows: int, columns: int) -> npt.NDArray[np.complex64]:
    found = [np.conj(np.fft.rfft2(one, s=(rows, columns))).astype(np.complex64) for one in planes]
    return np.stack(found)


def _turned(plane: Plane) -> list[Plane]:
    height, width = plane.shape
    found = []
    for turn in _TURNS:
        about = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, 1.0)
        found.append(np.asarray(cv2.warpAffine(plane, about, (width, height)), dtype=np.float32) if turn else plane)
    return found
