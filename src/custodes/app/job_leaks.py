"""What a job does for the leak desk: one trace in one camera, or a first look at which of many cameras it may be."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app.content_index import ContentIndex, Made, MakeSketches, Wanted, made_here
from custodes.app.job_trace import AskMasks, Tracer
from custodes.app.job_trace_expired import ExpiredTracer
from custodes.app.kept_looks import KeptLooks
from custodes.app.kept_names import backgrounds_near
from custodes.app.piecewise import NICE
from custodes.app.sketch_tasks import PLAN, SketchTasks
from custodes.app.task_hosts import task_runners
from custodes.config import SiteConfig, SitePaths, load_effective
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, Unavailable
from custodes.leaks.alignment import Suspect
from custodes.leaks.place import found_pictures
from custodes.leaks.ranking import Ranker, rank_plane
from custodes.leaks.registration import Luma
from custodes.ports.clock import Clock
from custodes.redact.timeline import MaskPolicy
from custodes.review.archive import Archive
from custodes.review.keys import ViewKeys
from custodes.review.trace import gops_between, keyframes
from custodes.types.leak import CamerasSought, PictureTraced, SeekCamera, SeekTask, TraceProgress, TraceTask
from custodes.units import NS_PER_S, Ns

_GRACE_S = 5.0
_SEEK_VIEWS = 3
"""Of each camera: in other light it looks another."""
_SEEK_GOPS = 64
_SEEK_PICTURES = 3
"""Of a clip."""


def seek(task: SeekTask, *, paths: SitePaths, clock: Clock, channel: Channel) -> None:
    """Serve one search over many cameras: a single answer, whatever happens."""
    os.nice(NICE)
    _end_by(task.deadline_ns, clock)
    warden = WardenJobClient(paths.socket("warden-jobs"))
    weights: dict[str, float] = {}
    complaint = ""
    try:
        pictures = found_pictures(task.picture, limit=_SEEK_PICTURES)
    except InvalidArgument as error:
        channel.send(CamerasSought(weights={}, error=str(error), is_unreadable=True))
        return
    try:
        ranker = Ranker([side for one in pictures for side in Suspect(one).sides])
        for camera in task.cameras:
            weight = _weight(ranker, camera, paths, _keys(warden, camera))
            if weight is not None:
                weights[str(camera.camera_id)] = weight
    except CustodesError as error:
        structlog.get_logger().warning("search over cameras failed", error=str(error), error_kind=error.kind.value)
        complaint = str(error)
    structlog.get_logger().info("search over cameras ends", cameras=len(weights), cpu_s=round(time.process_time(), 1))
    channel.send(CamerasSought(weights=weights, error=complaint))


def _keys(warden: WardenJobClient, camera: SeekCamera) -> ViewKeys:
    return ViewKeys(lambda headers: warden.release_keys(camera.grant_token, headers), camera.camera_id)


def _weight(ranker: Ranker, camera: SeekCamera, paths: SitePaths, keys: ViewKeys) -> float | None:
    """None where the camera has no view that opens, and no picture either."""
    looks = KeptLooks(camera.camera_id, keys)
    near = backgrounds_near(paths.backgrounds / camera.camera_id, camera.start_ns, camera.end_ns)
    views = [view.y for view in (looks.background(one) for one in near[:_SEEK_VIEWS]) if view is not None]
    return max((ranker.weight(rank_plane(y)) for y in views or _newest(camera, paths, keys)), default=None)


def _newest(camera: SeekCamera, paths: SitePaths, keys: ViewKeys) -> list[Luma]:
    """A camera has been there for minutes: one of its last pictures, or none."""
    archive = Archive(data_dir=paths.data_dir, camera_id=camera.camera_id, keys=keys)
    archive.put(camera.segments)
    gops = gops_between(archive, camera.start_ns, camera.end_ns, limit=_SEEK_GOPS)
    return [one.frame.y for one in islice(keyframes(archive, gops[::-1]), 1)]


def trace(
    task: TraceTask, *, paths: SitePaths, policy: MaskPolicy, clock: Clock, channel: Channel, ask_masks: AskMasks
) -> None:
    """Serve one trace: a single answer, whatever happens."""
    os.nice(NICE)
    _end_by(task.deadline_ns, clock)
    warden = WardenJobClient(paths.socket("warden-jobs"))
    keys = ViewKeys(lambda headers: warden.release_keys(task.grant_token, headers), task.camera_id)
    try:
        archive = Archive(data_dir=paths.data_dir, camera_id=task.camera_id, keys=keys)
        archive.put(task.segments)
        expired = ExpiredTracer(
            task,
            looks=KeptLooks(task.camera_id, keys),
            folder=paths.backgrounds / task.camera_id,
            release=lambda: warden.release_marks(task.grant_token, ()),
        )
        with _sketching(archive, load_effective(paths.data_dir)) as make:
            index = ContentIndex(paths.index, archive=archive, keys=keys, segments=task.segments, make=make)
            index.forget_gone(paths.segments)
            answer = Tracer(
                task,
                archive=archive,
                index=index,
                policy=policy,
                ask_masks=ask_masks,
                release=lambda names: warden.release_marks(task.grant_token, names),
                expired=expired,
                told=lambda share: channel.send(TraceProgress(share=share)),
            ).run()
    except CustodesError as error:
        structlog.get_logger().warning("trace failed", error=str(error), error_kind=error.kind.value)
        answer = PictureTraced(camera_id=task.camera_id, is_found=False, error=str(error))
    structlog.get_logger().info(
        "trace ends", camera_id=task.camera_id, is_found=answer.is_found, cpu_s=round(time.process_time(), 1)
    )
    channel.send(answer)


@contextmanager
def _sketching(archive: Archive, config: SiteConfig) -> Iterator[MakeSketches | None]:
    """By whom missing sketches are made: cells, or this job itself. They begin when something is missing.

    A cluster that is away costs time, not the search.
    """
    if config.analyser.runner != "ray" and config.leaks.search_tasks == 1:
        yield None
        return
    with ExitStack() as stack:

        def make(wanted: Sequence[Wanted]) -> Iterator[Made]:
            if not wanted:
                return iter(())
            try:
                runners = stack.enter_context(task_runners(config, "sketches", PLAN, config.leaks.search_tasks))
            except (Unavailable, FailedPrecondition) as error:
                structlog.get_logger().warning("sketches are made here", reason=str(error))
                return made_here(archive, wanted)
            return SketchTasks(archive, runners)(wanted)

        yield make


def _end_by(deadline_ns: Ns, clock: Clock) -> None:
    """A codec that hangs is ended by SIGALRM, which nothing in here catches."""
    seconds = max((deadline_ns - clock.now_ns()) / NS_PER_S, 0) + _GRACE_S
    signal.setitimer(signal.ITIMER_REAL, seconds)
