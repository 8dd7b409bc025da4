"""The converted weights give what TF.js gives (golden/reference.mjs made the numbers), and each operator is right."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from custodes_models import weights_folder

GOLDEN = json.loads((Path(__file__).parent / "golden" / "golden.json").read_text())
BUILD_TOOLS = Path(__file__).parents[2] / "packages" / "custodes-models" / "build_tools"


def made_up_picture(height: int, width: int) -> np.ndarray:
    """The same integers as `pixel` in golden/reference.mjs."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * y) // (23 + 5 * c) + 3 * x + 2 * y + 40 * c) % 256


def network_input(name: str) -> np.ndarray:
    if name in ("centernet-mobilenetv3", "mobileface"):
        side = 512 if name == "centernet-mobilenetv3" else 112
        return made_up_picture(side, side).astype(np.float32)[None]
    return (made_up_picture(416, 416).astype(np.float32) / 64 - 2).transpose(2, 0, 1)[None]


@pytest.fixture(scope="module", params=sorted(GOLDEN))
def model_outputs(request: pytest.FixtureRequest) -> tuple[str, dict[str, np.ndarray]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(str(weights_folder() / f"{request.param}.onnx"), options)
    names = list(GOLDEN[request.param])
    values = session.run(names, {session.get_inputs()[0].name: np.ascontiguousarray(network_input(request.param))})
    return request.param, dict(zip(names, values, strict=True))


def test_converted_model_when_run_then_outputs_are_those_of_tfjs(
    model_outputs: tuple[str, dict[str, np.ndarray]],
) -> None:
    name, outputs = model_outputs
    for key, wanted in GOLDEN[name].items():
        flat = outputs[key].reshape(-1)
        assert list(outputs[key].shape) == wanted["shape"]
        # A hundred layers of float32 in another order of summing; the largest difference seen is 2e-5 of the range.
        atol = 2e-4 * max(abs(wanted["max"]), wanted["rms"])
        np.testing.assert_allclose(flat[:: wanted["step"]][:64], wanted["samples"], rtol=1e-3, atol=atol, err_msg=key)
        assert np.sqrt(np.mean(np.square(flat, dtype=np.float64))) == pytest.approx(wanted["rms"], rel=1e-3)
        assert flat.max() == pytest.approx(wanted["max"], rel=1e-3, abs=atol)


# -- the converter on graphs of a few nodes ------------------------------------------------------------


@pytest.fixture(scope="module")
def tfjs():
    pytest.importorskip("onnx", reason="onnx is a build requirement of custodes-models, not of custodes")
    sys.path.insert(0, str(BUILD_TOOLS))
    try:
        import tfjs

        return tfjs
    finally:
        sys.path.remove(str(BUILD_TOOLS))


def write_graph(folder: Path, nodes: list[dict], arrays: dict[str, np.ndarray], shape: list[int]) -> Path:
    source = {"name": "x", "op": "Placeholder",
              "attr": {"shape": {"shape": {"dim": [{"size": str(size)} for size in shape]}}}}  # fmt: skip
    constants = [{"name": name, "op": "Const", "attr": {}} for name in arrays]
    weights = [{"name": name, "shape": list(array.shape), "dtype": array.dtype.name} for name, array in arrays.items()]
    (folder / "shard.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    path = folder / "model.json"
    path.write_text(json.dumps({
        "modelTopology": {"node": [source, *constants, *nodes]},
        "weightsManifest": [{"paths": ["shard.bin"], "weights": weights}],
    }))  # fmt: skip
    return path


def ints(*values: int) -> dict:
    return {"list": {"i": [str(value) for value in values]}}


def conv_node(op: str, stride: int, padding: str, inputs: list[str], fused: list[str] | None = None) -> dict:
    attr = {"strides": ints(1, stride, stride, 1), "dilations": ints(1, 1, 1, 1), "padding": {"s": padding},
            "data_format": {"s": "TkhXQw=="}}  # fmt: skip
    if fused:
        attr["fused_ops"] = {"list": {"s": fused}}
    return {"name": "y", "op": op, "input": inputs, "attr": attr}


SAME, VALID = "U0FNRQ==", "VkFMSUQ="
BIAS, RELU = "Qmlhc0FkZA==", "UmVsdQ=="


def run(content: bytes, value: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(content)
    return session.run(None, {"x": value})[0]


def naive_conv(x: np.ndarray, kernel: np.ndarray, stride: int, is_same: bool) -> np.ndarray:
    """TensorFlow's definition, in loops: SAME puts the odd padding pixel at the end."""
    height, width = x.shape[1:3]
    size = kernel.shape[0]
    out_h, out_w = (-(-height // stride), -(-width // stride)) if is_same else \
        ((height - size) // stride + 1, (width - size) // stride + 1)  # fmt: skip
    if is_same:
        pads = [max((out - 1) * stride + size - length, 0) for out, length in ((out_h, height), (out_w, width))]
        x = np.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))
    result = np.zeros((1, out_h, out_w, kernel.shape[3]), np.float32)
    for row in range(out_h):
        for column in range(out_w):
            patch = x[0, row * stride : row * stride + size, column * stride : column * stride + size]
            result[0, row, column] = np.tensordot(patch, kernel, 3)
    return result


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [SAME, VALID], ids=["same", "valid"])
def test_conv2d_when_converted_then_it_is_tensorflows(tfjs, tmp_path: Path, stride: int, padding: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, 8, 7, 2)).astype(np.float32)
    kernel, bias = rng.normal(size=(3, 3, 2, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    path = write_graph(tmp_path, [conv_node("_FusedConv2D", stride, padding, ["x", "k", "b"], [BIAS, RELU])],
                       {"k": kernel, "b": bias}, [1, 8, 7, 2])  # fmt: skip
    wanted = np.maximum(naive_conv(x, kernel, stride, padding == SAME) + bias, 0)
    np.testing.assert_allclose(run(tfjs.convert(path, outputs=["y"]), x), wanted, rtol=1e-4, atol=1e-5)


def test_depthwise_when_multiplier_is_two_then_channels_stay_apart(tfjs, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1, 6, 6, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 2)).astype(np.float32)
    path = write_graph(tmp_path, [conv_node("DepthwiseConv2dNative", 2, SAME, ["x", "k"])], {"k": kernel},
                       [1, 6, 6, 3])  # fmt: skip
    parts = [naive_conv(x[..., c : c + 1], kernel[:, :, c : c + 1], 2, True) for c in range(3)]
    np.testing.assert_allclose(
        run(tfjs.convert(path, outputs=["y"]), x), np.concatenate(parts, 3), rtol=1e-4, atol=1e-5
    )


def test_resize_when_size_is_free_then_the_ratio_is_kept(tfjs, tmp_path: Path) -> None:
    node = {"name": "y", "op": "ResizeBilinear", "input": ["x", "s"],
            "attr": {"align_corners": {"b": False}, "half_pixel_centers": {"b": False}}}  # fmt: skip
    path = write_graph(tmp_path, [node], {"s": np.array([8, 8], np.int32)}, [1, 4, 4, 1])
    value = np.arange(12, dtype=np.float32).reshape(1, 2, 6, 1)
    result = run(tfjs.convert(path, outputs=["y"], is_size_free=True), value)
    assert result.shape == (1, 4, 12, 1)
    # TensorFlow's legacy rule: output pixel i reads input i / 2.
    np.testing.assert_allclose(result[0, 0, :, 0], [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5])


@pytest.mark.parametrize(
    ("stored", "quantisation", "wanted"),
    [
        (np.array([0, 255], np.uint8), {"dtype": "uint8", "scale": 0.5, "min": -1.0}, [-1.0, 126.5]),
        (np.array([0, 1000], np.uint16), {"dtype": "uint16", "scale": 0.25, "min": 2.0}, [2.0, 252.0]),
        (np.array([1.5, -2.0], np.float16), {"dtype": "float16"}, [1.5, -2.0]),
    ],
    ids=["uint8", "uint16", "float16"],
)
def test_quantised_weights_when_converted_then_they_are_decoded(
    tfjs, tmp_path: Path, stored: np.ndarray, quantisation: dict, wanted: list[float]
) -> None:
    path = write_graph(tmp_path, [{"name": "y", "op": "AddV2", "input": ["x", "k"], "attr": {}}],
                       {"k": np.zeros(2, np.float32)}, [1, 2])  # fmt: skip
    model = json.loads(path.read_text())
    model["weightsManifest"][0]["weights"][0]["quantization"] = quantisation
    path.write_text(json.dumps(model))
    (tmp_path / "shard.bin").write_bytes(stored.tobytes())
    result = run(tfjs.convert(path, outputs=["y"]), np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(result[0], wanted)


@pytest.mark.parametrize(
    ("nodes", "shard"),
    [
        ([{"name": "y", "op": "Erf", "input": ["x"], "attr": {}}], None),
        ([{"name": "y", "op": "AddV2", "input": ["x", "k"], "attr": {}}], b"\0" * 12),
    ],
    ids=["unknown operator", "weights left over"],
)
def test_graph_when_not_understood_then_the_build_stops(
    tfjs, tmp_path: Path, nodes: list, shard: bytes | None
) -> None:
    path = write_graph(tmp_path, nodes, {"k": np.zeros(2, np.float32)}, [1, 2])
    if shard:
        (tmp_path / "shard.bin").write_bytes(shard)
    with pytest.raises(tfjs.NotConvertible):
        tfjs.convert(path, outputs=["y"])
