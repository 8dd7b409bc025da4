"""YOLO-, DETR-, SSD- and CenterNet-style networks as ONNX files, through the manifest, on both runtimes.

Each network answers with one person at (32, 16)–(96, 80) of its 128×96 input, score .8, and a doubtful car.
"""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from custodes.adapters.model import load_detector
from custodes.detect.manifest import MANIFEST_SUFFIX, write_manifest
from custodes.errors import ModelRefused
from custodes.testing.models import constant_graph, input_of, manifest_of
from custodes.types.model import ModelClass, ModelFile, ModelFormat, ModelOutput, OutputKind
from custodes.types.vision import ObjectClass

WIDTH, HEIGHT = 128, 96
PERSON, CAR = 0, 2
CENTRE, SIZE = np.array([64.0, 48.0]), np.array([64.0, 64.0])


def logit(p):
    return float(np.log(p / (1 - p)))


def yolo():
    columns = np.zeros((1, 4 + 3, 50))
    columns[0, :, 7] = [*CENTRE, *SIZE, 0.8, 0.1, 0.1]
    columns[0, :, 9] = [20, 20, 10, 10, 0.0, 0.0, 0.35]
    return {"y": columns}


def yolo_objectness():
    rows = np.zeros((1, 50, 5 + 3))
    rows[0, 7] = [*CENTRE, *SIZE, 0.9, 0.8 / 0.9, 0.1, 0.1]
    rows[0, 9] = [20, 20, 10, 10, 0.5, 0, 0, 0.7]
    return {"y": rows}


def yolox():
    cells = sum(WIDTH // s * (HEIGHT // s) for s in (8, 16, 32))
    rows = np.zeros((1, cells, 5 + 3))
    # Row 3, column 4 of stride 16, after all cells of stride 8: its corner is (64, 48).
    rows[0, 16 * 12 + 3 * 8 + 4] = [0, 0, *np.log(SIZE / 16), 0.9, 0.8 / 0.9, 0, 0]
    rows[0, 5] = [0.5, 0.5, 0, 0, 0.5, 0, 0, 0.7]
    return {"y": rows}


def yolo_rows():
    rows = np.zeros((1, 20, 6))
    rows[0, 3] = [32, 16, 96, 80, 0.8, PERSON]
    rows[0, 4] = [15, 15, 25, 25, 0.35, CAR]
    return {"y": rows}


def detr():
    logits = np.full((1, 10, 4), -9.0)
    logits[0, :, 3] = 9.0
    logits[0, 2] = np.log([0.8, 0.05, 0.05, 0.1])
    logits[0, 3] = np.log([0.05, 0.05, 0.35, 0.55])
    boxes = np.full((1, 10, 4), 0.1)
    boxes[0, 2] = [*CENTRE / [WIDTH, HEIGHT], *SIZE / [WIDTH, HEIGHT]]
    return {"logits": logits, "boxes": boxes}


def detr_sigmoid():
    outputs = detr()
    logits = np.full((1, 10, 3), -9.0)
    logits[0, 2, PERSON], logits[0, 3, CAR] = logit(0.8), logit(0.35)
    return outputs | {"logits": logits}


def ssd_tensors():
    boxes = np.array([[[16 / 96, 32 / 128, 80 / 96, 96 / 128], [0.1, 0.1, 0.2, 0.2], [0, 0, 1, 1]]])
    classes, scores = np.array([[PERSON, CAR, PERSON]]), np.array([[0.8, 0.35, 0.99]])
    return {"boxes": boxes, "classes": classes, "scores": scores, "count": np.array([2.0])}


def points():
    heat, size, offset = np.zeros((1, 3, 24, 32)), np.zeros((1, 2, 24, 32)), np.zeros((1, 2, 24, 32))
    heat[0, PERSON, 11, 15], heat[0, PERSON, 11, 16] = 0.8, 0.7  # the neighbour is no peak
    heat[0, CAR, 2, 2] = 0.35
    size[:] = 16
    offset[0, :, 11, 15] = [1.0, 1.0]
    return {"heat": heat, "size": size, "offset": offset}


FAMILIES = {
    OutputKind.YOLO: yolo,
    OutputKind.YOLO_OBJECTNESS: yolo_objectness,
    OutputKind.YOLOX: yolox,
    OutputKind.YOLO_ROWS: yolo_rows,
    OutputKind.DETR: detr,
    OutputKind.DETR_SIGMOID: detr_sigmoid,
    OutputKind.SSD_TENSORS: ssd_tensors,
    OutputKind.POINTS: points,
}
RUNTIMES = [ModelFormat.ONNX]
if importlib.util.find_spec("openvino") is not None:  # an optional dependency
    RUNTIMES.append(ModelFormat.OPENVINO)


def write_model(folder: Path, kind: OutputKind, outputs) -> None:
    graph = constant_graph({name: np.asarray(value, np.float32) for name, value in outputs.items()})
    (folder / "m.onnx").write_bytes(graph)
    manifest = manifest_of(
        files=(ModelFile(name="m.onnx", sha256=hashlib.sha256(graph).hexdigest()),),
        input=input_of(width_px=WIDTH, height_px=HEIGHT, is_size_free=False),
        output=ModelOutput(kind=kind, names=tuple(outputs), dimension=0),
        classes=(ModelClass(index=PERSON, object_class=ObjectClass.PERSON),
                 ModelClass(index=CAR, object_class=ObjectClass.CAR)),
        floor=0.3,
    )  # fmt: skip
    (folder / f"made-up{MANIFEST_SUFFIX}").write_bytes(write_manifest(manifest))


@pytest.mark.parametrize("runtime", RUNTIMES, ids=str)
@pytest.mark.parametrize("kind", FAMILIES, ids=str)
def test_a_family_when_its_network_answers_then_the_person_and_the_car_come_out(kind, runtime, tmp_path) -> None:
    write_model(tmp_path, kind, FAMILIES[kind]())
    detector = load_detector(models_dir=tmp_path, name="made-up", threads=1, runtime=runtime)
    (found,) = detector.detect([np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)])
    assert found.class_ids.tolist() == [ObjectClass.PERSON, ObjectClass.CAR]
    np.testing.assert_allclose(found.scores, [0.8, 0.35], atol=1e-5)
    np.testing.assert_allclose(found.boxes_px[0], [64, 32, 192, 160], atol=1e-3)


def test_parts_when_the_input_is_of_one_size_then_they_share_it_and_each_gets_its_own(tmp_path) -> None:
    write_model(tmp_path, OutputKind.YOLO_ROWS, yolo_rows())
    detector = load_detector(models_dir=tmp_path, name="made-up", threads=1)
    parts = [np.zeros((HEIGHT, 64, 3), np.uint8), np.zeros((HEIGHT, 64, 3), np.uint8)]
    left, right = detector.detect_parts(parts)
    # The person's middle is in the right half; what lies in the left part is cut off.
    assert left.class_ids.tolist() == [ObjectClass.CAR]
    assert right.class_ids.tolist() == [ObjectClass.PERSON]
    assert right.boxes_px.tolist() == [[0, 16, 32, 80]]


@pytest.mark.parametrize("kind", FAMILIES, ids=str)
def test_a_family_when_the_manifest_lists_another_number_of_outputs_then_refused(kind, tmp_path) -> None:
    outputs = FAMILIES[kind]()
    write_model(tmp_path, kind, outputs | {"more": np.zeros((1, 2))})
    with pytest.raises(ModelRefused, match=f"do not fit {kind.value}"):
        load_detector(models_dir=tmp_path, name="made-up", threads=1)
