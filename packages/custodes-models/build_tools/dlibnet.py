"""Turns dlib's face recognition ResNet (`dlib_face_recognition_resnet_model_v1.dat`) into ONNX.

The file holds the layers' parameters from the input to the output, each tensor as version, four sizes and raw floats;
the structure of the network is not in it but in dlib's `examples/dnn_face_recognition_ex.cpp`, and is written out
here. Any other tensor than expected stops the build.

Source: dlib `dnn/layers.h` (con_, affine_, fc_, add_prev_), `dnn/input.h` (input_rgb_image_sized), `serialize.h`.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9
SIZE_PX = 150
_LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, blocks, and whether the first block halves the picture; from input to output."""
_MAX_TENSOR = 1 << 22
_TENSOR_VERSION = bytes((1, 2))

Array = npt.NDArray[np.float32]


class NotConvertible(Exception):
    """The file is not the network that this converter knows."""


def _number(content: bytes, at: int) -> tuple[int, int]:
    """One of dlib's compressed integers: a byte with the length (and the sign), then that many bytes."""
    length = content[at] & 0x0F
    if content[at] & 0x70 or not 1 <= length <= 8 or content[at] & 0x80:
        raise ValueError
    return int.from_bytes(content[at + 1 : at + 1 + length], "little"), at + 1 + length


def _tensors(content: bytes) -> Iterator[Array]:
    """Every tensor with more than one value, in the file's order."""
    at = content.find(_TENSOR_VERSION)
    while at >= 0:
        try:
            sizes, after = [], at + 2
            for _ in range(4):
                size, after = _number(content, after)
                sizes.append(size)
            count = int(np.prod(sizes))
            is_tensor = 1 < count <= _MAX_TENSOR and after + 4 * count <= len(content)
            values = np.frombuffer(content, "<f4", count, after) if is_tensor else np.zeros(0, np.float32)
            if is_tensor and np.isfinite(values).all() and float(np.abs(values).max()) < 1e4:
                yield values.astype(np.float32)
                at = after + 4 * count - 2
        except (ValueError, IndexError, struct.error):
            pass
        at = content.find(_TENSOR_VERSION, at + 2)


class _Graph:
    """Nodes and weights as they are added."""

    def __init__(self, tensors: Iterator[Array]) -> None:
        self._tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def take(self, count: int, what: str) -> Array:
        for values in self._tensors:
            if len(values) == count:
                return values
            if len(values) > 64:
                raise NotConvertible(f"expected {count} values of {what}, found a tensor of {len(values)}")
        raise NotConvertible(f"the file ends before {what}")

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def convolution(self, source: str, name: str, channels: tuple[int, int], side: int, stride: int) -> str:
        """con_ followed by affine_. Padding is half the filter without a stride, none with one."""
        before, after = channels
        flat = self.take(after * before * side * side + after, f"{name} filters")
        scale = self.take(2 * after, f"{name} affine")
        weight = flat[: after * before * side * side].reshape(after, before, side, side)
        bias = flat[after * before * side * side :]
        gamma, beta = scale[:after], scale[after:]
        self.constant(f"{name}.w", weight * gamma[:, None, None, None])
        self.constant(f"{name}.b", bias * gamma + beta)
        pad = side // 2 if stride == 1 else 0
        return self.add("Conv", [source, f"{name}.w", f"{name}.b"], name, kernel_shape=[side, side],
                        strides=[stride, stride], pads=[pad] * 4)  # fmt: skip

    def block(self, source: str, name: str, channels: tuple[int, int], sizes: tuple[int, int], is_down: bool) -> str:
        """residual or residual_down: add_prev pads whatever is smaller with zeros, to the right and below."""
        before, after = channels
        side_before, side_after = sizes
        first = self.convolution(source, f"{name}.c1", channels, 3, 2 if is_down else 1)
        first = self.add("Relu", [first], f"{name}.r1")
        second = self.convolution(first, f"{name}.c2", (after, after), 3, 1)
        if is_down:
            source = self.add("AveragePool", [source], f"{name}.skip", kernel_shape=[2, 2], strides=[2, 2])
            side_second = (side_before - 3) // 2 + 1
            second = self._pad(second, f"{name}.p2", 0, side_after - side_second)
            source = self._pad(source, f"{name}.p1", after - before, side_after - side_before // 2)
        total = self.add("Add", [source, second], f"{name}.add")
        return self.add("Relu", [total], f"{name}.out")

    def _pad(self, source: str, name: str, channels: int, side: int) -> str:
        if not channels and not side:
            return source
        self.constant(f"{name}.n", np.array([0, 0, 0, 0, 0, channels, side, side], np.int64))
        return self.add("Pad", [source, f"{name}.n"], name, mode="constant")


def convert(path: Path) -> bytes:
    """The network: `data` (n, 3, 150, 150) float32 RGB 0..255 normalised by the manifest → `vector` (n, 128)."""
    graph = _Graph(_tensors(path.read_bytes()))
    at = graph.convolution("data", "stem", (3, 32), 7, 2)
    at = graph.add("Relu", [at], "stem.relu")
    at = graph.add("MaxPool", [at], "stem.pool", kernel_shape=[3, 3], strides=[2, 2])
    before, side = 32, ((SIZE_PX - 7) // 2 + 1 - 3) // 2 + 1
    for level, (after, blocks, halves) in enumerate(_LEVELS):
        for number in range(blocks):
            is_down = halves and number == 0
            side_after = max((side - 3) // 2 + 1, side // 2) if is_down else side
            at = graph.block(at, f"l{level}b{number}", (before, after), (side, side_after), is_down)
            before, side = after, side_after
    at = graph.add("GlobalAveragePool", [at], "pool")
    at = graph.add("Flatten", [at], "flat", axis=1)
    graph.constant("fc.w", graph.take(256 * 128, "the last layer").reshape(256, 128))
    graph.add("MatMul", [at, "fc.w"], "vector")
    source = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, SIZE_PX, SIZE_PX])
    target = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 128])
    made = helper.make_graph(graph.nodes, "dlib-resnet", [source], [target], graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
