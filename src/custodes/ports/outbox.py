"""Facts of a site that a centre has not confirmed yet, as one numbered chain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from custodes.types.traffic import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxState:
    """Where the chain is. `newest - floor` facts wait."""

    newest: int
    newest_tip: bytes
    floor: int
    """Facts up to here are confirmed and forgotten."""
    floor_tip: bytes
    dropped: int
    """Facts that found no room, ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One fact: its number, its bytes, and the chain's value after it."""

    seq: int
    encoded: bytes
    tip: bytes


class Outbox(Protocol):
    """Blocking; any thread may call it. Raises what the catalog raises."""

    def share(self, shared: Callable[[Figure], Sequence[bytes]]) -> None:
        """From now on what the catalog stores as a figure goes into the outbox in the same transaction, as the bytes
        that `shared` makes of it."""
        ...

    def put(self, encoded: Sequence[bytes]) -> None:
        """Append durably; what finds no room is counted as dropped."""
        ...

    def state(self) -> OutboxState:
        """Where the chain is."""
        ...

    def read(self, after: int, limit: int) -> list[Waiting]:
        """Facts after a number, in order."""
        ...

    def tip_at(self, seq: int) -> bytes | None:
        """The chain's value after a fact; None when it is below the floor or was never made."""
        ...

    def forget(self, up_to: int) -> None:
        """Confirmed; idempotent."""
        ...

    def restart(self, seq: int, tip: bytes) -> None:
        """Number what waits anew, after a fact that the centre has and this outbox does not know."""
        ...
