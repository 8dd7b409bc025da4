"""What is kept of one object on a ground that several cameras see, while somebody sees it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.units import CameraId, RunId

Floats = npt.NDArray[np.float64]
Look = npt.NDArray[np.float32]
TrackKey = tuple[CameraId, RunId, int]

_FRESH = 0.1
"""Share of the newest look in a mean."""


@dataclass(slots=True)
class DotState:
    """What `journey.fusion` keeps of a dot: place and speed with their spread, and its looks until it is over."""

    number: int
    group: int
    mean: Floats
    """(4,): x, y, their speeds."""
    spread: Floats
    seen_ns: int
    bound: dict[CameraId, TrackKey] = field(default_factory=dict)
    bound_ns: dict[CameraId, int] = field(default_factory=dict)
    looks: dict[CameraId, Look] = field(default_factory=dict)
    """Its mean look in each camera that saw it: copies, changed in place."""

    def see(self, camera_id: CameraId, look: Look) -> None:
        """Into the mean of that camera's last two seconds."""
        own = self.looks.get(camera_id)
        if own is None:
            self.looks[camera_id] = look.astype(np.float32)  # a copy
            return
        own *= np.float32(1 - _FRESH)
        own += np.float32(_FRESH) * look
        own /= max(float(np.linalg.norm(own)), 1e-9)

    def forget_looks(self) -> None:
        """Overwrite them."""
        for look in self.looks.values():
            look[:] = 0
        self.looks.clear()

    def take_looks(self, other: "DotState") -> None:
        """Those of cameras that did not see this one; the rest is overwritten."""
        for camera_id in [one for one in other.looks if one not in self.looks]:
            self.looks[camera_id] = other.looks.pop(camera_id)
        other.forget_looks()
