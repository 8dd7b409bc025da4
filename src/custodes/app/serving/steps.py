"""A service that does its work in steps, for ever."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from custodes.errors import CustodesError


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
