"""Convolutions of an ONNX network in 8 bits, by ranges that were measured once and are stored beside the recipe.

Weights per output channel, symmetric, in 7 bits (AVX2 without VNNI saturates at 8); activations per tensor, unsigned;
QuantizeLinear and DequantizeLinear around each convolution, which runtimes fuse. Nothing is measured here, so that the
bytes are the same on every machine; `calibrate` measures.
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_WEIGHT_MAX = 63
_LEVELS = 255

Ranges = dict[str, tuple[float, float]]
"""Tensor name → smallest and largest value seen."""


def convolution_tensors(model: onnx.ModelProto) -> list[str]:
    """Names of the activations that go into and come out of convolutions, each once."""
    names = [name for node in model.graph.node if node.op_type == "Conv" for name in (node.input[0], node.output[0])]
    return list(dict.fromkeys(names))


def quantise(content: bytes, ranges: Ranges) -> bytes:
    """The network with its convolutions in 8 bits. Raises: KeyError for a tensor without a range."""
    model = onnx.load_from_string(content)
    graph = model.graph
    constants = {item.name: item for item in graph.initializer}
    scales = {name: _affine(*ranges[name]) for name in convolution_tensors(model)}
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []
    produced = {item.name for item in graph.input}
    renamed: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Conv":
            source, weight = node.input[0], node.input[1]
            if source not in renamed:  # not made by a convolution before
                nodes += _pair(source, f"{source}_q8", scales[source], added)
                renamed[source] = f"{source}_q8"
            inputs = [renamed[source], *_weights(node, constants, scales[source][0], nodes, added)]
            raw = f"{node.output[0]}_raw"
            convolution = onnx.NodeProto()
            convolution.CopyFrom(node)
            del convolution.input[:], convolution.output[:]
            convolution.input.extend(inputs)
            convolution.output.append(raw)
            nodes.append(convolution)
            # Its own name goes on after the pair, so that nothing behind has to be told.
            nodes += _pair(raw, node.output[0], scales[node.output[0]], added)
            renamed[node.output[0]] = node.output[0]
            assert weight in constants
        else:
            nodes.append(node)
        produced.update(node.output)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *added])
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _affine(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of an unsigned byte that holds 0 exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-6) / _LEVELS
    return np.float32(scale), np.uint8(round(-low / scale))


def _pair(
    source: str, target: str, affine: tuple[np.float32, np.uint8], added: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    scale, zero, code = f"{target}_scale", f"{target}_zero", f"{target}_code"
    added += [numpy_helper.from_array(np.array(affine[0]), scale), numpy_helper.from_array(np.array(affine[1]), zero)]
    return [helper.make_node("QuantizeLinear", [source, scale, zero], [code]),
            helper.make_node("DequantizeLinear", [code, scale, zero], [target])]  # fmt: skip


def _weights(
    node: onnx.NodeProto,
    constants: dict[str, onnx.TensorProto],
    source_scale: np.float32,
    nodes: list[onnx.NodeProto],
    added: list[onnx.TensorProto],
) -> list[str]:
    """Weights in 7 bits and the bias in 32, each behind its DequantizeLinear; their names."""
    stem = node.output[0]
    values: npt.NDArray[np.float32] = numpy_helper.to_array(constants[node.input[1]])
    peak = np.abs(values.reshape(len(values), -1)).max(axis=1)
    scale = (np.maximum(peak, 1e-8) / _WEIGHT_MAX).astype(np.float32)
    codes = np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
    names = [f"{stem}_w"]
    _constant(names[0], codes, scale, nodes, added)
    if len(node.input) > 2:
        bias: npt.NDArray[np.float32] = numpy_helper.to_array(constants[node.input[2]])
        both = (scale * source_scale).astype(np.float32)
        names.append(f"{stem}_b")
        _constant(names[1], np.rint(bias / both).astype(np.int32), both, nodes, added)
    return names


def _constant(
    name: str,
    codes: npt.NDArray[np.integer],
    scale: npt.NDArray[np.float32],
    nodes: list[onnx.NodeProto],
    added: list[onnx.TensorProto],
) -> None:
    zeros = np.zeros(len(scale), codes.dtype)
    parts = {f"{name}_code": codes, f"{name}_scale": scale, f"{name}_zero": zeros}
    added += [numpy_helper.from_array(value, key) for key, value in parts.items()]
    nodes.append(helper.make_node("DequantizeLinear", list(parts), [name], axis=0))
