"""Fitting a found picture onto an archived one: choosing among hypotheses, ECC, smooth flow, warp, likeness."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.registration import Luma, Matrix, Registration, framed, match, plain
from custodes.leaks.rule import COPY_LIKENESS, MEANS_MORE
from custodes.leaks.seeking import seek
from custodes.leaks.smooth import smooth
from custodes.leaks.subjects import ECC_PX, Original, Suspect, flattened
from custodes.watermark.residual import WORK_PX, Aligned

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
_PYRAMID = (
    (cv2.MOTION_EUCLIDEAN, 6, 30),
    (cv2.MOTION_AFFINE, 6, 30),
    (cv2.MOTION_HOMOGRAPHY, 4, 40),
    (cv2.MOTION_HOMOGRAPHY, 2, 40),
    (cv2.MOTION_HOMOGRAPHY, 1, _ECC_STEPS),
)
_STRAY, _COARSE_STRAY = 0.06, 0.2
"""Of the width: how far a step may move a corner; further is a wrong minimum."""

Plane = npt.NDArray[np.float32]

__all__ = ["Fit", "Original", "Suspect", "align", "fit", "fit_first", "refit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A picture laid over an original."""

    registration: Registration
    likeness: float
    """-1..1: correlation of their structure, exposure aside, where they overlap."""
    hypotheses: int
    """How many were looked at: each is a trial for the false-accusation bound."""
    control: float = 0.0
    """Of a place that was found by laying everywhere: how alike the best place in the archived picture upside down is.
    That one is chance, so what is not clearly more alike is chance, too."""


def fit(suspect: Suspect, original: Original) -> Fit | None:
    """The best hypothesis, sharpened; None when there is none. See `fit_first`."""
    return fit_first(suspect, [original])[0]


def fit_first(
    suspect: Suspect, originals: Sequence[Original], *, enough: float = GOOD_LIKENESS
) -> tuple[Fit | None, int]:
    """(best fit, hypotheses looked at) over pictures of one camera; the first that is like `enough` ends the search.

    Blurred, the picture is only looked for when nothing else is good, and on the first original alone: that is what
    takes longest for cameras that it is not of. What is not alike as a copy is, is laid everywhere at many sizes
    (`seeking`), too, on the first original. 0.1 to 0.8 s.
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
        if not is_blurred and (best is None or best.likeness < COPY_LIKENESS):
            best, laid = _laid(suspect, originals[0], best)
            tried += laid
        if best is not None and best.likeness >= GOOD_LIKENESS:
            break
    if best is not None and GOOD_LIKENESS <= best.likeness < COPY_LIKENESS:
        best = _from_coarse(suspect, originals[0], best.registration, best)
        tried += 1
    if best is not None and best.registration.is_laid and best.likeness >= GOOD_LIKENESS:
        best = replace(best, control=_chance(suspect, originals[0].upside_down))
    return None if best is None else replace(best, hypotheses=tried), tried


def likeness_in_place(one: Original, other: Original) -> float:
    """-1..1: how alike two pictures of one camera are as they stand."""
    return (
        _likeness_of(other, one.small, np.ones(one.small.shape, np.uint8))
        if one.small.shape == other.small.shape
        else -1.0
    )


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


def _laid(suspect: Suspect, original: Original, best: Fit | None) -> tuple[Fit | None, int]:
    """(the better of `best` and the places where laying it everywhere finds it, how many those are).

    Only places that mean more than the best in the picture upside down are sharpened.
    """
    (chance, *_) = [*seek(suspect.templates, original.upside_down.seekable, count=1), None]
    places = seek(suspect.templates, original.seekable)
    least = 0.0 if chance is None else MEANS_MORE * chance.weight
    for place in (one for one in places if one.weight >= least):
        best = _from_coarse(suspect, original, place.registration(), best)
    return best, len(places)


def _chance(suspect: Suspect, upside_down: Original) -> float:
    """How alike the best place is where there can be none."""
    best: Fit | None = None
    for place in seek(suspect.templates, upside_down.seekable):
        best = _from_coarse(suspect, upside_down, place.registration(), best)
    return 0.0 if best is None else best.likeness


def _from_coarse(suspect: Suspect, original: Original, start: Registration, best: Fit | None) -> Fit | None:
    """Sharpened from small pictures with few freedoms to large ones with all; the better of it and `best`."""
    found = start
    for motion, reduced, steps in _PYRAMID:
        found = _sharpened(suspect, original, found, reduced=reduced, steps=steps, motion=motion)
        if reduced == _PYRAMID[1][1] and _likeness(suspect, original, found) < _HOPELESS:
            return best
    likeness = _likeness(suspect, original, found)
    if best is None or likeness > best.likeness:
        return Fit(registration=found, likeness=likeness, hypotheses=0)
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


def _warped_small(suspect: Suspect, original: Original, found: Registration) -> tuple[Plane, npt.NDArray[np.uint8]]:
    """The picture, flattened, at `ECC_PX`; and where it reaches."""
    height, width = original.small.shape
    source, pixels = _reduced(suspect.sides[found.is_mirrored], found.matrix, ECC_PX)
    whole = _in_pixels(found.matrix, pixels, float(width))
    warped = cv2.warpPerspective(source, whole, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.warpPerspective(np.ones_like(source), whole, (width, height), flags=cv2.INTER_NEAREST)
    is_seen = (seen > 0).astype(np.uint8)
    if original.known_small is not None:
        is_seen *= original.known_small
    return flattened(cv2.GaussianBlur(warped, (0, 0), 1.0)), is_seen


def _likeness(suspect: Suspect, original: Original, found: Registration) -> float:
    """Correlation of structure over the blocks that agree best: what was pasted over others is not held against it."""
    return _likeness_of(original, *_warped_small(suspect, original, found))


def _likeness_of(original: Original, warped: Plane, seen: npt.NDArray[np.uint8]) -> float:
    """`warped`: flattened, at `ECC_PX`; `seen`: where it reaches."""
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
    suspect: Suspect,
    original: Original,
    found: Registration,
    *,
    reduced: int = 1,
    steps: int = _ECC_STEPS,
    motion: int = cv2.MOTION_HOMOGRAPHY,
) -> Registration:
    """ECC on the residual homography; what it was when that does not converge.

    `reduced`: on pictures so many times smaller. `motion`: what it may change.
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
    start = np.eye(3 if motion == cv2.MOTION_HOMOGRAPHY else 2, 3, dtype=np.float32)
    try:
        _, step = cv2.findTransformECC(target, warped, start, motion, criteria, seen, 3)
    except cv2.error:
        return found
    step = step if len(step) == 3 else np.vstack([step, [0, 0, 1]])
    # `step` maps target to warped coordinates. A large step is a wrong minimum, not a correction.
    scale = np.diag([width / target.shape[1], height / target.shape[0], 1.0])
    step = scale @ step.astype(np.float64) @ np.linalg.inv(scale)
    corners = np.array([[[0.0, 0.0]], [[width, 0.0]], [[width, height]], [[0.0, height]]])
    moved = np.abs(cv2.perspectiveTransform(corners, step) - corners).max()
    if not np.isfinite(moved) or moved > (_STRAY if reduced == 1 else _COARSE_STRAY) * width:
        return found
    side = suspect.sides[found.is_mirrored]
    pixels = float(side.shape[1])
    whole = np.linalg.inv(step) @ _in_pixels(found.matrix, pixels, float(width))
    return replace(found, matrix=_in_shares(whole, pixels, float(width)))


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
    pair = [np.clip(flattened(plane) * 32 + 128, 0, 255).astype(np.uint8) for plane in (target, warped)]
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(pair[0], pair[1], None)
    found = np.clip(found, -_MAX_FLOW_PX, _MAX_FLOW_PX)
    # Only where there is structure to hold on to, and where there is a picture.
    trust = cv2.GaussianBlur(np.abs(cv2.Laplacian(pair[0].astype(np.float32), cv2.CV_32F)), (0, 0), 4.0)
    trust *= seen * (np.abs(found).max(axis=2) < _MAX_FLOW_PX)
    total = smooth(trust, _FLOW_SIGMA) + np.float32(1.0)
    across = smooth(found[..., 0] * trust, _FLOW_SIGMA) / total
    down = smooth(found[..., 1] * trust, _FLOW_SIGMA) / total
    return across.astype(np.float64), down.astype(np.float64)
