"""A catalog over either database."""

from pathlib import Path

from custodes.adapters.sql.catalog import SqlCatalog
from custodes.adapters.sql.postgres import PostgresTarget, postgres_store
from custodes.adapters.sql.sqlite import sqlite_store
from custodes.ports.clock import Clock
from custodes.ports.leases import Lease


def sqlite_catalog(path: Path, *, site_id: str, clock: Clock) -> SqlCatalog:
    """The catalog in a file, made when it is not there. Raises: see `SqlCatalog`."""
    return SqlCatalog(sqlite_store(path), site_id=site_id, clock=clock)


def postgres_catalog(target: PostgresTarget, *, site_id: str, clock: Clock) -> SqlCatalog:
    """The catalog in a database that is there; its tables are made. Raises: see `SqlCatalog`."""
    return SqlCatalog(postgres_store(target), site_id=site_id, clock=clock)


def postgres_guest(target: PostgresTarget, *, site_id: str, clock: Clock) -> SqlCatalog:
    """The same as a server that follows has it. Raises: see `SqlCatalog`; Unavailable before its tables are made."""
    return SqlCatalog(postgres_store(target, is_guest=True), site_id=site_id, clock=clock, is_guest=True)


def take_over(catalog: SqlCatalog, target: PostgresTarget, lease: Lease) -> None:
    """A guest that has the lease becomes the writer; the connection of the one before is ended.

    Raises: Unavailable, and what `SqlCatalog.lead` raises; then it is a guest as before.
    """
    catalog.lead(postgres_store(target, lease=lease))
