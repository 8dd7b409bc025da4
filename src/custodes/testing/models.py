"""Conformance suite of `ports.model`, and manifests that are right, for tests that break one thing."""

from typing import Any

import numpy as np
import numpy.typing as npt

from custodes.ports.model import Detector, ModelSession
from custodes.types.model import (
    ColourOrder,
    ModelClass,
    ModelFile,
    ModelFormat,
    ModelInput,
    ModelManifest,
    ModelOutput,
    ModelSource,
    OutputKind,
    PictureFit,
    PixelLayout,
)
from custodes.types.vision import ModelTask, ObjectClass


def input_of(**changes: Any) -> ModelInput:
    """A free-size NHWC input of 64×64 pixels with stride 32, raw RGB; `changes` by field name."""
    fields: dict[str, Any] = {
        "name": "x", "width_px": 64, "height_px": 64, "is_size_free": True, "stride_px": 32,
        "layout": PixelLayout.NHWC, "colour": ColourOrder.RGB, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0),
        "fit": PictureFit.STRETCH,
    }  # fmt: skip
    return ModelInput(**fields | changes)


def manifest_of(**changes: Any) -> ModelManifest:
    """A valid manifest of an SSD-style person detector whose one file is `m.onnx`; `changes` by field name."""
    fields: dict[str, Any] = {
        "manifest_version": 1, "name": "made-up", "task": ModelTask.DETECT, "format": ModelFormat.ONNX,
        "files": (ModelFile(name="m.onnx", sha256="0" * 64),), "licence": "Apache-2.0", "is_commercial": True,
        "training_data": "none", "source": ModelSource(origin="test", path="m.onnx", sha256=""),
        "input": input_of(), "output": ModelOutput(kind=OutputKind.SSD, names=("y",), dimension=0),
        "classes": (ModelClass(index=1, object_class=ObjectClass.PERSON),), "floor": 0.1, "nms_iou": 0.5,
        "measured": "",
    }  # fmt: skip
    return ModelManifest(**fields | changes)


def constant_graph(outputs: dict[str, npt.NDArray[np.float32]]) -> bytes:
    """An ONNX file with an input `x` (n, h, w, 3) and outputs that do not depend on it: a network of known answers.

    Needs the package `onnx`, which only tests have.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
             helper.make_node("Mul", ["mean", "zero"], ["nothing"])]  # fmt: skip
    constants = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    results = []
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
        results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "h", "w", 3])
    graph = helper.make_graph(nodes, "constant", [source], results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def check_session(session: ModelSession, inputs: dict[str, npt.NDArray[np.generic]]) -> None:
    """Assert the contract of `ModelSession`: named outputs, the same twice, and results that stay the caller's."""
    first = session.run(inputs)
    assert first, "a network without outputs"
    kept = {name: np.array(value) for name, value in first.items()}
    second = session.run({name: np.zeros_like(value) for name, value in inputs.items()})
    assert set(second) == set(first)
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name], err_msg=f"output {name} was overwritten by the next run")
    again = session.run(inputs)
    for name, value in again.items():
        np.testing.assert_allclose(np.asarray(value, np.float64), kept[name], rtol=1e-4, atol=1e-5)
    assert len(session.ref.sha256) == 64


def check_detector(detector: Detector) -> None:
    """Assert the contract of `Detector` on pictures of odd sizes: count, shapes, dtypes, ranges, order kept."""
    rng = np.random.default_rng(11)
    sizes = [(16, 16), (240, 320), (97, 413), (576, 18)]
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    results = detector.detect(pictures)
    assert len(results) == len(pictures)
    assert detector.detect([]) == []
    known = {int(item) for item in ObjectClass}
    for found, (height, width) in zip(results, sizes, strict=True):
        n = len(found.scores)
        assert found.boxes_px.shape == (n, 4)
        assert found.boxes_px.dtype == np.float32
        assert found.scores.dtype == np.float32
        assert found.class_ids.dtype == np.int16
        assert found.class_ids.shape == (n,)
        assert set(found.class_ids.tolist()) <= known
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        assert (found.boxes_px[:, 2:] > found.boxes_px[:, :2]).all()
        assert (found.boxes_px >= 0).all()
        assert (found.boxes_px <= np.array([width, height, width, height])).all()
    parts = [pictures[1][:96, :64], pictures[1][:96, :96], pictures[1][:160, :96]]
    for found, part in zip(detector.detect_parts(parts), parts, strict=True):
        assert found.boxes_px.shape == (len(found.scores), 4)
        assert (found.boxes_px >= 0).all()
        assert (found.boxes_px <= np.array([part.shape[1], part.shape[0]] * 2)).all()
    alone = detector.detect([pictures[1]])[0]
    np.testing.assert_allclose(alone.boxes_px, results[1].boxes_px, rtol=1e-4, atol=1e-3)
