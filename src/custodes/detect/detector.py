"""A Detector over a ModelSession and its manifest."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from custodes.detect.boxes import suppress
from custodes.detect.decode import DETECTING, Candidates, decode
from custodes.detect.packing import Canvas, owners, pack, paint
from custodes.detect.picture import Placement, fill_input, place
from custodes.errors import InvalidArgument, ModelRefused
from custodes.ports.model import ModelSession
from custodes.types.model import ModelClass, ModelManifest
from custodes.types.vision import VEHICLES, Detections, ModelRef, ObjectClass

_SIDE_MIN_PX = 16

_VEHICLES = 1
_GROUP_OF = np.array([_VEHICLES if item in VEHICLES else 2 + item for item in sorted(ObjectClass)], dtype=np.int16)
"""Vehicles suppress each other whatever their kind: one van is often reported as car and as truck. Measured by
2026-11 on cdnet-highway with nanodet-g at a raw score of .4: precision .72 without, .78 with (ADR 0002)."""


class SessionDetector:
    """Implements `ports.model.Detector`. Not thread-safe, like its session."""

    def __init__(self, session: ModelSession, manifest: ModelManifest, *, floor: float | None = None) -> None:
        """`floor`: report from this score on instead of the manifest's. Raises: ModelRefused if it finds no boxes."""
        if manifest.output.kind not in DETECTING:
            raise ModelRefused(f"model {manifest.name} gives a {manifest.output.kind.value}, a detector was expected")
        self._session = session
        self._manifest = manifest
        self._floor = manifest.floor if floor is None else floor
        count = 1 + max(item.index for item in manifest.classes)
        self._class_of = np.full(count, -1, dtype=np.int16)
        for item in manifest.classes:
            self._class_of[item.index] = item.object_class
        self._raw_floor = min(_raw_score(item, self._floor) for item in manifest.classes)

    @property
    def ref(self) -> ModelRef:
        """Which weights."""
        return self._session.ref

    @property
    def manifest(self) -> ModelManifest:
        """What is known of the weights."""
        return self._manifest

    def input_size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height to which a picture of this size is scaled inside.

        A picture that is handed over in just this size is not scaled again; whoever decodes can scale for less.
        """
        placement = place(width_px, height_px, self._manifest.input)
        return (
            min(max(round(width_px * placement.scale_x), 1), placement.width_px),
            min(max(round(height_px * placement.scale_y), 1), placement.height_px),
        )

    def detect(self, pictures_rgb: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """See `ports.model.Detector`. Raises: InvalidArgument for something that is not a picture."""
        return [self._detect_one(picture) for picture in pictures_rgb]

    def detect_parts(self, pictures_rgb: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """See `ports.model.Detector`: all parts together in as few inputs as hold them.

        Raises: InvalidArgument for something that is not a picture, or is larger than a fixed input.
        """
        for picture in pictures_rgb:
            _check_picture(picture)
        spec = self._manifest.input
        sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures_rgb]
        fixed = None if spec.is_size_free else (spec.width_px, spec.height_px)
        try:
            canvases = pack(sizes, pixels_max=spec.width_px * spec.height_px, fixed=fixed)
        except ValueError as error:
            raise InvalidArgument(str(error)) from error
        found: dict[int, Detections] = {}
        for canvas in canvases:
            found.update(self._detect_canvas(canvas, pictures_rgb))
        return [found[index] for index in range(len(sizes))]

    def _detect_canvas(
        self, canvas: Canvas, pictures_rgb: Sequence[npt.NDArray[np.uint8]]
    ) -> Iterator[tuple[int, Detections]]:
        spec = self._manifest.input
        stride = spec.stride_px if spec.is_size_free else 1
        placement = Placement(width_px=-(-canvas.width // stride) * stride, scale_x=1.0,
                              height_px=-(-canvas.height // stride) * stride, scale_y=1.0)  # fmt: skip
        whole = self._run(paint(canvas, pictures_rgb), placement)
        owner = owners(canvas, whole.boxes_px)
        for row, slot in enumerate(canvas.slots):
            mine = owner == row
            boxes = whole.boxes_px[mine] - np.array([slot.x, slot.y] * 2, np.float32)
            boxes = np.clip(boxes, 0, np.array([slot.width, slot.height] * 2, np.float32))
            yield (
                slot.index,
                Detections(boxes_px=boxes, scores=whole.scores[mine], class_ids=whole.class_ids[mine]),
            )

    def _detect_one(self, picture: npt.NDArray[np.uint8]) -> Detections:
        _check_picture(picture)
        height, width = picture.shape[:2]
        return self._run(picture, place(width, height, self._manifest.input))

    def _run(self, picture: npt.NDArray[np.uint8], placement: Placement) -> Detections:
        spec = self._manifest.input
        result = self._session.run({spec.name: fill_input(picture, placement, spec)})
        outputs = [np.asarray(result[name], dtype=np.float32) for name in self._manifest.output.names]
        found = decode(self._manifest.output.kind, outputs, floor=self._raw_floor,
                       width_px=placement.width_px, height_px=placement.height_px)  # fmt: skip
        return self._in_picture(found, placement, picture.shape[1], picture.shape[0])

    def _in_picture(self, found: Candidates, placement: Placement, width: int, height: int) -> Detections:
        indices = np.clip(found.indices, 0, len(self._class_of) - 1)
        class_ids = np.where(found.indices == indices, self._class_of[indices], -1).astype(np.int16)
        scores = self._calibrate(found)
        scale = np.array([placement.scale_x, placement.scale_y] * 2, dtype=np.float32)
        limit = np.array([width, height] * 2, dtype=np.float32)
        boxes = np.clip(found.boxes_px / scale, 0, limit).astype(np.float32)
        # A comparison with NaN is false, so what a broken network gives is dropped here.
        is_kept = (
            (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & (class_ids >= 0) & (scores >= self._floor)
        )
        boxes, scores, class_ids = boxes[is_kept], scores[is_kept], class_ids[is_kept]
        kept = suppress(boxes, scores, _GROUP_OF[class_ids], iou_max=self._manifest.nms_iou, solid_group=_VEHICLES)
        return Detections(boxes_px=boxes[kept], scores=scores[kept], class_ids=class_ids[kept])

    def _calibrate(self, found: Candidates) -> npt.NDArray[np.float32]:
        scores = np.minimum(found.scores, np.float32(1))
        for item in self._manifest.classes:
            rows = np.flatnonzero(found.indices == item.index) if item.calibration else ()
            if len(rows):
                raw, reported = _knots(item)
                scores[rows] = np.interp(scores[rows], raw, reported)
        return scores


def _check_picture(picture: npt.NDArray[np.uint8]) -> None:
    is_picture = picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    if not is_picture or min(picture.shape[:2]) < _SIDE_MIN_PX:
        raise InvalidArgument(f"expected an (h, w, 3) uint8 picture of at least {_SIDE_MIN_PX} pixels a side, "
                              f"got {picture.shape} {picture.dtype}")  # fmt: skip


def _knots(item: ModelClass) -> tuple[list[float], list[float]]:
    pairs = [(0.0, 0.0), *item.calibration, (1.0, 1.0)]
    return [raw for raw, _ in pairs], [reported for _, reported in pairs]


def _raw_score(item: ModelClass, reported_score: float) -> float:
    raw, reported = _knots(item)
    # The last bit may be lost on the way there and back; what lies below is dropped by the reported score.
    return float(np.interp(reported_score, reported, raw)) - 1e-6
