"""Opening a catalog file: connections, pragmas, identity, migrations, and SQLite's errors in our words."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from custodes.adapters.sql.tables import META
from custodes.errors import CustodesError, DataLoss, FailedPrecondition, ResourceExhausted, SiteMismatch, Unavailable

BUSY_TIMEOUT_S = 5.0
"""Only `custodes check` or a backup tool may hold the file besides the server."""
READ_CONNECTIONS = 4


def open_engine(path: Path, *, is_writer: bool) -> Engine:
    """Connections to the file. The writer has exactly one, each of its transactions begins immediate.

    WAL lets readers go on while the writer commits. `synchronous=FULL` on the writer: FactsStored promises that the
    sender may forget, and an account or a camera that a person was told is saved must be there after a power cut;
    with NORMAL the last seconds before it would be rolled back (never torn). One fsync per commit is cheap because
    commits are grouped (`app.serving.facts`).
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=1 if is_writer else READ_CONNECTIONS,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; sqlite3's own rules defer it
        cursor = connection.cursor()
        if is_writer:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours, with the file's name."""
    try:
        yield
    except DBAPIError as error:
        raise _translate(path, error.orig) from error
    except sqlite3.Error as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: BaseException | None) -> CustodesError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DataLoss(
            f"{path} is damaged ({error}); move it away and start again: the catalog is rebuilt from the journal, "
            "but for accounts and cameras"
        )
    if code == sqlite3.SQLITE_FULL:
        return ResourceExhausted(f"the disk that holds {path} is full")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(f"{path} is locked by another program")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return Unavailable(f"{path} cannot be used: {error}")
    return CustodesError(f"catalog {path}: {error}")


def migrate(connection: Connection, path: Path) -> None:
    """Bring the schema to the newest version, in the caller's transaction.

    Raises: FailedPrecondition when a newer custodes made the file.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise FailedPrecondition(
            f"{path} was made by a newer custodes ({error}); use that version or a backup of the file"
        ) from error


def claim(connection: Connection, path: Path, site_id: str) -> None:
    """Write the site's id into a new file, compare it in an old one. Raises: SiteMismatch."""
    owner = connection.scalar(select(META.c.value).where(META.c.name == "site_id"))
    if owner is None:
        connection.execute(META.insert().values(name="site_id", value=site_id))
    elif owner != site_id:
        raise SiteMismatch(f"{path} belongs to site {owner}, this data directory to {site_id}; nothing was changed")
