"""Running a neural network, and finding objects with one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from custodes.types.vision import Detections, ModelRef


class ModelSession(Protocol):
    """Loaded weights, checked against their manifest. Not thread-safe."""

    @property
    def ref(self) -> ModelRef:
        """Name and digest of the weights."""
        ...

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, npt.NDArray[np.generic]]:
        """One forward pass. Keys are the network's own input and output names. Raises: ModelRefused, MediaError."""
        ...


class Detector(Protocol):
    """Finds objects in pictures."""

    @property
    def ref(self) -> ModelRef:
        """Which weights."""
        ...

    def detect(self, pictures_rgb: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """One Detections per picture.

        Args: pictures_rgb: each (h, w, 3) uint8 RGB of any size ≥ 16×16.
        Returns: boxes in pixels of the given picture, scores at or above the detector's floor, classes of
        `ObjectClass` only.
        """
        ...

    def detect_parts(self, pictures_rgb: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        """One Detections per picture, for parts of frames of any cameras that were cut and scaled for this network.

        They may be run together, as one input or as a batch; none is scaled. A detection that reaches a picture's edge
        may be cut by it.

        Args: pictures_rgb: each (h, w, 3) uint8 RGB, sides of at least 16 and multiples of `RegionLimits.stride_px`.
        Returns: as `detect`.
        """
        ...
