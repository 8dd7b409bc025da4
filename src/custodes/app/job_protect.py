"""The protection job: faces of one hour of one camera to the warden, which alone knows with whom to compare them.

It learns neither who is protected nor whether anybody was found. Imported when such a task comes, never before: the
networks are not for views.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from custodes.errors import PermissionDenied
from custodes.face.fusion import TrackLooks
from custodes.face.lawful import Lawful
from custodes.face.quality import PROBE, judge, problem
from custodes.media.rgb import RgbScaler, crop
from custodes.pipeline.faces import FaceTools
from custodes.pipeline.protect_looks import Box, PlannedLook, plan_looks
from custodes.redact.timeline import VOUCH_SLACK_NS
from custodes.review.archive import Archive
from custodes.review.decoding import GopFrames
from custodes.review.trace import UNREADABLE
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame
from custodes.types.protection import ProtectTask, TrackProbe
from custodes.units import NS_PER_S, Ns, RunId

WINDOW_NS = 300 * NS_PER_S
"""What is asked of the catalog and fused at once."""

PROBES_AT_ONCE = 64
_PART_MAX_PX = 640
_PART_MIN_PX = 32
_OFF_MAX = 0.5
"""A face farther than this share of the part's size from where the head should be is somebody else's."""

AskMasks = Callable[[Ns, Ns], Iterable[FrameAnalysed]]
Frames = Callable[[list[PlannedLook]], Iterable[tuple[Frame, list[PlannedLook]]]]
Compare = Callable[[str, tuple[TrackProbe, ...], bool], None]
"""(contract, tracks, whether these are the last)."""


class Checker:
    """One piece. Vectors live here until the warden answered, and are overwritten then."""

    def __init__(
        self,
        task: ProtectTask,
        *,
        frames: Frames,
        tools: FaceTools,
        ask_masks: AskMasks,
        permit: Callable[[], Lawful],
        compare: Compare,
    ) -> None:
        self._task = task
        self._frames = frames
        self._tools = tools
        self._ask_masks = ask_masks
        self._permit = permit
        self._compare = compare
        self._scaler = RgbScaler()

    def run(self) -> None:
        """Compare everybody. Raises: what archive and warden raise; then the piece counts as not compared."""
        for start_ns in range(self._task.start_ns, self._task.end_ns + 1, WINDOW_NS):
            end_ns = min(start_ns + WINDOW_NS, self._task.end_ns)
            self._window(plan_looks(list(self._ask_masks(Ns(start_ns), Ns(end_ns)))))
        self._compare(self._tools.embedder.contract, (), True)

    def _window(self, plan: list[PlannedLook]) -> None:
        lawful = self._permit()
        fused: dict[tuple[RunId, int], TrackLooks] = {}
        try:
            for frame, looks in self._frames(plan):
                for look in looks:
                    self._look(frame, look, fused, lawful)
            self._send(fused)
        finally:
            for one in fused.values():
                one.forget()

    def _look(
        self, frame: Frame, look: PlannedLook, fused: dict[tuple[RunId, int], TrackLooks], lawful: Lawful
    ) -> None:
        x1, y1, x2, y2 = _pixels(look.part, frame)
        scale = min(1.0, _PART_MAX_PX / max(x2 - x1, y2 - y1))
        size = int((x2 - x1) * scale), int((y2 - y1) * scale)
        picture = self._scaler.to_rgb(crop(frame, x1, y1, x2, y2), *size)
        height, width = frame.y.shape
        expected = (look.at[0] * width - x1) * scale, (look.at[1] * height - y1) * scale
        distances = [
            (abs((one.box_px[0] + one.box_px[2]) / 2 - expected[0]) / size[0]
             + abs((one.box_px[1] + one.box_px[3]) / 2 - expected[1]) / size[1], number, one)
            for number, one in enumerate(self._tools.finder.find(picture))
        ]  # fmt: skip
        if not distances or min(distances)[0] > _OFF_MAX:
            return
        face = min(distances)[2]
        quality = judge(picture, face.points_px, face.box_px, face.score)
        if problem(quality, PROBE):
            return
        key = (look.run, look.track_id)
        if key not in fused:
            fused[key] = TrackLooks.begin(frame.utc_ns, self._tools.embedder.dimension)
        if not fused[key].wants(frame.utc_ns):
            return
        camera_id, utc_ns = self._task.camera_id, frame.utc_ns
        try:
            vector = self._tools.vector(picture, face, lawful, utc_ns=utc_ns, camera_id=camera_id)
        except PermissionDenied:
            return  # a frame of just before or after the interval, which nobody asks for
        fused[key].add(vector, quality, utc_ns)

    def _send(self, fused: dict[tuple[RunId, int], TrackLooks]) -> None:
        ready = [(key, looks) for key, looks in fused.items() if looks.samples]
        for first in range(0, len(ready), PROBES_AT_ONCE):
            probes = tuple(
                TrackProbe(
                    run=run,
                    track_id=track_id,
                    start_ns=looks.first_ns,
                    end_ns=looks.last_ns,
                    vector=looks.fused(),
                    quality=looks.quality,
                    samples=looks.samples,
                )
                for (run, track_id), looks in ready[first : first + PROBES_AT_ONCE]
            )
            try:
                self._compare(self._tools.embedder.contract, probes, False)
            finally:
                for probe in probes:
                    probe.vector[:] = 0


def planned_frames(archive: Archive) -> Frames:
    """Each planned frame once, decoding on within a GOP. What cannot be read cannot be shown either."""

    def frames(plan: list[PlannedLook]) -> Iterator[tuple[Frame, list[PlannedLook]]]:
        gop, opened = None, None
        for (utc_ns, run), group in groupby(plan, key=lambda look: (look.utc_ns, look.run)):
            ref = archive.gop_at(Ns(utc_ns + VOUCH_SLACK_NS))
            if ref is None or ref.run != run:
                continue
            try:
                if ref != gop or opened is None:
                    gop, opened = ref, GopFrames(*archive.read(ref))
                frame = opened.frame_at(Ns(utc_ns + VOUCH_SLACK_NS))
            except UNREADABLE:
                gop = None
                continue
            if frame is not None and not frame.is_corrupt:
                yield frame, list(group)

    return frames


def _pixels(part: Box, frame: Frame) -> tuple[int, int, int, int]:
    """Even, inside the frame, and at least `_PART_MIN_PX` a side."""
    height, width = frame.y.shape
    x1, y1 = int(part[0] * width) // 2 * 2, int(part[1] * height) // 2 * 2
    x1, y1 = max(min(x1, width - _PART_MIN_PX), 0) // 2 * 2, max(min(y1, height - _PART_MIN_PX), 0) // 2 * 2
    x2 = min(max(int(part[2] * width), x1 + _PART_MIN_PX), width) // 2 * 2
    y2 = min(max(int(part[3] * height), y1 + _PART_MIN_PX), height) // 2 * 2
    return x1, y1, x2, y2
