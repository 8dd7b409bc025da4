"""Values of what a model or the tracker saw in a frame."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from custodes.units import CameraId, Ns, RunId


class ObjectClass(IntEnum):
    """What custodes tells apart. There is no class, and will be none, for age, gender, race or emotion."""

    PERSON = 0
    BICYCLE = 1
    CAR = 2
    MOTORCYCLE = 3
    BUS = 4
    TRUCK = 5
    FACE = 6


VEHICLES = frozenset(
    {ObjectClass.BICYCLE, ObjectClass.CAR, ObjectClass.MOTORCYCLE, ObjectClass.BUS, ObjectClass.TRUCK}
)

_IS_VEHICLE = np.array([one in VEHICLES for one in ObjectClass])


def are_vehicles(class_ids: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """(n,) values of `ObjectClass` → (n,): which are vehicles; what is no class is none. Faster than `isin`."""
    # Clipped ids become a person's or a face's, which stand at the ends.
    return _IS_VEHICLE.take(class_ids, mode="clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectArea:
    """A part of a camera's picture where objects count (a zone) or do not (an object mask). See `detect.areas`."""

    polygon: tuple[tuple[float, float], ...]
    """Corners as x and y in shares of the frame, at least three."""
    classes: tuple[ObjectClass, ...] = ()
    """Which it is about; none means all."""
    is_mask: bool = False


class ModelTask(StrEnum):
    """The allow-list of model tasks. Anything else is refused at load."""

    DETECT = "detect"
    FACE_DETECT = "face-detect"
    FACE_EMBED = "face-embed"
    PERSON_EMBED = "person-embed"
    QUALITY = "quality"
    PRESENTATION_ATTACK = "presentation-attack"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """Which weights produced a value."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """All detections of one frame, as columns.

    `boxes_px`: (n, 4) float32, x1 y1 x2 y2 in pixels of the frame, x2 > x1, y2 > y1.
    `scores`: (n,) float32, detector score 0 to 1. `class_ids`: (n,) int16, values of `ObjectClass`.
    """

    boxes_px: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedFrame:
    """What is known of one analysed frame: every live track's box, as columns. The unit of masks and counts.

    `track_ids`: (n,) int64, unique within (camera, run); -1 for a detection that began no track, which is masked but
    never counted. `class_ids`: (n,) int16.
    `boxes_norm`: (n, 4) float32 x1 y1 x2 y2, shares of the frame, clipped to 0..1. `scores`: (n,) float32.
    `is_measured`: (n,) bool, False where the box is the tracker's prediction.
    """

    camera_id: CameraId
    run: RunId
    seq: int
    utc_ns: Ns
    track_ids: npt.NDArray[np.int64]
    class_ids: npt.NDArray[np.int16]
    boxes_norm: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    is_measured: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracklet:
    """One finished or running track, summed up."""

    camera_id: CameraId
    run: RunId
    track_id: int
    object_class: ObjectClass
    start_ns: Ns
    end_ns: Ns
    frames: int
    """Frames in which it was measured, not predicted."""
    mean_score: float
    first_box_norm: tuple[float, float, float, float]
    last_box_norm: tuple[float, float, float, float]
    quality: float = 0.0
    """0 to 1: mean score times the share of its frames in which it was measured; 0 where it was not judged."""
