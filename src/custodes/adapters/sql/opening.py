"""A catalog over either database."""

from pathlib import Path

from custodes.adapters.sql.catalog import SqlCatalog
from custodes.adapters.sql.postgres import PostgresTarget, postgres_store
from custodes.adapters.sql.sqlite import sqlite_store
from custodes.ports.clock import Clock


def sqlite_catalog(path: Path, *, site_id: str, clock: Clock) -> SqlCatalog:
    """The catalog in a file, made when it is not there. Raises: see `SqlCatalog`."""
    return SqlCatalog(sqlite_store(path), site_id=site_id, clock=clock)


def postgres_catalog(target: PostgresTarget, *, site_id: str, clock: Clock) -> SqlCatalog:
    """The catalog in a database that is there; its tables are made. Raises: see `SqlCatalog`."""
    return SqlCatalog(postgres_store(target), site_id=site_id, clock=clock)
