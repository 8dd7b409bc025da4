"""A job whose export is rendered in pieces: keys, footage and the film's order are here, the rendering is cells'."""

import signal
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app.export_pieces import ExportPieces, plan_of
from custodes.app.job_inbox import Inbox
from custodes.app.task_hosts import task_runners
from custodes.config import SiteConfig, SitePaths, load_effective
from custodes.errors import CustodesError, FailedPrecondition, Unavailable
from custodes.ports.clock import Clock
from custodes.review.archive import Archive
from custodes.review.keys import ViewKeys
from custodes.runtime.cells import CellRunner
from custodes.types.event import FrameAnalysed
from custodes.types.leak import NeedMasks
from custodes.types.message import HoldView, MaskFacts, MoreSegments, StopView, ViewEnded, ViewTask
from custodes.units import NS_PER_S, Ns

_GRACE_S = 5.0
_ANSWER_NS = 30 * NS_PER_S


class Desk:
    """What the server says, for the thread that works."""

    def __init__(self, task: ViewTask, archive: Archive, channel: Channel, inbox: Inbox) -> None:
        self._camera_id, self._archive, self._channel, self._inbox = task.camera_id, archive, channel, inbox
        self._answers: deque[MaskFacts] = deque()
        self._is_held = False
        self._is_wanted = True

    def hear(self, commands: Sequence[object]) -> None:
        """Raises: DataLoss for segments of elsewhere."""
        for command in commands:
            match command:
                case MaskFacts():
                    self._answers.append(command)
                case MoreSegments(segments=segments):
                    self._archive.put(segments)
                case HoldView(is_held=is_held):
                    self._is_held = is_held
                case StopView():
                    self._is_wanted = False

    def listen(self, wait_ns: int) -> None:
        """Whatever came, after waiting for it at most so long."""
        batch = self._inbox.take(wait_ns)
        self.hear(batch.commands)
        self._is_wanted &= not batch.is_over

    def wait_for_word(self) -> bool:
        """Until segments are complete; False when the server went away before."""
        while self._is_wanted and not self._answers:
            self.listen(NS_PER_S)
        self._answers.clear()
        return self._is_wanted

    def is_held(self) -> bool | None:
        """See `export_pieces.IsHeld`."""
        self.listen(0)
        return self._is_held if self._is_wanted else None

    def ask_masks(self, start_ns: Ns, end_ns: Ns) -> tuple[FrameAnalysed, ...]:
        """Raises: Unavailable."""
        self._channel.send(NeedMasks(start_ns=start_ns, end_ns=end_ns))
        self.listen(_ANSWER_NS)
        while self._is_wanted and not self._answers and self._is_held:
            self.listen(_ANSWER_NS)
        if not self._answers:
            raise Unavailable("the server does not tell masks")
        return tuple(one for one in self._answers.popleft().frames if one.frame.camera_id == self._camera_id)


def export_in_pieces(
    task: ViewTask, commands: Sequence[object], *, paths: SitePaths, clock: Clock, channel: Channel, inbox: Inbox
) -> None:
    """Serve one export, whatever happens; its last word is `ViewEnded`."""
    seconds = max((task.deadline_ns - clock.now_ns()) / NS_PER_S, 0) + _GRACE_S
    signal.setitimer(signal.ITIMER_REAL, seconds)  # a codec that hangs is ended by SIGALRM
    config = load_effective(paths.data_dir)
    warden = WardenJobClient(paths.socket("warden-jobs"))
    keys = ViewKeys(lambda headers: warden.release_keys(task.grant_token, headers), task.camera_id)
    frames, complaint = 0, ""
    try:
        archive = Archive(data_dir=paths.data_dir, camera_id=task.camera_id, keys=keys)
        archive.put(task.segments)
        desk = Desk(task, archive, channel, inbox)
        desk.hear(commands)
        if desk.wait_for_word():
            with ExitStack() as stack:
                pieces = ExportPieces(
                    task,
                    archive,
                    keys,
                    _runners(config, task.tasks, stack),
                    ask_masks=desk.ask_masks,
                    send=channel.send,
                    is_held=desk.is_held,
                    clock=clock,
                )
                pieces.run()
                frames = pieces.film.frames
    except CustodesError as error:
        complaint = str(error)
        structlog.get_logger().warning("export ended early", error=complaint, error_kind=error.kind.value)
    channel.send(ViewEnded(frames_shown=frames, error=complaint))


def _runners(config: SiteConfig, count: int, stack: ExitStack) -> Sequence[CellRunner]:
    """On the cluster only where that is said; one that is away costs time, not the export."""
    plan, cluster = plan_of(config), config.analyser.ray
    if config.analyser.runner == "ray" and cluster is not None and cluster.exports:
        try:
            return stack.enter_context(task_runners(config, "export", plan, count))
        except (Unavailable, FailedPrecondition) as error:
            structlog.get_logger().warning("an export is rendered here", reason=str(error))
    return stack.enter_context(task_runners(config, "export", plan, count, is_local=True))
