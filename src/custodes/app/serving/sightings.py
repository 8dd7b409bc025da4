"""Sightings told to another system, after two people confirmed them: a signed POST, tried again a few times.

What is told comes from the warden and is signed by it: this process can hold it back, but not make it up. Names do not
leave; `person` is the enrolment's id. What cannot be told is dropped and said in the log file: the record is the log.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping

import structlog

from custodes.errors import CustodesError, Unavailable
from custodes.ports.warden import Warden
from custodes.types.face_message import SightingNotice, TellSighting

Send = Callable[[Mapping[str, object]], None]
MAX_WAITING = 200
TRIES = 5
RETRY_S = 5.0


class SightingNews:
    """Takes candidates on the event loop; `run` tells of them."""

    def __init__(self, warden: Warden, send: Send, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._warden = warden
        self._send = send
        self._sleep = sleep
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self.dropped = 0

    def take(self, candidate_id: str) -> None:
        """A candidate on which a word was said; the warden knows whether there is something to tell."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self.dropped += 1
        self._waiting.put_nowait(candidate_id)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.tell_next()

    async def tell_next(self) -> None:
        """Wait for one and tell of it, if the warden does."""
        candidate_id = await self._waiting.get()
        for attempt in range(TRIES):
            try:
                found = await self._warden.about_requests(TellSighting(candidate_id=candidate_id))
                assert isinstance(found, SightingNotice)
                told = {
                    "text": "an enrolled person was there; two people confirmed it",
                    "event": "sighting",
                    "notice": found.notice,
                    "warden_signature": base64.b64encode(found.signature).decode(),
                }
                await asyncio.to_thread(self._send, told)
                return
            except Unavailable as error:
                structlog.get_logger().warning("sighting not told yet", attempt=attempt + 1, error=str(error))
                await self._sleep(RETRY_S * 2**attempt)
            except CustodesError:
                return  # not confirmed, or gone: nothing to tell
        self.dropped += 1
        structlog.get_logger().error("sighting not told", candidate=candidate_id)
