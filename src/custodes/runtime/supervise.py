"""All processes of a site: starts them in order, keeps them alive, stops them in order.

Knows names and command lines, not what the processes do. Who may ask it for what is `app.supervisor`'s matter.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from custodes.errors import NotFound, ResourceExhausted, Unavailable
from custodes.ports.clock import Clock
from custodes.runtime.child import Child, ChildSpec
from custodes.types.message import ProcessStatus
from custodes.units import NS_PER_S

FIRST_READY_S = 10.0
"""How long the first stage may take before the rest starts all the same; everyone waits for peers anyway."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStage:
    """Kinds that stop together, and how long they get before SIGKILL; what earlier stages left is added to it."""

    kinds: tuple[str, ...]
    patience_s: float


class Supervisor:
    """Keeps the processes of one site. Everything runs on one event loop, in the main thread."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        job: Callable[[int, str, str], ChildSpec],
        max_jobs: int,
        stop_order: Sequence[StopStage],
        log_dir: Path,
        environment: Mapping[str, str],
        clock: Clock,
        on_event: Callable[[str], None],
    ) -> None:
        self._specs = specs
        self._job = job
        self._max_jobs = max_jobs
        self._stop_order = stop_order
        self._log_dir = log_dir
        self._environment = environment
        self._clock = clock
        self._tell = on_event
        self._children: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._job_numbers = itertools.count()
        self._is_stopping = False

    async def start(self) -> None:
        """Start all; the first spec's process gets `FIRST_READY_S` to serve, or to fail, before the others start."""
        for number, spec in enumerate(self._specs):
            if self._is_stopping:
                return
            child = self._add(spec)
            if number == 0 and len(self._specs) > 1 and not await child.wait_ready(FIRST_READY_S):
                self._on_event(f"{spec.name} is not ready; starting the others all the same")

    def spawn_job(self, kind: str = "job", server: str = "server") -> str:
        """One more job, for that server; returns its name. Raises: ResourceExhausted at the bound, Unavailable while
        stopping."""
        if self._is_stopping:
            raise Unavailable("the site is stopping")
        jobs = sum(child.spec.is_one_shot for child in self._children.values())
        if jobs >= self._max_jobs:
            raise ResourceExhausted(f"{jobs} view jobs run; at most {self._max_jobs} do at once (views.max_jobs)")
        return self._add(self._job(next(self._job_numbers), kind, server)).spec.name

    async def replace(self, name: str, patience_s: float, ready_s: float) -> None:
        """End one process in order and begin it anew. Raises: NotFound; Unavailable when the new one is not ready."""
        child = self._children.get(name)
        if child is None or child.spec.is_one_shot:
            raise NotFound(f"there is no process {name} that could be replaced")
        if self._is_stopping:
            raise Unavailable("the site is stopping")
        self._on_event(f"{name} is replaced, as asked")
        if not await child.replace(patience_s, ready_s):
            raise Unavailable(
                f"the new {name} is not ready after {ready_s:g} s: {child.last_exit or child.state.value}"
            )

    def statuses(self) -> tuple[ProcessStatus, ...]:
        """One per process, in the order they were started."""
        return tuple(child.status() for child in self._children.values())

    def pids(self) -> frozenset[int]:
        """Of the processes that live, or have ended and are waited for."""
        return frozenset(child.pid for child in self._children.values() if child.pid)

    def _add(self, spec: ChildSpec) -> Child:
        assert spec.name not in self._children
        child = Child(
            spec, log_dir=self._log_dir, environment=self._environment, clock=self._clock, on_event=self._on_event
        )
        self._children[spec.name] = child
        task = asyncio.get_running_loop().create_task(child.keep_alive(), name=spec.name)
        self._tasks[spec.name] = task
        if spec.is_one_shot:
            task.add_done_callback(lambda _: self._forget(spec.name))
        return child

    def _on_event(self, text: str) -> None:
        """Tell, and go on whatever happens to the one who is told: a closed terminal must not end a recording."""
        try:
            self._tell(text)
        except Exception as error:  # noqa: BLE001 - the supervisor is one of the three places (STYLE 21)
            _log.error("event_not_told", text=text, error=error)

    def _forget(self, name: str) -> None:
        self._children.pop(name, None)
        self._tasks.pop(name, None)

    async def stop(self) -> None:
        """Stop stage by stage; a process that does not end within its stage's patience is killed."""
        self._is_stopping = True
        began_ns, allowed_s = self._clock.monotonic_ns(), 0.0
        for stage in self._stop_order:
            allowed_s += stage.patience_s
            used_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
            await self._stop_stage(stage, max(allowed_s - used_s, 0.0))
        for child in self._children.values():
            child.kill()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def kill(self) -> None:
        """SIGKILL to everything, now."""
        self._is_stopping = True
        for child in self._children.values():
            child.kill()

    async def _stop_stage(self, stage: StopStage, patience_s: float) -> None:
        children = [child for child in self._children.values() if child.spec.kind in stage.kinds]
        if not children:
            return
        for child in children:
            child.ask_to_stop()
        waits = [asyncio.ensure_future(child.ended.wait()) for child in children]
        _, late = await asyncio.wait(waits, timeout=patience_s)
        for wait in late:
            wait.cancel()
        for child in children:
            if not child.ended.is_set():
                self._on_event(f"{child.spec.name} did not stop within {patience_s:.1f} s; killing it")
                child.kill()
