"""Frames of one run into facts: motion, detector, tracker, and what may be vouched for.

Fails closed: after anything that could hide a person (a lost packet, a corrupt frame, a detector that failed) the next
fact vouches for its own moment only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.detect.areas import counted
from custodes.detect.attention import Attention, LookPlan
from custodes.detect.edges import EdgeTrace, EdgeWatch
from custodes.detect.regions import Region, RegionLimits
from custodes.errors import CustodesError, DataLoss
from custodes.geometry.boxes import Boxes, empty_boxes, norm_from_px
from custodes.pipeline.counters import Counters
from custodes.pipeline.face_watch import FaceLook, FaceWatch
from custodes.pipeline.scene import Crossings, CrossingState, ground_of
from custodes.ports.clock import Clock
from custodes.ports.model import Detector
from custodes.track.config import TrackerConfig
from custodes.track.ended import EndedTrack
from custodes.track.tracker import NO_TRACK, TrackColumns, Tracker
from custodes.types.event import FrameAnalysed, LineCrossed, TrackEnded
from custodes.types.media import Frame
from custodes.types.scene import CameraScene
from custodes.types.vision import VEHICLES, DetectArea, Detections, ObjectClass, TrackedFrame, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns, RunId

VOUCH_MAX_NS = NS_PER_S
"""Longest stretch between two looks that is vouched for: a walker crosses a tenth of a typical picture in it."""

FOUND_SCORE = 0.65
"""From here on a detection in a still picture says that pixel motion missed somebody: a track begins at this
score (`TrackerConfig.begin_score`)."""

IDS_PER_PACKET = 1000
"""Track ids start at the first frame's packet number times this, so that an analyser that starts anew within a run
never gives a number again: no detector finds 1000 new objects per packet."""

_BACK_MAX_NS = NS_PER_S
_PEOPLE = frozenset({ObjectClass.PERSON})

ToPicture = Callable[[Frame, Region], npt.NDArray[np.uint8]]
"""A region of a frame → (region.height_px, region.width_px, 3) uint8 RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What the cameras of one analyser share."""

    detector: Detector
    to_picture: ToPicture
    limits: RegionLimits
    clock: Clock
    """Only to measure cost; results do not depend on it."""
    tracker: TrackerConfig
    faces: FaceLook | None = None
    """Faces are looked for, too, and masked; counted nowhere."""


AnalysisFact = FrameAnalysed | TrackEnded | LineCrossed


class FrameAnalysis:
    """`Stage[Frame, AnalysisFact]` for the chosen frames of one run."""

    def __init__(
        self, camera_id: CameraId, run: RunId, looking: Looking, counters: Counters, scene: CameraScene | None = None
    ) -> None:
        """`scene`: what people said about the picture; None: nothing. Raises: InvalidArgument for a bad ground."""
        self._camera_id = camera_id
        self._scene = scene or CameraScene()
        self._homography = ground_of(self._scene)
        self._run = run
        self._looking = looking
        self._counters = counters
        self.check_ns: int | None = None
        """How old the last look at the whole frame may be on a quiet one; None for `attention.WHOLE_NS`."""
        self.found_still: bool | None = None
        """What the detector found in the last frame, if nothing moved there and no track lived; else None."""
        self.areas: tuple[DetectArea, ...] = ()
        """Where objects count; everywhere without."""
        self._begin()

    def _begin(self) -> None:
        self._attention = Attention(self._looking.limits)
        self._expected_px = empty_boxes()
        """Where tracks are predicted that the last look did not measure."""
        self._tracker: Tracker | None = None
        self._faces: FaceWatch | None = None
        self._edges = EdgeWatch()
        self._is_resumed = False
        """Its tracks come from a checkpoint, and no frame was looked at since."""
        self._crossings = Crossings(self._camera_id, self._run, self._scene)
        self._vouched_ns: int | None = None
        """Time of the last look, while nothing was lost since."""
        self._newest_ns = 0

    @property
    def vouched_ns(self) -> int | None:
        """Time of the last look, while nothing was lost since."""
        return self._vouched_ns

    def lost(self) -> None:
        """Something between the last look and the next frame was not seen."""
        self._vouched_ns = None

    def live(self) -> tuple[int, int]:
        """Confirmed people and vehicles that are there now."""
        if self._tracker is None:
            return 0, 0
        now = Ns(self._newest_ns)
        return self._tracker.live_confirmed(_PEOPLE, now), self._tracker.live_confirmed(VEHICLES, now)

    def confirmed(self) -> tuple[int, int]:
        """Confirmed people and vehicles whose tracks have not ended."""
        if self._tracker is None:
            return 0, 0
        return self._tracker.confirmed(_PEOPLE), self._tracker.confirmed(VEHICLES)

    def process(self, frame: Frame) -> Sequence[AnalysisFact]:
        """Look at one frame. Frames come in order of `seq`; a corrupt one is not looked at and breaks the vouching."""
        # Forgotten first and set last: whatever fails in between, the next fact does not vouch for this frame.
        before_ns, self._vouched_ns = self._vouched_ns, None
        if frame.is_corrupt:
            return []
        ended = self._restart_if_back(frame)
        plan, detections = self._look(frame)
        faces = None if detections is None else self._look_at_faces(frame, plan)
        if detections is None or faces is None:
            return ended
        size = (frame.y.shape[1], frame.y.shape[0])
        is_counted = counted(detections, self.areas, size)
        columns = self._track(frame, _take(detections, is_counted), self._attention.is_new(plan)[is_counted])
        if not is_counted.all():
            self._counters.detections_outside += int(np.count_nonzero(~is_counted))
            outside = self._people_outside(_take(detections, ~is_counted), size)
            columns = _with_unseen(columns, outside, ObjectClass.PERSON)
        columns = _with_unseen(columns, norm_from_px(plan.shed_px, *size), _ANYTHING)
        if not plan.motion.is_lighting_change:
            known = columns.boxes_norm if faces is _NO_TRACKS else _joined(columns, faces).boxes_norm
            columns = _with_unseen(
                columns, self._edges.step(plan.motion.changed, plan.moved, known, frame.utc_ns), _ANYTHING
            )
        is_joined = before_ns is not None and 0 <= frame.utc_ns - before_ns <= VOUCH_MAX_NS
        fact = FrameAnalysed(
            frame=self._tracked(frame, columns if faces is _NO_TRACKS else _joined(columns, faces)),
            valid_from_ns=Ns(before_ns) if is_joined and before_ns is not None else frame.utc_ns,
        )
        self._counters.frames_analysed += 1
        self._counters.analysed_ns = self._counters.judged_ns = frame.utc_ns
        self._vouched_ns = self._newest_ns = frame.utc_ns
        crossings = self._crossings.take(columns, frame.utc_ns, frame.y.shape[1] / frame.y.shape[0])
        return [*ended, fact, *crossings, *self._ended()]

    def flush(self) -> Sequence[AnalysisFact]:
        """The run is over: what its tracks were."""
        facts: list[AnalysisFact] = [*self._crossings.finish()]
        if self._tracker is not None:
            self._tracker.finish()
            facts += self._ended()
        self._begin()
        return facts

    def tracks(self) -> bytes:
        """What carries this run's tracks on in another process. No pixel is in it: it may lie on a disk."""
        tracker = None if self._tracker is None else self._tracker.snapshot()
        return msgspec.msgpack.encode((tracker, self._newest_ns, self._crossings.state()))

    def resume(self, state: bytes) -> None:
        """Go on with what `tracks` gave, before the first frame; vouches for nothing in between. Raises: DataLoss."""
        try:
            packed, newest_ns, sides = _TRACKS.decode(state)
        except msgspec.MsgspecError as error:
            raise DataLoss(f"tracks of a checkpoint cannot be read: {error}") from error
        if packed is not None:
            tracker = self._new_tracker(1)
            tracker.restore(packed)
            self._tracker = tracker
            self._newest_ns = newest_ns
            self._crossings.restore(sides)
            self._is_resumed = True

    def snapshot(self) -> bytes:
        """Tracker, background and what was vouched for."""
        tracker = None if self._tracker is None else self._tracker.snapshot()
        times = (self._vouched_ns, self._newest_ns)
        return msgspec.msgpack.encode(
            (
                tracker,
                self._attention.snapshot(),
                self._expected_px.tobytes(),
                times,
                self._crossings.state(),
                self._edges.snapshot(),
            )
        )

    def restore(self, state: bytes) -> None:
        """See `Stage`. Raises: DataLoss."""
        try:
            packed, attended, expected, times, sides, edges = _STATE.decode(state)
            expected_px = np.frombuffer(expected, np.float32).reshape(-1, 4).copy()
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"analysis snapshot cannot be read: {error}") from error
        tracker = None if packed is None else self._new_tracker(1)
        if tracker is not None and packed is not None:
            tracker.restore(packed)
        attention = Attention(self._looking.limits)
        attention.restore(attended)
        self._tracker, self._attention, self._expected_px = tracker, attention, expected_px
        self._vouched_ns, self._newest_ns = times
        self._crossings.restore(sides)
        self._edges.restore(edges)

    # -- one look -------------------------------------------------------------------------------------

    def _new_tracker(self, first_id: int) -> Tracker:
        return Tracker(first_id=first_id, config=self._looking.tracker, homography=self._homography)

    def _restart_if_back(self, frame: Frame) -> list[AnalysisFact]:
        """Begin the tracker; begin it anew when the camera's clock went back by more than a slew."""
        ended: list[AnalysisFact] = []
        if frame.utc_ns < self._newest_ns - _BACK_MAX_NS:
            ended += self.flush()
        if self._tracker is None:
            self._tracker = self._new_tracker(frame.seq * IDS_PER_PACKET)
        elif self._is_resumed:
            self._tracker.begin_ids_at(frame.seq * IDS_PER_PACKET)
        self._is_resumed = False
        return ended

    def _look(self, frame: Frame) -> tuple[LookPlan, Detections | None]:
        """What was to be examined, and what is in the frame; None when the detector failed."""
        assert self._tracker is not None
        clock, counters = self._looking.clock, self._counters
        started_ns = clock.monotonic_ns()
        plan = self._attention.plan(frame.y, frame.utc_ns, self._expected_px, still_ns=self.check_ns)
        looked_ns = clock.monotonic_ns()
        counters.motion_cost_ns += looked_ns - started_ns
        self.found_still = None
        counters.lighting_changes += plan.motion.is_lighting_change
        counters.regions_shed += len(plan.shed_px)
        if not plan.regions:
            counters.frames_skipped_quiet += 1
            return plan, self._attention.take(plan, [])
        counters.detector_calls += 1
        counters.whole_looks += plan.is_whole
        counters.regions_looked += len(plan.regions)
        detections = None
        try:
            pictures = [self._looking.to_picture(frame, region) for region in plan.regions]
            detections = self._attention.take(plan, self._looking.detector.detect_parts(pictures))
        except CustodesError:
            counters.detector_errors += 1
        finally:
            if detections is None:
                self._attention.failed()
        if plan.is_whole and detections is not None and not plan.motion.is_moving and not self._tracker.live:
            self.found_still = bool((detections.scores >= FOUND_SCORE).any())
        counters.detect_cost_ns += clock.monotonic_ns() - looked_ns
        return plan, detections

    def _look_at_faces(self, frame: Frame, plan: LookPlan) -> TrackColumns | None:
        """Faces by themselves; None when their detector failed: then nothing is vouched for."""
        look = self._looking.faces
        if look is None:
            return _NO_TRACKS
        if self._faces is None:
            self._faces = FaceWatch(look, self._looking.tracker, frame.seq * IDS_PER_PACKET)
        started_ns = self._looking.clock.monotonic_ns()
        try:
            return self._faces.step(frame, has_moved=bool(plan.regions))
        except CustodesError:
            self._counters.detector_errors += 1
            return None
        finally:
            self._counters.detect_cost_ns += self._looking.clock.monotonic_ns() - started_ns

    def _track(self, frame: Frame, detections: Detections, is_new: npt.NDArray[np.bool_]) -> TrackColumns:
        """Take the tracker a step further, and learn from it where and how large objects are."""
        assert self._tracker is not None
        started_ns = self._looking.clock.monotonic_ns()
        height_px, width_px = frame.y.shape
        if not self._tracker.live and not len(detections.scores):
            self._expected_px = empty_boxes()
            return _NO_TRACKS
        columns = self._tracker.step(detections, frame.utc_ns, (width_px, height_px), is_new=is_new)
        scale = np.array([width_px, height_px] * 2, np.float32)
        self._expected_px = columns.boxes_norm[~columns.is_measured] * scale
        is_sure = columns.is_measured & columns.is_confirmed
        self._attention.learn(columns.boxes_norm[is_sure], columns.class_ids[is_sure], (width_px, height_px))
        self._counters.track_cost_ns += self._looking.clock.monotonic_ns() - started_ns
        return columns

    def _people_outside(self, detections: Detections, size: tuple[int, int]) -> Boxes:
        """Whoever stands where nobody counts is masked all the same."""
        is_masked = detections.scores >= self._looking.tracker.lone_score
        is_masked &= np.isin(detections.class_ids, [int(item) for item in _PEOPLE])
        return norm_from_px(detections.boxes_px[is_masked], *size)

    def _tracked(self, frame: Frame, columns: TrackColumns) -> TrackedFrame:
        return TrackedFrame(
            camera_id=self._camera_id,
            run=self._run,
            seq=frame.seq,
            utc_ns=frame.utc_ns,
            track_ids=columns.track_ids,
            class_ids=columns.class_ids,
            boxes_norm=columns.boxes_norm,
            scores=columns.scores,
            is_measured=columns.is_measured,
        )

    def _ended(self) -> list[TrackEnded]:
        assert self._tracker is not None
        return [self._end(track) for track in self._tracker.ended()]

    def _end(self, track: EndedTrack) -> TrackEnded:
        if track.object_class in _PEOPLE:
            self._counters.people_ended += 1
        elif track.object_class in VEHICLES:
            self._counters.vehicles_ended += 1
        return TrackEnded(
            tracklet=Tracklet(
                camera_id=self._camera_id,
                run=self._run,
                track_id=track.track_id,
                object_class=track.object_class,
                start_ns=track.start_ns,
                end_ns=track.end_ns,
                frames=track.frames,
                mean_score=track.mean_score,
                first_box_norm=track.first_box_norm,
                last_box_norm=track.last_box_norm,
                quality=track.quality,
            )
        )


_TRACKS = msgspec.msgpack.Decoder(tuple[bytes | None, int, CrossingState])
_STATE = msgspec.msgpack.Decoder(
    tuple[bytes | None, bytes, bytes, tuple[int | None, int], CrossingState, list[EdgeTrace]]
)

_NO_TRACKS = TrackColumns(
    track_ids=np.zeros(0, np.int64),
    class_ids=np.zeros(0, np.int16),
    boxes_norm=empty_boxes(),
    scores=np.zeros(0, np.float32),
    is_measured=np.zeros(0, bool),
    is_confirmed=np.zeros(0, bool),
    is_hidden=np.zeros(0, bool),
    feet_norm=np.zeros((0, 2)),
)


def _take(detections: Detections, rows: npt.NDArray[np.bool_]) -> Detections:
    if rows.all():
        return detections
    return Detections(boxes_px=detections.boxes_px[rows], scores=detections.scores[rows],
                      class_ids=detections.class_ids[rows])  # fmt: skip


def _joined(one: TrackColumns, other: TrackColumns) -> TrackColumns:
    return TrackColumns(
        **{
            field.name: np.concatenate([getattr(one, field.name), getattr(other, field.name)])
            for field in fields(TrackColumns)
        }
    )


_ANYTHING = ObjectClass.FACE
"""Of a box in which a head may be anywhere: it is covered as it is at every level, as a face is."""


def _with_unseen(columns: TrackColumns, boxes_norm: Boxes, object_class: ObjectClass) -> TrackColumns:
    """Somebody in each box that belongs to no track: what moved and was not examined or not known, and who stands
    outside the zones. So it is masked and never counted."""
    count = len(boxes_norm)
    if not count:
        return columns
    return TrackColumns(
        track_ids=np.concatenate([columns.track_ids, np.full(count, NO_TRACK, np.int64)]),
        class_ids=np.concatenate([columns.class_ids, np.full(count, object_class, np.int16)]),
        boxes_norm=np.concatenate([columns.boxes_norm, boxes_norm]),
        scores=np.concatenate([columns.scores, np.zeros(count, np.float32)]),
        is_measured=np.concatenate([columns.is_measured, np.zeros(count, bool)]),
        is_confirmed=np.concatenate([columns.is_confirmed, np.zeros(count, bool)]),
        is_hidden=np.concatenate([columns.is_hidden, np.zeros(count, bool)]),
        feet_norm=np.concatenate([columns.feet_norm, boxes_norm[:, 2:].astype(np.float64)]),
    )
