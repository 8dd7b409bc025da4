"""Open connections to our sockets, so that stopping can end them."""

import asyncio
from collections.abc import Awaitable, Callable

from custodes.adapters.ipc.framing import AsyncChannel


class Connections:
    """Wraps connection handlers and remembers their tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def tracked(
        self, on_connect: Callable[[AsyncChannel], Awaitable[None]]
    ) -> Callable[[AsyncChannel], Awaitable[None]]:
        """The same handler; `end` cancels it quietly."""

        async def handle(channel: AsyncChannel) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await on_connect(channel)
            except asyncio.CancelledError:
                return  # only `end` cancels; asyncio would log the cancelled handler as an error
            finally:
                self._tasks.discard(task)

        return handle

    async def end(self, *, timeout_s: float = 1.0) -> None:
        """Hang up on everybody; returns when all have ended, or after `timeout_s`."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
