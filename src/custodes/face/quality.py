"""How good a picture of a face is, by component, so that somebody can be told what to change. Pure.

Components follow ISO/IEC 29794-5 (inter-eye distance, pose, sharpness, illumination, occlusion) in cheap forms; they
are not OFIQ's. Limits for enrolment are stricter than for a probe: a gallery picture is compared for years.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.face.align import ARCFACE_112, Picture, Points, align, residual
from custodes.types.face import FaceQuality

_SIDE = 112
_SHARP_FULL, _SHARP_NONE = 6.0, 1.5
"""Mean absolute Laplacian of the aligned face, in grey levels at unit contrast (× 64 / deviation)."""
_EYES_NONE_PX, _EYES_FULL_PX = 14.0, 60.0
_YAW_NONE, _YAW_FULL = 0.55, 0.12
"""How far the nose is off the middle between the eyes, in distances of the eyes: 0 frontal, .5 near profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimits:
    """Least value of each component."""

    inter_eye_px: float
    pose: float
    sharpness: float
    light: float
    whole: float


ENROLMENT = QualityLimits(inter_eye_px=40.0, pose=0.55, sharpness=0.20, light=0.35, whole=0.6)
PROBE = QualityLimits(inter_eye_px=18.0, pose=0.15, sharpness=0.05, light=0.10, whole=0.4)


def judge(picture: Picture, points: Points, box_px: Points, score: float) -> FaceQuality:
    """Judge one found face.

    Args: picture: (h, w, 3) uint8 RGB; points: (5, 2) px; box_px: (4,) px; score: the detector's, 0 to 1.
    Cost: about 3 ms, most of it the alignment.
    """
    eyes = points[1] - points[0]
    distance = float(np.linalg.norm(eyes))
    if distance < 1e-3:
        return FaceQuality(inter_eye_px=0, size=0, pose=0, sharpness=0, light=0, whole=0, score=0)
    grey = align(picture, points, ARCFACE_112, _SIDE) @ np.array([0.299, 0.587, 0.114], np.float32)
    face = grey[20:104, 16:96]
    size = _ramp(distance, _EYES_NONE_PX, _EYES_FULL_PX)
    pose = _pose(points, eyes, distance)
    sharpness, light = _sharpness(face), _light(face)
    whole = _whole(picture, points, box_px, score)
    parts = np.array([size, pose, sharpness, light, whole])
    # The worst counts most: a sharp profile is still a profile.
    total = float(0.6 * parts.min() + 0.4 * parts.mean())
    return FaceQuality(
        inter_eye_px=round(distance, 1),
        size=size,
        pose=pose,
        sharpness=sharpness,
        light=light,
        whole=whole,
        score=total,
    )


def problem(quality: FaceQuality, limits: QualityLimits) -> str:
    """The component that fails, in words with what to do; empty when none does."""
    if quality.inter_eye_px < limits.inter_eye_px:
        wanted = f"{limits.inter_eye_px:.0f} pixels between the eyes are needed, {quality.inter_eye_px:.0f} are there"
        return f"size: the face is too small ({wanted}); come closer"
    if quality.whole < limits.whole:
        return "occlusion: a part of the face is covered or cut off; take off what covers it and face the camera"
    if quality.pose < limits.pose:
        return "pose: the head is turned away; look straight into the camera"
    if quality.light < limits.light:
        return "light: too dark, too bright or from one side; turn to the light"
    if quality.sharpness < limits.sharpness:
        return "blur: the picture is not sharp; hold still"
    return ""


def _ramp(value: float, none: float, full: float) -> float:
    return float(np.clip((value - none) / (full - none), 0, 1))


def _pose(points: Points, eyes: npt.NDArray[np.float32], distance: float) -> float:
    along = eyes / distance
    across = np.array([-along[1], along[0]])
    middle, mouth = (points[0] + points[1]) / 2, (points[3] + points[4]) / 2
    yaw = abs(float((points[2] - middle) @ along)) / distance
    height = float((mouth - middle) @ across)
    if height <= 0.2 * distance:
        return 0.0
    pitch = float((points[2] - middle) @ across) / height
    return min(_ramp(yaw, _YAW_NONE, _YAW_FULL), _ramp(abs(pitch - 0.52), 0.35, 0.12))


def _sharpness(face: npt.NDArray[np.float32]) -> float:
    laplacian = 4 * face[1:-1, 1:-1] - face[:-2, 1:-1] - face[2:, 1:-1] - face[1:-1, :-2] - face[1:-1, 2:]
    contrast = max(float(face.std()), 4.0)
    return _ramp(float(np.abs(laplacian).mean()) * 64 / contrast / 4, _SHARP_NONE, _SHARP_FULL)


def _light(face: npt.NDArray[np.float32]) -> float:
    mean, contrast = float(face.mean()), float(face.std())
    clipped = float(((face < 12) | (face > 243)).mean())
    half = face.shape[1] // 2
    left, right = float(face[:, :half].mean()), float(face[:, half:].mean())
    side = abs(left - right) / max(left + right, 1.0)
    return min(
        _ramp(mean, 20, 70),
        _ramp(mean, 245, 200),
        _ramp(contrast, 8, 28),
        _ramp(side, 0.45, 0.15),
        _ramp(clipped, 0.5, 0.15),
    )


def _whole(picture: Picture, points: Points, box_px: Points, score: float) -> float:
    height, width = picture.shape[:2]
    box_size = max(float(box_px[2] - box_px[0]), float(box_px[3] - box_px[1]), 1.0)
    outside = max(-float(box_px[0]), -float(box_px[1]), float(box_px[2]) - width, float(box_px[3]) - height, 0.0)
    fit = _ramp(residual(points, ARCFACE_112), 0.45, 0.2)
    return min(_ramp(outside / box_size, 0.3, 0.08), fit, _ramp(score, 0.3, 0.7))
