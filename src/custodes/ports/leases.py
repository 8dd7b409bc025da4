"""Who may write what, for now: leases in the catalog's database, with a number that only grows.

A lease has a name ("camera/gate", "chore/push"), at most one holder, and an *epoch*: the number of the current
tenure. Whoever wrote under an older epoch than the newest one wrote late, whatever any clock says; that is what keeps
a holder who was paused, cut off or badly timed from being believed. Time only decides when a silent holder's lease may
be taken, and it is the database's own: holders and servers compare no clocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_LEASES = 100_000
"""Names in one call; a site of more streams has more than one catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """`name` belongs to `holder`, whose tenure has the number `epoch` (1 and up)."""

    name: str
    holder: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """A lease as it stands. `holder`: the newest one, empty when it was let go; `epoch`: of the newest tenure."""

    name: str
    holder: str
    epoch: int
    is_held: bool
    """False: it was let go, or its holder was silent for longer than it had asked for."""


class Leases(Protocol):
    """Blocking; any thread may call it. Raises what the catalog raises."""

    def take(self, names: Sequence[str], holder: str, ttl_ns: int) -> list[Lease]:
        """Take what nobody else holds, and renew what the holder has; returns all that are its now, by name.

        A lease that ran out and that nobody took meanwhile goes on under its old epoch: nothing happened in between.
        Any other begins a new tenure. All or nothing is stored, and two takers at the same time never both get one.

        Args: ttl_ns: from this moment on, by the database's clock.
        """
        ...

    def let_go(self, names: Sequence[str] | None, holder: str) -> None:
        """Of these (None: of all) the holder's are free at once; the others stay. Taken again they begin a new tenure,
        also by the same holder. Idempotent."""
        ...

    def leases(self, prefix: str) -> list[LeaseState]:
        """All whose name begins so, by name; one that was let go is remembered for its epoch."""
        ...
