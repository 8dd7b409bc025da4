"""One supervised process: start it, notice its end, start it again, stop it.

Which processes there are, and in what order they start and stop, is `runtime.supervise`'s matter.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psutil

from custodes.errors import Unavailable
from custodes.ports.clock import Clock
from custodes.runtime.forks import Forked, ask_fork
from custodes.runtime.output import BoundedOutput, drain
from custodes.runtime.parent import PARENT_VARIABLE
from custodes.runtime.restart import STEADY_NS, RestartPolicy
from custodes.telemetry.logs import clean_text
from custodes.types.message import ProcessStatus
from custodes.units import NS_PER_S, Ns

READY_POLL_S = 0.05
PRESUMED_READY_S = 0.5
"""A process without a socket of its own counts as running once it has lived this long."""


class ChildState(StrEnum):
    """What a supervised process is doing; the values of `ProcessStatus.state`."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    DEGRADED = "degraded"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to run one process."""

    name: str
    kind: str
    argv: tuple[str, ...]
    ready_socket: Path | None = None
    """Exists once the process serves; a left-over is removed before each start."""
    is_one_shot: bool = False
    """Exit 0 means done, not crashed."""
    withheld: frozenset[str] = frozenset()
    """Names of environment variables that this process does not get."""
    added: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that only this process gets."""
    forked_at: Path | None = None
    """Socket of a process that can be copied instead (`runtime.forks`); spawned when there is none."""


class Child:
    """One process and its incarnations. Runs on the event loop's thread, which must be the main thread: the kernel
    binds PR_SET_PDEATHSIG to the thread that forked."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        log_dir: Path,
        environment: Mapping[str, str],
        clock: Clock,
        on_event: Callable[[str], None],
    ) -> None:
        self.spec = spec
        self.state = ChildState.STOPPED
        self.restarts = 0
        self.last_exit = ""
        self._output = BoundedOutput(log_dir / f"{spec.name}.out")
        given = {name: value for name, value in environment.items() if name not in spec.withheld}
        self._environment = {**given, **spec.added, PARENT_VARIABLE: str(os.getpid())}
        self._clock = clock
        self._on_event = on_event
        self._policy = RestartPolicy()
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._cpu_of_dead_s = 0.0
        self._started_ns = Ns(0)
        self._is_stopping = False
        self._is_replaced = False
        """The end that comes was asked for, and the next incarnation begins at once."""
        self._stop_asked = asyncio.Event()
        self.ended = asyncio.Event()
        """Set when no further incarnation will come."""

    async def keep_alive(self) -> None:
        """Run incarnation after incarnation until `stop`, or until a one-shot is done."""
        try:
            while not self._is_stopping:
                delay_s = await self._live_once()
                if delay_s is None:
                    return
                await self._pause(delay_s)
                self.restarts += 1
        finally:
            self.kill()
            self.state = ChildState.STOPPED
            self.ended.set()

    async def _live_once(self) -> float | None:
        """One incarnation; the seconds to wait before the next, or None when there is to be none."""
        self._started_ns = self._clock.monotonic_ns()
        try:
            status = await self._run_process()
        except OSError as error:
            self.last_exit = f"cannot start: {error.strerror or error}"
            self._abandon()
        else:
            self.last_exit = describe_exit(status, clean_text(self._output.last_line()))
            if self._is_stopping or (self.spec.is_one_shot and status == 0):
                return None
        if self._is_replaced:
            self._is_replaced = False
            self.last_exit, self.state = "", ChildState.STARTING
            return 0.0
        delay_s = self._policy.crashed(started_ns=self._started_ns, now_ns=self._clock.monotonic_ns())
        self.state = ChildState.DEGRADED if self._policy.is_degraded else ChildState.BACKOFF
        word = "keeps failing; " if self._policy.is_degraded else ""
        self._on_event(f"{self.spec.name} ended: {self.last_exit}; {word}starting it again in {delay_s:g} s")
        return delay_s

    async def _run_process(self) -> int:
        """Start, read output, wait for the end; returns the exit code, negative for a signal."""
        if self.spec.ready_socket is not None:
            self.spec.ready_socket.unlink(missing_ok=True)
        self.state = ChildState.DEGRADED if self._policy.is_degraded else ChildState.STARTING
        self._output.restart()
        loop = asyncio.get_running_loop()
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                self._process = await self._start(write_end)
            finally:
                os.close(write_end)
            os.set_blocking(read_end, False)
            loop.add_reader(read_end, self._on_output, loop, read_end)
            watch = loop.create_task(self._watch_health())
            try:
                return await self._reap(self._process.pid)
            finally:
                watch.cancel()
                drain(read_end, self._output)
        finally:
            loop.remove_reader(read_end)
            os.close(read_end)

    async def _start(self, output: int) -> subprocess.Popen[bytes] | Forked:
        """Copied where the process can be, else spawned. Raises: OSError."""
        if self.spec.forked_at is not None:
            with contextlib.suppress(Unavailable):  # whoever would be copied is starting or ill: spawning works too
                forked = await ask_fork(self.spec.forked_at, self.spec.argv, output)
                if self._is_stopping:  # it was asked to stop while it was being made, and perhaps killed already
                    self._kill_group(forked.pid)
                return forked
        return subprocess.Popen(  # noqa: S603 - argv is ours
            self.spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )

    def _abandon(self) -> None:
        """End a process that started but cannot be watched (out of descriptors)."""
        if self._process is not None:
            self._kill_group(self._process.pid)
            self._process.wait()
            self._process = None

    def _on_output(self, loop: asyncio.AbstractEventLoop, read_end: int) -> None:
        if not drain(read_end, self._output):
            loop.remove_reader(read_end)

    async def _reap(self, pid: int) -> int:
        """Wait by pidfd and keep the CPU seconds that only the reaper is told."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(pid)
        gone = asyncio.Event()
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        # Whatever the process left behind in its group goes too. Before reaping: until then the number stays ours.
        self._kill_group(pid)
        _, status, usage = os.wait4(pid, 0)
        self._cpu_of_dead_s += usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        # It must know, or it would wait for a pid that is somebody else's by then.
        self._process.returncode = code
        self._process = None
        return code

    async def _watch_health(self) -> None:
        """Turn starting into running, and forget old crashes after a steady minute."""
        while not self._is_ready():
            await asyncio.sleep(READY_POLL_S)
        if not self._policy.is_degraded:
            self.state = ChildState.RUNNING
        await asyncio.sleep(STEADY_NS / NS_PER_S)
        self._policy.steadied()
        self.state = ChildState.RUNNING

    def _is_ready(self) -> bool:
        if self.spec.ready_socket is not None:
            return self.spec.ready_socket.exists()
        return self._clock.monotonic_ns() - self._started_ns >= PRESUMED_READY_S * NS_PER_S

    async def _pause(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stop_asked.wait()

    async def wait_ready(self, timeout_s: float) -> bool:
        """True once it serves; False when it does not within `timeout_s`, or has failed once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.state is not ChildState.RUNNING and not self.last_exit:
                    await asyncio.sleep(READY_POLL_S)
        return self.state is ChildState.RUNNING

    async def replace(self, patience_s: float, ready_s: float) -> bool:
        """End in order, by SIGKILL after `patience_s`, and begin anew; whether the new one was ready in `ready_s`."""
        before = self.pid
        if before:
            self._is_replaced = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(before, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    while self.pid == before:
                        await asyncio.sleep(READY_POLL_S)
            if self.pid == before:
                self._kill_group(before)
                while self.pid == before:
                    await asyncio.sleep(READY_POLL_S)
        return await self.wait_ready(ready_s)

    def ask_to_stop(self) -> None:
        """SIGTERM, and no further incarnation."""
        self._is_stopping = True
        self._stop_asked.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole process group, and no further incarnation."""
        self._is_stopping = True
        self._stop_asked.set()
        if self._process is not None:
            self._kill_group(self._process.pid)

    @staticmethod
    def _kill_group(group: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(group, signal.SIGKILL)  # a copy (`runtime.forks`) that has no group of its own yet

    @property
    def pid(self) -> int:
        """0 while there is no process."""
        return self._process.pid if self._process is not None else 0

    def status(self) -> ProcessStatus:
        """Now. `cpu_s` sums all incarnations; `rss_mb` is of the living one."""
        process = self._process
        cpu_s, rss_mb, pid = self._cpu_of_dead_s, 0.0, 0
        if process is not None:
            pid = process.pid
            with contextlib.suppress(psutil.Error):
                cpu_s_alive, rss_mb = usage_of(psutil.Process(pid))
                cpu_s += cpu_s_alive
        lived_ns = self._clock.monotonic_ns() - self._started_ns if process is not None else 0
        return ProcessStatus(
            name=self.spec.name,
            kind=self.spec.kind,
            state=self.state.value,
            pid=pid,
            restarts=self.restarts,
            cpu_s=cpu_s,
            rss_mb=rss_mb,
            uptime_s=lived_ns / NS_PER_S,
            last_exit=self.last_exit,
        )


def usage_of(process: psutil.Process) -> tuple[float, float]:
    """CPU seconds and resident MB of one process. Raises: psutil.Error when it is gone."""
    times = process.cpu_times()
    return times.user + times.system, process.memory_info().rss / 1e6


def describe_exit(code: int, last_line: str) -> str:
    """An exit code in words, with the last thing the process said."""
    if code < 0:
        try:
            how = f"killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"killed by signal {-code}"
    else:
        how = f"exit {code}"
    return f"{how}: {last_line}" if last_line else how


def module_argv(python: str, module: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """argv of `python -m module arguments`."""
    return (python, "-m", module, *arguments)
