"""Group commit: whoever awaits an append shares one fsync with everybody who waits at the same time.

One thread owns the `AuditLog`; the event loop only queues. What is logged is `app.warden_gate`'s matter.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from custodes.audit.log import MAX_BATCH, AuditLog
from custodes.errors import CustodesError, InvalidArgument, ResourceExhausted, Unavailable
from custodes.ports.clock import Clock
from custodes.types.access import AuditRecord, LogEntry
from custodes.units import Ns

T = TypeVar("T")

Append = Callable[[AuditRecord], Awaitable[int]]
"""Durable when it returns; the entry's index. Raises as `LogWriter.append`."""

MAX_WAITING = 8 * MAX_BATCH
"""About a second of appends at 50 000/s; beyond that the disk has stopped and requests fail at once."""

MAX_SENT = 4
"""Groups that are durable here and wait for replicas, while the next one is written; more would only queue there."""

_GROUP = 512
"""Records of one transaction; larger groups gain nothing and make the first in it wait."""


@dataclass(slots=True)
class _Waiting:
    record: AuditRecord
    utc_ns: Ns
    done: asyncio.Future[LogEntry]


class LogWriter:
    """The log, shared by many tasks of one event loop. Use as an async context manager."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit-log")
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self.replicated: Callable[[int], Awaitable[None]] | None = None
        """Awaited with the log's size before a group counts as durable, where replicas have to have it, too."""
        self._room = asyncio.Semaphore(MAX_SENT)
        self._sent: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "LogWriter":
        self._task = asyncio.get_running_loop().create_task(self._commit_groups(), name="log-writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._sent:
            await asyncio.wait(self._sent)
        self._thread.shutdown()
        self._log.close()

    async def append(self, record: AuditRecord) -> LogEntry:
        """Returns once the entry is durable.

        Raises: InvalidArgument for a record out of bounds; ResourceExhausted, Unavailable when it did not become
            durable. Then nothing that depends on it may happen.
        """
        if self._is_closing:
            raise Unavailable("the warden is stopping")
        if len(self._waiting) >= MAX_WAITING:
            raise ResourceExhausted(f"{len(self._waiting)} log entries wait for the disk")
        done: asyncio.Future[LogEntry] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(record, self._clock.now_ns(), done))
        self._wake.set()
        return await done

    async def ask(self, question: Callable[[AuditLog], T]) -> T:
        """Run a read on the log's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, question, self._log)

    async def _commit_groups(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
                await self._commit(group)
            if self._is_closing:
                return

    async def _commit(self, group: list[_Waiting]) -> None:
        records = [(each.record, each.utc_ns) for each in group]
        try:
            entries = await self.ask(lambda log: log.append(records))
        except InvalidArgument as error:
            if len(group) == 1:
                _fail(group, error)
                return
            # One bad record must not take its neighbours along.
            for each in group:
                await self._commit([each])
        except CustodesError as error:
            _fail(group, error)
        except BaseException as error:
            _fail(group, Unavailable(f"the log writer ended: {type(error).__name__}"))
            raise
        else:
            if self.replicated is None:
                _done(group, entries)
                return
            # The next group is written meanwhile: replicas answer in order.
            await self._room.acquire()
            sent = asyncio.create_task(self._replicate(group, entries, self.replicated), name="log-replicated")
            self._sent.add(sent)
            sent.add_done_callback(self._sent.discard)

    async def _replicate(
        self, group: list[_Waiting], entries: Sequence[LogEntry], replicated: Callable[[int], Awaitable[None]]
    ) -> None:
        try:
            await replicated(entries[-1].index + 1)
        except CustodesError as error:
            _fail(group, error)
        except BaseException as error:
            _fail(group, Unavailable(f"the log writer ended: {type(error).__name__}"))
            raise
        else:
            _done(group, entries)
        finally:
            self._room.release()


def _done(group: list[_Waiting], entries: Sequence[LogEntry]) -> None:
    for each, entry in zip(group, entries, strict=True):
        if not each.done.done():
            each.done.set_result(entry)


def _fail(group: list[_Waiting], error: CustodesError) -> None:
    for each in group:
        if not each.done.done():
            each.done.set_exception(error)
