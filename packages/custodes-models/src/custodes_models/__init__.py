"""Weights with manifests, and manifests for weights found elsewhere. Data only, no loading."""

from pathlib import Path

DEFAULT_DETECTOR = "nanodet-g"
DEFAULT_FACE_DETECTOR = "centerface"
DEFAULT_FACE_EMBEDDER = "dlib-face-resnet"


def weights_folder() -> Path:
    """Folder of `<name>.onnx` with `<name>.manifest.json` each."""
    return Path(__file__).parent / "weights"


def known_folder() -> Path:
    """Folder of manifests for files that others publish, recognised by their sha256."""
    return Path(__file__).parent / "known"
