"""Turns a TF.js graph model (model.json with weight shards) into ONNX. Inference graphs of NHWC vision nets only.

Not here: where the files come from (`fetch`) and which models are made (`recipes`). An operator that is not in the
table stops the build with its name; nothing is guessed.

Sources: TF.js `tfjs-core/src/io/io_utils.ts` (weight decoding), TensorFlow's op definitions, ONNX opset 18.
"""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9
"""Fixed, so that the same input gives the same bytes with any later onnx package."""

MAX_MODEL_JSON_BYTES = 16 * 1024 * 1024

Array = npt.NDArray[Any]
Node = dict[str, Any]

_DTYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}
_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


class NotConvertible(Exception):
    """The graph holds something that the converter does not know."""


def _weights(manifest: list[dict[str, Any]], folder: Path) -> dict[str, Array]:
    """Decode all weight groups, with float16, uint8 and uint16 quantisation."""
    arrays: dict[str, Array] = {}
    for group in manifest:
        raw = b"".join((folder / Path(name).name).read_bytes() for name in group["paths"])
        offset = 0
        for spec in group["weights"]:
            quantisation = spec.get("quantization")
            stored = np.dtype(quantisation["dtype"] if quantisation else _DTYPES[spec["dtype"]])
            count = int(np.prod(spec["shape"], dtype=np.int64))
            flat = np.frombuffer(raw, dtype=stored.newbyteorder("<"), count=count, offset=offset)
            offset += count * stored.itemsize
            if quantisation and stored.kind == "u":
                flat = flat.astype(np.float32) * np.float32(quantisation["scale"]) + np.float32(quantisation["min"])
            arrays[spec["name"]] = flat.astype(_DTYPES[spec["dtype"]]).reshape(spec["shape"])
        if offset != len(raw):
            raise NotConvertible(f"weight group of {len(raw)} bytes, {offset} of them described")
    return arrays


def _text(attribute: dict[str, Any]) -> str:
    return base64.b64decode(attribute["s"]).decode()


def _ints(attribute: dict[str, Any]) -> list[int]:
    return [int(value) for value in attribute["list"]["i"]]


class _Graph:
    """ONNX nodes under construction, and the constants known so far."""

    def __init__(self, constants: dict[str, Array]) -> None:
        self.constants = constants
        self.nodes: list[onnx.NodeProto] = []
        self._fresh = 0

    def add(self, op: str, inputs: Sequence[str], output: str | None = None, outputs: int = 1, **attrs: Any) -> str:
        """Append one node; a missing output name is made up. Several outputs are `name`, `name:1`, …"""
        if output is None:
            self._fresh += 1
            output = f"custodes/{op}_{self._fresh}"
        names = [output] + [f"{output}:{n}" for n in range(1, outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attrs))
        return output

    def constant(self, value: Array) -> str:
        """Name a constant of ours."""
        self._fresh += 1
        name = f"custodes/const_{self._fresh}"
        self.constants[name] = value
        return name

    def value(self, name: str) -> Array:
        """The constant behind an input that must be constant."""
        if name not in self.constants:
            raise NotConvertible(f"{name} must be a constant")
        return self.constants[name]

    def in_nchw(self, op: str, inputs: Sequence[str], output: str, **attrs: Any) -> None:
        """An op that ONNX defines on NCHW, between two transposes; runtimes cancel neighbouring pairs."""
        first = self.add("Transpose", [inputs[0]], perm=_TO_NCHW)
        result = self.add(op, [first, *inputs[1:]], **attrs)
        self.add("Transpose", [result], output, perm=_TO_NHWC)


def _window(node: Node) -> dict[str, Any]:
    attr = node["attr"]
    if "data_format" in attr and _text(attr["data_format"]) != "NHWC":
        raise NotConvertible(f"{node['name']}: only NHWC is known")
    return {
        "strides": _ints(attr["strides"])[1:3],
        "auto_pad": {"SAME": "SAME_UPPER", "VALID": "VALID"}[_text(attr["padding"])],
    }


def _conv(graph: _Graph, node: Node, inputs: list[str]) -> None:
    kernel = graph.value(inputs[1])
    if "Depthwise" in node["op"]:
        height, width, channels, multiplier = kernel.shape
        kernel, group = kernel.reshape(height, width, 1, channels * multiplier), channels
    else:
        group = 1
    weights = graph.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    fused = [
        base64.b64decode(name).decode() for name in node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
    ]
    dilations = _ints(node["attr"]["dilations"])[1:3]
    operands = [inputs[0], weights] + ([inputs[2]] if "BiasAdd" in fused else [])
    activations = [name for name in fused if name != "BiasAdd"]
    first = graph.add("Transpose", [operands[0]], perm=_TO_NCHW)
    result = graph.add("Conv", [first, *operands[1:]], group=group, dilations=dilations, **_window(node))
    for name in activations:
        if name == "Relu":
            result = graph.add("Relu", [result])
        elif name == "Relu6":
            result = _clip6(graph, result, None)
        else:
            raise NotConvertible(f"{node['name']}: fused {name}")
    graph.add("Transpose", [result], node["name"], perm=_TO_NHWC)


def _clip6(graph: _Graph, source: str, output: str | None) -> str:
    low, high = graph.constant(np.float32(0)), graph.constant(np.float32(6))
    return graph.add("Clip", [source, low, high], output)


def _max_pool(graph: _Graph, node: Node, inputs: list[str]) -> None:
    graph.in_nchw("MaxPool", inputs, node["name"], kernel_shape=_ints(node["attr"]["ksize"])[1:3], **_window(node))


def _resize(graph: _Graph, node: Node, inputs: list[str]) -> None:
    def is_set(name: str) -> bool:
        return bool(node["attr"].get(name, {}).get("b", False))

    mode = (
        "align_corners" if is_set("align_corners") else "half_pixel" if is_set("half_pixel_centers") else "asymmetric"
    )
    height, width = graph.value(inputs[1]).tolist()
    sizes = graph.constant(np.array([height, width], np.int64))
    graph.in_nchw(
        "Resize",
        [inputs[0], "", "", sizes],
        node["name"],
        axes=[2, 3],
        mode="linear",
        coordinate_transformation_mode=mode,
    )


def _pad(graph: _Graph, node: Node, inputs: list[str]) -> None:
    pads = graph.value(inputs[1]).astype(np.int64).T.reshape(-1)
    fill = graph.value(inputs[2]).astype(np.float32).reshape(()) if len(inputs) > 2 else np.float32(0)
    graph.add("Pad", [inputs[0], graph.constant(np.ascontiguousarray(pads)), graph.constant(fill)], node["name"])


def _mean(graph: _Graph, node: Node, inputs: list[str]) -> None:
    axes = graph.constant(graph.value(inputs[1]).astype(np.int64).reshape(-1))
    graph.add(
        "ReduceMean", [inputs[0], axes], node["name"], keepdims=int(node["attr"].get("keep_dims", {}).get("b", False))
    )


def _concat(graph: _Graph, node: Node, inputs: list[str]) -> None:
    graph.add("Concat", inputs[:-1], node["name"], axis=int(graph.value(inputs[-1])))


def _reshape(graph: _Graph, node: Node, inputs: list[str]) -> None:
    shape = graph.constant(graph.value(inputs[1]).astype(np.int64).reshape(-1))
    graph.add("Reshape", [inputs[0], shape], node["name"])


def _transpose(graph: _Graph, node: Node, inputs: list[str]) -> None:
    graph.add("Transpose", inputs[:1], node["name"], perm=graph.value(inputs[1]).tolist())


def _split(graph: _Graph, node: Node, inputs: list[str]) -> None:
    sizes = graph.value(inputs[1]).astype(np.int64)
    graph.add(
        "Split", [inputs[0], graph.constant(sizes)], node["name"], outputs=len(sizes), axis=int(graph.value(inputs[2]))
    )


def _leaky(graph: _Graph, node: Node, inputs: list[str]) -> None:
    graph.add("LeakyRelu", inputs, node["name"], alpha=float(node["attr"]["alpha"]["f"]))


def _relu6(graph: _Graph, node: Node, inputs: list[str]) -> None:
    _clip6(graph, inputs[0], node["name"])


def _plain(op: str) -> Callable[[_Graph, Node, list[str]], None]:
    def convert(graph: _Graph, node: Node, inputs: list[str]) -> None:
        graph.add(op, inputs, node["name"])

    return convert


_OPS: dict[str, Callable[[_Graph, Node, list[str]], None]] = {
    **dict.fromkeys(("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"), _conv),
    "MaxPool": _max_pool, "ResizeBilinear": _resize, "Pad": _pad, "PadV2": _pad, "Mean": _mean, "ConcatV2": _concat,
    "Reshape": _reshape, "Transpose": _transpose, "SplitV": _split, "LeakyRelu": _leaky,
    "Relu6": _relu6,
    "Add": _plain("Add"), "AddV2": _plain("Add"), "Sub": _plain("Sub"), "Mul": _plain("Mul"),
    "Maximum": _plain("Max"), "Minimum": _plain("Min"), "Relu": _plain("Relu"), "Sigmoid": _plain("Sigmoid"),
    "Identity": _plain("Identity"), "MatMul": _plain("MatMul"),
}  # fmt: skip


def _sparse_to_dense(indices: Array, shape: Array, values: Array, default: Array) -> Array:
    dense = np.full(shape.reshape(-1), default.reshape(())[()], dtype=values.dtype)
    if indices.size:
        dense[tuple(indices.reshape(len(np.atleast_1d(values)), -1).T)] = values
    return dense


_FOLD: dict[str, Callable[..., Array]] = {
    "SparseToDense": _sparse_to_dense,
    "AddV2": lambda a, b: np.asarray(a + b), "Add": lambda a, b: np.asarray(a + b),
    "Mul": lambda a, b: np.asarray(a * b), "Sub": lambda a, b: np.asarray(a - b), "Identity": lambda a: a,
}  # fmt: skip
"""Shape arithmetic on constants, done once here."""


def _needed(nodes: dict[str, Node], outputs: Sequence[str]) -> list[Node]:
    """Nodes that the outputs depend on, inputs first."""
    order: list[Node] = []
    state: dict[str, bool] = {}
    stack = [(_source(name), False) for name in reversed(outputs)]
    while stack:
        name, is_expanded = stack.pop()
        if is_expanded:
            order.append(nodes[name])
            continue
        if name in state:
            continue
        state[name] = True
        stack.append((name, True))
        stack.extend((_source(i), False) for i in nodes[name].get("input", []) if not i.startswith("^"))
    return order


def _source(name: str) -> str:
    return name.split(":")[0]


def _edge(name: str) -> str:
    return name.removesuffix(":0")


def convert(
    model_json: Path,
    *,
    outputs: Sequence[str],
    keep_channels: dict[str, Sequence[int]] | None = None,
    is_size_free: bool = False,
) -> bytes:
    """Convert a graph model.

    Args:
        model_json: the model; its weight shards lie beside it.
        outputs: node names to become the ONNX outputs, in order; what they do not need is left out.
        keep_channels: per final convolution, the output channels to keep (classes that nobody asks for cost time).
        is_size_free: let height and width be chosen at run time; the graph must be fully convolutional.

    Returns: a checked ONNX model. The input keeps its layout and name. Raises: NotConvertible.
    """
    if model_json.stat().st_size > MAX_MODEL_JSON_BYTES:
        raise NotConvertible(f"{model_json.name} is larger than {MAX_MODEL_JSON_BYTES} bytes")
    model = json.loads(model_json.read_text())
    nodes: dict[str, Node] = {node["name"]: node for node in model["modelTopology"]["node"]}
    constants = _weights(model["weightsManifest"], model_json.parent)
    for name, channels in (keep_channels or {}).items():
        for operand in nodes[name]["input"][1:]:
            constants[operand] = np.ascontiguousarray(constants[operand][..., list(channels)])
    graph = _Graph(constants)
    placeholder: Node | None = None
    for node in _needed(nodes, outputs):
        inputs = [_edge(name) for name in node.get("input", []) if not name.startswith("^")]
        if node["op"] == "Placeholder":
            placeholder = node
        elif node["op"] == "Const":
            if node["name"] not in constants:
                raise NotConvertible(f"constant {node['name']} has no weights")
        elif node["op"] in _FOLD and all(name in constants for name in inputs):
            constants[node["name"]] = _FOLD[node["op"]](*(constants[name] for name in inputs))
        elif node["op"] in _OPS:
            _OPS[node["op"]](graph, node, inputs)
        else:
            raise NotConvertible(f"operator {node['op']} of {node['name']} is not known")
    if placeholder is None:
        raise NotConvertible("the graph has no input")
    model = _assemble(graph, placeholder, outputs)
    model = _with_ratios(model, placeholder, is_size_free=is_size_free)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _shape(placeholder: Node) -> list[int | str]:
    sizes = [int(dim["size"]) for dim in placeholder["attr"]["shape"]["shape"]["dim"]]
    return [size if size > 0 else "n" for size in sizes]


def _model(
    nodes: Sequence[onnx.NodeProto],
    initialisers: Sequence[onnx.TensorProto],
    shape: list[int | str],
    input_name: str,
    outputs: Sequence[str],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "custodes", [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs], initialisers)  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="custodes-models")
    model.ir_version = IR_VERSION
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def _assemble(graph: _Graph, placeholder: Node, outputs: Sequence[str]) -> onnx.ModelProto:
    used = {name for node in graph.nodes for name in node.input}
    initialisers = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in graph.constants.items() if name in used
    ]
    return _model(graph.nodes, initialisers, _shape(placeholder), placeholder["name"], outputs)


def _with_ratios(model: onnx.ModelProto, placeholder: Node, *, is_size_free: bool) -> onnx.ModelProto:
    """Turn `sizes` of every Resize into the ratios that they stand for, so that the input's size may be freed.

    All four ratios are written, without `axes`: ONNX Runtime 1.32 loses count when it moves a Transpose through a
    Resize that has axes.
    """
    spatial = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim][2:] for info in model.graph.value_info
    }
    initialisers = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Resize":
            continue
        name = node.input[3]
        height, width = numpy_helper.to_array(initialisers[name]) / np.array(spatial[node.input[0]])
        initialisers[name] = numpy_helper.from_array(np.array([1, 1, height, width], np.float32), name)
        del node.input[3], node.input[2]
        node.input.append(name)
        kept = [attribute for attribute in node.attribute if attribute.name != "axes"]
        del node.attribute[:]
        node.attribute.extend(kept)
    shape = _shape(placeholder)
    if is_size_free:
        height_at = shape.index(max(size for size in shape if isinstance(size, int)))
        shape[0], shape[height_at], shape[height_at + 1] = "n", "h", "w"
    outputs = [output.name for output in model.graph.output]
    return _model(model.graph.node, list(initialisers.values()), shape, placeholder["name"], outputs)
