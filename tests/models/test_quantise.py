"""Convolutions in 8 bits: nearly the same answers, the same bytes, from stored ranges."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2] / "packages" / "custodes-models"


@pytest.fixture(scope="module")
def quantise():
    sys.path.insert(0, str(ROOT / "build_tools"))
    try:
        import quantise as module
    finally:
        sys.path.pop(0)
    return module


def two_convolutions() -> bytes:
    """x → conv with bias → leaky relu → depthwise conv → y, and x added to nothing else."""
    rng = np.random.default_rng(2)
    constants = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "b1": rng.normal(0, 0.1, 8),
        "w2": rng.normal(0, 0.3, (8, 1, 3, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["a"], ["c"], alpha=0.1),
        helper.make_node("Conv", ["c", "w2"], ["y"], group=8, pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 16, 16])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model.SerializeToString()


def run(content: bytes, picture: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(["y"], {"x": picture})[0]


def test_a_network_when_quantised_then_it_answers_nearly_the_same_and_always_the_same_bytes(quantise) -> None:
    content = two_convolutions()
    picture = np.random.default_rng(3).uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32)
    ranges = {"x": (-1.0, 1.0), "a": (-4.0, 4.0), "c": (-0.4, 4.0), "y": (-5.0, 5.0)}
    small = quantise.quantise(content, ranges)
    assert small == quantise.quantise(content, ranges)
    before, after = run(content, picture), run(small, picture)
    assert np.abs(after - before).max() < 0.03 * np.abs(before).max()
    assert not np.array_equal(before, after)


def test_a_tensor_when_it_has_no_range_then_refused(quantise) -> None:
    with pytest.raises(KeyError):
        quantise.quantise(two_convolutions(), {"x": (-1.0, 1.0)})


def test_the_shipped_ranges_when_read_then_each_holds_more_than_a_point() -> None:
    for path in (ROOT / "recipes" / "ranges").glob("*.json"):
        ranges = json.loads(path.read_text())
        assert len(ranges) > 10
        assert all(low < high for low, high in ranges.values())
