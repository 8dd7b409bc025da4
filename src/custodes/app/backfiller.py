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
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.adapters.ipc.warden import WardenJobClient
from custodes.app.analyser import make_looking
from custodes.config import SitePaths, load_effective
from custodes.errors import (
    CustodesError,
    DataLoss,
    DeadlineExceeded,
    KeyMissing,
    MediaError,
    ProtocolError,
    Unavailable,
)
from custodes.pipeline.activity_gate import draw_by_hash
from custodes.pipeline.analysis import Looking
from custodes.pipeline.backfill import Stretch, Stretches
from custodes.pipeline.camera import CameraPipeline
from custodes.ports.clock import Clock
from custodes.review.archive import Archive, GopRef
from custodes.review.keys import ViewKeys
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.telemetry import logs
from custodes.types.backfill import BackfillEnded, BackfillFacts, BackfillTask, StretchAnalysed, StretchStored
from custodes.types.codec import encode
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import JobReady, StopView
from custodes.units import NS_PER_S, Ns

NICE = 10
"""Live work on the same cores gets nine times as much of them; with 19 a busy machine would never finish a week."""

WARM_UP_NS = 60 * NS_PER_S
"""A back-fill that is resumed analyses this much again, so that tracks and backgrounds are there: a standing object
is known after two looks, a background after some ten seconds, the gate after 35 s (ADR 17)."""

ANSWER_TIMEOUT_S = 120.0
FACTS_PER_MESSAGE = 512
_CONNECT_TRIES = 50
_CONNECT_WAIT_S = 0.1
_UNREADABLE = (DataLoss, MediaError, KeyMissing)


class Server:
    """The other end: takes stretches, and says when to stop."""

    def __init__(self, channel: Channel, model: str) -> None:
        self._channel = channel
        self._model = model
        self.is_stopping = False

    def store(self, stretch: Stretch) -> None:
        """Send one, and wait until it is durable. Raises: Unavailable, DeadlineExceeded."""
        encoded = [encode(fact) for fact in stretch.facts]
        for first in range(0, len(encoded), FACTS_PER_MESSAGE):
            self._channel.send(BackfillFacts(facts=tuple(encoded[first : first + FACTS_PER_MESSAGE])))
        self._channel.send(StretchAnalysed(start_ns=stretch.start_ns, end_ns=stretch.end_ns, model=self._model))
        match self._channel.receive():
            case StretchStored():
                pass
            case StopView():
                self.is_stopping = True
            case None:
                raise Unavailable("the server is gone")
            case other:
                raise ProtocolError(f"a back-fill got {type(other).__name__}")


def gops(archive: Archive, start_ns: Ns, end_ns: Ns) -> Iterator[GopRef]:
    """All that touch [start, end), in order."""
    ref = archive.gop_at(start_ns)
    if ref is None or ref.end_ns <= start_ns:
        ref = archive.gop_from(start_ns)
    while ref is not None and ref.start_ns < end_ns:
        yield ref
        ref = archive.gop_from(ref.start_ns)


def analyse(
    task: BackfillTask, archive: Archive, looking: Looking, server: Server, *, fps: float, has_gate: bool, clock: Clock
) -> int:
    """Everything from the task's position to its end; returns how many GOPs could not be read.

    Raises: what the warden raises; DeadlineExceeded at the grant's end; Unavailable.
    """
    draw = draw_by_hash(task.camera.camera_id) if has_gate else None
    pipeline = CameraPipeline(task.camera.camera_id, looking, fps=fps, draw=draw, scene=task.camera.scene)
    pipeline.areas = task.camera.detect_areas
    stretches = Stretches(pipeline, start_ns=task.start_ns, from_ns=task.position_ns)
    unreadable = 0
    warm_ns = Ns(max(task.start_ns, task.position_ns - WARM_UP_NS))
    for ref in gops(archive, warm_ns, task.end_ns):
        if clock.now_ns() >= task.deadline_ns:
            raise DeadlineExceeded("the grant of this back-fill has ended; resume it to go on")
        read = _read(archive, ref)
        if read is None:
            unreadable += 1
            stretches.skip(ref.start_ns, ref.end_ns)
        else:
            stretches.add(*read, start_ns=ref.start_ns, end_ns=ref.end_ns)
        for stretch in stretches.ready():
            server.store(stretch)
            if server.is_stopping:
                return unreadable
    for stretch in stretches.finish():
        server.store(stretch)
        if server.is_stopping:
            break
    return unreadable


def _read(archive: Archive, ref: GopRef) -> tuple[StreamInfo, Sequence[Packet]] | None:
    try:
        return archive.read(ref)
    except _UNREADABLE as error:
        structlog.get_logger().warning("a GOP is left out", utc_ns=ref.start_ns, error=str(error))
        return None


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
        looking = make_looking(config)
        warden = WardenJobClient(paths.socket("warden-jobs"))
        keys = ViewKeys(lambda headers: warden.release_keys(task.grant_token, headers), task.camera.camera_id)
        archive = Archive(data_dir=paths.data_dir, camera_id=task.camera.camera_id, keys=keys)
        archive.put(task.segments)
        ref = looking.detector.ref
        server = Server(channel, f"{ref.name} {ref.sha256[:12]}")
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
