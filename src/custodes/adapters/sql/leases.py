"""`ports.leases.Leases` in the catalog's database.

**Invariant:** a lease's epoch never goes back and never stays when its holder changes; both change in one transaction.

A lease is held while `renewed <= now < renewed + ttl`. Both bounds count: where the clock was set back, or began anew
with the machine, a lease ends rather than lasting for hours.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Row, String, Table, bindparam, select, text, update

from custodes.adapters.sql.statements import in_portions, insert_into
from custodes.adapters.sql.tables import METADATA
from custodes.errors import ResourceExhausted
from custodes.ports.leases import MAX_LEASES, Lease, LeaseState

LEASE = Table(
    "lease",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("renewed_ns", BigInteger, nullable=False),
    Column("ttl_ns", BigInteger, nullable=False),
)

Opening = Callable[[], AbstractContextManager[Connection]]


def lease_clock(connection: Connection) -> int:
    """The database's own time in ns: PostgreSQL's, or of the one machine that may open the file, whatever its clock
    is set to (CLOCK_BOOTTIME goes on while it sleeps)."""
    if connection.dialect.name != "postgresql":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    microseconds = connection.scalar(text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"))
    assert isinstance(microseconds, int)
    return microseconds * 1000


class SqlLeases:
    """Owned by the catalog, whose transactions it uses."""

    def __init__(self, write: Opening, read: Opening) -> None:
        self._write = write
        self._read = read
        self.clock: Callable[[Connection], int] = lease_clock
        """Replaced by tests that let time pass."""

    def take(self, names: Sequence[str], holder: str, ttl_ns: int) -> list[Lease]:
        """See `Leases`."""
        if len(names) > MAX_LEASES:
            raise ResourceExhausted(f"{len(names)} leases asked for at once; at most {MAX_LEASES}")
        if not names:
            return []
        wanted = sorted(set(names))  # all takers lock in this order
        with self._write() as connection:
            fresh = [{"name": name, "holder": "", "epoch": 0, "renewed_ns": 0, "ttl_ns": 0} for name in wanted]
            connection.execute(insert_into(connection, LEASE).on_conflict_do_nothing(), fresh)
            rows: list[Row[*tuple[Any, ...]]] = []
            for some in in_portions(wanted):
                locked = select(LEASE).where(LEASE.c.name.in_(some)).order_by(LEASE.c.name).with_for_update()
                rows += connection.execute(locked).all()
            now_ns = self.clock(connection)  # after the locks, for which somebody else's turn may have been waited
            taken = []
            for row in rows:
                is_mine = row.holder == holder
                if row.holder and not is_mine and _is_current(row.renewed_ns, row.ttl_ns, now_ns):
                    continue
                taken.append(Lease(name=row.name, holder=holder, epoch=row.epoch if is_mine else row.epoch + 1))
            _store(connection, taken, now_ns, ttl_ns)
        return taken

    def let_go(self, names: Sequence[str] | None, holder: str) -> None:
        """See `Leases`."""
        freed = update(LEASE).where(LEASE.c.holder == holder).values(holder="", renewed_ns=0, ttl_ns=0)
        with self._write() as connection:
            if names is None:
                connection.execute(freed)
                return
            for some in in_portions(sorted(set(names))):
                connection.execute(freed.where(LEASE.c.name.in_(some)))

    def leases(self, prefix: str) -> list[LeaseState]:
        """See `Leases`."""
        with self._read() as connection:
            now_ns = self.clock(connection)
            found = connection.execute(
                select(LEASE).where(LEASE.c.name.startswith(prefix, autoescape=True)).order_by(LEASE.c.name)
            )
            return [
                LeaseState(
                    name=row.name,
                    holder=row.holder,
                    epoch=row.epoch,
                    is_held=bool(row.holder) and _is_current(row.renewed_ns, row.ttl_ns, now_ns),
                )
                for row in found
            ]


def _is_current(renewed_ns: int, ttl_ns: int, now_ns: int) -> bool:
    return renewed_ns <= now_ns < renewed_ns + ttl_ns


def _store(connection: Connection, taken: Sequence[Lease], now_ns: int, ttl_ns: int) -> None:
    if not taken:
        return
    statement = (
        update(LEASE)
        .where(LEASE.c.name == bindparam("of"))
        .values(holder=bindparam("to"), epoch=bindparam("number"), renewed_ns=now_ns, ttl_ns=ttl_ns)
    )
    connection.execute(statement, [{"of": one.name, "to": one.holder, "number": one.epoch} for one in taken])
