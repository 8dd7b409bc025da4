"""The view job: one process, one view. Decrypts, decodes, masks, marks, encodes; then it ends.

It starts without a task and with everything imported, so that the first picture comes fast. It holds data keys of the
segments it shows and one mark key, no other secret. One thread reads the server's commands, one the recorder's
packets (live only), the main thread renders and sends.
"""

import argparse
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.ipc.hubs import HubsSubscriber
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app.job_inbox import Inbox, RecorderLost
from custodes.config import SitePaths, load_effective
from custodes.errors import CustodesError, DeadlineExceeded, ProtocolError, Unavailable
from custodes.media.encode import LiveEncoder
from custodes.ports.clock import Clock
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.redact.zones import PrivacyZone
from custodes.review.archive import Archive
from custodes.review.export import ExportView
from custodes.review.keys import ViewKeys
from custodes.review.live import LiveView
from custodes.review.playback import PlaybackView
from custodes.review.policy import mask_policy
from custodes.review.render import Renderer
from custodes.review.stills import StillView
from custodes.review.view import View
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.runtime.stopping import StopSignals
from custodes.telemetry import logs
from custodes.types.event import FrameAnalysed
from custodes.types.journey_job import LooksTask
from custodes.types.leak import NeedMasks, SeekTask, TraceTask
from custodes.types.message import (
    HoldView,
    JobReady,
    MaskFacts,
    MoreSegments,
    SealedPacket,
    SealedStreamOpened,
    SeekTo,
    StopView,
    StreamClosed,
    ViewEnded,
    ViewKind,
    ViewTask,
)
from custodes.types.posts import SpreadTask
from custodes.types.protection import PieceChecked, ProtectTask
from custodes.units import NS_PER_S, CameraId, Ns

HUB_RETRY_S = 0.5
DEADLINE_GRACE_S = 5.0
"""A job that hangs in a codec beyond its deadline is ended by SIGALRM, which nothing in here catches."""

CHECK_NICE = 10
"""A comparison with the protected and an export may wait; cameras and viewers may not."""

MASKS_TIMEOUT_S = 30.0
"""The server reads them from the catalog."""

HELD_NS = NS_PER_S
"""How long a job that is held waits for a word, before it looks at its deadline again."""

_CONNECT_TRIES = 50
_CONNECT_WAIT_S = 0.1


def make_view(task: ViewTask, *, paths: SitePaths, policy: MaskPolicy, clock: Clock) -> View:
    """The view that a task asks for. Raises: DataLoss, InvalidArgument."""
    warden = WardenJobClient(paths.socket("warden-jobs"))
    keys = ViewKeys(lambda headers: warden.release_keys(task.grant_token, headers), task.camera_id)
    policy = replace(policy, zones=tuple(PrivacyZone(polygon=polygon) for polygon in task.privacy))
    renderer = Renderer(
        fidelity=task.fidelity,
        timeline=MaskTimeline(policy),
        shown=frozenset(task.shown),
        max_height_px=task.max_height_px,
        permitted=keys.permitted,
    )
    if task.kind is ViewKind.LIVE:
        return LiveView(renderer=renderer, keys=keys, clock=clock)
    archive = Archive(data_dir=paths.data_dir, camera_id=task.camera_id, keys=keys)
    archive.put(task.segments)
    if task.kind is ViewKind.STILL:
        return StillView(archive=archive, renderer=renderer, keys=keys, clock=clock)
    if task.kind is ViewKind.EXPORT:
        return ExportView(
            archive=archive, renderer=renderer, keys=keys, clock=clock, start_ns=task.start_ns, end_ns=Ns(task.end_ns)
        )
    return PlaybackView(
        archive=archive, renderer=renderer, keys=keys, clock=clock, speed=task.speed, start_ns=task.start_ns
    )


class Job:
    """One view from its task to its end."""

    def __init__(self, task: ViewTask, view: View, *, channel: Channel, inbox: Inbox, clock: Clock) -> None:
        self._task = task
        self._view = view
        self._channel = channel
        self._inbox = inbox
        self._clock = clock
        self._is_held = False

    def run(self, commands: Sequence[object]) -> None:
        """Render until the server says stop or goes, or the deadline passes.

        Args: commands: what came together with the task.
        Raises: the view's CustodesError, DeadlineExceeded.
        """
        wait_ns = 0
        is_wanted = all([self._obey(command) for command in commands])
        while is_wanted:
            left_ns = self._task.deadline_ns - self._clock.now_ns()
            if left_ns <= 0:
                raise DeadlineExceeded("the time of this view is over")
            batch = self._inbox.take(min(wait_ns, left_ns))
            if batch.is_over:
                return
            is_wanted = all([self._obey(command) for command in batch.commands])
            if batch.has_lost_packets and isinstance(self._view, LiveView):
                self._view.lose_packets()
            for event in batch.packets:
                self._feed(event)
            if not is_wanted:
                return
            if self._is_held:
                wait_ns = HELD_NS
                continue
            step = self._view.step()
            for output in step.outputs:
                self._channel.send(output)
            wait_ns = step.wait_ns

    def _obey(self, command: object) -> bool:
        """False when the view is to end."""
        match command:
            case MaskFacts(frames=frames):
                self._view.add_masks([fact for fact in frames if fact.frame.camera_id == self._task.camera_id])
            case SeekTo(utc_ns=utc_ns, request_id=request_id):
                self._view.seek(utc_ns, request_id)
            case MoreSegments(segments=segments):
                self._view.add_segments(segments)
            case HoldView(is_held=is_held):
                self._is_held = is_held
            case StopView():
                return False
            case _:
                raise ProtocolError(f"a job in the middle of a view got {type(command).__name__}")
        return True

    def _feed(self, event: object) -> None:
        view = self._view
        assert isinstance(view, LiveView), "only live views listen to the recorder"
        match event:
            case SealedStreamOpened():
                view.open_segment(event)
            case SealedPacket():
                view.add_packet(event)
            case StreamClosed():
                view.close_stream(event)
            case RecorderLost():
                view.lose_recorder()
            case _:
                raise ProtocolError(f"the live hub sent {type(event).__name__}")


def read_commands(channel: Channel, inbox: Inbox) -> None:
    """Thread: the server's messages into the inbox, until it closes."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    try:
        while True:
            poll.poll()  # a spare job waits for hours; only a message that has begun must end in time
            message = channel.receive()
            if message is None:
                return
            inbox.put_command(message)
    except (CustodesError, OSError):
        return  # the server is gone or broken: either way this view is over
    finally:
        inbox.end()


def follow_hubs(hubs: Sequence[Path], camera_id: CameraId, inbox: Inbox) -> None:
    """Thread: the camera's sealed packets into the inbox, whoever records it, for as long as the job lives."""
    is_lost = False
    while True:
        try:
            subscriber = HubsSubscriber(hubs, (camera_id,))
            try:
                while True:
                    inbox.put_packet(subscriber.receive())
                    is_lost = False
            finally:
                subscriber.close()
        except (Unavailable, ProtocolError):
            if not is_lost:
                inbox.put_packet(RecorderLost())
            is_lost = True
        time.sleep(HUB_RETRY_S)


def _connect(paths: SitePaths, inbox: Inbox, server: str) -> Channel:
    for left in range(_CONNECT_TRIES, 0, -1):
        try:
            return Channel.connect(paths.socket(f"{server}-jobs"))
        except Unavailable:
            if left == 1 or inbox.is_over:
                raise
            time.sleep(_CONNECT_WAIT_S)
    raise AssertionError("unreachable")


def _await_task(
    inbox: Inbox,
) -> tuple[ViewTask | TraceTask | SeekTask | SpreadTask | ProtectTask | LooksTask, tuple[object, ...]] | None:
    """The one task and what came with it; None when the server went away before it had one."""
    while True:
        batch = inbox.take(60 * NS_PER_S)
        if batch.commands:
            first, *rest = batch.commands
            if isinstance(first, StopView):
                return None
            if not isinstance(first, ViewTask | TraceTask | SeekTask | SpreadTask | ProtectTask | LooksTask):
                raise ProtocolError(f"a spare job got {type(first).__name__}; expected a task")
            return first, tuple(rest)
        if batch.is_over:
            return None


def serve(
    paths: SitePaths,
    name: str,
    policy: MaskPolicy,
    clock: Clock,
    inbox: Inbox,
    *,
    recorders: Sequence[str] = ("recorder",),
    server: str = "server",
) -> None:
    """Announce this job, serve one view, say how it ended. `recorders`: names of all of the site's; `server`: the name
    of the one whose job it is.

    Raises: Unavailable when no server is there.
    """
    channel = _connect(paths, inbox, server)
    threading.Thread(target=read_commands, args=(channel, inbox), name="commands", daemon=True).start()
    channel.send(JobReady(job_id=name, pid=os.getpid()))
    assigned = _await_task(inbox)
    if assigned is None:
        return
    task, commands = assigned
    if isinstance(task, TraceTask):
        from custodes.app.job_leaks import trace  # OpenCV: not for the views, whose first picture waits for imports

        asking = _asking(channel, inbox)
        trace(task, paths=paths, policy=policy, clock=clock, channel=channel, ask_masks=asking)
        return
    if isinstance(task, SeekTask):
        from custodes.app.job_leaks import seek

        seek(task, paths=paths, clock=clock, channel=channel)
        return
    if isinstance(task, SpreadTask):
        from custodes.app.job_posts import spread_posts

        spread_posts(task, paths=paths, clock=clock, channel=channel)
        return
    if isinstance(task, ProtectTask):
        _protect(task, paths=paths, clock=clock, channel=channel, inbox=inbox)
        return
    if isinstance(task, LooksTask):
        from custodes.app.job_journey import serve_looks

        serve_looks(task, commands, paths=paths, clock=clock, channel=channel, inbox=inbox)
        return
    if task.kind is ViewKind.EXPORT:
        os.nice(CHECK_NICE)
    if task.tasks:
        from custodes.app.job_export import export_in_pieces

        export_in_pieces(task, commands, paths=paths, clock=clock, channel=channel, inbox=inbox)
        return
    structlog.contextvars.bind_contextvars(
        camera_id=task.camera_id, session_id=task.session_id, view_kind=task.kind.value
    )
    log = structlog.get_logger()
    seconds = max((task.deadline_ns - clock.now_ns()) / NS_PER_S, 0) + DEADLINE_GRACE_S
    signal.setitimer(signal.ITIMER_REAL, seconds)
    view: View | None = None
    complaint = ""
    try:
        view = make_view(task, paths=paths, policy=policy, clock=clock)
        if task.kind is ViewKind.LIVE:
            arguments = (paths.hubs("hub-live", recorders), task.camera_id, inbox)
            threading.Thread(target=follow_hubs, args=arguments, name="hub", daemon=True).start()
        log.info("view begins")
        Job(task, view, channel=channel, inbox=inbox, clock=clock).run(commands)
    except CustodesError as error:
        complaint = str(error)
        log.warning("view ended early", error=complaint, error_kind=error.kind.value)
    frames_shown = view.frames_shown if view is not None else 0
    log.info("view ends", frames_shown=frames_shown)
    channel.send(ViewEnded(frames_shown=frames_shown, error=complaint))


def _asking(channel: Channel, inbox: Inbox) -> Callable[[Ns, Ns], tuple[FrameAnalysed, ...]]:
    """Asks the server what was analysed between two moments. Raises: Unavailable."""

    def ask_masks(start_ns: Ns, end_ns: Ns) -> tuple[FrameAnalysed, ...]:
        channel.send(NeedMasks(start_ns=start_ns, end_ns=end_ns))
        while True:
            batch = inbox.take(int(MASKS_TIMEOUT_S * NS_PER_S))
            for command in batch.commands:
                if isinstance(command, MaskFacts):
                    return command.frames
            if batch.is_over or not batch.commands:
                raise Unavailable("the server does not tell masks")

    return ask_masks


def _protect(task: ProtectTask, *, paths: SitePaths, clock: Clock, channel: Channel, inbox: Inbox) -> None:
    """Serve one check: a single answer, which does not say what was found."""
    from custodes.adapters.model import acknowledged_from_environment, models_dir_from_environment
    from custodes.adapters.model.faces import load_face_tools
    from custodes.app.job_protect import Checker, planned_frames
    from custodes.face.lawful import Lawful, check_lawful, read_site_key

    seconds = max((task.deadline_ns - clock.now_ns()) / NS_PER_S, 0) + DEADLINE_GRACE_S
    signal.setitimer(signal.ITIMER_REAL, seconds)
    warden = WardenJobClient(paths.socket("warden-jobs"))
    keys = ViewKeys(lambda headers: warden.release_keys(task.grant_token, headers), task.camera_id)
    config = load_effective(paths.data_dir)

    def permit() -> Lawful:
        site_id, site_key = read_site_key(paths.warden_key)
        return check_lawful(warden.permit_looks(task.grant_token), site_key, site_id, clock.now_ns())

    os.nice(CHECK_NICE)
    complaint = ""
    try:
        archive = Archive(data_dir=paths.data_dir, camera_id=task.camera_id, keys=keys)
        archive.put(task.segments)
        Checker(
            task,
            frames=planned_frames(archive),
            tools=load_face_tools(
                models_dir=models_dir_from_environment() or config.models_dir,
                embedder=config.faces.embedder,
                acknowledged=acknowledged_from_environment(),
            ),
            ask_masks=_asking(channel, inbox),
            permit=permit,
            compare=lambda contract, probes, is_last: warden.compare_protected(
                task.grant_token, contract, probes, is_last
            ),
        ).run()
    except CustodesError as error:
        structlog.get_logger().warning("check failed", error=str(error), error_kind=error.kind.value)
        complaint = str(error)
    channel.send(PieceChecked(camera_id=task.camera_id, error=complaint))


def warm_up() -> None:
    """Load what the first picture would otherwise wait for: libx264's tables, FFmpeg's registration."""
    LiveEncoder(64, 64, 28).init()


def main(words: Sequence[str] | None = None) -> None:
    """Entry point of the process; `words` are the arguments of one that was forked (`app.forker`)."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.job")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="job")
    parser.add_argument("--server", default="server")
    arguments = parser.parse_args(words)
    paths = SitePaths(arguments.data.resolve())
    inbox = Inbox()
    StopSignals(inbox.end)
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        warm_up()
        policy = mask_policy(config.redaction)
        serve(
            paths,
            arguments.name,
            policy,
            SystemClock(),
            inbox,
            recorders=config.recorder.names,
            server=arguments.server,
        )
    except Unavailable as error:
        # The server is gone; with it went whoever watched. Nothing of ours is wrong.
        structlog.get_logger().info("no server", error=str(error))
    except CustodesError as error:
        structlog.get_logger().error("job cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"job: {error}")


if __name__ == "__main__":
    main()
