"""Faces in recognition zones of one camera: found, judged, tracked, embedded under a permit, fused, sent as one probe.

Imported when the first permit arrives, never before. What it holds of a face lives in memory alone and is overwritten
when the probe was sent, when the track ends, or when the zone goes off.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from custodes.detect.faces import FoundFace
from custodes.errors import CustodesError, PermissionDenied
from custodes.face.align import Picture
from custodes.face.bodies import agreed, bodies_of
from custodes.face.fusion import MAX_AGE_NS, TrackLooks
from custodes.face.lawful import OpenZone
from custodes.face.quality import PROBE, judge, problem
from custodes.media.rgb import RgbScaler, crop
from custodes.media.still import small_jpeg
from custodes.pipeline.faces import FaceTools, card
from custodes.track.config import TrackerConfig
from custodes.track.tracker import Tracker
from custodes.types.face_message import Probe
from custodes.types.media import Frame
from custodes.types.vision import Detections, ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

SendProbe = Callable[[Probe], None]

LOOK_EVERY_NS = Ns(NS_PER_S // 5)
GONE_NS = Ns(3 * NS_PER_S // 2)
"""A face that was not seen for so long is gone: what is fused of it is compared and overwritten, within two
seconds."""

MAX_FACES = 16
"""In one zone at once; more make a crowd, which no recognition zone is for."""

_PART_MAX_PX = 1280
_FACE_TRACKS = TrackerConfig(begin_score=0.45)


@dataclass(slots=True)
class _ZoneState:
    """One zone's faces of now."""

    zone: OpenZone
    tracker: Tracker
    looks: dict[int, TrackLooks] = field(default_factory=dict)
    seen_ns: dict[int, Ns] = field(default_factory=dict)
    bodies: dict[int, Counter[int]] = field(default_factory=dict)
    """Of each face track: how often it was at which person's track (`face.bodies`)."""


class ZoneWatch:
    """All zones of one camera. Owned by the analyser's working thread."""

    def __init__(self, camera_id: CameraId, tools: FaceTools, send: SendProbe) -> None:
        self._camera_id = camera_id
        self._tools = tools
        self._send = send
        self._scaler = RgbScaler()
        self._states: dict[str, _ZoneState] = {}
        self._run = RunId("")
        self._due_ns = 0
        self.probes = 0
        self.refused = 0
        """Faces that were found and, by the permit, not looked at."""

    def set_zones(self, zones: Sequence[OpenZone]) -> None:
        """The permits of now. What is off is forgotten; what is on goes on under its newest permit."""
        mine = {one.permit.zone_id: one for one in zones if one.permit.camera_id == self._camera_id}
        for zone_id in [known for known in self._states if known not in mine]:
            self._forget(self._states.pop(zone_id))
        for zone_id, zone in mine.items():
            state = self._states.get(zone_id)
            if state is None or state.zone.permit.digest != zone.permit.digest:
                if state is not None:
                    self._forget(state)
                self._states[zone_id] = _ZoneState(zone=zone, tracker=Tracker(config=_FACE_TRACKS))
            else:
                state.zone = zone

    def look(self, frame: Frame, found: TrackedFrame) -> None:
        """A frame that was looked at, and whoever is in it. Never raises for what is in it."""
        if found.run != self._run:
            self.flush()
            self._run = found.run
        if not self._states or frame.utc_ns < self._due_ns:
            return
        self._due_ns = frame.utc_ns + LOOK_EVERY_NS
        for state in self._states.values():
            try:
                self._look_at(state, frame, found)
            except CustodesError:
                self.refused += 1
            self._end_gone(state, frame.utc_ns)

    def flush(self) -> None:
        """The run is over, or nothing comes any more: all faces are compared and forgotten."""
        self._due_ns = 0
        for state in self._states.values():
            for track_id in list(state.looks):
                self._finish(state, track_id)
            state.tracker = Tracker(config=_FACE_TRACKS)
            state.seen_ns.clear()
            state.bodies.clear()

    def tick(self, now_ns: Ns) -> None:
        """No frame came: what has gone by the clock is finished all the same."""
        for state in self._states.values():
            self._end_gone(state, now_ns)

    # -- one zone --------------------------------------------------------------------------------------------

    def _look_at(self, state: _ZoneState, frame: Frame, found: TrackedFrame) -> None:
        height, width = frame.y.shape
        x1, y1, x2, y2 = _part(state.zone.permit.polygon, width, height)
        part = crop(frame, x1, y1, x2, y2)
        scale = min(1.0, _PART_MAX_PX / max(x2 - x1, y2 - y1))
        size = max(int((x2 - x1) * scale), 16), max(int((y2 - y1) * scale), 16)
        picture = self._scaler.to_rgb(part, *size)
        faces = self._tools.finder.find(picture)[:MAX_FACES]
        inside = [one for one in faces if self._is_inside(state, one, (x1, y1), scale, (width, height), frame.utc_ns)]
        boxes = np.array([one.box_px for one in inside], np.float32).reshape(-1, 4)
        corner = np.array([x1, y1, x1, y1], np.float32)
        whole = ((boxes / scale + corner) / np.array([width, height] * 2)).astype(np.float32)
        tracked = self._tracked(state, inside, frame.utc_ns, size)
        for face, track_id, body in zip(inside, tracked, bodies_of(whole, found), strict=True):
            if track_id < 0:
                continue
            state.seen_ns[track_id] = frame.utc_ns
            state.bodies.setdefault(track_id, Counter())[body] += 1
            at = _middle(face, (x1, y1), scale, (width, height))
            self._take(state, track_id, picture, face, at, frame.utc_ns)

    def _is_inside(
        self,
        state: _ZoneState,
        face: FoundFace,
        origin: tuple[int, int],
        scale: float,
        frame_size: tuple[int, int],
        utc_ns: Ns,
    ) -> bool:
        try:
            at = _middle(face, origin, scale, frame_size)
            state.zone.lawful.require(utc_ns, camera_id=self._camera_id, at=at)
        except PermissionDenied:
            self.refused += 1
            return False
        return True

    def _tracked(self, state: _ZoneState, faces: list[FoundFace], utc_ns: Ns, size: tuple[int, int]) -> list[int]:
        """The track of each face, -1 for none."""
        count = len(faces)
        boxes = np.array([one.box_px for one in faces], np.float32).reshape(-1, 4)
        detections = Detections(
            boxes_px=boxes,
            scores=np.array([one.score for one in faces], np.float32),
            class_ids=np.full(count, int(ObjectClass.FACE), np.int16),
        )
        columns = state.tracker.step(detections, utc_ns, size)
        limit = np.array([size[0], size[1]] * 2, np.float32)
        result = []
        for box in boxes:
            near = np.abs(columns.boxes_norm - np.clip(box / limit, 0, 1)).max(axis=1, initial=0.0)
            rows = np.flatnonzero((near < 1e-3) & columns.is_measured & (columns.track_ids >= 0))
            result.append(int(columns.track_ids[rows[0]]) if len(rows) else -1)
        return result

    def _take(
        self,
        state: _ZoneState,
        track_id: int,
        picture: Picture,
        face: FoundFace,
        at: tuple[float, float],
        utc_ns: Ns,
    ) -> None:
        looks = state.looks.get(track_id)
        if looks is None:
            looks = state.looks[track_id] = TrackLooks.begin(utc_ns, self._tools.embedder.dimension)
        if not looks.wants(utc_ns):
            return
        quality = judge(picture, face.points_px, face.box_px, face.score)
        if problem(quality, PROBE):
            return
        vector = self._tools.vector(picture, face, state.zone.lawful, utc_ns=utc_ns, camera_id=self._camera_id, at=at)
        if looks.add(vector, quality, utc_ns):
            looks.keep_picture(small_jpeg(card(picture, face)))
        if looks.samples >= state.zone.permit.samples or utc_ns - looks.first_ns > MAX_AGE_NS:
            self._compare(state, track_id, looks)

    def _end_gone(self, state: _ZoneState, now_ns: Ns) -> None:
        for track_id in [one for one, seen in state.seen_ns.items() if now_ns - seen > GONE_NS]:
            self._finish(state, track_id)

    def _finish(self, state: _ZoneState, track_id: int) -> None:
        state.seen_ns.pop(track_id, None)
        looks = state.looks.pop(track_id, None)
        if looks is not None:
            if looks.samples and not looks.is_compared:
                self._compare(state, track_id, looks)
            looks.forget()
        state.bodies.pop(track_id, None)

    def _compare(self, state: _ZoneState, track_id: int, looks: TrackLooks) -> None:
        """Once a track: what was sent is overwritten, and the track asks for nothing more."""
        vector = looks.fused()
        self.probes += 1
        try:
            self._send(
                Probe(
                    zone_id=state.zone.permit.zone_id,
                    camera_id=self._camera_id,
                    run=self._run,
                    track_id=agreed(state.bodies.get(track_id, Counter())),
                    start_ns=looks.first_ns,
                    end_ns=looks.last_ns,
                    contract=self._tools.embedder.contract,
                    vector=vector,
                    quality=looks.quality,
                    samples=looks.samples,
                    picture=bytes(looks.picture),
                )
            )
        finally:
            vector[:] = 0
            looks.forget()

    def _forget(self, state: _ZoneState) -> None:
        """The zone is off: nothing is compared any more."""
        for looks in state.looks.values():
            looks.forget()
        state.looks.clear()
        state.seen_ns.clear()
        state.bodies.clear()


def _part(polygon: Sequence[tuple[float, float]], width: int, height: int) -> tuple[int, int, int, int]:
    """The zone's bounding box in even pixels, at least 32 wide and high."""
    corners = np.array(polygon) * np.array([width, height])
    low, high = corners.min(axis=0), corners.max(axis=0)
    x1, y1 = (int(value) // 2 * 2 for value in np.maximum(low, 0))
    x2, y2 = (int(value) // 2 * 2 for value in np.minimum(np.ceil(high) + 1, [width, height]))
    x1, y1 = max(min(x1, x2 - 32), 0), max(min(y1, y2 - 32), 0)
    return x1, y1, max(x2, min(x1 + 32, width // 2 * 2)), max(y2, min(y1 + 32, height // 2 * 2))


def _middle(
    face: FoundFace, origin: tuple[int, int], scale: float, frame_size: tuple[int, int]
) -> tuple[float, float]:
    """The middle of a face of the part, in shares of the frame."""
    x = (float(face.box_px[0] + face.box_px[2]) / 2 / scale + origin[0]) / frame_size[0]
    y = (float(face.box_px[1] + face.box_px[3]) / 2 / scale + origin[1]) / frame_size[1]
    return x, y
