"""Writes `known/*.manifest.json`: manifests for weights that others publish, recognised by their sha256.

Run by hand with the folder that holds the files: `python build_tools/describe_known.py FOLDER`. The facts (licence,
preprocessing, measured numbers) are below; the digests are read from the files.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

KNOWN = Path(__file__).resolve().parent.parent / "src" / "custodes_models" / "known"

_ZOO = "Open Model Zoo, Intel; the training set is not published"
_COCO = [(0, 0), (1, 1), (2, 2), (3, 3), (5, 4), (7, 5)]
"""(index in COCO's 80 classes, ObjectClass)."""
_RAW, _ONE = [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]


def _input(
    name: str,
    width: int,
    height: int,
    *,
    colour: str = "bgr",
    mean: list[float] = _RAW,
    std: list[float] = _ONE,
    fit: str = "stretch",
    is_size_free: bool = False,
    stride: int = 1,
) -> dict[str, Any]:
    return {"name": name, "width_px": width, "height_px": height, "is_size_free": is_size_free, "stride_px": stride,
            "layout": "nchw", "colour": colour, "mean": mean, "std": std, "fit": fit}  # fmt: skip


def _output(kind: str, *names: str, dimension: int = 0) -> dict[str, Any]:
    return {"kind": kind, "names": list(names), "dimension": dimension}


def _classes(pairs: list[tuple[int, int]], knots: list[list[float]] | None = None) -> list[dict[str, Any]]:
    return [{"index": index, "object_class": value, "calibration": knots or []} for index, value in pairs]


def _zoo(
    name: str,
    task: str,
    source: dict[str, Any],
    output: dict[str, Any],
    measured: str,
    classes: list[dict[str, Any]] | None = None,
    floor: float = 0.0,
) -> dict[str, Any]:
    return {"name": name, "task": task, "format": "openvino", "files": [f"{name}.xml", f"{name}.bin"],
            "licence": "Apache-2.0", "training_data": _ZOO, "source": "Open Model Zoo (github openvinotoolkit)",
            "input": source, "output": output, "classes": classes or [], "floor": floor, "nms_iou": 0.6,
            "measured": measured}  # fmt: skip


MODELS: list[dict[str, Any]] = [
    _zoo("pedestrian-detection-adas-0002", "detect", _input("data", 672, 384), _output("ssd", "detection_out"),
         "PETS09-S2L1: precision .92, recall .81 at IoU .5 (shared/data/README.md)",
         _classes([(1, 0)], [[0.2, 0.1], [0.45, 0.5], [0.55, 0.65], [0.8, 0.85]]), 0.1),
    _zoo("face-detection-retail-0004", "face-detect", _input("data", 300, 300), _output("ssd", "detection_out"),
         "LFW with landmarks-regression-retail-0009 and face-reidentification-retail-0095: 99.32 % (shared/data)",
         _classes([(1, 6)]), 0.5),
    _zoo("landmarks-regression-retail-0009", "face-detect", _input("0", 48, 48),
         _output("landmarks", "95", dimension=10), "see face-detection-retail-0004"),
    _zoo("face-reidentification-retail-0095", "face-embed", _input("0", 128, 128),
         _output("vector", "658", dimension=256), "see face-detection-retail-0004"),
    _zoo("person-reidentification-retail-0287", "person-embed", _input("data", 128, 256),
         _output("vector", "reid_embedding", dimension=256), "TUD crops: cosine same .56, different .13"),
    _zoo("person-reidentification-retail-0288", "person-embed", _input("data", 128, 256),
         _output("vector", "reid_embedding", dimension=256), "TUD crops: cosine same .59, different .20"),
    {"name": "fastestdet", "task": "detect", "format": "onnx", "files": ["FastestDet.onnx"],
     "licence": "BSD-3-Clause", "training_data": "COCO 2017 train", "source": "github dog-qiuqiu/FastestDet",
     "input": _input("input.1", 352, 352, std=[255.0, 255.0, 255.0]), "output": _output("fastestdet", "758"),
     "classes": _classes(_COCO), "floor": 0.3, "nms_iou": 0.45,
     "measured": "PETS09-S2L1: precision .45, recall .82 at IoU .5 (shared/data/README.md)"},
    {"name": "yunet-n", "task": "face-detect", "format": "onnx", "files": ["yunet_n_dynamic.onnx"],
     "licence": "Apache-2.0", "training_data": "WIDER FACE train",
     "source": "github ShiqiYu/libfacedetection.train",
     "input": _input("input", 640, 640, is_size_free=True, stride=32),
     "output": _output("yunet", *(f"{part}_{stride}" for part in ("cls", "obj", "bbox") for stride in (8, 16, 32))),
     "classes": _classes([(0, 6)]), "floor": 0.6, "nms_iou": 0.3,
     "measured": "right count on 10 of 10 pictures at .7 (shared/data/README.md)"},
    {"name": "ultraface-slim-320", "task": "face-detect", "format": "onnx", "files": ["version-slim-320.onnx"],
     "licence": "MIT", "training_data": "WIDER FACE train",
     "source": "github Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB",
     "input": _input("input", 320, 240, colour="rgb", mean=[127.0] * 3, std=[128.0] * 3),
     "output": _output("ultraface", "scores", "boxes"), "classes": _classes([(0, 6)]), "floor": 0.6, "nms_iou": 0.3,
     "measured": ""},
]  # fmt: skip


def main(folder: Path) -> None:
    """Write one manifest per model whose files lie in `folder`."""
    KNOWN.mkdir(exist_ok=True)
    for model in MODELS:
        files = [{"name": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
                 for name in model["files"]]  # fmt: skip
        source = {"origin": model["source"], "path": model["files"][0], "sha256": files[0]["sha256"]}
        manifest = model | {"manifest_version": 1, "is_commercial": True, "files": files, "source": source}
        path = KNOWN / f"{model['name']}.manifest.json"
        path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
