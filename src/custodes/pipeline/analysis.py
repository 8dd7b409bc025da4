"""Frames of one run into facts: motion, detector, tracker, and what may be vouched for.

Fails closed: after anything that could hide a person (a lost packet, a corrupt frame, a detector that failed) the next
fact vouches for its own moment only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.detect.motion import MotionDetector
from custodes.errors import CustodesError, DataLoss
from custodes.geometry.boxes import empty_boxes
from custodes.pipeline.counters import Counters
from custodes.ports.clock import Clock
from custodes.ports.model import Detector
from custodes.track.ended import EndedTrack
from custodes.track.tracker import TrackColumns, Tracker, TrackerConfig
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.media import Frame
from custodes.types.vision import VEHICLES, Detections, ObjectClass, TrackedFrame, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns, RunId

VOUCH_MAX_NS = NS_PER_S
"""Longest stretch between two looks that is vouched for: a walker crosses a tenth of a typical picture in it."""

CHECK_NS = 2 * NS_PER_S
"""The detector looks at least this often, however quiet the picture is."""

FOUND_SCORE = 0.65
"""From here on a detection in a still picture says that pixel motion missed somebody: a track begins at this
score (`TrackerConfig.begin_score`)."""

IDS_PER_PACKET = 1000
"""Track ids start at the first frame's packet number times this, so that an analyser that starts anew within a run
never gives a number again: no detector finds 1000 new objects per packet."""

_BACK_MAX_NS = NS_PER_S
_PEOPLE = frozenset({ObjectClass.PERSON})

ToPicture = Callable[[Frame], npt.NDArray[np.uint8]]
"""Frame → (h, w, 3) uint8 RGB of any size; boxes are scaled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What the cameras of one analyser share."""

    detector: Detector
    to_picture: ToPicture
    clock: Clock
    """Only to measure cost; results do not depend on it."""
    tracker: TrackerConfig


class FrameAnalysis:
    """`Stage[Frame, FrameAnalysed | TrackEnded]` for the chosen frames of one run."""

    def __init__(self, camera_id: CameraId, run: RunId, looking: Looking, counters: Counters) -> None:
        self._camera_id = camera_id
        self._run = run
        self._looking = looking
        self._counters = counters
        self.check_ns: int | None = None
        """How old the detector's last word may be on a quiet frame; None for `CHECK_NS`."""
        self.found_still: bool | None = None
        """What the detector found in the last frame, if nothing moved there and no track lived; else None."""
        self._begin()

    def _begin(self) -> None:
        self._motion = MotionDetector()
        self._tracker: Tracker | None = None
        self._vouched_ns: int | None = None
        """Time of the last look, while nothing was lost since."""
        self._checked_ns: int | None = None
        """Time of the last successful detector call."""
        self._newest_ns = 0

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

    def process(self, frame: Frame) -> Sequence[FrameAnalysed | TrackEnded]:
        """Look at one frame. Frames come in order of `seq`; a corrupt one is not looked at and breaks the vouching."""
        # Forgotten first and set last: whatever fails in between, the next fact does not vouch for this frame.
        before_ns, self._vouched_ns = self._vouched_ns, None
        if frame.is_corrupt:
            return []
        ended = self._restart_if_back(frame)
        detections = self._look(frame)
        if detections is None:
            return ended
        assert self._tracker is not None
        started_ns = self._looking.clock.monotonic_ns()
        height_px, width_px = frame.y.shape
        columns = self._tracker.step(detections, frame.utc_ns, (width_px, height_px))
        self._counters.track_cost_ns += self._looking.clock.monotonic_ns() - started_ns
        is_joined = before_ns is not None and 0 <= frame.utc_ns - before_ns <= VOUCH_MAX_NS
        fact = FrameAnalysed(
            frame=self._tracked(frame, columns),
            valid_from_ns=Ns(before_ns) if is_joined and before_ns is not None else frame.utc_ns,
        )
        self._counters.frames_analysed += 1
        self._counters.analysed_ns = self._counters.judged_ns = frame.utc_ns
        self._vouched_ns = self._newest_ns = frame.utc_ns
        return [*ended, fact, *self._ended()]

    def flush(self) -> Sequence[FrameAnalysed | TrackEnded]:
        """The run is over: what its tracks were."""
        ended: list[TrackEnded] = []
        if self._tracker is not None:
            self._tracker.finish()
            ended = self._ended()
        self._begin()
        return ended

    def snapshot(self) -> bytes:
        """Tracker, background and what was vouched for."""
        tracker = None if self._tracker is None else self._tracker.snapshot()
        times = (self._vouched_ns, self._checked_ns, self._newest_ns)
        return msgspec.msgpack.encode((tracker, self._motion.snapshot(), times))

    def restore(self, state: bytes) -> None:
        """See `Stage`. Raises: DataLoss."""
        try:
            packed, background, times = _STATE.decode(state)
        except msgspec.MsgspecError as error:
            raise DataLoss(f"analysis snapshot cannot be read: {error}") from error
        tracker = None if packed is None else Tracker(config=self._looking.tracker)
        if tracker is not None and packed is not None:
            tracker.restore(packed)
        motion = MotionDetector()
        motion.restore(background)
        self._tracker, self._motion = tracker, motion
        self._vouched_ns, self._checked_ns, self._newest_ns = times

    # -- one look -------------------------------------------------------------------------------------

    def _restart_if_back(self, frame: Frame) -> list[FrameAnalysed | TrackEnded]:
        """Begin the tracker; begin it anew when the camera's clock went back by more than a slew."""
        ended: list[FrameAnalysed | TrackEnded] = []
        if frame.utc_ns < self._newest_ns - _BACK_MAX_NS:
            ended += self.flush()
        if self._tracker is None:
            self._tracker = Tracker(first_id=frame.seq * IDS_PER_PACKET, config=self._looking.tracker)
        return ended

    def _look(self, frame: Frame) -> Detections | None:
        """Detections of the frame; none on a quiet one; None when the detector failed."""
        assert self._tracker is not None
        clock, counters = self._looking.clock, self._counters
        started_ns = clock.monotonic_ns()
        motion = self._motion.look(frame.y, frame.utc_ns)
        looked_ns = clock.monotonic_ns()
        counters.motion_cost_ns += looked_ns - started_ns
        self.found_still = None
        check_ns = CHECK_NS if self.check_ns is None else self.check_ns
        is_fresh = self._checked_ns is not None and 0 <= frame.utc_ns - self._checked_ns < check_ns
        is_still = not motion.is_moving and not self._tracker.live
        if is_fresh and is_still:
            counters.frames_skipped_quiet += 1
            return _nothing()
        self._checked_ns = None
        counters.detector_calls += 1
        try:
            picture = self._looking.to_picture(frame)
            found = self._looking.detector.detect([picture])[0]
        except CustodesError:
            counters.detector_errors += 1
            return None
        self._checked_ns = frame.utc_ns
        if is_still:
            self.found_still = bool((found.scores >= FOUND_SCORE).any())
        counters.detect_cost_ns += clock.monotonic_ns() - looked_ns
        height_px, width_px = frame.y.shape
        scale = np.array([width_px / picture.shape[1], height_px / picture.shape[0]] * 2, np.float32)
        return Detections(boxes_px=found.boxes_px * scale, scores=found.scores, class_ids=found.class_ids)

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
            )
        )


_STATE = msgspec.msgpack.Decoder(tuple[bytes | None, bytes, tuple[int | None, int | None, int]])


def _nothing() -> Detections:
    return Detections(boxes_px=empty_boxes(), scores=np.zeros(0, np.float32), class_ids=np.zeros(0, np.int16))
