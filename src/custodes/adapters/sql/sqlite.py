"""A catalog in one SQLite file: connections, pragmas, and SQLite's errors in our words."""

import contextlib
import functools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from custodes.adapters.sql.store import Store
from custodes.errors import CustodesError, DataLoss, ResourceExhausted, Unavailable

BUSY_TIMEOUT_S = 5.0
"""Only `custodes check` or a backup tool may hold the file besides the server."""
READ_CONNECTIONS = 4


def sqlite_store(path: Path) -> Store:
    """The file is made with the first statement."""
    return Store(
        name=str(path),
        writer=_open_engine(path, is_writer=True),
        reader=_open_engine(path, is_writer=False),
        translated=functools.partial(_translated, path),
        finish=_empty_wal,
        overwriting="PRAGMA secure_delete=ON",
        scrub=_scrub,
        is_written=lambda: True,
    )


def _empty_wal(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert raw is not None
    connection.rollback()
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _scrub(writer: Engine) -> None:
    """The write-ahead log ends empty; what the rows held was overwritten when they were replaced."""
    with writer.connect() as connection:
        _empty_wal(connection)
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA secure_delete=OFF")  # retention deletes by the million and hides nothing


def _open_engine(path: Path, *, is_writer: bool) -> Engine:
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
def _translated(path: Path) -> Iterator[None]:
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
