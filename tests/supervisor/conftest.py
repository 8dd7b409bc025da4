"""A supervisor over tiny real children."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from custodes.runtime.child import ChildSpec
from custodes.runtime.clock import SystemClock
from custodes.runtime.supervise import StopStage, Supervisor
from custodes.types.message import ProcessStatus

WORKER = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: exit(0))\ntime.sleep(600)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
)


def spec(name: str, code: str, *, kind: str = "worker", is_one_shot: bool = False) -> ChildSpec:
    return ChildSpec(name=name, kind=kind, argv=(sys.executable, "-c", code), is_one_shot=is_one_shot)


class Harness:
    def __init__(self, supervisor: Supervisor, events: list[str]) -> None:
        self.supervisor = supervisor
        self.events = events

    def status(self, name: str) -> ProcessStatus:
        return next(status for status in self.supervisor.statuses() if status.name == name)

    async def until(self, is_so: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not is_so():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    tmp_path: Path, *specs: ChildSpec, job_code: str = WORKER, patience_s: float = 5.0
) -> AsyncIterator[Harness]:
    events: list[str] = []
    supervisor = Supervisor(
        specs,
        job=lambda number, kind, server: spec(f"{kind}-{number}", job_code, kind="job", is_one_shot=True),
        max_jobs=2,
        stop_order=[
            StopStage(kinds=("job",), patience_s=patience_s),
            StopStage(kinds=("worker",), patience_s=patience_s),
        ],
        log_dir=tmp_path,
        environment=os.environ,
        clock=SystemClock(),
        on_event=events.append,
    )
    await supervisor.start()
    try:
        yield Harness(supervisor, events)
    finally:
        await supervisor.stop()


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    def check(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        return state != "Z"

    return check
