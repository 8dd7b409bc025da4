"""Which of several servers leads: a lease in the catalog's database, its renewal, and its end (ADR 126).

**Invariant:** two servers never both write the catalog. The lease says who may; the writing connection checks it
whenever it is made, ends the connection of whoever led before, and holds the database's lock while it lives.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from custodes.errors import CustodesError, FailedPrecondition, ResourceExhausted, Unavailable
from custodes.ports.leases import Lease, Leases
from custodes.units import NS_PER_S

LEADER = "server/leader"

LEASE_NS = 10 * NS_PER_S
"""A leader that is silent for so long is one no more: longer than any transaction its renewal may wait behind. One
that was killed is noticed earlier: the database lets go of its lock at once."""

LOOK_S = 1.0
UNWRITTEN_LOOKS = 3
"""So often in a row nobody writes before the leader counts as gone. After a restart of the database it is there again
with its next renewal, a second later."""


class Written(Protocol):
    """What is asked of the catalog."""

    @property
    def leases(self) -> Leases:
        """In its database."""
        ...

    def is_written(self) -> bool:
        """Whether some server holds the writer's place. Blocking. Raises: Unavailable."""
        ...


class Candidate:
    """A server that follows, and would lead."""

    def __init__(self, catalog: Written, holder: str) -> None:
        """`holder`: this process and no other, also none of the same name that was before it."""
        self._catalog = catalog
        self._holder = holder
        self._unwritten = 0

    async def stand(self) -> Lease | None:
        """One try; None while another leads. Raises: what the catalog raises."""
        return await asyncio.to_thread(self._stand)

    def _stand(self) -> Lease | None:
        leases = self._catalog.leases
        taken = leases.take([LEADER], self._holder, LEASE_NS)
        if taken:
            return taken[0]
        self._unwritten = 0 if self._catalog.is_written() else self._unwritten + 1
        if self._unwritten < UNWRITTEN_LOOKS:
            return None
        for gone in leases.leases(LEADER):
            leases.let_go([LEADER], gone.holder)
        self._unwritten = 0
        taken = leases.take([LEADER], self._holder, LEASE_NS)
        return taken[0] if taken else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """Of a server that leads."""

    lease: Lease
    leases: Leases

    async def keep(self) -> None:
        """Renew for ever. A database that is away ends nothing: nobody else can take the lease there meanwhile.

        Raises: FailedPrecondition once another leads; this process is to end then.
        """
        is_told = False
        while True:
            try:
                held = await asyncio.to_thread(self._renew)
            except (Unavailable, ResourceExhausted) as error:
                if not is_told:
                    structlog.get_logger().warning("the lead cannot be renewed", error=str(error))
                is_told = True
                await asyncio.sleep(LOOK_S / 4)
                continue
            if not held:
                raise FailedPrecondition("another server of this site leads; this one begins anew and follows")
            is_told = False
            await asyncio.sleep(LOOK_S)

    def _renew(self) -> bool:
        try:
            return self.lease in self.leases.take([self.lease.name], self.lease.holder, LEASE_NS)
        except CustodesError:
            # The writing connection may have been ended by whoever leads now; the others still read.
            if any(one.epoch > self.lease.epoch for one in self.leases.leases(self.lease.name)):
                return False
            raise
