"""Values that describe a model file: what it is for, where it comes from, how to feed it, how to read it."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.vision import ModelTask, ObjectClass


class ModelFormat(StrEnum):
    """Which runtime reads the file."""

    ONNX = "onnx"
    OPENVINO = "openvino"


class PixelLayout(StrEnum):
    """Order of the input tensor's dimensions."""

    NHWC = "nhwc"
    NCHW = "nchw"


class ColourOrder(StrEnum):
    """Order of the input's channels."""

    RGB = "rgb"
    BGR = "bgr"


class PictureFit(StrEnum):
    """How a picture of another shape gets into the input."""

    LETTERBOX = "letterbox"
    """Scaled with its aspect ratio, padded to the right and below."""
    STRETCH = "stretch"


class OutputKind(StrEnum):
    """How the outputs are read; each value has one decoder."""

    CENTERNET = "centernet"
    """Class heat maps and left, top, right, bottom distances in input pixels, both NHWC, peaks by 3×3 maximum."""
    NANODET = "nanodet"
    """Class scores of all levels, then box distributions of all levels, NCHW (generalised focal loss)."""
    FASTESTDET = "fastestdet"
    """One NCHW map: objectness, 4 box numbers, class scores."""
    SSD = "ssd"
    """Rows of image, label, score, x1 y1 x2 y2 in shares of the input."""
    SSD_TENSORS = "ssd-tensors"
    """Boxes (n, 4) as y1 x1 y2 x2 in shares, class numbers (n), scores (n), how many count (1): TensorFlow's
    post-processing."""
    YOLO = "yolo"
    """One tensor (4 + classes, n): centre, width and height in input pixels, class scores (v8, v9, v11)."""
    YOLO_OBJECTNESS = "yolo-objectness"
    """One tensor (n, 5 + classes): the same with an objectness that multiplies the class scores (v5, v7)."""
    YOLOX = "yolox"
    """The same, centres and logarithms of sizes relative to the cells of strides 8, 16, 32."""
    YOLO_ROWS = "yolo-rows"
    """Rows of x1 y1 x2 y2 in input pixels, score, class: networks without suppression (v10, end to end)."""
    DETR = "detr"
    """Logits (queries, classes + 1), the last for nothing, and centre, width, height in shares."""
    DETR_SIGMOID = "detr-sigmoid"
    """The same without a class for nothing (Deformable DETR, RT-DETR)."""
    POINTS = "points"
    """Objects as points, NCHW: class heat maps after the sigmoid, width and height in cells, offset in cells."""
    CENTERFACE = "centerface"
    """Heat map, log size, offset, five landmarks, NCHW with stride 4."""
    YUNET = "yunet"
    """Class, object, box and landmark tensors for strides 8, 16, 32."""
    ULTRAFACE = "ultraface"
    """Scores (n, 2) and boxes (n, 4) in shares of the input."""
    LANDMARKS = "landmarks"
    """`dimension` numbers: x and y of each point in shares of the input."""
    VECTOR = "vector"
    """One row of `dimension` numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model, beside its manifest."""

    name: str
    """A plain file name; no folder."""
    sha256: str
    """64 lower-case hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where the weights come from."""

    origin: str
    """Package and version, or repository and commit."""
    path: str
    """Path inside the origin."""
    sha256: str
    """Of the file as it was taken from there, before conversion; empty where it was several files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """The one picture input. A value fed is (pixel − mean) / std, per channel in the order of `colour`."""

    name: str
    width_px: int
    height_px: int
    is_size_free: bool
    """Any size that is a multiple of `stride_px`; width × height is then the budget of pixels."""
    stride_px: int
    layout: PixelLayout
    colour: ColourOrder
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: PictureFit


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutput:
    """The outputs, in the order that the decoder of `kind` expects."""

    kind: OutputKind
    names: tuple[str, ...]
    dimension: int
    """Length of the vector; 0 for detectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelClass:
    """One class of the network that custodes uses; others are ignored."""

    index: int
    object_class: ObjectClass
    calibration: tuple[tuple[float, float], ...] = ()
    """Knots of (the network's score, reported score), both rising; straight lines between, through 0,0 and 1,1.

    On the reported scale 0.5 is where a detection is as often right as wrong, 0.65 where about four of five are
    right, and 0.1 where hardly any is but no further person is found below. Detectors so become exchangeable for
    the tracker. Empty: as the network says.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelManifest:
    """What must be known of a model before it is loaded. Validated by `detect.manifest.read_manifest`."""

    manifest_version: int
    name: str
    """`[a-z0-9][a-z0-9.-]{0,62}`; unique within a catalogue."""
    task: ModelTask
    format: ModelFormat
    files: tuple[ModelFile, ...]
    """The graph first; for OpenVINO IR its weights second."""
    licence: str
    """SPDX expression, or a sentence where there is none."""
    is_commercial: bool
    """False when the licence (or that of the training data, where it binds the weights) forbids commercial use."""
    training_data: str
    source: ModelSource
    input: ModelInput
    output: ModelOutput
    classes: tuple[ModelClass, ...]
    floor: float
    """Detections with a lower reported score are dropped. 0 to 1."""
    nms_iou: float
    """Boxes of one class that overlap a better one by more are dropped; 1 switches it off."""
    measured: str
    """What was measured with it, on what, by which command; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A model that can be loaded, or why it cannot."""

    manifest: ModelManifest
    folder: str
    is_packaged: bool
