"""Outputs that are lists of candidates rather than maps: the YOLO, DETR and SSD families. Dispatch is in `decode`.

Each function takes the outputs of one picture, a score floor and the input's size; see `decode`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custodes.detect.candidates import Candidates, Tensor, best

_YOLOX_STRIDES = (8, 16, 32)


def yolo(outputs: Sequence[Tensor], floor: float, _width_px: int) -> Candidates:
    """(1, 4 + classes, n), centre and size in input pixels.

    Source: ultralytics `ultralytics/nn/modules/head.py` (Detect, export): the graph's own layout; no code is used.
    """
    columns = outputs[0][0]
    if columns.ndim != 2 or columns.shape[0] < 5:
        raise ValueError(f"expected (4 + classes, n), got {columns.shape}")
    return _scored(columns[:4].T, columns[4:].T, floor)


def yolo_objectness(outputs: Sequence[Tensor], floor: float, _width_px: int) -> Candidates:
    """(1, n, 5 + classes), centre and size in input pixels, objectness × class score.

    Source: WongKinYiu/yolov7 `models/yolo.py` (Detect, export with grid).
    """
    rows = _rows(outputs[0])
    return _scored(rows[:, :4], rows[:, 4:5] * rows[:, 5:], floor)


def yolox(outputs: Sequence[Tensor], floor: float, width_px: int, height_px: int) -> Candidates:
    """(1, n, 5 + classes) over the cells of strides 8, 16, 32, row by row; scores after the sigmoid.

    Source: Megvii-BaseDetection/YOLOX `yolox/utils/demo_utils.py` (demo_postprocess).
    """
    rows = _rows(outputs[0])
    cells, strides = [], []
    for step in _YOLOX_STRIDES:
        y, x = np.mgrid[: height_px // step, : width_px // step]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(x.size, step, np.float32))
    stride = np.concatenate(strides)[:, None]
    centre = (rows[:, :2] + np.concatenate(cells)) * stride
    size = np.exp(np.clip(rows[:, 2:4], -10, 10)) * stride
    return _scored(np.concatenate([centre, size], axis=1), rows[:, 4:5] * rows[:, 5:], floor)


def yolo_rows(outputs: Sequence[Tensor], floor: float, _width_px: int) -> Candidates:
    """(1, n, 6): x1 y1 x2 y2 in input pixels, score, class.

    Source: THU-MIG/yolov10 `ultralytics/nn/modules/head.py` (v10Detect, export): the graph's own layout.
    """
    rows = outputs[0][0]
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise ValueError(f"expected (n, 6), got {rows.shape}")
    rows = rows[rows[:, 4] >= floor]
    return best(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


def detr(outputs: Sequence[Tensor], floor: float, width_px: int, height_px: int) -> Candidates:
    """Logits (1, queries, classes + 1), boxes (1, queries, 4) as centre and size in shares.

    Source: facebookresearch/detr `models/detr.py` (PostProcess).
    """
    logits = outputs[0][0]
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = (weights / weights.sum(axis=1, keepdims=True))[:, :-1]
    return _scored(_in_pixels(outputs[1][0], width_px, height_px), scores, floor)


def detr_sigmoid(outputs: Sequence[Tensor], floor: float, width_px: int, height_px: int) -> Candidates:
    """Logits (1, queries, classes), boxes (1, queries, 4) as centre and size in shares.

    Source: fundamentalvision/Deformable-DETR `models/deformable_detr.py` (PostProcess).
    """
    scores = 1 / (1 + np.exp(-np.clip(outputs[0][0], -60, 60)))
    return _scored(_in_pixels(outputs[1][0], width_px, height_px), scores, floor)


def ssd_tensors(outputs: Sequence[Tensor], floor: float, width_px: int, height_px: int) -> Candidates:
    """Boxes (1, n, 4) as y1 x1 y2 x2 in shares, classes (1, n), scores (1, n), number of boxes (1,).

    Source: TensorFlow `tensorflow/lite/kernels/detection_postprocess.cc`.
    """
    count = int(outputs[3].ravel()[0])
    boxes, classes, scores = outputs[0][0][:count], outputs[1][0][:count], outputs[2][0][:count]
    kept = scores >= floor
    places = boxes[:, [1, 0, 3, 2]] * np.array([width_px, height_px, width_px, height_px], np.float32)
    return best(places[kept], scores[kept], classes[kept].astype(np.int64))


def _rows(output: Tensor) -> Tensor:
    rows: Tensor = output[0]
    if rows.ndim != 2 or rows.shape[1] < 6:
        raise ValueError(f"expected (n, 5 + classes), got {rows.shape}")
    return rows


def _in_pixels(boxes: Tensor, width_px: int, height_px: int) -> Tensor:
    return np.asarray(boxes * np.array([width_px, height_px, width_px, height_px]), np.float32)


def _scored(places: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], floor: float) -> Candidates:
    """Candidates of (n, 4) centre and size and (n, classes) scores: each row's best class."""
    index = scores.argmax(axis=1)
    top = scores[np.arange(len(index)), index]
    kept = np.flatnonzero(top >= floor)
    half = places[kept, 2:] / 2
    boxes = np.concatenate([places[kept, :2] - half, places[kept, :2] + half], axis=1, dtype=np.float32)
    return best(boxes, top[kept].astype(np.float32), index[kept])
