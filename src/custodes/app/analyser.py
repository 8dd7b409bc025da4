"""An analyser process: packets of its share of the cameras in, facts out.

Three threads: the intake reads the hub into bounded queues, the main thread decodes, detects and tracks, the sender
delivers facts. None waits for another for longer than a lock.
"""

import argparse
import contextvars
import sys
import threading
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import structlog

from custodes.adapters.ipc.facts import FactSender
from custodes.adapters.ipc.hubs import HubsSubscriber
from custodes.adapters.model import acknowledged_from_environment, load_detector, models_dir_from_environment
from custodes.app import camera_pipelines
from custodes.app.analyser_colours import AnalyserColours, LookSender
from custodes.app.analyser_looks import LookKeeper, published_finder
from custodes.app.checkpoints import Checkpoints
from custodes.config import SiteConfig, SitePaths, TamperingConfig, load_effective, read_assignment
from custodes.detect.regions import Region, limits_of
from custodes.errors import CustodesError, DeadlineExceeded
from custodes.journey.wanted import NONE as NO_LOOKS
from custodes.journey.wanted import cameras_with_looks
from custodes.media.rgb import RgbScaler, crop
from custodes.pipeline.analysis import Looking
from custodes.pipeline.camera import CameraItem, CameraPipeline
from custodes.pipeline.face_watch import FaceLook
from custodes.pipeline.gops import GopQueue
from custodes.pipeline.signatures import SignatureWatch
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.runtime.stage import InlineRunner
from custodes.runtime.stopping import StopSignals
from custodes.telemetry import logs
from custodes.track.config import TrackerConfig
from custodes.types.event import FrameAnalysed, StreamVerified
from custodes.types.media import Frame, Packet
from custodes.types.message import CameraSpec, CameraWatched, StreamClosed, StreamOpened
from custodes.types.model import ModelFormat
from custodes.types.scene import CameraScene
from custodes.types.stream import is_second
from custodes.types.vision import DetectArea, ModelTask, TrackedFrame
from custodes.units import NS_PER_S, CameraId, RunId

if TYPE_CHECKING:
    from custodes.app.analyser_plates import AnalyserPlates
    from custodes.app.analyser_zones import AnalyserZones

POLL_S = 0.5
"""How often the assignment file is looked at."""

TURN_PACKETS = 40
"""A camera's turn ends after a look or so many packets, whichever is first: one camera cannot starve the others."""

STATUS_NS = NS_PER_S
LEARNT_EVERY_NS = 30 * NS_PER_S
"""A kill costs so much of what gates learnt."""

_RETRY_FIRST_S = 0.2
_RETRY_LAST_S = 3.0
_STOP_S = 3.0


def share_of(cameras: Sequence[CameraSpec], *, index: int, processes: int) -> frozenset[CameraId]:
    """The streams that analyser `index` of `processes` works on: by hash, so that few move on a change."""
    return frozenset(
        camera.camera_id
        for camera in cameras
        if camera.is_enabled and camera.is_analysed and zlib.crc32(camera.camera_id.encode()) % processes == index
    )


class Intake:
    """Packets that wait, per camera. `read_forever` is the intake thread's body; the rest is the worker's."""

    def __init__(
        self,
        paths: SitePaths,
        put_fact: Callable[[StreamVerified], None],
        *,
        index: int,
        processes: int,
        recorders: Sequence[str] = ("recorder",),
        looks: str = NO_LOOKS,
    ) -> None:
        """`recorders`: names of all of the site's. `looks`: `privacy.looks`."""
        self._paths = paths
        self._hubs = paths.hubs("hub-analysis", recorders)
        self._put_fact = put_fact
        self._signatures = SignatureWatch()
        self._index = index
        self._processes = processes
        self._wish = looks
        self._lock = threading.Condition()
        self._queues: dict[CameraId, GopQueue] = {}
        self._ready: dict[CameraId, None] = {}
        self._runs: dict[CameraId, RunId] = {}
        self._assigned_at = -1
        self._log = structlog.get_logger()
        self.cameras: frozenset[CameraId] = frozenset()
        self.areas: dict[CameraId, tuple[DetectArea, ...]] = {}
        """Detection zones and object masks of all cameras; replaced, never changed."""
        self.files: frozenset[CameraId] = frozenset()
        """Cameras that are files: nobody wonders that they repeat themselves."""
        self.scenes: dict[CameraId, CameraScene] = {}
        """Replaced as a whole, so that the worker may read it at any time."""
        self.looked: frozenset[CameraId] = frozenset()
        """Whose tracks get a look (ADR 132)."""
        self.is_stopping = threading.Event()

    # -- the worker's side ------------------------------------------------------------------------------

    def next_camera(self, timeout_s: float) -> CameraId | None:
        """Whose turn it is; None when nothing waits."""
        with self._lock:
            self._lock.wait_for(lambda: self._ready or self.is_stopping.is_set(), timeout_s)
            camera_id = next(iter(self._ready), None)
            if camera_id is not None:
                del self._ready[camera_id]
            return camera_id

    def pop(self, camera_id: CameraId) -> tuple[CameraItem, int, int] | None:
        """The oldest item, GOPs dropped before it, and how much media waits behind it in ns."""
        with self._lock:
            queue = self._queues[camera_id]
            if not len(queue):
                return None
            item, shed = queue.pop()
            return item, shed, queue.span_ns()

    def end_turn(self, camera_id: CameraId) -> None:
        """Back to the end of the line, if more waits."""
        with self._lock:
            if len(self._queues[camera_id]):
                self._ready.setdefault(camera_id, None)

    # -- the intake thread ------------------------------------------------------------------------------

    def read_forever(self) -> None:
        """Subscribe to the share of the cameras, read, and begin again after every break or change."""
        pause_s, is_told = _RETRY_FIRST_S, False
        while not self.is_stopping.is_set():
            self._look_at_assignment()
            if not self.cameras:
                self.is_stopping.wait(POLL_S)
                continue
            try:
                subscriber = HubsSubscriber(self._hubs, sorted(self.cameras))
            except CustodesError as error:
                if not is_told:
                    self._log.warning("no packets: the recorder does not answer", reason=str(error))
                    is_told = True
                self.is_stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _RETRY_LAST_S)
                continue
            self._log.info("subscribed", cameras=len(self.cameras))
            pause_s, is_told = _RETRY_FIRST_S, False
            try:
                self._read(subscriber)
            except CustodesError as error:
                self._log.warning("the recorder's hub is gone", reason=str(error))
                self.is_stopping.wait(pause_s)
            finally:
                subscriber.close()
                self._close_runs()

    def stop(self) -> None:
        """Wake everybody up to end."""
        self.is_stopping.set()
        with self._lock:
            self._lock.notify_all()

    def _read(self, subscriber: HubsSubscriber) -> None:
        """Until the share changes. Raises: what ends the connection."""
        while not self.is_stopping.is_set():
            try:
                message = subscriber.receive(timeout_s=POLL_S)
            except DeadlineExceeded:
                message = None
            if self._look_at_assignment():
                return
            if isinstance(message, StreamOpened | Packet | StreamClosed | CameraWatched):
                self.push(message)
            if isinstance(message, StreamOpened | Packet | StreamClosed):
                for fact in self._signatures.take(message):
                    self._put_fact(fact)

    def _look_at_assignment(self) -> bool:
        """Read the file when it was replaced; True when this analyser's share is another now."""
        try:
            changed_at = self._paths.assignment.stat().st_mtime_ns
        except FileNotFoundError:
            changed_at = 0
        if changed_at == self._assigned_at:
            return False
        self._assigned_at = changed_at
        try:
            cameras = read_assignment(self._paths.assignment).cameras
        except CustodesError as error:
            self._log.error("the camera assignment cannot be used", reason=str(error))
            return False
        self.areas = {camera.camera_id: camera.detect_areas for camera in cameras}
        share = share_of(cameras, index=self._index, processes=self._processes)
        self.scenes = {camera.camera_id: camera.scene for camera in cameras}
        self.looked = cameras_with_looks(cameras, self._wish)
        self.files = frozenset(camera.camera_id for camera in cameras if camera.url.startswith("file:"))
        is_other, self.cameras = share != self.cameras, share
        return is_other

    def push(self, message: CameraItem) -> None:
        """One item of the hub: its camera gets in line."""
        camera_id = message.info.camera_id if isinstance(message, StreamOpened) else message.camera_id
        with self._lock:
            if isinstance(message, StreamOpened):
                self._runs[camera_id] = message.info.run
            self._queues.setdefault(camera_id, GopQueue()).push(message)
            self._ready.setdefault(camera_id, None)
            self._lock.notify_all()

    def _close_runs(self) -> None:
        """Nothing more comes of any run: its tracks end, and counts of now do not stay as they were."""
        for camera_id, run in list(self._runs.items()):
            del self._runs[camera_id]
            self.push(StreamClosed(camera_id=camera_id, run=run))


class Worker:
    """Analyses what waits, camera by camera, and reports every second."""

    def __init__(
        self,
        intake: Intake,
        sender: FactSender,
        looking: Looking,
        *,
        fps: float,
        has_gate: bool,
        checkpoints: Checkpoints,
        learnt: Checkpoints,
        zones: "AnalyserZones | None" = None,
        plates: "AnalyserPlates | None" = None,
        looks: LookKeeper | None = None,
        colours: AnalyserColours | None = None,
        tampering: TamperingConfig | None = None,
    ) -> None:
        """`has_gate`: packets decide what is decoded; without it all is. `zones`: recognition, where it is on.
        `plates`: of vehicles, in zones for them.
        `checkpoints`: of tracks; `learnt`: of what gates know; `looks`: keeps something of what was looked at;
        `colours`: tells the server how those look who are there now, where that is wanted."""
        self._zones = zones
        self._plates = plates
        self._looks = looks
        self._colours = colours
        self._tampering = tampering or TamperingConfig()
        self._checkpoints = checkpoints
        self._learnt = learnt
        self._learnt_ns = looking.clock.monotonic_ns()
        self._intake = intake
        self._sender = sender
        self._looking = looking
        self._fps = fps
        self._has_gate = has_gate
        self._log = structlog.get_logger()
        self._pipelines: dict[CameraId, CameraPipeline] = {}
        self._runners: dict[CameraId, InlineRunner] = {}
        self._scenes: dict[CameraId, CameraScene] = {}
        self._detector_errors: dict[CameraId, int] = {}
        self._reported_ns = 0

    def work_forever(self) -> None:
        """Until the intake stops; then all tracks are ended and reported."""
        while not self._intake.is_stopping.is_set():
            camera_id = self._intake.next_camera(POLL_S)
            if self._zones is not None:
                self._zones.refresh()
            if self._plates is not None:
                self._plates.refresh()
            if camera_id is not None:
                self._take_turn(camera_id)
                self._intake.end_turn(camera_id)
            if self._looking.clock.monotonic_ns() - self._reported_ns >= STATUS_NS:
                self._report()
        self._keep_learnt()
        for runner in self._runners.values():
            for fact in runner.end():
                self._sender.put(fact)
        if self._zones is not None:
            self._zones.close()
        if self._plates is not None:
            self._plates.close()
        if self._looks is not None:
            self._looks.close()
        if self._colours is not None:
            self._colours.close()
        self._report()  # no run is open: the checkpoints go

    def _take_turn(self, camera_id: CameraId) -> None:
        if camera_id not in self._pipelines:
            self._add(camera_id)
        pipeline, runner = self._pipelines[camera_id], self._runners[camera_id]
        pipeline.areas = self._intake.areas.get(camera_id, ())
        self._set_scene(camera_id, pipeline)
        for _ in range(TURN_PACKETS):
            popped = self._intake.pop(camera_id)
            if popped is None:
                return
            item, shed, pipeline.backlog_ns = popped
            if shed:
                pipeline.shed(shed)
            facts = runner.feed(item)
            for fact in facts:
                self._sender.put(fact)
            if any(isinstance(fact, FrameAnalysed) for fact in facts):
                return

    def _set_scene(self, camera_id: CameraId, pipeline: CameraPipeline) -> None:
        scene = self._intake.scenes.get(camera_id, CameraScene())
        if scene == self._scenes.get(camera_id, CameraScene()):
            return
        self._scenes[camera_id] = scene
        for fact in camera_pipelines.set_scene(camera_id, pipeline, scene):
            self._sender.put(fact)

    def _add(self, camera_id: CameraId) -> None:
        pipeline = camera_pipelines.new_pipeline(
            camera_id,
            self._looking,
            fps=self._fps,
            has_gate=self._has_gate,
            watches_tampering=camera_id not in self._tampering.ignore and not is_second(camera_id),
            watches_replay=camera_id not in self._intake.files and self._tampering.replays,
        )
        self._set_scene(camera_id, pipeline)
        camera_pipelines.resume(camera_id, pipeline, self._checkpoints.read(camera_id))

        def failed(error: Exception) -> None:
            pipeline.shed(0)  # whatever it was: the next fact does not vouch for it
            failures = runner.failures
            if failures & (failures - 1) == 0:  # powers of two, so that one bad camera does not fill the log
                self._log.error("analysis failed", camera_id=camera_id, failures=failures, exc_info=error)

        if any(one is not None for one in (self._looks, self._plates, self._colours, self._zones)):
            pipeline.on_look = self._looked
        pipeline.begin_with(self._learnt.read(camera_id), self._looking.clock.now_ns())
        runner = InlineRunner([pipeline], on_failure=failed)
        self._pipelines[camera_id] = pipeline
        self._runners[camera_id] = runner

    def _looked(self, frame: Frame, found: TrackedFrame) -> None:
        scene = self._intake.scenes.get(frame.camera_id, CameraScene())
        if self._colours is not None and frame.camera_id in self._intake.looked:
            self._colours.look(frame, found, scene)
        if self._looks is not None:
            self._looks.look(frame, found, scene)
        if self._plates is not None:
            self._plates.look(frame, found)
        watch = self._zones.watcher(frame.camera_id) if self._zones is not None else None
        if watch is not None:
            watch(frame, found)

    def _keep_learnt(self) -> None:
        self._learnt_ns = self._looking.clock.monotonic_ns()
        for camera_id, pipeline in self._pipelines.items():
            state = pipeline.learnt()
            if state:  # between two runs what was written stays
                self._learnt.write(camera_id, state)

    def _report(self) -> None:
        self._reported_ns = self._looking.clock.monotonic_ns()
        if self._reported_ns - self._learnt_ns >= LEARNT_EVERY_NS:
            self._keep_learnt()
        for camera_id, pipeline in self._pipelines.items():
            if camera_id not in self._intake.cameras:
                continue
            self._sender.put(pipeline.status(self._looking.clock.now_ns()))
            self._checkpoints.write(camera_id, pipeline.checkpoint())
            errors = pipeline.counters.detector_errors
            if errors > self._detector_errors.get(camera_id, 0):
                self._log.error("the detector failed; the camera is masked whole", camera_id=camera_id, errors=errors)
            self._detector_errors[camera_id] = errors


class PictureMaker:
    """Regions of frames as the detector wants them, one scaler for all cameras of the process."""

    def __init__(self) -> None:
        self._scaler = RgbScaler()

    def __call__(self, frame: Frame, region: Region) -> npt.NDArray[np.uint8]:
        """(region.height_px, region.width_px, 3) uint8 RGB."""
        part = crop(frame, region.x1, region.y1, region.x2, region.y2)
        return self._scaler.to_rgb(part, region.width_px, region.height_px)


def cell_settings(config: SiteConfig) -> bytes:
    """What a cell is told of the site for its own `make_looking`: what it looks for, and nothing else; JSON."""
    only = SiteConfig(analyser=config.analyser, redaction=config.redaction, models_dir=config.models_dir)
    return only.model_dump_json().encode()


def make_looking(config: SiteConfig) -> Looking:
    """Load the detector the configuration asks for. Raises: ModelRefused, InvalidArgument."""
    load = partial(
        load_detector,
        models_dir=models_dir_from_environment() or config.models_dir,
        threads=config.analyser.threads,
        acknowledged=acknowledged_from_environment(),
    )
    runtime = ModelFormat(config.analyser.runtime) if config.analyser.runtime else None
    detector = load(name=config.analyser.detector or None, runtime=runtime)
    to_picture, faces = PictureMaker(), None
    if config.redaction.is_finding_faces:
        faces = FaceLook(detector=load(name=None, task=ModelTask.FACE_DETECT), to_picture=to_picture)
    return Looking(detector=detector, to_picture=to_picture, limits=limits_of(detector.manifest.input),
                   clock=SystemClock(), tracker=TrackerConfig(), faces=faces)  # fmt: skip


def _index_of(name: str) -> int:
    """`analyser-3` → 3."""
    _, _, number = name.rpartition("-")
    return int(number) if number.isdigit() else 0


def run(paths: SitePaths, name: str, config: SiteConfig, stopped: threading.Event) -> None:
    """Analyse until `stopped`. Raises: ModelRefused when there is no usable detector."""
    log = structlog.get_logger()
    looking = make_looking(config)
    log.info("analyser works", detector=looking.detector.ref.name, fps=config.analyser.fps)
    sender = FactSender(paths.socket("server-facts"), name)
    processes = config.analyser.processes
    intake = Intake(
        paths,
        sender.put,
        index=_index_of(name) % processes,
        processes=processes,
        recorders=config.recorder.names,
        looks=config.privacy.looks,
    )

    def stop_when_told() -> None:
        # A signal interrupts no lock, so somebody has to wake the worker.
        stopped.wait()
        intake.stop()

    # Each in a copy of this context, so that its log lines carry the process's name.
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(body,), name=body.__name__, daemon=True)
        for body in (intake.read_forever, sender.run, stop_when_told)
    ]
    for thread in threads:
        thread.start()
    checkpoints = Checkpoints(paths.run_dir)
    zones = None
    if config.faces.enabled:
        from custodes.app.analyser_zones import AnalyserZones  # nothing of recognition where it is off

        zones = AnalyserZones(paths, config, looking.clock)
    colours = None
    if config.privacy.looks != NO_LOOKS:
        colours = AnalyserColours(LookSender(paths.socket("server-looks"), looking.clock))
    from custodes.app.analyser_plates import AnalyserPlates  # back-fills import this module, and read no plate

    Worker(
        intake,
        sender,
        looking,
        fps=config.analyser.fps,
        has_gate=config.analyser.gate,
        checkpoints=checkpoints,
        learnt=Checkpoints(paths.run_dir, "gate"),
        zones=zones,
        plates=AnalyserPlates(paths, looking.clock),
        looks=LookKeeper(paths, config.leaks, published_finder(paths)),
        colours=colours,
        tampering=config.analyser.tampering,
    ).work_forever()
    sender.stop()
    for thread in threads[:2]:
        thread.join(_STOP_S / 2)
    log.info("analyser stopped", facts_sent=sender.acknowledged, facts_dropped=sender.dropped, unsent=sender.waiting)


def main() -> None:
    """Entry point of the process."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.analyser")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="analyser-0")
    arguments = parser.parse_args()
    paths = SitePaths(arguments.data.resolve())
    stopped = threading.Event()
    StopSignals(stopped.set)
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        run(paths, arguments.name, config, stopped)
    except CustodesError as error:
        structlog.get_logger().error("analyser cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"analyser: {error}")


if __name__ == "__main__":
    main()
