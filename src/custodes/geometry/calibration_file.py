"""Calibration files: from what other programs write about a camera to points of the ground with their places.

Read: OpenCV's YAML, XML and JSON, XML of Tsai's cameras (PETS, EPFL), TOML (Pose2Sim), NVIDIA Metropolis'
`calibration.json`, matrices per camera (EPFL), text with `RotationMatrices`, `TranslationVectors`, `IntrinsicMatrix`
(MOT camera parameters), a bare 3×3 matrix, and rows of `x y X Y`. What comes out are points, so that everything after
is as if somebody had clicked and measured them.
How the text of a file becomes entries is in `calibration_text`.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from custodes.errors import InvalidArgument
from custodes.geometry.calibration_text import Entry, entries_of
from custodes.geometry.homography import (
    Floats,
    Homography,
    homography_from_camera,
    homography_from_matrix,
    homography_from_points,
)

MAX_POINTS = 32
_COLUMNS = (0.1, 0.5, 0.9)
_ROWS = (0.1, 0.5, 0.95)
"""Of the usable part of the picture: three by three points fix a plane whatever one of them is worth."""
_FAR_SHARE = 0.1
"""Points lie no farther than ten times the distance of the frame's lower edge: beyond, a pixel is metres."""
_UNDISTORT_STEPS = 40
_UNDISTORTED = 1e-4
"""Of the focal length: how well a bent ray has to be found again."""
_PLACE_DIGITS = 3


class Leads(StrEnum):
    """Which way a bare matrix of the file goes; of a pose or of points it is known."""

    TO_GROUND = "to_ground"
    TO_PICTURE = "to_picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file does not say itself. `which`: camera in it; `unit_m`: metres of its lengths' unit; `frame_px`: width
    and height, (0, 0) where unknown."""

    which: str = ""
    unit_m: float = 1.0
    leads: Leads = Leads.TO_GROUND
    frame_px: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """`at`: (n, 2) shares of the frame; `place_m`: (n, 2) metres; `off_m`: how far a flat, unbent plane through these
    points is from them at most; `camera`: its name in the file, empty where there is one."""

    camera: str
    at: Floats
    place_m: Floats
    off_m: float


def read_calibration(content: bytes, reading: Reading) -> Calibrated:
    """Points of the ground from a file.

    Raises: InvalidArgument, naming what of the file, what was expected and what is there.
    """
    entry = _chosen(entries_of(content), reading.which)
    frame = entry.frame_px if all(entry.frame_px) else reading.frame_px
    if not all(frame):
        raise InvalidArgument("The file does not say how large its picture is: give width and height in pixels.")
    if entry.pairs is not None:
        at = entry.pairs[:MAX_POINTS, :2] / np.array(frame)
        place_m = entry.pairs[:MAX_POINTS, 2:] * (1.0 if entry.is_metric else reading.unit_m)
        if (at < 0).any() or (at > 1).any():
            raise InvalidArgument(f"Points of the file lie outside a picture of {frame[0]} × {frame[1]} pixels.")
    else:
        ground = _ground(entry, frame, reading)
        at = _spots(ground)
        place_m = ground.ground_of(_straightened(at, entry, frame))
    place_m = np.round(place_m, _PLACE_DIGITS)
    at = np.round(at, 4)
    fitted = homography_from_points([(x, y) for x, y in at.tolist()], [(x, y) for x, y in place_m.tolist()])
    off_m = float(np.linalg.norm(fitted.ground_of(at) - place_m, axis=1).max())
    return Calibrated(camera=entry.name, at=at, place_m=place_m, off_m=off_m)


def _chosen(entries: list[Entry], which: str) -> Entry:
    names = ", ".join(entry.name for entry in entries[:20])
    if which:
        found = [entry for entry in entries if entry.name == which]
        if not found:
            raise InvalidArgument(
                f"The file holds no camera “{which[:80]}”; it holds {names or 'one without a name'}."
            )
        return found[0]
    if len(entries) > 1:
        raise InvalidArgument(f"The file holds {len(entries)} cameras: {names}. Say which is this one.")
    return entries[0]


def _ground(entry: Entry, frame: tuple[int, int], reading: Reading) -> Homography:
    """Shares of an unbent picture → metres."""
    metres = 1.0 if entry.is_metric else reading.unit_m
    if entry.rotation is not None and entry.translation is not None and entry.intrinsics is not None:
        translation_m = entry.translation * metres
        _refuse_behind(entry.rotation, translation_m, entry.intrinsics, frame)
        return homography_from_camera(entry.rotation, translation_m, entry.intrinsics, frame)
    if entry.projection is not None:
        flat = entry.projection[:, [0, 1, 3]] @ np.diag([1 / metres, 1 / metres, 1.0])
        return _from_matrix(flat, Leads.TO_PICTURE, frame)
    if entry.homography is not None:
        matrix = entry.homography
        if reading.leads is Leads.TO_GROUND:
            matrix = np.diag([metres, metres, 1.0]) @ matrix
        else:
            matrix = matrix @ np.diag([1 / metres, 1 / metres, 1.0])
        return _from_matrix(matrix, reading.leads, frame)
    missing = [
        words
        for value, words in (
            (entry.intrinsics, "the camera matrix (camera_matrix, K, intrinsics)"),
            (entry.rotation, "its rotation (rvec, R, rotation)"),
            (entry.translation, "its translation (tvec, t, translation)"),
        )
        if value is None
    ]
    raise InvalidArgument(
        f"The file does not say where the ground is: there is no homography, and {', '.join(missing)} is missing."
        " A lens alone is not enough; the pose of the camera over the ground is needed."
    )


def _from_matrix(matrix: Floats, leads: Leads, frame: tuple[int, int]) -> Homography:
    to_pixels = np.diag([frame[0], frame[1], 1.0])
    if leads is Leads.TO_GROUND:
        return homography_from_matrix(matrix @ to_pixels)
    if abs(np.linalg.det(matrix)) < 1e-12 * max(float(np.abs(matrix).max()), 1e-12) ** 3:
        raise InvalidArgument("The file's matrix has no inverse: it maps no plane onto the picture.")
    return homography_from_matrix(np.linalg.inv(matrix) @ to_pixels)


def _refuse_behind(rotation: Floats, translation: Floats, intrinsics: Floats, frame: tuple[int, int]) -> None:
    """The ray through the middle of the frame's lower edge has to meet the ground in front of the camera."""
    if abs(np.linalg.det(intrinsics)) < 1e-9:
        raise InvalidArgument("The file's camera matrix has no inverse: its focal lengths are zero.")
    place = -rotation.T @ translation
    ray = rotation.T @ np.linalg.inv(intrinsics) @ np.array([frame[0] / 2, frame[1], 1.0])
    if abs(ray[2]) < 1e-9 or -place[2] / ray[2] <= 0:
        raise InvalidArgument(
            "By this file the ground lies behind the camera. Rotation and translation have to lead from the world to"
            " the camera, as OpenCV's do, and the ground has to be the plane z = 0."
        )


def _spots(ground: Homography) -> Floats:
    """(9, 2) shares of the frame that see ground, well below the horizon."""
    heights = np.linspace(0.0, 0.9, 91)
    row = ground.to_ground[2]
    depths = np.add.outer(heights * row[1] + row[2], np.array(_COLUMNS) * row[0])
    broken = np.flatnonzero(depths.min(axis=1) < _FAR_SHARE)
    if len(broken) and broken[-1] == len(heights) - 1:
        raise InvalidArgument("By this file the picture shows hardly any ground: its horizon is at the lower edge.")
    # The lowest stretch without a break: above a horizon numbers may look sound again.
    top = float(heights[broken[-1] + 1]) if len(broken) else 0.0
    return np.array([(x, top + (1 - top) * share) for share in _ROWS for x in _COLUMNS])


def _straightened(at: Floats, entry: Entry, frame: tuple[int, int]) -> Floats:
    """Where points of the bent picture would be in an unbent one, both (n, 2) shares."""
    bend = entry.distortion
    is_bent = entry.kappa != 0 or (bend is not None and bool(bend.any()))
    if entry.intrinsics is None or not is_bent:
        return at
    focal = np.array([entry.intrinsics[0, 0], entry.intrinsics[1, 1]])
    centre = np.array([entry.intrinsics[0, 2], entry.intrinsics[1, 2]])
    seen = (at * np.array(frame) - centre) / focal
    seen *= 1 + entry.kappa * (seen**2).sum(axis=1, keepdims=True)
    bend = np.zeros(0) if bend is None else bend
    straight = seen.copy()
    for _ in range(_UNDISTORT_STEPS):
        straight = straight + seen - _bent(straight, bend)
    if not np.isfinite(straight).all() or np.abs(_bent(straight, bend) - seen).max() > _UNDISTORTED:
        raise InvalidArgument(
            "The file's lens bends the picture more than its distortion coefficients can be undone; let the camera"
            " straighten its picture, and calibrate it anew."
        )
    result: Floats = (straight * focal + centre) / np.array(frame)
    return result


def _bent(rays: Floats, bend: Floats) -> Floats:
    """OpenCV's model: k1 k2 p1 p2 k3 k4 k5 k6. Args: rays (n, 2) on the plane z = 1."""
    k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(bend, (0, 8 - len(bend))).tolist()
    x, y = rays[:, 0], rays[:, 1]
    square = x * x + y * y
    radial = (1 + square * (k1 + square * (k2 + square * k3))) / (1 + square * (k4 + square * (k5 + square * k6)))
    result: Floats = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=1,
    )
    return result
