"""A service that does its work in steps, for ever, and what waits to be sent in between."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from custodes.errors import CustodesError

T = TypeVar("T")


async def step_forever(step: Callable[[], Awaitable[None]], *, every_s: float, complaint: str) -> None:
    """Step again and again. What fails is tried again at the next step, and said once while its words are the same."""
    told = ""
    while True:
        try:
            await step()
            told = ""
        except CustodesError as error:
            if str(error) != told:
                structlog.get_logger().warning(complaint, error=str(error))
            told = str(error)
        await asyncio.sleep(every_s)


async def drain(waiting: deque[T], send: Callable[[T], Awaitable[object]]) -> None:
    """Send all in order; what fails stays in front, and is tried again. Raises: as `send`."""
    while waiting:
        await send(waiting[0])
        waiting.popleft()
