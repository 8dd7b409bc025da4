"""ModelSession over OpenVINO, for IR and ONNX files. OpenVINO is optional: `pip install custodes[openvino]`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from custodes.errors import MediaError, ModelRefused
from custodes.types.vision import ModelRef


class OpenvinoSession:
    """Implements `ports.model.ModelSession`."""

    def __init__(self, graph: bytes, weights: bytes, ref: ModelRef, *, threads: int) -> None:
        """Load graph (XML) and weights whose digests were checked.

        Raises: ModelRefused if they cannot be loaded or OpenVINO is missing.
        """
        try:
            import openvino
        except ImportError as error:
            raise ModelRefused(
                f"model {ref.name} is OpenVINO IR and OpenVINO is not installed; run pip install 'custodes[openvino]'"
            ) from error
        try:
            model: Any = openvino.Core().read_model(graph, weights)
            compiled: Any = openvino.compile_model(
                model,
                "CPU",
                {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"},
            )
        except RuntimeError as error:
            raise ModelRefused(f"{ref.name} is not a model that OpenVINO can run: {_first_line(error)}") from error
        self._ref = ref
        self._request: Any = compiled.create_infer_request()
        self._inputs = tuple(name for port in compiled.inputs for name in sorted(port.get_names()))
        # A port may have several names after conversion; each of them is understood.
        self._ports = tuple((port, tuple(sorted(port.get_names()))) for port in compiled.outputs)

    @property
    def ref(self) -> ModelRef:
        """Name and digest of the weights."""
        return self._ref

    @property
    def input_names(self) -> tuple[str, ...]:
        """The graph's inputs."""
        return self._inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """The graph's outputs."""
        return tuple(name for _, names in self._ports for name in names)

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, npt.NDArray[np.generic]]:
        """One forward pass. Raises: MediaError when the input does not fit the graph."""
        try:
            result = self._request.infer(dict(inputs))
        except RuntimeError as error:
            raise MediaError(f"model {self._ref.name} failed on its input: {_first_line(error)}") from error
        outputs: dict[str, npt.NDArray[np.generic]] = {}
        for port, names in self._ports:
            # The request's tensors are reused by the next pass; callers keep theirs.
            value = np.array(result[port])
            outputs.update(dict.fromkeys(names, value))
        return outputs


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
