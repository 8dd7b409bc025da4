"""ModelSession over ONNX Runtime, CPU provider. Checking manifest and digest is `loading`'s duty."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from custodes.errors import MediaError, ModelRefused
from custodes.types.vision import ModelRef

_SEVERITY_ERROR = 3

_FAILURES: tuple[type[Exception], ...] = (
    ort_errors.EPFail, ort_errors.EngineError, ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf, ort_errors.NoModel, ort_errors.NoSuchFile, ort_errors.NotFound,
    ort_errors.NotImplemented, ort_errors.RuntimeException, RuntimeError, ValueError, TypeError,
)  # fmt: skip
"""What the binding raises; its classes share no root of their own."""


class OnnxSession:
    """Implements `ports.model.ModelSession`."""

    def __init__(self, graph: bytes, ref: ModelRef, *, threads: int) -> None:
        """Load a graph whose digest was checked.

        Args: `threads`: of one forward pass. Raises: ModelRefused if the bytes are no ONNX model.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _SEVERITY_ERROR
        # Spinning threads burn a core between frames; cameras leave pauses.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Detectors are fed pictures of several shapes; arenas planned per shape would pile up.
        options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except _FAILURES as error:
            raise ModelRefused(f"{ref.name} is not a model that ONNX Runtime can run: {_first_line(error)}") from error
        self._ref = ref
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def ref(self) -> ModelRef:
        """Name and digest of the weights."""
        return self._ref

    @property
    def input_names(self) -> tuple[str, ...]:
        """The graph's inputs."""
        return tuple(item.name for item in self._session.get_inputs())

    @property
    def output_names(self) -> tuple[str, ...]:
        """The graph's outputs."""
        return tuple(self._outputs)

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, npt.NDArray[np.generic]]:
        """One forward pass. Raises: MediaError when the input does not fit the graph."""
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except _FAILURES as error:
            raise MediaError(f"model {self._ref.name} failed on its input: {_first_line(error)}") from error
        return dict(zip(self._outputs, values, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
