"""View jobs as the server sees them: spare ones that wait warm, and the connection to each.

Jobs are started by the supervisor, connect by themselves, and serve one view. What a view says to its job is in
`views`.
"""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable

import structlog

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.errors import CustodesError, ProtocolError, ResourceExhausted, Unavailable
from custodes.ports.clock import Clock
from custodes.ports.supervisor import Supervisor
from custodes.types.message import JobReady
from custodes.units import NS_PER_S

START_TIMEOUT_S = 15.0
"""From SpawnJob to JobReady; 1 to 2 s on two busy cores. Beyond it the start is given up and counts no longer."""

TAKE_TIMEOUT_S = 20.0
TOP_UP_S = 1.0
_MAX_EARLY = 64
"""Messages between a job's task and the view's `listen`, which are milliseconds apart."""


class JobLink:
    """One connected job. `is_closed` once it is gone, however it went."""

    def __init__(self, channel: AsyncChannel, job_id: str, pid: int) -> None:
        self.channel = channel
        self.job_id = job_id
        self.closed = asyncio.Event()
        self._on_message: Callable[[object], None] | None = None
        self._early: list[object] = []
        self._is_taken = False
        self._pidfd = _open_pid(pid)

    @property
    def is_closed(self) -> bool:
        """Whether the job is gone."""
        return self.closed.is_set()

    def take(self) -> None:
        """The job is about to get its task: it may speak."""
        self._is_taken = True

    def listen(self, on_message: Callable[[object], None]) -> None:
        """The job's messages go there, what it said already first; called on the loop."""
        self._on_message = on_message
        for message in self._early:
            on_message(message)
        self._early.clear()

    async def next_of(self, messages: "asyncio.Queue[object]", died: str) -> object:
        """What comes next into a queue that the job fills, perhaps among others. Raises: Unavailable, in the words of
        `died`, when the job is gone and nothing is left."""
        getting = asyncio.ensure_future(messages.get())
        closing = asyncio.ensure_future(self.closed.wait())
        try:
            await asyncio.wait({getting, closing}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            for one in (getting, closing):
                one.cancel()
        if not messages.empty():
            return messages.get_nowait()
        raise Unavailable(died)

    async def read_forever(self) -> None:
        """Deliver what the job says until it goes. Raises: ProtocolError for a job that speaks before its task."""
        try:
            while (message := await self.channel.receive()) is not None:
                if self._on_message is not None:
                    self._on_message(message)
                elif self._is_taken and len(self._early) < _MAX_EARLY:
                    self._early.append(message)
                else:
                    raise ProtocolError(f"spare {self.job_id} sent {type(message).__name__} before it had a task")
        finally:
            self.closed.set()

    def kill(self) -> None:
        """SIGKILL, for a job that does not end when it is told. Harmless when it is gone."""
        if self._pidfd is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def forget(self) -> None:
        """Release the process handle."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def _open_pid(pid: int) -> int | None:
    # A handle, not a number: the number may be another process's by the time we kill.
    if pid <= 1 or pid == os.getpid():
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


class JobPool:
    """Serves the socket of one kind of jobs and keeps `spare` of them ready."""

    def __init__(
        self, supervisor: Supervisor, clock: Clock, *, spare: int, kind: str = "job", patience: float = 1.0
    ) -> None:
        """`patience`: how many times as long as a view job one of this kind may take to start."""
        self._kind = kind
        self._patience = patience
        self._supervisor = supervisor
        self._clock = clock
        self._spare = spare
        self._ready: deque[JobLink] = deque()
        self._starting: deque[int] = deque()
        self._wanted = 0
        self._news = asyncio.Event()
        self._is_short = asyncio.Event()

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One job, until it goes."""
        hello = await channel.receive()
        if not isinstance(hello, JobReady):
            raise ProtocolError(f"a job's first message is JobReady, not {type(hello).__name__}")
        link = JobLink(channel, hello.job_id, hello.pid)
        if self._starting:
            self._starting.popleft()
        self._ready.append(link)
        self._news.set()
        try:
            await link.read_forever()
        finally:
            if link in self._ready:
                self._ready.remove(link)
            link.forget()

    async def take(self) -> JobLink:
        """A ready job, started if there is none. Raises: Unavailable."""
        self._wanted += 1
        try:
            async with asyncio.timeout(self._patience * TAKE_TIMEOUT_S):
                while not self._ready:
                    await self._spawn_missing(spare=0)
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(TOP_UP_S):
                            await self._news.wait()
                link = self._ready.popleft()
                link.take()
                self._is_short.set()
                return link
        except ResourceExhausted as error:
            raise Unavailable(f"no {self._kind} is free: {error}") from error
        except TimeoutError as error:
            raise Unavailable(
                f"no {self._kind} became ready within {self._patience * TAKE_TIMEOUT_S:.0f} s"
            ) from error
        finally:
            self._wanted -= 1

    async def _spawn_missing(self, *, spare: int) -> None:
        now_ns = self._clock.monotonic_ns()
        while self._starting and self._starting[0] < now_ns:
            self._starting.popleft()
        while self._wanted + spare > len(self._ready) + len(self._starting):
            due_ns = now_ns + round(self._patience * START_TIMEOUT_S * NS_PER_S)
            self._starting.append(due_ns)
            try:
                await self._supervisor.spawn_job(self._kind)
            except BaseException:
                # Another that came meanwhile may have been counted as this one.
                with contextlib.suppress(ValueError):
                    self._starting.remove(due_ns)
                raise

    async def run(self) -> None:
        """Keep spare jobs warm for ever."""
        is_told = False
        while True:
            try:
                await self._spawn_missing(spare=self._spare)
                is_told = False
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().warning("no spare view job", error=str(error))
                is_told = True
            self._is_short.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TOP_UP_S):
                    await self._is_short.wait()
