"""Where a found picture lies in an archived one, by laying it everywhere: at many sizes, turned a bit, mirrored.

Bare asphalt or a blank wall has no corners to match by; its structure as a whole correlates all the same. It is also
the quickest answer to which of many cameras a picture is of: 20 ms each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.registration import Luma, Matrix, Registration

SEEK_PX = 240
"""Width of the archived picture when it is looked through."""
_SCALES = tuple(1.3 * 1.1**-n for n in range(20))
"""A picture's width in shares of the archived one's: from one with something around it (a page, a screen's edge) to a
crop of four per cent of the area."""
_MARGIN = 0.25
"""Of nothing around an archived picture, each side, in shares of its own."""
_TURNS = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0)
"""Degrees. A template still agrees at half the step."""
_MIN_SIDE = 16
_COARSE, _KEPT = 2.5, 24
"""Times smaller at which all templates are laid first, and how many of them are laid again. For 60 of 60 hard pictures
of five clips the best place came out as when all 280 are laid, in a quarter of the time (2026-11-26); 12: 59."""
_SIGMA = 6.0
"""Of the smoothing that is taken off: an eighth of the structure that is compared."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A picture made ready to be laid over others."""

    plane: Plane
    small: Plane
    """The same, `_COARSE` times smaller."""
    scale: float
    turn: float
    is_mirrored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a template agrees best, and how much that means."""

    weight: float
    """Correlation times the square root of the cells: chance alone gives the same for large and small ones."""
    matrix: Matrix
    """3×3, picture → archived, in shares of their widths."""
    is_mirrored: bool

    def registration(self) -> Registration:
        """As a hypothesis like any other; nothing backs it."""
        return Registration(matrix=self.matrix, is_mirrored=self.is_mirrored, inliers=0, is_laid=True)


def seek_plane(y: Luma) -> Plane:
    """An archived picture as it is looked through: structure without exposure, `SEEK_PX` wide. 1 ms."""
    height, width = y.shape
    size = (SEEK_PX, max(round(SEEK_PX * height / width), _MIN_SIDE))
    return padded(structure(cv2.resize(y, size, interpolation=cv2.INTER_AREA).astype(np.float32)))


def padded(plane: Plane) -> Plane:
    """With nothing around it, for pictures that show more than the archived one does."""
    down, across = (round(side * _MARGIN) for side in plane.shape)
    return np.asarray(cv2.copyMakeBorder(plane, down, down, across, across, cv2.BORDER_CONSTANT, value=0.0))


def templates_of(sides: Sequence[Luma]) -> list[Template]:
    """Of a found picture, as it is and mirrored. 0.1 s, once for all cameras."""
    found: list[Template] = []
    for is_mirrored, y in enumerate(sides):
        height, width = y.shape
        for scale in _SCALES:
            size = (round(SEEK_PX * scale), round(SEEK_PX * scale * height / width))
            if min(size) < _MIN_SIDE:
                continue
            plane = structure(cv2.resize(y, size, interpolation=cv2.INTER_AREA).astype(np.float32))
            for turn in _TURNS:
                turned = plane
                if turn:
                    about = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), turn, 1.0)
                    turned = np.asarray(cv2.warpAffine(plane, about, size))
                small = _smaller(turned)
                found.append(
                    Template(plane=turned, small=small, scale=scale, turn=turn, is_mirrored=bool(is_mirrored))
                )
    return found


def seek(templates: Sequence[Template], archived: Plane, *, count: int = 2) -> list[Place]:
    """The places that mean most, each of a size and turn of its own; best first. 20 ms."""
    coarse = _smaller(archived)
    likely = sorted((_laid(one.small, coarse)[0], at) for at, one in enumerate(templates))[-_KEPT:]
    found = [(*_laid(one.plane, archived), one) for one in (templates[at] for weight, at in likely if weight > 0)]
    found.sort(key=lambda each: -each[0])
    chosen: list[Place] = []
    for weight, at, one in found:
        place = Place(weight=weight, matrix=_matrix(one, at, archived.shape), is_mirrored=one.is_mirrored)
        if all(_differs(place, other) for other in chosen):
            chosen.append(place)
        if len(chosen) == count:
            break
    return chosen


def _laid(template: Plane, archived: Plane) -> tuple[float, tuple[int, int]]:
    """(weight of the best place, its corner); no weight for what is larger than the archived picture."""
    if template.shape[0] > archived.shape[0] or template.shape[1] > archived.shape[1]:
        return 0.0, (0, 0)
    _, most, _, at = cv2.minMaxLoc(cv2.matchTemplate(archived, template, cv2.TM_CCORR_NORMED))
    return float(most) * float(np.sqrt(template.size)), (int(at[0]), int(at[1]))


def _smaller(plane: Plane) -> Plane:
    height, width = plane.shape
    size = (max(round(width / _COARSE), 1), max(round(height / _COARSE), 1))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _differs(one: Place, other: Place) -> bool:
    """Neighbouring sizes and turns of one place are one hypothesis: sharpening gets from each to the best."""
    if one.is_mirrored != other.is_mirrored:
        return True
    return float(np.abs(one.matrix - other.matrix).max()) > 0.15


def _matrix(one: Template, at: tuple[int, int], shape: tuple[int, ...]) -> Matrix:
    rows, columns = (side / (1 + 2 * _MARGIN) for side in shape)
    at = (at[0] - round(columns * _MARGIN), at[1] - round(rows * _MARGIN))
    height, width = one.plane.shape
    aspect = height / width
    angle = np.deg2rad(one.turn)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]])
    to_middle = np.array([[1, 0, -0.5], [0, 1, -0.5 * aspect], [0, 0, 1.0]])
    scale = width / columns
    place = np.array([[scale, 0, at[0] / columns], [0, scale, at[1] / columns], [0, 0, 1.0]])
    return np.asarray(place @ np.linalg.inv(to_middle) @ turn @ to_middle)


def structure(plane: Plane, sigma: float = _SIGMA) -> Plane:
    """What a picture is without exposure and light: detail finer than `sigma`, in units of its own strength."""
    detail = plane - cv2.GaussianBlur(plane, (0, 0), sigma)
    strength = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), sigma)) + np.float32(2)
    return np.asarray(detail / strength, dtype=np.float32)
