"""Evidence holds as the web layer and the control socket use them."""

from typing import Protocol

from custodes.types.hold import HoldPlaced, HoldTable, PlaceHold, ReleaseHold


class HoldDesk(Protocol):
    """Whether somebody may place or release a hold is asked before; here it is logged, and done."""

    async def place(self, asked: PlaceHold, *, actor: str) -> HoldPlaced:
        """Log, then hold.

        Raises: InvalidArgument; NotFound for a camera that never recorded; ResourceExhausted; Unavailable when the
            warden is down, and then nothing is held.
        """
        ...

    async def release(self, asked: ReleaseHold, *, actor: str) -> None:
        """Log, then let go. Raises: NotFound (also for one that has expired), InvalidArgument, Unavailable."""
        ...

    async def table(self) -> HoldTable:
        """All that have not expired."""
        ...
