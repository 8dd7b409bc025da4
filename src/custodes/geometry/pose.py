"""Where a camera hangs, from its homography: what stands on the ground can then be drawn as a solid in the picture.

Assumes square pixels, an optical axis through the picture's middle and no distortion, which holds for fixed cameras to
a percent or two. Where the ground plane does not tell the focal length (a camera that looks straight down), there is
no pose, and callers do without.
"""

from dataclasses import dataclass

import numpy as np

from custodes.geometry.homography import Floats, Homography

_FOCAL_MIN, _FOCAL_MAX = 0.3, 12.0
"""Frame heights: a field of view of 120° down to 5°."""
_NEAR = 0.05
"""Points nearer than this share of the depth at the frame's lower edge are behind the lens."""


@dataclass(frozen=True, slots=True)
class Pose:
    """`to_picture`: (3, 4) float64, homogeneous (metres on the ground, height in metres) → homogeneous shares.
    `place`: (3,) the camera in metres, height above the ground last. `focal`: in frame heights."""

    to_picture: Floats
    place: Floats
    focal: float

    def project(self, points: Floats) -> Floats:
        """(…, 3) metres → (…, 2) shares of the frame; NaN for what is behind the camera."""
        whole = points @ self.to_picture[:, :3].T + self.to_picture[:, 3]
        depth = np.where(whole[..., 2:] > _NEAR, whole[..., 2:], np.nan)
        result: Floats = whole[..., :2] / depth
        return result


def pose_of(ground: Homography, aspect: float) -> Pose | None:
    """The pose of a camera over its ground, or None where the homography does not tell.

    Args: aspect: width of the frame over its height.
    Source: Zhang, *A flexible new technique for camera calibration*, 2000, section 3.1, for one plane and the focal
    length as the only unknown; both constraints in least squares.
    """
    to_square = np.array([[aspect, 0, -0.5 * aspect], [0, 1.0, -0.5], [0, 0, 1.0]])
    # Scaled so that the depth of the visible ground is positive: the frame's lower edge is in front of the camera.
    matrix = to_square @ ground.to_picture
    foot = ground.ground_of(np.array([[0.5, 1.0]]))[0]
    matrix = matrix / (matrix[2] @ np.array([*foot, 1.0]))
    first, second = matrix[:, 0], matrix[:, 1]
    plane = np.array([2 * first[:2] @ second[:2], first[:2] @ first[:2] - second[:2] @ second[:2]])
    depth = np.array([2 * first[2] * second[2], first[2] ** 2 - second[2] ** 2])
    inverse_square = -float(plane @ depth) / max(float(plane @ plane), 1e-300)
    if not _FOCAL_MIN**2 < 1 / max(inverse_square, 1e-12) < _FOCAL_MAX**2:
        return None
    focal = float(inverse_square**-0.5)
    to_camera = np.diag([1 / focal, 1 / focal, 1.0]) @ matrix
    scale = 2 / (np.linalg.norm(to_camera[:, 0]) + np.linalg.norm(to_camera[:, 1]))
    x, y, origin = (to_camera * scale).T
    up = np.cross(x, y)
    if up @ origin > 0:  # the ground's axes may be a left-handed pair; the camera is above it all the same
        up = -up
    up = up / np.linalg.norm(up)
    place = -np.linalg.solve(np.stack([x, y, up], axis=1), origin)
    columns = np.stack([x, y, up, origin], axis=1) / scale
    to_picture = np.linalg.inv(to_square) @ np.diag([focal, focal, 1.0]) @ columns
    return Pose(np.asarray(to_picture, np.float64), place, focal)
