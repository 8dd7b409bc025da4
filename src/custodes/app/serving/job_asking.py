"""One question to a job of its own: task out, answer in, and the job's end whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from custodes.app.serving.jobs import JobPool
from custodes.errors import Unavailable
from custodes.ports.clock import Clock
from custodes.types.leak import NeedMasks, TraceProgress
from custodes.types.message import MaskFacts
from custodes.units import NS_PER_S, Ns

A = TypeVar("A")

MasksOf = Callable[[NeedMasks], Awaitable[MaskFacts]]


async def ask_job(
    jobs: JobPool,
    clock: Clock,
    task: object,
    deadline_ns: Ns,
    wanted: type[A],
    *,
    masks_of: MasksOf | None = None,
    told: Callable[[float], None] | None = None,
) -> A:
    """The job's answer, of type `wanted`. Args: masks_of: answers what the job asks the catalog meanwhile. told: how
    much it is through, 0 to 1, whenever it says so.

    Raises: Unavailable when the job dies or takes too long.
    """
    link = await jobs.take()
    incoming: asyncio.Queue[object] = asyncio.Queue()
    try:
        link.listen(incoming.put_nowait)
        await link.channel.send(task)
        closed = asyncio.create_task(link.closed.wait())
        span_s = (deadline_ns - clock.now_ns()) / NS_PER_S
        try:
            async with asyncio.timeout(span_s):
                while True:
                    message = asyncio.create_task(incoming.get())
                    await asyncio.wait({message, closed}, return_when=asyncio.FIRST_COMPLETED)
                    if not message.done():
                        message.cancel()
                        raise Unavailable("the job that compares died")
                    answer = message.result()
                    if isinstance(answer, wanted):
                        return answer
                    if isinstance(answer, TraceProgress) and told is not None:
                        told(min(max(answer.share, 0.0), 1.0))
                    if isinstance(answer, NeedMasks) and masks_of is not None:
                        await link.channel.send(await masks_of(answer))
        except TimeoutError as error:
            raise Unavailable(f"comparing took longer than {span_s:.0f} s; ask for less at once") from error
        finally:
            closed.cancel()
    finally:
        link.kill()
        await link.channel.close()
