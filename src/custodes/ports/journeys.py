"""Journeys of enrolled people as the web layer uses them: under a request that others approved, stored nowhere."""

from typing import Protocol

from custodes.types.access import Principal
from custodes.types.journey import Journey, Making


class Journeys(Protocol):
    """Every call asks the warden again: a veto, a withdrawal or an ended enrolment counts at once."""

    async def follow(self, who: Principal, request_id: str) -> Journey:
        """Where the person of that request went; logged before anything is looked for.

        Raises: NotFound (no such request of theirs), PermissionDenied, ResourceExhausted (too many tracks in that
        stretch), Unavailable.
        """
        ...

    async def begin(self, who: Principal, request_id: str) -> None:
        """Begin to make it with looks of clothes, which takes minutes; logged first, as `follow`. Nothing happens
        where it is being made, looks cannot be taken, or nobody confirmed anything. Raises: as `follow`."""
        ...

    def making(self, who: Principal, request_id: str) -> Making | None:
        """How far that is; None where nothing is being made, and none is ready. `follow` then tells it."""
        ...

    async def cancel(self, who: Principal, request_id: str) -> None:
        """Stop making it, and forget what was made."""
        ...

    async def exhibit(self, who: Principal, request_id: str) -> bytes:
        """The same as a ZIP with proofs, for the case: its SHA-256 is in the log and in a note of the case.

        Raises: as `follow`; FailedPrecondition when nothing was found.
        """
        ...
