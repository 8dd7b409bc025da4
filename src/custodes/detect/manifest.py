"""Reading model manifests, which may come from anybody: bounded, typed, checked. Digests of files too.

What a manifest's model may be *used for* is decided here (task allow-list, licence); loading it is
`adapters.model`.
"""

import hashlib
import itertools
import math
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from custodes.detect.decode import DETECTING
from custodes.errors import ModelRefused
from custodes.types.model import ModelFormat, ModelInput, ModelManifest, OutputKind
from custodes.types.vision import ModelTask, ObjectClass

MANIFEST_VERSION = 1
MANIFEST_SUFFIX = ".manifest.json"

MAX_MANIFEST_BYTES = 64 * 1024
MAX_FILE_BYTES = 2 * 1024**3
"""A protobuf holds no more; a larger file is not an ONNX model."""

_SIDE_MAX_PX = 4096
_STRIDE_MAX_PX = 128
_CLASSES_MAX = 1000
_OUTPUTS_MAX = 16
_KNOTS_MAX = 64

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

_OUTPUTS = {OutputKind.CENTERNET: 2, OutputKind.FASTESTDET: 1, OutputKind.SSD: 1, OutputKind.CENTERFACE: 4,
            OutputKind.YUNET: 9, OutputKind.ULTRAFACE: 2, OutputKind.SSD_TENSORS: 4, OutputKind.YOLO: 1,
            OutputKind.YOLO_OBJECTNESS: 1, OutputKind.YOLOX: 1, OutputKind.YOLO_ROWS: 1, OutputKind.DETR: 2,
            OutputKind.DETR_SIGMOID: 2, OutputKind.POINTS: 3}  # fmt: skip
_KINDS_OF_TASK = {ModelTask.DETECT: DETECTING, ModelTask.FACE_DETECT: DETECTING | {OutputKind.LANDMARKS}}
_VECTORS = frozenset({OutputKind.VECTOR})

_DECODER = msgspec.json.Decoder(ModelManifest)


def read_manifest(content: bytes, *, origin: str) -> ModelManifest:
    """Decode and check a manifest.

    Args: `content`: JSON, at most 64 KiB. `origin`: what to call it in messages.
    Raises: ModelRefused with one sentence; never another exception, whatever the bytes are.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise ModelRefused(f"manifest {origin} has {len(content)} bytes; at most {MAX_MANIFEST_BYTES} are read")
    try:
        manifest = _DECODER.decode(content)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ModelRefused(f"manifest {origin} cannot be read: {_explain(error)}") from error
    problem = next(iter(_problems(manifest)), None)
    if problem is not None:
        raise ModelRefused(f"manifest {origin}: {problem}")
    return manifest


def _explain(error: Exception) -> str:
    text = str(error)
    if "$.task" in text:
        allowed = ", ".join(task.value for task in ModelTask)
        return f"its task is outside the allow-list ({allowed}); custodes does nothing else with pictures of people"
    return text


def _problems(manifest: ModelManifest) -> Iterable[str]:
    """Everything wrong with a decoded manifest, the gravest first."""
    if manifest.manifest_version != MANIFEST_VERSION:
        yield f"version {manifest.manifest_version} is not known, expected {MANIFEST_VERSION}"
    if not _NAME.match(manifest.name):
        yield f"name {manifest.name[:80]!r} is not of the form {_NAME.pattern}"
    yield from _file_problems(manifest)
    if not manifest.licence.strip():
        yield "no licence is stated"
    if not manifest.training_data.strip():
        yield "no provenance of the training data is stated"
    yield from _input_problems(manifest.input)
    yield from _output_problems(manifest)
    for name, value in (("floor", manifest.floor), ("nms_iou", manifest.nms_iou)):
        if not 0 <= value <= 1:
            yield f"{name} is {value}, expected 0 to 1"


def _file_problems(manifest: ModelManifest) -> Iterable[str]:
    expected = 2 if manifest.format is ModelFormat.OPENVINO else 1
    if len(manifest.files) != expected:
        yield f"lists {len(manifest.files)} files, {manifest.format.value} has {expected}"
    for file in manifest.files:
        if not _FILE.match(file.name):
            yield f"file name {file.name[:80]!r} is not a plain file name"
        if not _SHA256.match(file.sha256):
            yield f"sha256 of {file.name[:80]!r} is not 64 lower-case hex digits"


def _input_problems(spec: ModelInput) -> Iterable[str]:
    if not (1 <= spec.width_px <= _SIDE_MAX_PX and 1 <= spec.height_px <= _SIDE_MAX_PX):
        yield f"input of {spec.width_px}×{spec.height_px}, expected 1 to {_SIDE_MAX_PX} pixels a side"
    if not 1 <= spec.stride_px <= _STRIDE_MAX_PX:
        yield f"stride of {spec.stride_px} pixels, expected 1 to {_STRIDE_MAX_PX}"
    elif spec.is_size_free and (spec.width_px % spec.stride_px or spec.height_px % spec.stride_px):
        yield f"input of {spec.width_px}×{spec.height_px} is not a multiple of its stride {spec.stride_px}"
    if not all(math.isfinite(value) for value in spec.mean):
        yield f"mean {spec.mean} is not finite"
    if not all(math.isfinite(value) and abs(value) >= 1e-6 for value in spec.std):
        yield f"std {spec.std} holds zero or is not finite"


def _output_problems(manifest: ModelManifest) -> Iterable[str]:
    kind, names = manifest.output.kind, manifest.output.names
    if not 1 <= len(names) <= _OUTPUTS_MAX:
        yield f"{len(names)} outputs, expected 1 to {_OUTPUTS_MAX}"
    elif len(names) != _OUTPUTS.get(kind, len(names)) or (kind is OutputKind.NANODET and len(names) % 2):
        yield f"{len(names)} outputs do not fit {kind.value}"
    if kind not in _KINDS_OF_TASK.get(manifest.task, _VECTORS):
        yield f"task {manifest.task.value} cannot be read from a {kind.value}"
    if kind not in DETECTING and not 1 <= manifest.output.dimension <= 65536:
        yield f"dimension {manifest.output.dimension}, expected 1 to 65536"
    if kind in DETECTING and not 1 <= len(manifest.classes) <= _CLASSES_MAX:
        yield f"{len(manifest.classes)} classes, expected 1 to {_CLASSES_MAX}"
    if any(not 0 <= item.index < _CLASSES_MAX for item in manifest.classes):
        yield f"a class index is outside 0 to {_CLASSES_MAX - 1}"
    if any(not _is_rising(item.calibration) for item in manifest.classes):
        yield "a calibration does not rise strictly from above 0,0 to below 1,1"
    if len({item.index for item in manifest.classes}) != len(manifest.classes):
        yield "a class index is given twice"
    faces = {item.object_class is ObjectClass.FACE for item in manifest.classes}
    if manifest.task is ModelTask.FACE_DETECT and faces not in ({True}, set()):
        yield "a face detector has the class face and no other"
    if manifest.task is ModelTask.DETECT and faces != {False}:
        yield "a detector of objects has no class face"


def _is_rising(knots: tuple[tuple[float, float], ...]) -> bool:
    pairs = [(0.0, 0.0), *knots, (1.0, 1.0)]
    return len(knots) <= _KNOTS_MAX and all(
        before[0] < after[0] and before[1] < after[1] for before, after in itertools.pairwise(pairs)
    )


def write_manifest(manifest: ModelManifest) -> bytes:
    """The JSON of a manifest, for people to read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def file_sha256(path: Path) -> str:
    """Hex digest of a model file. Raises: ModelRefused if it cannot be read or is absurdly large."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelRefused(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelRefused(f"{path} cannot be read: {error.strerror}") from error


def model_digest(manifest: ModelManifest) -> str:
    """The sha256 that stands for the whole model: of the one file, or over the files' digests in their order."""
    if len(manifest.files) == 1:
        return manifest.files[0].sha256
    joined = "\n".join(file.sha256 for file in manifest.files)
    return hashlib.sha256(joined.encode()).hexdigest()


def read_files(manifest: ModelManifest, folder: Path) -> list[bytes]:
    """Contents of the model's files, in their order, checked: what is loaded is what was hashed.

    Raises: ModelRefused naming the first file that is missing or differs from its digest.
    """
    contents: list[bytes] = []
    for file in manifest.files:
        path = folder / file.name
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ModelRefused(f"{path} is larger than {MAX_FILE_BYTES} bytes")
            content = path.read_bytes()
        except OSError as error:
            raise ModelRefused(f"{path} cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != file.sha256:
            raise ModelRefused(
                f"{path}: sha256 is {digest[:16]}…, its manifest says {file.sha256[:16]}…; "
                "the file was changed or the manifest belongs to another"
            )
        contents.append(content)
    return contents


def check_licence(manifest: ModelManifest, acknowledged: frozenset[str]) -> None:
    """Non-commercial weights need a recorded acknowledgement by name. Raises: ModelRefused."""
    if not manifest.is_commercial and manifest.name not in acknowledged:
        raise ModelRefused(
            f"model {manifest.name} may not be used commercially ({manifest.licence}); if your use is allowed, add "
            f"its name to CUSTODES_ACKNOWLEDGE_NONCOMMERCIAL"
        )
