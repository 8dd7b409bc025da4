"""Journeys with looks while they are made, and for some minutes after: in memory, for who asked alone."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from custodes.app.serving.journey_looks import BUDGET_NS, LookJob
from custodes.errors import CustodesError
from custodes.ports.clock import Clock
from custodes.types.access import Principal
from custodes.types.journey import Journey, JourneyOpened, Making
from custodes.units import NS_PER_S, Ns

KEPT_NS = Ns(600 * NS_PER_S)
"""To look at, and to take along; later it is made again."""
MAX_MADE = 16

Make = Callable[[Callable[[LookJob], None]], Awaitable[Journey]]


@dataclass(slots=True)
class _Made:
    opened: JourneyOpened
    begun_ns: Ns
    job: LookJob | None = None
    journey: Journey | None = None
    done_ns: int = 0
    task: asyncio.Task[None] | None = None


class MadeJourneys:
    """By who asked and for which request. Used on the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[tuple[str, str], _Made] = {}

    def begin(self, who: Principal, opened: JourneyOpened, make: Make) -> None:
        """Make one; the oldest goes where there are too many."""
        self._sweep()
        while len(self._made) >= MAX_MADE:
            self._drop(next(iter(self._made)))
        key = (who.user_id, opened.request_id)
        made = self._made[key] = _Made(opened, self._clock.now_ns())
        made.task = asyncio.get_running_loop().create_task(self._work(key, made, make), name="journey")

    def state(self, who: Principal, request_id: str) -> Making | None:
        """See `Journeys.making`."""
        self._sweep()
        made = self._made.get((who.user_id, request_id))
        if made is None:
            return None
        share = 0.0 if made.job is None else 1 - made.job.left_ns / BUDGET_NS
        cameras = 0 if made.job is None else made.job.cameras
        return Making(is_done=made.journey is not None, share=min(max(share, 0.0), 1.0), cameras=cameras)

    def take(self, who: Principal, opened: JourneyOpened) -> Journey | None:
        """What is ready, if the warden still says of cameras and tracks what it said then; with its new entry."""
        self._sweep()
        made = self._made.get((who.user_id, opened.request_id))
        if made is None or made.journey is None or replace(made.opened, log_index=opened.log_index) != opened:
            return None
        return replace(made.journey, log_index=opened.log_index)

    async def forget(self, who: Principal, request_id: str) -> None:
        """Stop and forget one."""
        await self._stop((who.user_id, request_id))

    async def close(self) -> None:
        """Stop and forget all."""
        for key in list(self._made):
            await self._stop(key)

    async def _work(self, key: tuple[str, str], made: _Made, make: Make) -> None:
        def told(job: LookJob) -> None:
            made.job = job

        try:
            made.journey = await make(told)
            made.done_ns = self._clock.now_ns()
        except CustodesError as error:
            # Whoever opens it next hears why: it is asked for anew.
            structlog.get_logger().warning("a journey could not be made", error=str(error))
            self._made.pop(key, None)
            return
        await asyncio.sleep(KEPT_NS / NS_PER_S)
        if self._made.get(key) is made:
            del self._made[key]

    async def _stop(self, key: tuple[str, str]) -> None:
        made = self._made.pop(key, None)
        if made is not None and made.task is not None:
            made.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await made.task

    def _drop(self, key: tuple[str, str]) -> None:
        made = self._made.pop(key)
        if made.task is not None:
            made.task.cancel()

    def _sweep(self) -> None:
        now_ns = self._clock.now_ns()
        for key, made in list(self._made.items()):
            if made.journey is not None and not 0 <= now_ns - made.done_ns < KEPT_NS:
                self._drop(key)
