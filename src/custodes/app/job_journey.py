"""The looks job as a process: a task, cameras as the journey comes to them, questions in turn, and an end."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app.job_inbox import Inbox
from custodes.app.job_looks import Budget, Film, Looker
from custodes.config import SitePaths
from custodes.errors import CustodesError, DeadlineExceeded, ProtocolError, Unavailable
from custodes.ports.clock import Clock
from custodes.review.archive import Archive
from custodes.review.keys import ViewKeys
from custodes.types.event import FrameAnalysed
from custodes.types.journey_job import (
    CompareTracks,
    FindStay,
    LooksEnded,
    LooksFailed,
    LooksTask,
    NeedFrames,
    OpenCamera,
)
from custodes.types.message import MaskFacts, StopView
from custodes.units import NS_PER_S, CameraId, Ns

NICE = 10
ANSWER_NS = 60 * NS_PER_S
"""The server reads facts from the catalog."""
_GRACE_S = 5.0


class _Stopped(Exception):
    """The server wants no more."""


def serve_looks(
    task: LooksTask, commands: Sequence[object], *, paths: SitePaths, clock: Clock, channel: Channel, inbox: Inbox
) -> None:
    """Answer until the server says stop, goes, or the deadline passes; then overwrite what is known. Never raises a
    CustodesError: the server is told why it ended."""
    os.nice(NICE)
    seconds = max((task.deadline_ns - clock.now_ns()) / NS_PER_S, 0) + _GRACE_S
    signal.setitimer(signal.ITIMER_REAL, seconds)  # one that hangs in a codec ends by SIGALRM
    warden = WardenJobClient(paths.socket("warden-jobs"))

    def open_film(opened: OpenCamera, budget: Budget) -> Film:
        keys = ViewKeys(lambda headers: warden.release_keys(opened.grant_token, headers), opened.camera_id)
        archive = Archive(data_dir=paths.data_dir, camera_id=opened.camera_id, keys=keys)
        archive.put(opened.segments)
        return Film(opened, archive, keys, budget)

    def ask_frames(camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> Sequence[FrameAnalysed]:
        channel.send(NeedFrames(camera_id=camera_id, start_ns=start_ns, end_ns=end_ns))
        for command in _commands(inbox, task, clock):
            if isinstance(command, MaskFacts):
                return command.frames
            if isinstance(command, StopView):
                raise _Stopped
            raise ProtocolError(f"a looks job that asked for facts got {type(command).__name__}")
        raise Unavailable("the server does not tell what was analysed")

    looker = Looker(task, open_film=open_film, ask_frames=ask_frames)
    try:
        for command in commands:
            _obey(command, looker, channel)
        for command in _commands(inbox, task, clock):
            _obey(command, looker, channel)
    except _Stopped:
        pass
    except CustodesError as error:
        structlog.get_logger().warning("looks ended early", error=str(error), error_kind=error.kind.value)
        channel.send(LooksFailed(error=str(error)))
    finally:
        looker.forget()
    with contextlib.suppress(CustodesError):  # the server may be gone
        channel.send(LooksEnded())


def _obey(command: object, looker: Looker, channel: Channel) -> None:
    match command:
        case OpenCamera():
            looker.open(command)
        case CompareTracks():
            channel.send(looker.compare(command))
        case FindStay():
            channel.send(looker.find_stay(command))
        case StopView():
            raise _Stopped
        case _:
            raise ProtocolError(f"a looks job got {type(command).__name__}")


def _commands(inbox: Inbox, task: LooksTask, clock: Clock) -> Iterator[object]:
    """What the server says, until it goes. Raises: DeadlineExceeded."""
    while True:
        left_ns = task.deadline_ns - clock.now_ns()
        if left_ns <= 0:
            raise DeadlineExceeded("the time of this journey's looks is over")
        batch = inbox.take(min(left_ns, ANSWER_NS))
        yield from batch.commands
        if batch.is_over:
            return
