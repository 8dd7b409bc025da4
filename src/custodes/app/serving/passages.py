"""News of listed vehicles, from the warden to the rules: asked for once a second where a rule is about them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from custodes.app.serving.rules import RuleService
from custodes.errors import CustodesError
from custodes.types.plate import Passage, PassageList, ReadPassages

EVERY_S = 1.0
"""A gate that opens a second later is still a gate; asking costs the warden some 0.1 ms."""


class AsksWarden(Protocol):
    """The part of the warden's client that is needed."""

    async def about_requests(self, message: object) -> object:
        """One request, one answer."""
        ...


class PassageWatch:
    """Owned by the server; `run` for ever. What happened before it began is not told: a gate is not opened late."""

    def __init__(self, warden: AsksWarden, tell: Callable[[Passage], None]) -> None:
        self._warden = warden
        self._tell = tell
        self._last: int | None = None

    async def step(self) -> None:
        """Ask once. Raises: CustodesError."""
        answer = await self._warden.about_requests(ReadPassages(after=self._last or 0))
        assert isinstance(answer, PassageList)
        is_restarted = self._last is not None and answer.last < self._last
        if self._last is not None:
            for one in answer.passages:
                self._tell(one)
        # A warden that began anew counts from one again; what it saw meanwhile is asked for at the next step.
        self._last = 0 if is_restarted else answer.last

    async def run(self) -> None:
        """What fails is tried again."""
        while True:
            try:
                await self.step()
            except CustodesError as error:
                structlog.get_logger().warning("listed vehicles wait", error=str(error))
            await asyncio.sleep(EVERY_S)


def passage_parts(warden: AsksWarden, rules: RuleService) -> dict[str, Coroutine[Any, Any, None]]:
    """The server's part, where a rule is about listed vehicles; nobody asks the warden elsewhere."""
    return {"passages": PassageWatch(warden, rules.take_passage).run()} if rules.wants_passages else {}
