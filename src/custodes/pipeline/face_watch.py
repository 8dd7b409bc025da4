"""Faces in the live picture that no person's box may hold: somebody close to the camera, cut off at the shoulders.

The detector of people knows whole people; the head from their box is what covers them. A face that fills a part of the
picture is found by the detector of faces. Its tracks are its own, are masked and counted nowhere. No vector is made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custodes.detect.regions import Region
from custodes.ports.model import Detector
from custodes.track.config import TrackerConfig
from custodes.track.tracker import TrackColumns, Tracker
from custodes.types.media import Frame
from custodes.types.vision import Detections

LOOK_PX = 256
"""Longer side of the picture that is looked at. Found on footage, and explained by bodies afterwards: whoever is seen
down to the feet is a person to the detector of people. Who fills the picture from the knees up shows 5.5 of the
canon's 7.5 heads, and a face is three quarters of a head: .75 / 5.5 of a 16:9 picture's height, 1/13 of its width. The
detector finds faces from 10 pixels on; twice that, for faces that are turned, times 13 is 260."""

IDS_FROM = 1 << 42
"""Track ids of faces begin here, above those of people (`analysis.IDS_PER_PACKET`)."""

_STEP_PX = 32

ToPicture = Callable[[Frame, Region], npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLook:
    """What the cameras of one analyser share."""

    detector: Detector
    to_picture: ToPicture
    look_px: int = LOOK_PX


class FaceWatch:
    """Of one run. Fails with the detector: the caller vouches for nothing then."""

    def __init__(self, look: FaceLook, config: TrackerConfig, first_id: int) -> None:
        self._look = look
        self._tracker = Tracker(first_id=IDS_FROM + first_id, config=config)
        self._last: Detections | None = None

    def step(self, frame: Frame, *, has_moved: bool) -> TrackColumns:
        """Faces and their tracks. Where nothing moved they are where they were. Raises: what the detector raises."""
        is_new = has_moved or self._last is None
        if is_new:
            self._last = None
            self._last = self._find(frame)
        assert self._last is not None, "found above"
        size = (frame.y.shape[1], frame.y.shape[0])
        columns = self._tracker.step(self._last, frame.utc_ns, size, is_new=np.full(len(self._last.scores), is_new))
        self._tracker.ended()  # nobody is told of them
        return columns

    def _find(self, frame: Frame) -> Detections:
        height, width = frame.y.shape
        whole = region_of(width, height, self._look.look_px)
        found = self._look.detector.detect_parts([self._look.to_picture(frame, whole)])[0]
        scale = np.array([width / whole.width_px, height / whole.height_px] * 2, np.float32)
        return replace(found, boxes_px=found.boxes_px * scale)


def region_of(width: int, height: int, look_px: int = LOOK_PX) -> Region:
    """All of a frame, at the size in which faces are looked for."""
    scale = look_px / max(width, height)
    across, down = (max(round(side * scale / _STEP_PX), 1) * _STEP_PX for side in (width, height))
    return Region(x1=0, y1=0, x2=width, y2=height, width_px=across, height_px=down)
