"""What is kept of one object on a ground that several cameras see, while somebody sees it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.units import CameraId, RunId

Floats = npt.NDArray[np.float64]
Look = npt.NDArray[np.float32]
TrackKey = tuple[CameraId, RunId, int]

PERSON_GROUP, VEHICLE_GROUP = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How objects of a group move, and how far from its own place one is measured whatever the picture says."""

    push_mps2: float
    """How hard they change their velocity."""
    first_mps: float
    """Deviation of the speed at which one is first seen, on each axis."""
    floor_m: float
    """Added to each measurement: calibrations and detectors err the same way for a while, and the middle of a box's
    lower edge is the side of a thing that a camera sees, not its middle."""
    apart_m2: float
    """Variance of what two cameras' means of one object are apart, on each axis."""

    def moved(self, seconds: float, decay_s: float) -> tuple[Floats, Floats]:
        """(4, 4) each: what a time makes of place and speed, and the covariance that it adds."""
        move = np.eye(4)
        move[2, 2] = move[3, 3] = np.exp(-seconds / decay_s)
        move[0, 2] = move[1, 3] = decay_s * (1 - move[2, 2])
        push = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]]) * self.push_mps2**2
        return move, np.kron(push, np.eye(2)).astype(np.float64)


WALKING = Motion(push_mps2=1.2, first_mps=1.5, floor_m=0.3, apart_m2=0.05)
DRIVING = Motion(push_mps2=3.0, first_mps=10.0, floor_m=1.0, apart_m2=1.0)
"""As drivers brake and turn without haste; most of a town is below 14 m/s; and a car is 4.5 m long, of which two
cameras see different ends."""

_FRESH = 0.1
"""Least share of the newest look in a mean."""
_SETTLED = 3
"""A mean of fewer looks says less: somebody else may have been taken for this one for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one camera's track was measured at one moment. `place_m`: (2,), `spread_m2`: (2, 2) of this one
    measurement; `look`: (d,) float32 unit vector, or None where appearance is not known; who made it overwrites it."""

    key: TrackKey
    group: int
    """`PERSON_GROUP` or `VEHICLE_GROUP`; only equal groups are ever one."""
    place_m: Floats
    spread_m2: Floats
    look: Look | None = None
    ground_m2: float = 0.0
    """Of `spread_m2`, the sum of both axes that is the calibration's: the same at all times, so no mean lessens it."""
    is_mixed: bool = False
    """Its box overlaps another one's: from here on the track may be somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One object on the ground, now."""

    number: int
    group: int
    place_m: Floats
    velocity_mps: Floats
    spread_m2: Floats
    tracks: tuple[TrackKey, ...]
    """That see it now."""
    error_m: float
    """Deviation of its place, with what the best calibrated of them may be off for good."""


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
    counts: dict[CameraId, int] = field(default_factory=dict)
    """Of how many looks each is made."""

    def see(self, camera_id: CameraId, look: Look) -> None:
        """Into the mean of that camera's last two seconds."""
        self.counts[camera_id] = self.counts.get(camera_id, 0) + 1
        own = self.looks.get(camera_id)
        if own is None:
            self.looks[camera_id] = look.astype(np.float32)  # a copy
            return
        fresh = np.float32(max(_FRESH, 1 / self.counts[camera_id]))
        own *= 1 - fresh
        own += fresh * look
        own /= max(float(np.linalg.norm(own)), 1e-9)

    def is_settled(self, camera_id: CameraId) -> bool:
        """Whether its look in a camera is made of enough."""
        return self.counts.get(camera_id, 0) >= _SETTLED

    def weight(self, camera_id: CameraId) -> float:
        """0 to 1: how much its look in a camera may say."""
        return min(self.counts[camera_id] / _SETTLED, 1.0)

    def forget_looks(self) -> None:
        """Overwrite them."""
        for look in self.looks.values():
            look[:] = 0
        self.looks.clear()
        self.counts.clear()

    def take_looks(self, other: "DotState") -> None:
        """Those of cameras that did not see this one; the rest is overwritten."""
        for camera_id in [one for one in other.looks if one not in self.looks]:
            self.looks[camera_id], self.counts[camera_id] = other.looks.pop(camera_id), other.counts[camera_id]
        other.forget_looks()
