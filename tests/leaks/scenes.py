"""Drawn places: edges, texture and plain walls, the same for the same number."""

import cv2
import numpy as np

from custodes.types.media import Frame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

NOW_NS = 1_767_225_605 * NS_PER_S


def scene(number: int, *, width: int = 960, height: int = 540) -> np.ndarray:
    random = np.random.default_rng(number)
    y = np.full((height, width), 120, np.uint8)
    for _ in range(60):
        corner, size = random.integers(0, [width, height]), random.integers(10, 160, 2)
        cv2.rectangle(y, corner.tolist(), (corner + size).tolist(), int(random.integers(40, 210)), -1)
    for _ in range(40):
        at = random.integers(0, [width, height]).tolist()
        cv2.circle(y, at, int(random.integers(3, 25)), int(random.integers(30, 220)), -1)
    texture = cv2.GaussianBlur(random.normal(0, 12, y.shape), (0, 0), 1.5)
    return np.clip(cv2.GaussianBlur(y, (0, 0), 0.8) + texture, 16, 235).astype(np.uint8)


def frame_of(y: np.ndarray, utc_ns: Ns) -> Frame:
    grey = np.full((y.shape[0] // 2, y.shape[1] // 2), 128, np.uint8)
    return Frame(
        camera_id=CameraId("cam"), run=RunId("r"), seq=0, utc_ns=utc_ns, y=y, u=grey, v=grey.copy(), is_keyframe=True,
        is_corrupt=False,
    )  # fmt: skip
