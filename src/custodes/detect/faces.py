"""Faces with five landmarks in a picture: found coarsely, then looked at again at the size where landmarks are best.

No vector is made here and none could be; that is `face.embedding`, under a permit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custodes.detect.boxes import suppress
from custodes.detect.candidates import CANDIDATES_MAX
from custodes.detect.picture import Picture, fill_input, place
from custodes.errors import ModelRefused
from custodes.ports.model import ModelSession
from custodes.types.model import ModelManifest, OutputKind

Points = npt.NDArray[np.float32]

REFINE_PX = 320
REFINE_SPAN = 2.5
"""A face is cut out with so many times its size around and scaled to 320 pixels, so that it has about 128: LFW as it
comes has that proportion, and at 500 pixels landmarks were worse (.955 against .975 on 200 pairs, 2026-11)."""
_REFINE_IOU = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFace:
    """`box_px` (4,) float32 x1 y1 x2 y2; `points_px` (5, 2) float32: eyes, nose, corners of the mouth, left in the
    picture first; `score` 0 to 1."""

    box_px: Points
    points_px: Points
    score: float


class FaceFinder:
    """Not thread-safe, like its session."""

    def __init__(self, session: ModelSession, manifest: ModelManifest) -> None:
        """Raises: ModelRefused for a network without landmarks."""
        if manifest.output.kind is not OutputKind.CENTERFACE:
            raise ModelRefused(f"model {manifest.name} gives no landmarks that can be read; CenterFace does")
        self._session = session
        self._manifest = manifest

    def find(self, picture_rgb: Picture, *, floor: float | None = None) -> list[FoundFace]:
        """Faces by falling score.

        Args: picture_rgb: (h, w, 3) uint8 of at least 16 pixels a side. floor: least score, the manifest's if None.
        Cost on one core, 2026-11: 25 ms for 640×384 and 12 ms for each face.
        """
        least = self._manifest.floor if floor is None else floor
        coarse = self._look(picture_rgb, self._manifest.input.width_px * self._manifest.input.height_px, least)
        return [self._refine(picture_rgb, one, least) for one in coarse]

    def _refine(self, picture: Picture, coarse: FoundFace, floor: float) -> FoundFace:
        """The same face from a closer look; as it was when that does not find it."""
        x1, y1, x2, y2 = coarse.box_px
        half = REFINE_SPAN / 2 * max(x2 - x1, y2 - y1)
        centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
        low = np.maximum(np.floor(centre - half), 0).astype(int)
        high = np.minimum(np.ceil(centre + half), picture.shape[1::-1]).astype(int)
        part = np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])
        if min(part.shape[:2]) < 16:
            return coarse
        shift = low.astype(np.float32)
        found = [
            replace(one, box_px=one.box_px + np.tile(shift, 2), points_px=one.points_px + shift)
            for one in self._look(part, REFINE_PX * REFINE_PX, floor / 2)
        ]
        overlaps = [(_iou(one.box_px, coarse.box_px), n) for n, one in enumerate(found)]
        best = max(overlaps, default=(0.0, 0))
        return replace(found[best[1]], score=coarse.score) if best[0] >= _REFINE_IOU else coarse

    def _look(self, picture: Picture, pixels: int, floor: float) -> list[FoundFace]:
        side = max(int(pixels**0.5) // 32, 1) * 32
        spec = replace(self._manifest.input, width_px=side, height_px=side)
        placement = place(picture.shape[1], picture.shape[0], spec)
        result = self._session.run({spec.name: fill_input(picture, placement, spec)})
        outputs = [np.asarray(result[name], np.float32) for name in self._manifest.output.names]
        boxes, points, scores = _centerface(outputs, floor, placement.width_px)
        scale = np.array([placement.scale_x, placement.scale_y], np.float32)
        kept = suppress(boxes, scores, np.zeros(len(scores), np.int16), iou_max=self._manifest.nms_iou)
        return [
            FoundFace(box_px=boxes[n] / np.tile(scale, 2), points_px=points[n] / scale, score=float(scores[n]))
            for n in kept
        ]


def _centerface(outputs: Sequence[Points], floor: float, width_px: int) -> tuple[Points, Points, Points]:
    """As `decode.centerface`, with the landmarks: shares of the box, y before x, from its top left.

    Source: Star-Clouds/CenterFace `prj-python/centerface.py`.
    """
    heat, size, offset, marks = outputs[0][0, 0], outputs[1][0], outputs[2][0], outputs[3][0]
    stride = width_px // heat.shape[1]
    y, x = np.nonzero(heat >= floor)
    order = np.argsort(-heat[y, x], kind="stable")[:CANDIDATES_MAX]
    y, x = y[order], x[order]
    extent = np.exp(np.clip(size[:, y, x], -10, 10)) * stride
    top = (y + offset[0, y, x] + 0.5) * stride - extent[0] / 2
    left = (x + offset[1, y, x] + 0.5) * stride - extent[1] / 2
    boxes = np.stack([left, top, left + extent[1], top + extent[0]], axis=1).astype(np.float32)
    shares = marks[:, y, x].T.reshape(-1, 5, 2)[:, :, ::-1]
    points = shares * (boxes[:, None, 2:] - boxes[:, None, :2]) + boxes[:, None, :2]
    return boxes, points.astype(np.float32), heat[y, x].astype(np.float32)


def _iou(a: Points, b: Points) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    inside = float(np.prod(np.maximum(high - low, 0)))
    total = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - inside
    return inside / total if total > 0 else 0.0
