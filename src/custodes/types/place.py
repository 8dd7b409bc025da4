"""A floor as its cameras see it now. Live only: nothing of it is stored."""

from dataclasses import dataclass

from custodes.types.scene import Point
from custodes.units import CameraId


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCamera:
    """Where a camera hangs, in metres of its floor; None where its ground does not tell."""

    camera_id: CameraId
    name: str
    place_m: Point | None
    height_m: float | None
    measured_m: tuple[Point, ...]
    """The points of the ground that were measured: what it surely sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapDot:
    """One person or vehicle. It has no name and no number: the next answer's dots are others for all who read it."""

    x_m: float
    y_m: float
    error_m: float
    is_person: bool
    cameras: tuple[CameraId, ...]
    """That see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorNow:
    """One common ground."""

    name: str
    cameras: tuple[MapCamera, ...]
    dots: tuple[MapDot, ...]
