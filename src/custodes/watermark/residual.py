"""From a registered picture to evidence: what is left of it when everything the scene explains is taken away.

A leak differs from the original by more than the mark: brightness, gamma, blur, a shift of part of a pixel, stickers.
In blocks, a small linear model of the original explains those; what it does not explain is averaged over the cells of
the mark and weighted by how much signal and noise a cell has. Registration belongs to `leaks`.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.watermark.mark import local_weights
from custodes.watermark.pattern import GRIDS, Grid, cell_means, upsample
from custodes.watermark.score import Evidence

WORK_PX = 960
"""Width at which pictures are compared: four samples a fine cell."""

_BLOCK = 96
"""Eight coarse cells: in smaller blocks the model of the scene explains part of the mark away."""
_RIDGE = 1e-3
_OUTLIER_DEVIATIONS = 5.0
_CLIP_DEVIATIONS = 3.0
"""A pasted sticker must not outvote the rest of the picture."""
_MIN_VALID = 0.5
"""A cell counts when at least this share of it lies in the picture and is not covered."""
_NOISE_CELLS = 7

VIEWS = 2
"""Ways in which `evidence_of` looks at a picture."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """A picture in the coordinates of its original, both as luma at `WORK_PX` wide."""

    original: Plane
    """(h, w) 0..255."""
    picture: Plane
    """(h, w) 0..255; whatever where it is not valid."""
    valid: Plane
    """(h, w) 0..1: whether the picture reaches here."""


def working(y: npt.NDArray[np.uint8]) -> Plane:
    """A luma plane at `WORK_PX` wide, float32."""
    height, width = y.shape
    size = (WORK_PX, max(round(height * WORK_PX / width), _BLOCK))
    way = cv2.INTER_AREA if width > WORK_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(y.astype(np.float32), size, interpolation=way), dtype=np.float32)


def evidence_of(aligned: Aligned) -> tuple[Evidence, ...]:
    """What the picture says about each cell, looked at in `VIEWS` ways: all grids, and the coarse one alone.

    Strong compression leaves noise where the fine grid was; whoever takes the best of them counts two trials. 0.3 s.

    Raises: InvalidArgument when shapes differ.
    """
    if not aligned.original.shape == aligned.picture.shape == aligned.valid.shape:
        raise InvalidArgument(f"picture of {aligned.picture.shape} compared with one of {aligned.original.shape}")
    residual, valid = unexplained(aligned)
    weights = local_weights(np.clip(aligned.original, 0, 255).astype(np.uint8))
    fine, coarse = (
        _survival(aligned, valid, grid) * _cell_values(residual, valid, weights, grid).ravel() for grid in GRIDS
    )
    return (_evidence(fine, coarse), _evidence(np.zeros_like(fine), coarse))


def _evidence(fine: Plane, coarse: Plane) -> Evidence:
    values = np.concatenate([fine, coarse]).astype(np.float32)
    norm = float(np.linalg.norm(values))
    return Evidence(values=values / np.float32(norm) if norm > 0 else values)


def unexplained(aligned: Aligned) -> tuple[Plane, Plane]:
    """(residual, valid): the picture minus the best block-wise model of it; what is covered is not valid."""
    regressors = _regressors(aligned.original)
    valid = aligned.valid
    residual = aligned.picture
    for _ in range(2):
        residual = aligned.picture - _predict(regressors, aligned.picture, valid)
        spread = _deviation(residual, valid)
        smooth = cv2.GaussianBlur(np.abs(residual) * valid, (0, 0), 2.0)
        covered = (smooth > max(_OUTLIER_DEVIATIONS * spread * 0.8, 4.0)).astype(np.uint8)
        covered = cv2.dilate(covered, np.ones((9, 9), np.uint8))
        valid = aligned.valid * (1 - covered).astype(np.float32)
    bound = _CLIP_DEVIATIONS * max(_deviation(residual, valid), 0.5)
    return np.clip(residual, -bound, bound).astype(np.float32), valid


def _deviation(residual: Plane, valid: Plane) -> float:
    inside = np.abs(residual[valid > _MIN_VALID])
    return float(np.median(inside)) * 1.4826 if inside.size else 0.0


def _regressors(original: Plane) -> Plane:
    """(7, h, w): 1, R, R², Rx, Ry and two differences of Gaussians: exposure, gamma, shift, blur and sharpening."""
    centred = (original - float(original.mean())) / np.float32(64)
    fine, coarse = cv2.GaussianBlur(centred, (0, 0), 1.0), cv2.GaussianBlur(centred, (0, 0), 2.5)
    across, down = cv2.Sobel(fine, cv2.CV_32F, 1, 0), cv2.Sobel(fine, cv2.CV_32F, 0, 1)
    planes = [np.ones_like(centred), centred, centred**2, across, down, centred - fine, fine - coarse]
    return np.stack(planes).astype(np.float32)


@lru_cache(maxsize=1)
def _window() -> Plane:
    ramp = np.sin(np.pi * (np.arange(_BLOCK) + 0.5) / _BLOCK) ** 2
    return np.outer(ramp, ramp).astype(np.float32) + np.float32(1e-3)


def _predict(regressors: Plane, picture: Plane, valid: Plane) -> Plane:
    """Weighted least squares in overlapping blocks, blended."""
    _, height, width = regressors.shape
    total, weight = np.zeros_like(picture), np.zeros_like(picture)
    for top in (0, _BLOCK // 2):
        for left in (0, _BLOCK // 2):
            rows, columns = (height - top) // _BLOCK, (width - left) // _BLOCK
            area = np.s_[top : top + rows * _BLOCK, left : left + columns * _BLOCK]
            found = _solve(regressors[:, *area], picture[area], valid[area])
            window = np.tile(_window(), (rows, columns))
            total[area] += found * window
            weight[area] += window
    # The last few rows and columns may lie in no block: nothing is known there.
    return np.where(weight > 0, total / np.maximum(weight, 1e-6), picture).astype(np.float32)


def _blocks(plane: Plane) -> Plane:
    rows, columns = plane.shape[-2] // _BLOCK, plane.shape[-1] // _BLOCK
    split = plane.reshape(*plane.shape[:-2], rows, _BLOCK, columns, _BLOCK)
    joined = np.moveaxis(split, -3, -2)
    return joined.reshape(*plane.shape[:-2], rows * columns, _BLOCK * _BLOCK)


def _solve(regressors: Plane, picture: Plane, valid: Plane) -> Plane:
    height, width = picture.shape
    basis = np.ascontiguousarray(_blocks(regressors).transpose(1, 0, 2))
    seen, wanted = _blocks(valid), _blocks(picture)
    weighted = basis * seen[:, None, :]
    normal = weighted @ basis.transpose(0, 2, 1)
    size = normal.shape[-1]
    normal += np.eye(size, dtype=np.float32) * (_RIDGE * _BLOCK * _BLOCK)
    right = (weighted @ wanted[:, :, None]).astype(np.float64)
    solved = np.linalg.solve(normal.astype(np.float64), right).astype(np.float32)
    fitted = (solved.transpose(0, 2, 1) @ basis)[:, 0]
    rows, columns = height // _BLOCK, width // _BLOCK
    tall = fitted.reshape(rows, columns, _BLOCK, _BLOCK).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tall).reshape(height, width)


def _detail(plane: Plane, valid: Plane, grid: Grid) -> tuple[Plane, Plane]:
    """(detail, counted): cell means without what varies more slowly than the grid; which cells count, 0 or 1."""
    seen = cell_means(valid, grid)
    is_counted = (seen >= _MIN_VALID).astype(np.float32)
    mean = is_counted * cell_means(plane * valid, grid) / np.maximum(seen, 1e-3)
    size = (3, 3) if grid is GRIDS[0] else (5, 5)
    around = cv2.blur(mean, size) / np.maximum(cv2.blur(is_counted, size), 1e-3)
    return np.asarray((mean - around) * is_counted, dtype=np.float32), is_counted


def _survival(aligned: Aligned, valid: Plane, grid: Grid) -> float:
    """How much of a signal of the grid's fineness came through, 0..1, judged by the scene's own detail.

    Without it, a picture that was reduced has no fine detail, mark or noise, and what is left would count most.
    """
    sent, _ = _detail(aligned.original, valid, grid)
    came, _ = _detail(aligned.picture, valid, grid)
    power = float((sent**2).sum())
    return float(np.clip((sent * came).sum() / power, 0.02, 1.0)) if power > 0 else 1.0


def _cell_values(residual: Plane, valid: Plane, weights: Plane, grid: Grid) -> Plane:
    """Cell details of the residual by signal over noise power."""
    detail, is_counted = _detail(residual, valid, grid)
    wide = (_NOISE_CELLS, _NOISE_CELLS)
    power = cv2.blur(detail**2, wide) / np.maximum(cv2.blur(is_counted, wide), 1e-3)
    floor = max(float(np.mean(detail[is_counted > 0] ** 2)) if is_counted.any() else 0.0, 1e-4) * 0.1
    amplitude = np.float32(grid.share) * upsample(weights, grid.rows, grid.columns)
    bound = 3 * np.sqrt(power + floor)
    return np.asarray(np.clip(detail, -bound, bound) * amplitude / (power + floor), dtype=np.float32)
