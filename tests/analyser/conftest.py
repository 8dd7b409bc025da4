"""A server's end of the facts socket, and a site directory with a hub, for the sender and the process."""

import asyncio
import threading
from pathlib import Path

import pytest

from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, serve
from custodes.types.codec import decode
from custodes.types.message import FactBatch, FactsStored


class FactServer:
    """Stores what arrives, on a real socket in its own thread; `refuse` closes instead of acknowledging so many."""

    def __init__(self, path: Path, *, refuse: int = 0) -> None:
        self._path = path
        self._refuse = refuse
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.facts: list[object] = []
        self.batches: list[int] = []

    def __enter__(self) -> "FactServer":
        self._thread.start()
        assert self._started.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._path.unlink(missing_ok=True)

    def wait_for(self, is_enough, timeout_s=90.0) -> list:
        """Until `is_enough(facts)`; fails with what came instead."""
        with self._changed:
            assert self._changed.wait_for(lambda: is_enough(self.facts), timeout_s), f"got {len(self.facts)} facts"
            return list(self.facts)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        tasks: dict[asyncio.Task, AsyncChannel] = {}

        async def on_connect(channel: AsyncChannel) -> None:
            tasks[asyncio.current_task()] = channel
            if self._refuse:
                await channel.receive()
                self._refuse -= 1
                return
            await answer_requests(channel, self._respond)

        server = await serve(self._path, on_connect)
        self._started.set()
        await self._stop.wait()
        server.close()
        for channel in tasks.values():
            await channel.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _respond(self, request: object) -> object:
        assert isinstance(request, FactBatch)
        with self._changed:
            self.facts += [decode(fact) for fact in request.facts]
            self.batches.append(len(request.facts))
            self._changed.notify_all()
        return FactsStored(batch=request.batch)


@pytest.fixture
def fact_server():
    return FactServer
