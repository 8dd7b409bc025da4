"""Models behind `ports.model`: finding them, checking them, running them with ONNX Runtime or OpenVINO."""

import os
from pathlib import Path

from custodes.adapters.model.catalogue import Unusable, scan
from custodes.adapters.model.loading import default_name, find_model, load_detector, open_session
from custodes.types.model import ModelManifest

ACKNOWLEDGE_VARIABLE = "CUSTODES_ACKNOWLEDGE_NONCOMMERCIAL"
MODELS_VARIABLE = "CUSTODES_MODELS"

__all__ = [
    "ACKNOWLEDGE_VARIABLE",
    "MODELS_VARIABLE",
    "Unusable",
    "acknowledged_from_environment",
    "catalogue",
    "default_name",
    "find_model",
    "load_detector",
    "models_dir_from_environment",
    "open_session",
    "scan",
]


def catalogue(models_dir: Path | None) -> list[ModelManifest]:
    """Manifests of every model that can be had. Raises: ModelRefused if the folder or the package is missing."""
    return [entry.manifest for entry in scan(models_dir)[0]]


def models_dir_from_environment() -> Path | None:
    """`CUSTODES_MODELS`, or None when it is unset or empty."""
    value = os.environ.get(MODELS_VARIABLE, "")
    return Path(value) if value else None


def acknowledged_from_environment() -> frozenset[str]:
    """Names listed in `CUSTODES_ACKNOWLEDGE_NONCOMMERCIAL`, separated by commas."""
    return frozenset(name.strip() for name in os.environ.get(ACKNOWLEDGE_VARIABLE, "").split(",") if name.strip())
