"""The back-fill job: recordings of one camera through the very pipeline of live analysis, by today's model.

One process, one back-fill, at a low priority. It holds data keys of the segments it reads; it shows nobody a
picture and sends facts only. Each stretch is stored before the next but one is begun, so a back-fill that is stopped
has lost some minutes at most.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app import camera_pipelines
from custodes.app.analyser import make_looking
from custodes.app.backfill_pieces import WARM_UP_NS, Pieces, gops, plan_of, read_gop
from custodes.app.piecewise import NICE
from custodes.app.task_hosts import task_runners
from custodes.config import SiteConfig, SitePaths, load_effective
from custodes.errors import CustodesError, DeadlineExceeded, ProtocolError, Unavailable
from custodes.pipeline.analysis import Looking
from custodes.pipeline.backfill import Stretch, Stretches
from custodes.ports.clock import Clock
from custodes.review.archive import Archive
from custodes.review.keys import ViewKeys
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.telemetry import logs
from custodes.types.backfill import (
    BackfillEnded,
    BackfillFacts,
    BackfillTask,
    PieceStretch,
    StretchAnalysed,
    StretchStored,
)
from custodes.types.codec import encode
from custodes.types.message import JobReady, StopView
from custodes.units import Ns

ANSWER_TIMEOUT_S = 120.0
FACTS_PER_MESSAGE = 512
_CONNECT_TRIES = 50
_CONNECT_WAIT_S = 0.1


class Server:
    """The other end: takes stretches, and says when to stop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.is_stopping = False

    def store(self, stretch: Stretch, model: str) -> None:
        """Send one, and wait until it is durable. Raises: Unavailable, DeadlineExceeded."""
        facts = tuple(encode(fact) for fact in stretch.facts)
        self.store_piece(PieceStretch(start_ns=stretch.start_ns, end_ns=stretch.end_ns, facts=facts), model)

    def store_piece(self, stretch: PieceStretch, model: str) -> bool:
        """The same of one that came from a cell; whether more is wanted. Raises: as `store`."""
        encoded = stretch.facts
        for first in range(0, len(encoded), FACTS_PER_MESSAGE):
            self._channel.send(BackfillFacts(facts=encoded[first : first + FACTS_PER_MESSAGE]))
        self._channel.send(StretchAnalysed(start_ns=stretch.start_ns, end_ns=stretch.end_ns, model=model))
        match self._channel.receive():
            case StretchStored():
                pass
            case StopView():
                self.is_stopping = True
            case None:
                raise Unavailable("the server is gone")
            case other:
                raise ProtocolError(f"a back-fill got {type(other).__name__}")
        return not self.is_stopping


def analyse(
    task: BackfillTask, archive: Archive, looking: Looking, server: Server, *, fps: float, has_gate: bool, clock: Clock
) -> int:
    """Everything from the task's position to its end; returns how many GOPs could not be read.

    Raises: what the warden raises; DeadlineExceeded at the grant's end; Unavailable.
    """
    pipeline = camera_pipelines.of_recordings(task.camera, looking, fps=fps, has_gate=has_gate)
    stretches = Stretches(pipeline, start_ns=task.start_ns, from_ns=task.position_ns)
    model, unreadable = camera_pipelines.model_of(looking), 0
    warm_ns = Ns(max(task.start_ns, task.position_ns - WARM_UP_NS))
    for gop in gops(archive, warm_ns, task.end_ns):
        if clock.now_ns() >= task.deadline_ns:
            raise DeadlineExceeded("the grant of this back-fill has ended; resume it to go on")
        read = read_gop(archive, gop)
        if read is None:
            unreadable += 1
            stretches.skip(gop.start_ns, gop.end_ns)
        else:
            stretches.add(*read, start_ns=gop.start_ns, end_ns=gop.end_ns)
        for stretch in stretches.ready():
            server.store(stretch, model)
            if server.is_stopping:
                return unreadable
    for stretch in stretches.finish():
        server.store(stretch, model)
        if server.is_stopping:
            break
    return unreadable


def analyse_pieces(task: BackfillTask, archive: Archive, server: Server, config: SiteConfig, *, clock: Clock) -> int:
    """As `analyse`, by several processes or by cells of the cluster. Raises: as `analyse`; Unavailable, too, when a
    cell or the cluster is lost for good."""
    with task_runners(config, "backfill", plan_of(config), config.analyser.backfill_tasks) as runners:
        pieces = Pieces(task, archive, runners, fps=config.analyser.fps, has_gate=config.analyser.gate, clock=clock)
        pieces.run(server.store_piece)
    return pieces.unreadable


def _connect(paths: SitePaths) -> Channel:
    for left in range(_CONNECT_TRIES, 0, -1):
        try:
            return Channel.connect(paths.socket("server-backfill"), timeout_s=ANSWER_TIMEOUT_S)
        except Unavailable:
            if left == 1:
                raise
            time.sleep(_CONNECT_WAIT_S)
    raise AssertionError("unreachable")


def serve(paths: SitePaths, name: str) -> None:
    """One back-fill from its task to its end. Raises: Unavailable when no server is there."""
    config, clock = load_effective(paths.data_dir), SystemClock()
    channel = _connect(paths)
    channel.send(JobReady(job_id=name, pid=os.getpid()))
    task = channel.receive()
    if not isinstance(task, BackfillTask):
        return
    structlog.contextvars.bind_contextvars(camera_id=task.camera.camera_id)
    complaint, unreadable = "", 0
    try:
        warden = WardenJobClient(paths.socket("warden-jobs"))
        keys = ViewKeys(lambda headers: warden.release_keys(task.grant_token, headers), task.camera.camera_id)
        archive = Archive(data_dir=paths.data_dir, camera_id=task.camera.camera_id, keys=keys)
        archive.put(task.segments)
        server = Server(channel)
        if config.analyser.runner == "ray" or config.analyser.backfill_tasks > 1:
            unreadable = analyse_pieces(task, archive, server, config, clock=clock)
        else:
            looking = make_looking(config)
            unreadable = analyse(
                task, archive, looking, server, fps=config.analyser.fps, has_gate=config.analyser.gate, clock=clock
            )
    except CustodesError as error:
        complaint = str(error)
        structlog.get_logger().warning("back-fill ended early", error=complaint, error_kind=error.kind.value)
    channel.send(BackfillEnded(error=complaint, unreadable=unreadable))


def main() -> None:
    """Entry point of the process."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.backfiller")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="backfiller")
    arguments = parser.parse_args()
    paths = SitePaths(arguments.data.resolve())
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends us with SIGTERM
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        serve(paths, arguments.name)
    except Unavailable as error:
        structlog.get_logger().info("no server", error=str(error))
    except CustodesError as error:
        structlog.get_logger().error("back-fill cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"backfiller: {error}")


if __name__ == "__main__":
    main()
