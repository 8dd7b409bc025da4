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
    is_shape_known: bool = True
    """False for a camera whose pictures were never seen: its place is as if they were 16:9."""


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


# -- the plan of the site: what people draw, kept in the catalog ---------------------------------------------------

MAX_FLOORS = 32
MAX_PLACED = 1024
MAX_WAYS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPlan:
    """A floor, or the ground between buildings, with its picture. Metres are those of the cameras' ground points."""

    name: str
    plan_sha256: str = ""
    """Of the picture as it is kept; empty without one."""
    width_px: int = 0
    height_px: int = 0
    px_per_m: float = 20.0
    origin_px: Point = (0.0, 0.0)
    """Where 0, 0 of the metres lies in the picture, from its upper left corner; x goes right, y up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCamera:
    """Where a camera hangs and what it looks at, as somebody drew it."""

    camera_id: CameraId
    floor: str
    place_m: Point
    heading_deg: float
    """Against the clock from the x axis, 0 to 360."""
    view_deg: float
    """Angle of view, above 0 to 180."""
    range_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnWay:
    """People can go from one picture to another, and usually take so long."""

    from_camera: CameraId
    to_camera: CameraId
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLayout:
    """All of it at one time. `version` 0: nobody drew anything."""

    version: int = 0
    utc_ns: int = 0
    editor: str = ""
    floors: tuple[FloorPlan, ...] = ()
    cameras: tuple[PlacedCamera, ...] = ()
    ways: tuple[DrawnWay, ...] = ()
