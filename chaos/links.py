"""TCP links between parts of a site that can be cut and slowed: a relay for each, on loopback.

A cut link is silent, as a pulled cable is: nothing is refused and nothing closed; what was on its way arrives when it
is mended, as TCP sends again. A slow one lets every piece wait.
"""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

SLOW_S = 0.25
"""Each way and piece: a line around the world with a queue in it."""

SLOW_BYTES = 16 << 10
"""Of a piece; so at most 64 kB/s."""

_PIECE = 64 << 10


class Link:
    """Context manager: listens at `port`, relays to `target_port`, both on loopback."""

    def __init__(self, name: str, target_port: int) -> None:
        self.name = name
        self.port = 0
        self.target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link-{name}", daemon=True)
        self._open = asyncio.Event()
        self._is_slow = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.relayed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def cut(self) -> None:
        """Until `mend`, nothing passes."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def slow(self) -> None:
        """Until `mend`, pieces wait."""
        self._is_slow = True

    def mend(self) -> None:
        """As before."""
        self._is_slow = False
        self._loop.call_soon_threadsafe(self._open.set)

    async def _start(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            try:
                ways = (self._relay(reader, far_writer), self._relay(far_reader, writer))
                await asyncio.gather(*ways)
            finally:
                far_writer.close()
        except OSError:
            pass  # nobody is there: the near end is told by the closed connection
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(SLOW_BYTES if self._is_slow else _PIECE):
                if self._is_slow:
                    await asyncio.sleep(SLOW_S)
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
                self.relayed += len(piece)
        with contextlib.suppress(OSError):
            writer.close()
