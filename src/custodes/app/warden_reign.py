"""Of several servers the warden heeds the one that leads: what an earlier leader still says is refused (ADR 126).

A server that answers people alone says nothing of leading; its questions are decided one by one, like anybody's.
"""

from collections.abc import Awaitable, Callable

from custodes.errors import FailedPrecondition, InvalidArgument
from custodes.types.message import Ok
from custodes.types.servers import LeadSince

Respond = Callable[[object], Awaitable[object]]


class Reign:
    """The newest epoch that any connection named. In memory: a warden that begins anew hears it with the leader's next
    request, and what is written under the catalog's lock is fenced there, too."""

    def __init__(self) -> None:
        self._newest = 0

    def heeding(self, respond: Respond) -> Respond:
        """For one connection: the same answers, until somebody leads since later."""
        named = 0

        async def answer(message: object) -> object:
            nonlocal named
            if isinstance(message, LeadSince):
                if message.epoch < 1:
                    raise InvalidArgument(f"a server leads since epoch 1 at the earliest, not {message.epoch}")
                self._newest, named = max(self._newest, message.epoch), message.epoch
            if named and named < self._newest:
                raise FailedPrecondition(
                    f"another server leads this site since epoch {self._newest}; this one led since {named}"
                )
            return Ok() if isinstance(message, LeadSince) else await respond(message)

        return answer
