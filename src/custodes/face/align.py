"""Faces brought to one place: a similarity transform from five landmarks to a network's template. Pure."""

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

ARCFACE_112 = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
                        [70.7299, 92.2041]], np.float32)  # fmt: skip
"""Source: insightface `utils/face_align.py`."""

OMZ_128: Points = ((ARCFACE_112 - np.array([8, 0])) / np.array([96, 112]) * 128).astype(np.float32)
"""The same in a 96×112 crop that is stretched. Source: Open Model Zoo `demos/common/face_identifier`."""

DLIB_150 = np.array([[47.549, 46.599], [100.476, 46.599], [74.013, 76.563], [50.415, 103.023], [97.610, 103.023]],
                    np.float32)  # fmt: skip
"""Means of the eye points, tip of the nose, corners of the mouth in dlib's mean face, padded by a quarter and scaled
to 150 pixels. Source: dlib `image_transforms/interpolation.h`, get_face_chip_details."""

TEMPLATES: dict[int, Points] = {112: ARCFACE_112, 128: OMZ_128, 150: DLIB_150}
"""By the side of the network's input."""


def template_of(side_px: int) -> Points:
    """Raises: InvalidArgument for a size that no known embedder has."""
    if side_px not in TEMPLATES:
        raise InvalidArgument(f"no face template for {side_px}×{side_px} pixels; there are {sorted(TEMPLATES)}")
    return TEMPLATES[side_px]


def similarity(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """The 2×3 matrix of rotation, scale and shift that brings source to target with least squares (Umeyama 1991)."""
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    a, b = (source - mean_s).astype(np.float64), (target - mean_t).astype(np.float64)
    spread = (a**2).sum()
    if spread < 1e-9:
        raise InvalidArgument("the landmarks fall together")
    cosine, sine = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    linear = np.array([[cosine, -sine], [sine, cosine]]) / spread
    return np.column_stack([linear, mean_t - linear @ mean_s])


def residual(points: Points, template: Points) -> float:
    """How badly landmarks fit a template: root mean square in distances of its eyes; about .1 for a frontal face."""
    matrix = similarity(points, template)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    eyes = float(np.linalg.norm(template[1] - template[0]))
    return float(np.sqrt(((moved - template) ** 2).sum(axis=1).mean())) / eyes


def align(picture: Picture, points: Points, template: Points, side_px: int) -> npt.NDArray[np.float32]:
    """A crop whose landmarks lie on the template; bilinear, the picture's border repeated.

    Args: picture: (h, w, 3) uint8; points, template: (5, 2). Returns: (side, side, 3) float32, 0 to 255.
    """
    matrix = similarity(template, points)
    y, x = np.meshgrid(np.arange(side_px), np.arange(side_px), indexing="ij")
    places = np.stack([x.ravel(), y.ravel(), np.ones(side_px * side_px)])
    at = np.clip(matrix @ places, 0, np.array([[picture.shape[1] - 1.001], [picture.shape[0] - 1.001]]))
    low = at.astype(int)
    share = (at - low)[:, :, None]
    corner = [picture[low[1] + dy, low[0] + dx].astype(np.float64) for dy in (0, 1) for dx in (0, 1)]
    top = corner[0] * (1 - share[0]) + corner[1] * share[0]
    bottom = corner[2] * (1 - share[0]) + corner[3] * share[0]
    crop: npt.NDArray[np.float32] = (
        (top * (1 - share[1]) + bottom * share[1]).reshape(side_px, side_px, 3).astype(np.float32)
    )
    return crop
