"""A data directory with a real warden and a real catalog; the supervisor and its jobs are scripted peers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from custodes.adapters.ipc.framing import AsyncChannel, serve
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.sql import SqlCatalog, sqlite_catalog
from custodes.app import warden
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.config import SiteIdentity, SitePaths, write_identity
from custodes.errors import Unavailable
from custodes.runtime.clock import SystemClock
from custodes.testing.ending import LIMIT_S, cancelled
from custodes.types.access import LogEntry
from custodes.types.message import JobReady, SiteStatus
from custodes.units import NS_PER_S, Ns

T = TypeVar("T")

SITE_ID = "00112233445566ff"
PATIENCE_S = 180.0


class Site:
    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.paths = SitePaths(data_dir)
        write_identity(
            self.paths.identity, SiteIdentity(site_id=SITE_ID, name="Test", created_ns=Ns(1_700_000_000 * NS_PER_S))
        )
        for folder in (self.paths.run_dir, self.paths.journal_dir, self.paths.public_keys):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open_catalog(self) -> SqlCatalog:
        return sqlite_catalog(self.paths.catalog, site_id=SITE_ID, clock=SystemClock())

    @asynccontextmanager
    async def catalog(self) -> AsyncIterator[ThreadedCatalog]:
        catalog = ThreadedCatalog(self.open_catalog())
        try:
            yield catalog
        finally:
            await catalog.close()

    @asynccontextmanager
    async def warden(self) -> AsyncIterator[WardenClient]:
        stop = asyncio.Event()
        task = asyncio.create_task(warden.run(self.paths, passphrase=None, stop=stop))
        client = WardenClient(self.paths.socket("warden-server"))
        try:
            await until(lambda: _answers(client), task)
            yield client
        finally:
            await client.close()
            stop.set()
            async with asyncio.timeout(LIMIT_S):
                await task

    async def log(self, client: WardenClient) -> list[LogEntry]:
        return list((await client.read_log(0, 1000)).entries)


async def _answers(client: WardenClient) -> bool:
    try:
        await client.read_checkpoint()
    except Unavailable:
        return False
    return True


async def until(
    is_so: Callable[[], Awaitable[bool]] | Callable[[], bool], task: asyncio.Task[None] | None = None
) -> None:
    """Poll, bounded; a task that failed meanwhile fails the wait."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = is_so()
            if (await answer) if isinstance(answer, Awaitable) else answer:
                return
            if task is not None and task.done():
                task.result()
            await asyncio.sleep(0.005)


class ScriptedJob:
    """A view job as the server sees it: it connects, says it is ready, and then does what the test says."""

    def __init__(self, channel: AsyncChannel) -> None:
        self.channel = channel
        self.received: asyncio.Queue[object] = asyncio.Queue()
        self.is_gone = False
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, path: Path, name: str) -> "ScriptedJob":
        job = cls(await AsyncChannel.connect(path))
        await job.channel.send(JobReady(job_id=name, pid=0))
        return job

    async def _read(self) -> None:
        while (message := await self.channel.receive()) is not None:
            self.received.put_nowait(message)
        self.is_gone = True

    async def expect(self, kind: type[T]) -> T:
        """The next message of a kind; others before it are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.received.get()
                if isinstance(message, kind):
                    return message


class ScriptedSupervisor:
    """Starts scripted jobs on demand; `refusal` makes it refuse."""

    def __init__(self, jobs_socket: Path) -> None:
        self._socket = jobs_socket
        self.jobs: list[ScriptedJob] = []
        self.announced: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    async def read_status(self) -> SiteStatus:
        return SiteStatus(site_id=SITE_ID, data_dir="", address="", processes=())

    async def spawn_job(self, kind: str = "job") -> None:
        if self.refusal is not None:
            raise self.refusal
        self.jobs.append(await ScriptedJob.connect(self._socket, f"job-{len(self.jobs)}"))

    async def announce(self, address: str, first_boot_token: str) -> None:
        self.announced.append((address, first_boot_token))


@asynccontextmanager
async def listening(path: Path, on_connect: Callable[[AsyncChannel], Awaitable[None]]) -> AsyncIterator[None]:
    server = await serve(path, on_connect)
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def running(*parts: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks for the time of the block."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield
    finally:
        await cancelled(*tasks)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")
