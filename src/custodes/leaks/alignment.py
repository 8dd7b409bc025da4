"""Fitting a found picture onto an archived one: choosing among hypotheses, ECC, smooth flow, warp, likeness."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.registration import (
    Features,
    Luma,
    Matrix,
    Registration,
    features_of,
    framed,
    match,
    mirrored,
    mirrored_features,
    plain,
)
from custodes.watermark.residual import WORK_PX, Aligned, working

_ECC_PX = 480
_ECC_STEPS = 40
_TRIED = 3
"""Hypotheses that are sharpened before the best is chosen."""
_BLOCK_PX = 32
_MIN_BLOCKS = 12
_MIN_INSIDE_PX = 300
_COVERED_SHARE = 0.35
"""Of the blocks, the least alike, that likeness leaves out: stickers, bars of text, somebody walking by."""
_FLOW_SIGMA = 20.0
_MAX_FLOW_PX = 6.0
GOOD_LIKENESS = 0.5
_HOPELESS = 0.05
"""Hypotheses less alike than this are not sharpened beside a better one."""
_COARSE, _COARSE_STEPS, _BACKED = 3, 20, 20
_WORTH = 0.2
"""A hypothesis that few places back is sharpened on small pictures first, which takes a tenth of the time. What is
less alike than this after it will not become alike enough to be ours (`place.MIN_LIKENESS`, .35)."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A picture laid over an original."""

    registration: Registration
    likeness: float
    """-1..1: correlation of their structure, exposure aside, where they overlap."""
    hypotheses: int
    """How many were looked at: each is a trial for the false-accusation bound."""


class Original:
    """An archived picture, prepared once for many comparisons."""

    def __init__(self, y: Luma, features: Features | None = None, known: Luma | None = None) -> None:
        """`known`: of the same size, 0 where the picture says nothing about its place; None: it does everywhere."""
        self.y = y
        self._features = features
        self.target = working(y)
        self.small = _small(self.target)
        self.known = None if known is None else _reduced_to(known, self.target)
        self.known_small = None if known is None else _reduced_to(known, self.small)

    @property
    def aspect(self) -> float:
        """Height by width."""
        return float(self.y.shape[0] / self.y.shape[1])

    @property
    def features(self) -> Features:
        """Made when first asked for."""
        if self._features is None:
            self._features = features_of(self.y)
        return self._features


class Suspect:
    """A found picture with its features, as it is and mirrored; the blurred ones when somebody asks."""

    def __init__(self, y: Luma) -> None:
        self.y = y
        self.sides = (y, mirrored(y))
        self._features: dict[tuple[bool, bool], Features] = {}

    @property
    def aspect(self) -> float:
        """Height by width."""
        return float(self.y.shape[0] / self.y.shape[1])

    def features(self, *, is_mirrored: bool, is_blurred: bool = False) -> Features:
        """Of one side; blurred: without the edges of compression blocks, which are features of their own."""
        key = (is_mirrored, is_blurred)
        if key not in self._features:
            if is_mirrored:
                self._features[key] = mirrored_features(self.features(is_mirrored=False, is_blurred=is_blurred))
            elif is_blurred:
                self._features[key] = features_of(cv2.GaussianBlur(self.y, (0, 0), max(self.y.shape[1] / 500, 0.8)))
            else:
                self._features[key] = features_of(self.y)
        return self._features[key]


def fit(suspect: Suspect, original: Original) -> Fit | None:
    """The best hypothesis, sharpened; None when there is none. See `fit_first`."""
    return fit_first(suspect, [original])[0]


def fit_first(
    suspect: Suspect, originals: Sequence[Original], *, enough: float = GOOD_LIKENESS
) -> tuple[Fit | None, int]:
    """(best fit, hypotheses looked at) over pictures of one camera; the first that is like `enough` ends the search.

    Blurred, the picture is only looked for when nothing else is good, and on the first original alone: that is what
    takes longest for cameras that it is not of. 0.1 to 0.5 s.
    """
    tried = 0
    best: Fit | None = None
    for is_blurred, chosen in ((False, originals), (True, originals[:1])):
        for original in chosen:
            hypotheses: list[Registration] = []
            if not is_blurred:
                hypotheses += plain(suspect.aspect, original.aspect) + framed(suspect.y, original.aspect)
            for flag in (False, True):
                features = suspect.features(is_mirrored=flag, is_blurred=is_blurred)
                hypotheses += match(features, original.features, is_mirrored=flag)
            tried += len(hypotheses)
            best = _best(suspect, original, hypotheses, best)
            if best is not None and best.likeness >= enough:
                break
        if best is not None and best.likeness >= GOOD_LIKENESS:
            break
    return None if best is None else replace(best, hypotheses=tried), tried


def refit(suspect: Suspect, original: Original, found: Fit) -> Fit:
    """A fit on one picture of a fixed camera, sharpened on another of the same camera. 0.1 s; one more trial."""
    sharp = _sharpened(suspect, original, found.registration)
    return Fit(registration=sharp, likeness=_likeness(suspect, original, sharp), hypotheses=found.hypotheses + 1)


def _best(suspect: Suspect, original: Original, hypotheses: Sequence[Registration], best: Fit | None) -> Fit | None:
    rough = sorted(((_likeness(suspect, original, one), one) for one in hypotheses), key=lambda pair: -pair[0])
    for at, (unsharpened, hypothesis) in enumerate(rough[:_TRIED]):
        if at and unsharpened < _HOPELESS:
            break
        sharp, likeness = _tuned(suspect, original, hypothesis, unsharpened)
        if best is None or likeness > best.likeness:
            best = Fit(registration=sharp, likeness=likeness, hypotheses=0)
    return best


def _tuned(
    suspect: Suspect, original: Original, hypothesis: Registration, unsharpened: float
) -> tuple[Registration, float]:
    """Sharpened, and how alike that is; what is hopeless only coarsely."""
    if unsharpened < GOOD_LIKENESS and hypothesis.inliers < _BACKED:
        coarse = _sharpened(suspect, original, hypothesis, reduced=_COARSE, steps=_COARSE_STEPS)
        likeness = _likeness(suspect, original, coarse)
        if likeness < _WORTH:
            return coarse, likeness
        hypothesis = coarse if likeness > unsharpened else hypothesis
    sharp = _sharpened(suspect, original, hypothesis)
    return sharp, _likeness(suspect, original, sharp)


_HALF = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
"""Sample centres lie at half pixels, on both sides."""


def _in_pixels(matrix: Matrix, source_px: float, target_px: float) -> Matrix:
    """Shares of the width → indices of samples, on both sides."""
    to_target = _HALF @ np.diag([target_px, target_px, 1.0]) @ matrix
    return np.asarray(to_target @ np.diag([1 / source_px, 1 / source_px, 1.0]) @ np.linalg.inv(_HALF))


def _in_shares(whole: Matrix, source_px: float, target_px: float) -> Matrix:
    back = np.diag([1 / target_px, 1 / target_px, 1.0]) @ np.linalg.inv(_HALF)
    return np.asarray(back @ whole @ _HALF @ np.diag([source_px, source_px, 1.0]))


def _flattened(plane: Plane) -> Plane:
    """Without exposure: what is left is structure, in units of its own strength."""
    detail = plane - cv2.GaussianBlur(plane, (0, 0), 12.0)
    strength = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), 12.0)) + np.float32(4)
    return np.asarray(detail / strength, dtype=np.float32)


def _reduced_to(known: Luma, like: Plane) -> Luma:
    """Where a picture says something, at another size; 0 or 1."""
    return np.asarray(cv2.resize(known, like.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0, dtype=np.uint8)


def _small(target: Plane) -> Plane:
    height, width = target.shape
    size = (_ECC_PX, max(round(height * _ECC_PX / width), 16))
    return _flattened(cv2.GaussianBlur(cv2.resize(target, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0))


def _warped_small(suspect: Suspect, original: Original, found: Registration) -> tuple[Plane, npt.NDArray[np.uint8]]:
    """The picture, flattened, at `_ECC_PX`; and where it reaches."""
    height, width = original.small.shape
    source, pixels = _reduced(suspect.sides[found.is_mirrored], found.matrix, _ECC_PX)
    whole = _in_pixels(found.matrix, pixels, float(width))
    warped = cv2.warpPerspective(source, whole, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.warpPerspective(np.ones_like(source), whole, (width, height), flags=cv2.INTER_NEAREST)
    is_seen = (seen > 0).astype(np.uint8)
    if original.known_small is not None:
        is_seen *= original.known_small
    return _flattened(cv2.GaussianBlur(warped, (0, 0), 1.0)), is_seen


def _likeness(suspect: Suspect, original: Original, found: Registration) -> float:
    """Correlation of structure over the blocks that agree best: what was pasted over others is not held against it."""
    warped, seen = _warped_small(suspect, original, found)
    inside = (cv2.erode(seen, np.ones((9, 9), np.uint8)) > 0).astype(np.float32)
    count = _block_sums(inside)
    total = float(inside.sum())
    if total < _MIN_INSIDE_PX:
        return -1.0
    a, b = ((plane - float((plane * inside).sum()) / total) * inside for plane in (original.small, warped))
    both, first, second = _block_sums(a * b), _block_sums(a * a), _block_sums(b * b)
    agrees = both / np.sqrt(np.maximum(first * second, 1e-6))
    is_whole = count >= _BLOCK_PX**2 / 2
    if int(is_whole.sum()) >= _MIN_BLOCKS:
        is_kept = is_whole & (agrees >= np.quantile(agrees[is_whole], _COVERED_SHARE))
        both, first, second = both[is_kept], first[is_kept], second[is_kept]
    return float(both.sum() / np.sqrt(max(float(first.sum() * second.sum()), 1e-6)))


def _block_sums(plane: Plane) -> Plane:
    rows, columns = plane.shape[0] // _BLOCK_PX, plane.shape[1] // _BLOCK_PX
    whole = plane[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    return np.asarray(whole.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).sum(axis=(1, 3)), dtype=np.float32)


def _sharpened(
    suspect: Suspect, original: Original, found: Registration, *, reduced: int = 1, steps: int = _ECC_STEPS
) -> Registration:
    """ECC on the residual homography; what it was when that does not converge.

    `reduced`: on pictures so many times smaller.
    """
    warped, seen = _warped_small(suspect, original, found)
    height, width = original.small.shape
    if int(seen.sum()) < 500:
        return found
    target = original.small
    if reduced > 1:
        size = (width // reduced, height // reduced)
        target, warped = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (target, warped))
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_NEAREST)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-5)
    start = np.eye(3, dtype=np.float32)
    try:
        _, step = cv2.findTransformECC(target, warped, start, cv2.MOTION_HOMOGRAPHY, criteria, seen, 3)
    except cv2.error:
        return found
    # `step` maps target to warped coordinates. A large step is a wrong minimum, not a correction.
    scale = np.diag([width / target.shape[1], height / target.shape[0], 1.0])
    step = scale @ step.astype(np.float64) @ np.linalg.inv(scale)
    corners = np.array([[[0.0, 0.0]], [[width, 0.0]], [[width, height]], [[0.0, height]]])
    moved = np.abs(cv2.perspectiveTransform(corners, step) - corners).max()
    if not np.isfinite(moved) or moved > 0.06 * width:
        return found
    side = suspect.sides[found.is_mirrored]
    pixels = float(side.shape[1])
    whole = np.linalg.inv(step) @ _in_pixels(found.matrix, pixels, float(width))
    return Registration(
        matrix=_in_shares(whole, pixels, float(width)), is_mirrored=found.is_mirrored, inliers=found.inliers
    )


def align(suspect: Suspect, original: Original, found: Registration) -> Aligned:
    """Warp the picture onto the original, bent by smooth flow. About 0.3 s."""
    target = original.target
    height, width = target.shape
    source, pixels = _reduced(suspect.sides[found.is_mirrored], found.matrix, WORK_PX)
    whole = _in_pixels(found.matrix, pixels, float(width))
    across, down = _flow(source, target, whole)
    inverse = np.linalg.inv(whole)
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    at = np.stack([xs + across, ys + down, np.ones_like(xs)], axis=-1) @ inverse.T
    map_x = (at[..., 0] / at[..., 2]).astype(np.float32)
    map_y = (at[..., 1] / at[..., 2]).astype(np.float32)
    picture = cv2.remap(source, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = (map_x > 1) & (map_y > 1) & (map_x < source.shape[1] - 2) & (map_y < source.shape[0] - 2)
    inside &= at[..., 2] * inverse[2, 2] > 0
    if original.known is not None:
        inside &= original.known > 0
    valid = cv2.erode(inside.astype(np.float32), np.ones((5, 5), np.uint8))
    return Aligned(original=target, picture=np.asarray(picture, dtype=np.float32), valid=np.asarray(valid))


def _reduced(y: Luma, matrix: Matrix, target_px: int) -> tuple[Plane, float]:
    """The picture, reduced until one of its pixels is about one of the target's; and its width in pixels."""
    height, width = y.shape
    cross = np.array([[[-0.05, 0.0]], [[0.05, 0.0]], [[0.0, -0.05]], [[0.0, 0.05]]])
    ends = cross + np.array([0.5, 0.5 * height / width])
    landed = cv2.perspectiveTransform(ends, matrix).reshape(4, 2)
    covers = max(np.linalg.norm(landed[1] - landed[0]), np.linalg.norm(landed[3] - landed[2])) / 0.1
    wanted = covers * target_px
    if width <= wanted * 1.15:
        return y.astype(np.float32), float(width)
    size = (max(round(wanted), 16), max(round(height * wanted / width), 16))
    return np.asarray(cv2.resize(y, size, interpolation=cv2.INTER_AREA), dtype=np.float32), float(size[0])


def _flow(source: Plane, target: Plane, whole: Matrix) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Smooth displacement, target → warped picture, in pixels: a bent lens, a creased print, a bit of elastic."""
    height, width = target.shape
    warped = cv2.warpPerspective(source, whole, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.warpPerspective(np.ones_like(source), whole, (width, height), flags=cv2.INTER_NEAREST)
    pair = [np.clip(_flattened(plane) * 32 + 128, 0, 255).astype(np.uint8) for plane in (target, warped)]
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(pair[0], pair[1], None)
    found = np.clip(found, -_MAX_FLOW_PX, _MAX_FLOW_PX)
    # Only where there is structure to hold on to, and where there is a picture.
    trust = cv2.GaussianBlur(np.abs(cv2.Laplacian(pair[0].astype(np.float32), cv2.CV_32F)), (0, 0), 4.0)
    trust *= seen * (np.abs(found).max(axis=2) < _MAX_FLOW_PX)
    total = cv2.GaussianBlur(trust, (0, 0), _FLOW_SIGMA) + np.float32(1.0)
    across = cv2.GaussianBlur(found[..., 0] * trust, (0, 0), _FLOW_SIGMA) / total
    down = cv2.GaussianBlur(found[..., 1] * trust, (0, 0), _FLOW_SIGMA) / total
    return across.astype(np.float64), down.astype(np.float64)
