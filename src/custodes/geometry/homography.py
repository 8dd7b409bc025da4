"""The ground plane of one camera: picture to metres and back, with uncertainty. Lens distortion is not modelled.

Picture coordinates are shares of the frame (0 to 1), so that a calibration outlives a change of resolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument

Floats = npt.NDArray[np.float64]

MIN_POINTS = 4
_HORIZON_SHARE = 1 / 60
"""Nothing is placed farther than this many times the distance of the frame's lower edge: above, a pixel is metres."""
_DEGENERATE = 1e-9


@dataclass(frozen=True, slots=True)
class Homography:
    """Where a point of the picture stands on the ground.

    `to_ground`: (3, 3) float64, homogeneous picture shares → homogeneous metres, scaled so that the third coordinate
    is 1 at the middle of the frame's lower edge. `to_picture`: its inverse. `spread`: (9, 9) covariance of `to_ground`
    read row by row; zero where the calibration is taken as exact.
    """

    to_ground: Floats
    to_picture: Floats
    spread: Floats

    def nearer(self, points: Floats) -> Floats:
        """Points of the picture, those at or above the horizon moved down to the farthest usable distance.

        Args: points: (n, 2) shares of the frame. Returns: (n, 2).
        """
        row = self.to_ground[2]
        depth = points @ row[:2] + row[2]
        short = np.maximum(_HORIZON_SHARE - depth, 0.0)
        moved = points.copy()
        if abs(row[1]) > _DEGENERATE:
            moved[:, 1] += short / row[1]
        return moved

    def ground_of(self, points: Floats) -> Floats:
        """(n, 2) shares of the frame → (n, 2) metres. Points are first made `nearer`."""
        return _project(self.to_ground, self.nearer(points))

    def picture_of(self, places: Floats) -> Floats:
        """(n, 2) metres → (n, 2) shares of the frame; places behind the camera give points far outside."""
        return _project(self.to_picture, places)

    def slope_at(self, places: Floats) -> Floats:
        """(n, 2, 2) shares of the frame per metre, at places on the ground in metres (n, 2)."""
        return _slope(self.to_picture, places)

    def spread_of(self, points: Floats, noise: Floats) -> Floats:
        """Covariance on the ground of points of the picture that are themselves uncertain.

        Args: points: (n, 2) shares, made `nearer` first; noise: (n, 2, 2) their covariance.
        Returns: (n, 2, 2) m², the calibration's own uncertainty included. First order.
        """
        points = self.nearer(points)
        slope = _slope(self.to_ground, points)
        result: Floats = slope @ noise @ slope.transpose(0, 2, 1)
        if self.spread.any():
            by_entry = _slope_by_entry(self.to_ground, points)
            result += by_entry @ self.spread @ by_entry.transpose(0, 2, 1)
        return result

    def gap_spread(self, first: Floats, second: Floats) -> Floats:
        """(2, 2) m²: what the calibration's uncertainty makes of the way from one point of the picture to another,
        each (2,) shares. Errors of both ends go together, so it is far less than the sum of theirs."""
        by_entry = _slope_by_entry(self.to_ground, self.nearer(np.stack([first, second])))
        apart = by_entry[1] - by_entry[0]
        result: Floats = apart @ self.spread @ apart.T
        return result


def homography_from_matrix(to_ground: npt.NDArray[np.floating], spread: Floats | None = None) -> Homography:
    """From a 3×3 matrix, picture shares → metres. Raises: InvalidArgument if it has no inverse or sees no ground."""
    matrix = np.asarray(to_ground, np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise InvalidArgument(f"a homography has 3×3 finite numbers; this has shape {matrix.shape}")
    depth = float(matrix[2] @ np.array([0.5, 1.0, 1.0]))
    if abs(depth) < _DEGENERATE * np.abs(matrix).max():
        raise InvalidArgument("the homography puts the middle of the frame's lower edge at infinity")
    matrix = matrix / depth
    if np.linalg.cond(matrix) > 1 / _DEGENERATE:
        raise InvalidArgument("the homography has no inverse: are three of its points on one line?")
    scaled = np.zeros((9, 9)) if spread is None else spread / depth**2
    return Homography(matrix, np.linalg.inv(matrix).astype(np.float64), scaled)


def homography_from_points(
    points: Sequence[tuple[float, float]], places: Sequence[tuple[float, float]], *, point_sd: float = 0.003
) -> Homography:
    """From four or more points whose place on the ground was measured.

    Args: points: shares of the frame; places: metres, in the same order; point_sd: how precisely the points were
    clicked, shares of the frame (2 px at 768), which becomes the calibration's own uncertainty.
    Raises: InvalidArgument for fewer than four points, or if they do not fix a plane.
    Source: direct linear transform with normalised places; covariance by first-order propagation (Hartley & Zisserman,
    *Multiple View Geometry*, 4.1 and 5.2).
    """
    if len(points) != len(places) or len(points) < MIN_POINTS:
        raise InvalidArgument(
            f"a ground plane needs {MIN_POINTS} points with places; {len(points)}, {len(places)} given"
        )
    picture, ground = np.asarray(points, np.float64), np.asarray(places, np.float64)
    if not (np.isfinite(picture).all() and np.isfinite(ground).all()):
        raise InvalidArgument("a calibration point is not a finite number")
    exact = _solve(picture, ground)
    # Numerical derivative of the solution by each clicked coordinate: 2n small systems, once per camera.
    step, columns = 1e-5, []
    for index in range(picture.size):
        moved = picture.copy()
        moved.flat[index] += step
        columns.append((_solve(moved, ground) - exact).ravel() / step)
    by_point = np.array(columns).T
    return homography_from_matrix(exact, by_point @ by_point.T * point_sd**2)


def homography_from_camera(
    rotation: npt.NDArray[np.floating],
    translation_m: npt.NDArray[np.floating],
    intrinsics_px: npt.NDArray[np.floating],
    frame_size: tuple[int, int],
) -> Homography:
    """From a pinhole camera over the plane z = 0.

    Args: rotation: (3, 3) and translation_m: (3,), world metres → camera; intrinsics_px: (3, 3) in pixels of a frame
    of `frame_size` (width, height). Raises: InvalidArgument.
    """
    to_pixels = np.asarray(intrinsics_px, np.float64) @ np.column_stack([rotation[:, :2], translation_m])
    to_shares = np.diag([1 / frame_size[0], 1 / frame_size[1], 1.0]) @ to_pixels
    if abs(np.linalg.det(to_shares)) < _DEGENERATE:
        raise InvalidArgument("this camera sees its ground plane edge-on")
    return homography_from_matrix(np.linalg.inv(to_shares))


def _solve(picture: Floats, ground: Floats) -> Floats:
    # Places are centred and scaled, which makes least squares well conditioned; h33 of the picture side may be zero,
    # so the null vector is taken, not h33 = 1; its sign and length are fixed afterwards.
    centre, size = ground.mean(axis=0), max(float(np.abs(ground - ground.mean(axis=0)).max()), _DEGENERATE)
    scaled = (ground - centre) / size
    ones, zeros = np.ones((len(picture), 1)), np.zeros((len(picture), 3))
    point = np.hstack([picture, ones])
    upper = np.hstack([point, zeros, -scaled[:, :1] * point])
    lower = np.hstack([zeros, point, -scaled[:, 1:] * point])
    stacked = np.vstack([upper, lower])
    _, values, rows = np.linalg.svd(stacked, full_matrices=len(stacked) < stacked.shape[1])
    if values[7] < 1e-7 * values[0]:
        raise InvalidArgument("the calibration points do not fix a plane: three of them lie on one line")
    back = np.array([[size, 0, centre[0]], [0, size, centre[1]], [0, 0, 1.0]])
    matrix = back @ rows[8].reshape(3, 3)
    depth = float(matrix[2] @ np.array([0.5, 1.0, 1.0]))
    if abs(depth) < _DEGENERATE:
        raise InvalidArgument("the calibration puts the middle of the frame's lower edge at infinity")
    return np.asarray(matrix / depth, np.float64)


def _project(matrix: Floats, points: Floats) -> Floats:
    whole = points @ matrix[:, :2].T + matrix[:, 2]
    depth = np.where(np.abs(whole[:, 2:]) < _DEGENERATE, _DEGENERATE, whole[:, 2:])
    result: Floats = whole[:, :2] / depth
    return result


def _slope(matrix: Floats, points: Floats) -> Floats:
    whole = points @ matrix[:, :2].T + matrix[:, 2]
    depth = np.where(np.abs(whole[:, 2]) < _DEGENERATE, _DEGENERATE, whole[:, 2])[:, None, None]
    at = (whole[:, :2] / depth[:, 0])[:, :, None]
    result: Floats = (matrix[None, :2, :2] - at * matrix[None, 2:, :2]) / depth
    return result


def _slope_by_entry(matrix: Floats, points: Floats) -> Floats:
    """(n, 2, 9): by each entry of `matrix`."""
    count = len(points)
    point = np.hstack([points, np.ones((count, 1))])
    whole = point @ matrix.T
    result = np.zeros((count, 2, 9))
    result[:, 0, :3] = result[:, 1, 3:6] = point / whole[:, 2:]
    at = whole[:, :2] / whole[:, 2:]
    result[:, :, 6:] = -at[:, :, None] * (point / whole[:, 2:])[:, None, :]
    return result
