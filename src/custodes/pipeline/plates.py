"""Plates of vehicles in zones for plates of one camera: read, agreed on by several looks, asked about, forgotten.

Imported when the first permit arrives, never before. What it reads lives in this object alone, until the warden has
answered or the vehicle is gone; it is in no fact, file or log.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from custodes.face.lawful import contains
from custodes.geometry.boxes import iou_matrix
from custodes.media.rgb import RgbScaler, crop
from custodes.types.face import ZonePermit
from custodes.types.media import Frame
from custodes.types.plate import AskPlate, compared
from custodes.types.vision import VEHICLES, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

Box = tuple[float, float, float, float]
Key = tuple[str, int]
"""Zone and track."""
Ask = Callable[[AskPlate], bool]
"""Whether it is listed."""
LOOK_EVERY_NS = Ns(NS_PER_S // 3)
LOOKS_MAX = 15
"""At one vehicle: five seconds of standing before the gate. What could not be read until then is not."""
AGREE = 2
"""So many looks have to read the same before it is asked about."""
ASKS_MAX = 3
GONE_NS = Ns(2 * NS_PER_S)
STOOD_NS = Ns(15 * NS_PER_S)
"""Who appears within so long where a listed vehicle was lost from sight came with it: somebody walked by, or the
camera was connected anew. Longer than either usually takes, shorter than to drive away, turn, and be back at the same
place."""
_SAME_PLACE = 0.5
"""Of two boxes, intersection over union."""
MAX_VEHICLES = 8
_VEHICLES = frozenset(int(one) for one in VEHICLES)


class Reader(Protocol):
    """What `adapters.model.plates` loads."""

    def texts(self, picture: npt.NDArray[np.uint8]) -> list[str]:
        """Lines of text in a picture of one vehicle."""
        ...


@dataclass(frozen=True, slots=True)
class _Stood:
    """Of a listed vehicle, without what was read: where it was seen last, and since when it is there."""

    box: Box
    came_ns: Ns
    seen_ns: Ns


@dataclass(slots=True)
class _Vehicle:
    seen_ns: Ns
    came_ns: Ns
    looked_ns: int = 0
    looks: int = 0
    asks: int = 0
    is_done: bool = False
    is_listed: bool = False
    read: Counter[str] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)


class PlateWatch:
    """All zones for plates of one camera. Owned by the analyser's working thread."""

    def __init__(self, camera_id: CameraId, reader: Reader, ask: Ask) -> None:
        self._camera_id = camera_id
        self._reader = reader
        self._ask = ask
        self._scaler = RgbScaler()
        self._permits: tuple[ZonePermit, ...] = ()
        self._vehicles: dict[Key, _Vehicle] = {}
        self._stood: dict[Key, _Stood] = {}
        self._outside_ns: dict[Key, Ns] = {}
        """When a track was last seen outside the zone."""
        self._run = RunId("")

    @property
    def held(self) -> int:
        """Vehicles of which something is remembered; for tests."""
        return len(self._vehicles)

    @property
    def remembered(self) -> int:
        """Places where a listed vehicle was seen last; for tests."""
        return len(self._stood)

    def set_permits(self, permits: Sequence[ZonePermit]) -> None:
        """What is on now; what was read for a zone that is off is forgotten."""
        self._permits = tuple(one for one in permits if one.camera_id == self._camera_id)
        zones = {one.zone_id for one in self._permits}
        self._vehicles = {key: one for key, one in self._vehicles.items() if key[0] in zones}
        self._stood = {key: one for key, one in self._stood.items() if key[0] in zones}

    def look(self, frame: Frame, found: TrackedFrame) -> None:
        """A frame that was looked at, and the tracks in it."""
        if found.run != self._run:
            self._run = found.run
            self._vehicles.clear()
            self._outside_ns.clear()
            # Numbers of tracks begin anew with a run; below zero there is none.
            self._stood = {(key[0], -number): one for number, (key, one) in enumerate(self._stood.items(), 1)}
        for permit in self._permits:
            if permit.from_ns <= frame.utc_ns < permit.until_ns:
                self._look_in(permit, frame, found)
        limit_ns = frame.utc_ns - GONE_NS
        self._vehicles = {key: one for key, one in self._vehicles.items() if one.seen_ns >= limit_ns}
        old_ns = frame.utc_ns - STOOD_NS
        self._stood = {key: one for key, one in self._stood.items() if one.seen_ns >= old_ns}
        self._outside_ns = {key: at_ns for key, at_ns in self._outside_ns.items() if at_ns >= old_ns}

    def _look_in(self, permit: ZonePermit, frame: Frame, found: TrackedFrame) -> None:
        for row in range(len(found.track_ids)):
            if int(found.class_ids[row]) not in _VEHICLES or not found.is_measured[row] or found.track_ids[row] < 0:
                continue
            x1, y1, x2, y2 = (float(one) for one in found.boxes_norm[row])
            key, box = (permit.zone_id, int(found.track_ids[row])), (x1, y1, x2, y2)
            if not contains(permit.polygon, ((x1 + x2) / 2, (y1 + y2) / 2)):
                self._outside_ns[key] = frame.utc_ns
                self._stood.pop(key, None)  # it drove on
                continue
            vehicle = self._vehicles.get(key)
            if vehicle is None:
                if len(self._vehicles) >= MAX_VEHICLES:
                    continue
                came_ns = self._came_ns(key, box, frame.utc_ns, found)
                vehicle = self._vehicles[key] = _Vehicle(seen_ns=frame.utc_ns, came_ns=came_ns)
            vehicle.seen_ns = frame.utc_ns
            if vehicle.is_listed:
                self._stood[key] = _Stood(box, vehicle.came_ns, frame.utc_ns)
            if vehicle.is_done or frame.utc_ns - vehicle.looked_ns < LOOK_EVERY_NS:
                continue
            vehicle.looked_ns = frame.utc_ns
            vehicle.looks += 1
            self._read(permit, vehicle, frame, box)
            vehicle.is_done = vehicle.is_done or vehicle.looks >= LOOKS_MAX
            if vehicle.is_done:
                vehicle.read.clear()
                vehicle.asked.clear()

    def _came_ns(self, key: Key, box: Box, utc_ns: Ns, found: TrackedFrame) -> Ns:
        """Since when who is new in a zone is there: as long as the listed vehicle that was lost from sight where it
        stands, if it was not seen outside since."""
        others = {(key[0], int(one)) for one in found.track_ids[found.is_measured]} - {key}
        outside_ns = self._outside_ns.get(key, -1)
        for other, stood in self._stood.items():
            is_free = other[0] == key[0] and other not in others and outside_ns <= stood.seen_ns
            is_recent = utc_ns - stood.seen_ns <= STOOD_NS
            if is_free and is_recent and iou_matrix(np.array([box]), np.array([stood.box]))[0, 0] >= _SAME_PLACE:
                del self._stood[other]
                return stood.came_ns
        return utc_ns

    def _read(self, permit: ZonePermit, vehicle: _Vehicle, frame: Frame, box: Box) -> None:
        # Nothing outside the zone is read: a plate of the street beside it stays what it is.
        xs, ys = zip(*permit.polygon, strict=True)
        height, width = frame.y.shape
        x1, x2 = (round(min(max(one, min(xs), 0.0), max(xs), 1.0) * width / 2) * 2 for one in (box[0], box[2]))
        y1, y2 = (round(min(max(one, min(ys), 0.0), max(ys), 1.0) * height / 2) * 2 for one in (box[1], box[3]))
        if x2 - x1 < 16 or y2 - y1 < 16:
            return
        picture = self._scaler.to_rgb(crop(frame, x1, y1, x2, y2), x2 - x1, y2 - y1)
        vehicle.read.update({plain for plain in map(compared, self._reader.texts(picture)) if plain})
        agreed = [text for text, count in vehicle.read.most_common(3) if count >= AGREE and text not in vehicle.asked]
        if not agreed or vehicle.asks >= ASKS_MAX:
            return
        vehicle.asks += 1
        vehicle.asked.update(agreed)
        vehicle.is_done = vehicle.is_listed = self._ask(
            AskPlate(
                zone_id=permit.zone_id,
                camera_id=self._camera_id,
                utc_ns=frame.utc_ns,
                texts=tuple(agreed),
                since_ns=vehicle.came_ns,
            )
        )
