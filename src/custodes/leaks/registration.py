"""Where a found picture may lie in an archived one: hypotheses from local features, and the plain one.

Crops, scales, rotations, mirror images, perspective. Which hypothesis is right, and the fine fit, is `alignment`'s
matter; whether both show the same place at all is told by inliers here and likeness there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FEATURE_PX = 1280
"""Longest side at which features are looked for; smaller pictures are enlarged towards `_MIN_PX`."""
_MIN_PX = 800
_MAX_ENLARGED = 4.0
MAX_FEATURES = 3000
_RATIO = 0.85
_REPROJECTION_PX = 3.0
_MAX_ITERATIONS = 10_000
_MAX_STRETCH = 0.4
"""4:3 made of 16:9 and the reverse."""

_FRAME_PX = 480
_MIN_FRAME_PX = 60
_PAGE_LUMA = 10
_PAGE_SHARE = 0.5
"""Of the outermost pixels that are of one grey, where a picture lies on a page."""

MIN_INLIERS = 12
"""Wrong cameras reach 4 to 8, at most 19 on rich texture, where the right one has 43 and more (field notes 3.2)."""

Luma = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Key points of one picture."""

    points: npt.NDArray[np.float32]
    """(n, 2), x y in shares of the picture's width, both, so that aspect is kept."""
    descriptors: npt.NDArray[np.float32]
    """(n, 128), RootSIFT: of norm 1."""
    aspect: float
    """Height by width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A picture found in another."""

    matrix: Matrix
    """3×3, picture → original, both in shares of their width; of the mirrored picture where `is_mirrored`."""
    is_mirrored: bool
    inliers: int
    is_laid: bool = False
    """Found by laying the picture everywhere (`seeking`): the best of very many places, so more is asked of it."""


def features_of(y: Luma, limit: int = MAX_FEATURES) -> Features:
    """SIFT, rooted. 0.1 to 0.3 s. Args: y: (h, w) uint8 luma."""
    height, width = y.shape
    longest = max(height, width)
    scale = min(max(_MIN_PX / longest, 1.0), _MAX_ENLARGED) if longest < FEATURE_PX else FEATURE_PX / longest
    size = (max(round(width * scale), 16), max(round(height * scale), 16))
    resized = cv2.resize(y, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    sift = cv2.SIFT_create(nfeatures=limit, contrastThreshold=0.015)
    points, descriptors = sift.detectAndCompute(resized, None)
    if descriptors is None or not len(points):
        empty = np.zeros((0, 128), np.float32)
        return Features(points=np.zeros((0, 2), np.float32), descriptors=empty, aspect=height / width)
    at = np.array([point.pt for point in points], dtype=np.float32) / np.float32(size[0])
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    return Features(points=at[:limit], descriptors=rooted[:limit].astype(np.float32), aspect=height / width)


def mirrored(y: Luma) -> Luma:
    """Left and right swapped."""
    return np.ascontiguousarray(y[:, ::-1])


def mirrored_features(features: Features) -> Features:
    """What `features_of` would find in the mirrored picture, without looking again: each patch is turned over.

    A patch is described along its own direction, which is mirrored with it: rows of bins change places across that
    direction, and angles change their sign. Layout as OpenCV has it: 4 rows × 4 columns × 8 angles.
    """
    points = features.points.copy()
    points[:, 0] = 1 - points[:, 0]
    bins = features.descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    turned = bins[..., (8 - np.arange(8)) % 8]
    return Features(points=points, descriptors=turned.reshape(-1, 128).copy(), aspect=features.aspect)


def match(picture: Features, original: Features, *, is_mirrored: bool = False) -> list[Registration]:
    """Up to two hypotheses that at least `MIN_INLIERS` places agree on: a homography, and a similarity.

    On plain scenes inliers crowd together, and a homography that they allow is off elsewhere; a similarity is not.
    """
    if min(len(picture.points), len(original.points)) < MIN_INLIERS:
        return []
    source, target = _pairs(picture, original)
    if len(source) < MIN_INLIERS:
        return []
    limit = _REPROJECTION_PX / FEATURE_PX
    whole, inlying = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, limit, maxIters=_MAX_ITERATIONS, confidence=0.9999
    )
    similar, inlying_similar = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=1.5 * limit, maxIters=5000, confidence=0.9999
    )
    found = []
    for matrix, chosen in ((whole, inlying), (_squared(similar), inlying_similar)):
        if matrix is None or chosen is None or not _is_sane(matrix, picture.aspect):
            continue
        inliers = _distinct(target[np.asarray(chosen).ravel() > 0])
        if inliers >= MIN_INLIERS:
            found.append(Registration(matrix=np.asarray(matrix), is_mirrored=is_mirrored, inliers=inliers))
    return found


def plain(picture_aspect: float, original_aspect: float) -> list[Registration]:
    """The whole original, perhaps stretched, as it is and mirrored: what a screenshot or a thumbnail is."""
    if abs(picture_aspect / original_aspect - 1) > _MAX_STRETCH:
        return []
    matrix = np.diag([1.0, original_aspect / picture_aspect, 1.0])
    return [Registration(matrix=matrix, is_mirrored=flag, inliers=0) for flag in (False, True)]


def framed(y: Luma, original_aspect: float) -> list[Registration]:
    """The picture inside of a plain page, as a screenshot has it: what is not of the page's own grey, in one box.

    Its width is taken for the original's; what a window cut off below is missing.
    """
    height, width = y.shape
    small_px = min(width, _FRAME_PX)
    small = cv2.resize(y, (small_px, max(round(height * small_px / width), 16)), interpolation=cv2.INTER_AREA)
    border = np.concatenate([small[:2].ravel(), small[-2:].ravel(), small[:, :2].ravel(), small[:, -2:].ravel()])
    page = int(np.bincount(border, minlength=256).argmax())
    if float((np.abs(border.astype(np.int16) - page) <= _PAGE_LUMA).mean()) < _PAGE_SHARE:
        return []
    other = (cv2.absdiff(small, np.full_like(small, page)) > _PAGE_LUMA).astype(np.uint8)
    # Rows and columns of which most differ: text and buttons on the page do not.
    down, across = np.flatnonzero(other.mean(axis=1) > 0.4), np.flatnonzero(other.mean(axis=0) > 0.4)
    if len(down) < _MIN_FRAME_PX or len(across) < _MIN_FRAME_PX:
        return []
    left, right = across[0] / small_px, (across[-1] + 1) / small_px
    top, bottom = down[0] / small_px, (down[-1] + 1) / small_px
    scale = 1 / (right - left)
    matrices = [np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1.0]])]
    if abs((bottom - top) * scale / original_aspect - 1) < _MAX_STRETCH / 2:
        stretch = original_aspect / (bottom - top)
        matrices.append(np.array([[scale, 0, -left * scale], [0, stretch, -top * stretch], [0, 0, 1.0]]))
    return [Registration(matrix=matrix, is_mirrored=False, inliers=0) for matrix in matrices]


def _squared(affine: Matrix | None) -> Matrix | None:
    return None if affine is None else np.vstack([affine, [0.0, 0.0, 1.0]])


def _pairs(picture: Features, original: Features) -> tuple[Matrix, Matrix]:
    """Points that are each other's best and clearly better than the second: two (n, 2) float64."""
    likeness = picture.descriptors @ original.descriptors.T
    best = likeness.argmax(axis=1)
    rows = np.arange(len(best))
    top = likeness[rows, best]
    likeness[rows, best] = -1.0
    second = likeness.max(axis=1)
    likeness[rows, best] = top
    # Distances of unit vectors: d² = 2 - 2·cos.
    clear = np.flatnonzero((1 - top) < _RATIO**2 * (1 - second))
    # Down a column is a walk through memory: only the columns that matter.
    chosen = clear[likeness[:, best[clear]].argmax(axis=0) == clear]
    return picture.points[chosen].astype(np.float64), original.points[best[chosen]].astype(np.float64)


def _distinct(points: Matrix) -> int:
    """Places, not features: many orientations of one corner are one witness."""
    return len(np.unique(np.round(points * 400).astype(np.int32), axis=0))


def _is_sane(matrix: Matrix, aspect: float) -> bool:
    """Whether the picture's corners land as a convex shape, not turned inside out, of believable size."""
    corners = np.array([[[0, 0]], [[1, 0]], [[1, aspect]], [[0, aspect]]], dtype=np.float64)
    depth = corners.reshape(4, 2) @ matrix[2, :2] + matrix[2, 2]
    if not np.isfinite(matrix).all() or np.any(depth * depth[0] <= 0) or np.max(depth) > 8 * np.min(depth):
        return False
    landed = cv2.perspectiveTransform(corners, matrix).astype(np.float32)
    area = cv2.contourArea(landed, oriented=True)
    # A quad in image order has positive area; 0.002: a crop of 0.2 % holds nothing to register by.
    return bool(cv2.isContourConvex(landed) and 0.002 < area < 60.0)
