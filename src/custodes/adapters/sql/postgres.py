"""A catalog in a PostgreSQL database: connections, one writer, and the server's errors in our words.

Optional (`custodes[postgres]`, psycopg). A database belongs to one site, and to one writing server at a time: the
writing connection holds an advisory lock for as long as it lives, so that two servers never take turns without
knowing. Servers that follow (`is_guest`) write without the lock what any may write: leases and a session's last use.
"""

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from custodes.adapters.sql.store import Store
from custodes.errors import CustodesError, DataLoss, FailedPrecondition, ResourceExhausted, Unavailable
from custodes.ports.leases import Lease

READ_CONNECTIONS = 4
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 60_000
"""Of one statement; the longest of ours takes a second. A server that hangs must not hang the site."""
LOCK_TIMEOUT_MS = 5_000
WRITER_LOCK = 0x637573746F646573
"""The key of the advisory lock: "custodes" in ASCII. Locks are per database, so it need not differ."""

EXPEL_S = 5.0
"""For the connection of a server that led to end; the database ends one within milliseconds."""
_EXPEL_LOOK_S = 0.05

_HOLDERS = (
    " FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND classid = 1668641652 AND objid = 1868850547"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""How the database lists who holds `WRITER_LOCK`: a key of 64 bits is shown as two halves."""
_HELD = "SELECT count(*)" + _HOLDERS
_EXPEL = "SELECT count(pg_terminate_backend(pid))" + _HOLDERS

_IS_BY_BYTES = "SELECT 'B' < 'a' AND 'a-b' < 'aa' AND 'Z' < 'ä'"
"""Ids sort by their bytes everywhere else in custodes; a language's order would part pages wrongly."""

_NO_SUCH_DATABASE, _WRONG_PASSWORD, _NOT_ALLOWED = "3D000", "28P01", "28000"
_DISK_FULL, _CORRUPT, _INDEX_CORRUPT, _PRIVILEGE = "53100", "XX001", "XX002", "42501"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTarget:
    """Where the database is. `password` is kept out of every message."""

    host: str
    """A name, an address, or the folder of a Unix socket."""
    port: int
    database: str
    user: str
    password: str
    tls: str
    """libpq's sslmode."""
    ca_file: Path | None

    @property
    def name(self) -> str:
        """For people."""
        return f"PostgreSQL {self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"PostgresTarget({self.name})"


def postgres_store(target: PostgresTarget, *, is_guest: bool = False, lease: Lease | None = None) -> Store:
    """Connects with the first statement.

    Args:
        is_guest: its writer takes no lock; see `SqlCatalog`.
        lease: under which this server leads, of several. Its writer ends the connection of the one before;
            once the lease is another's, it gets no new one itself.

    Raises: FailedPrecondition when psycopg is not installed.
    """
    try:
        import psycopg  # noqa: F401 - optional, and SQLAlchemy's own message names no extra
    except ImportError as error:
        raise FailedPrecondition("a catalog in PostgreSQL needs psycopg: pip install 'custodes[postgres]'") from error
    reader = _open_engine(target, is_writer=False)
    return Store(
        name=target.name,
        writer=_open_engine(target, is_writer=True, is_guest=is_guest, lease=lease),
        reader=reader,
        translated=functools.partial(_translated, target.name),
        finish=lambda connection: connection.rollback(),
        overwriting="",
        scrub=_scrub,
        is_written=functools.partial(_is_written, target.name, reader),
    )


def _scrub(writer: Engine) -> None:
    """A small table written anew; its old file goes, what stands in the server's log of changes ages out of it."""
    with writer.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM FULL account"))


def _open_engine(
    target: PostgresTarget, *, is_writer: bool, is_guest: bool = False, lease: Lease | None = None
) -> Engine:
    """Connections to the database.

    The writer has one, which holds the lock; `synchronous_commit` stays on, because FactsStored promises that the
    sender may forget. Readers see one state per transaction, as SQLite's do.
    """
    settings = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
    # The database notices within ten seconds that this machine is gone: by its own settings it would keep the lock for
    # two hours from whoever takes over.
    settings += " -c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
    settings += " -c synchronous_commit=on" if is_writer else " -c default_transaction_read_only=on"
    query = {"sslmode": target.tls, "application_name": "custodes", "options": settings}
    if target.ca_file is not None:
        query["sslrootcert"] = str(target.ca_file)
    engine = create_engine(
        URL.create(
            "postgresql+psycopg",
            username=target.user,
            password=target.password or None,
            port=target.port,
            database=target.database,
            query={**query, "host": target.host},
        ),
        poolclass=QueuePool,
        pool_size=1 if is_writer else READ_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=is_guest or not is_writer,
        isolation_level="READ COMMITTED" if is_writer else "REPEATABLE READ",
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "keepalives_idle": 10, "keepalives_count": 3},
        hide_parameters=True,
    )
    if is_writer and not is_guest:
        event.listen(engine, "connect", functools.partial(_take_turn, target.name, lease))
    return engine


def _take_turn(name: str, lease: Lease | None, connection: DBAPIConnection, _: object) -> None:
    """For each new connection of the writer, also one after a restart of the database."""
    cursor = connection.cursor()
    try:
        cursor.execute(_IS_BY_BYTES)
        if not _one(cursor):
            raise FailedPrecondition(
                f"{name} sorts text as a language does, not by its bytes; make the database with "
                "createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8"
            )
        deadline = time.monotonic() + EXPEL_S
        while True:
            if lease is not None and not _is_ours(cursor, lease):
                raise Unavailable(f"another server of this site leads, and writes {name}")
            cursor.execute(f"SELECT pg_try_advisory_lock({WRITER_LOCK})")  # nosemgrep: sql-from-a-string - a constant
            if _one(cursor):
                break
            if lease is None or time.monotonic() > deadline:
                raise Unavailable(f"{name} is used by another custodes server")
            # Its server leads no more, and may not know: what it still wants to write fails from here on.
            cursor.execute(_EXPEL)
            connection.commit()
            time.sleep(_EXPEL_LOOK_S)
        # Asked again under the lock: between two looks it may have become another's.
        if lease is not None and not _is_ours(cursor, lease):
            raise Unavailable(f"another server of this site leads, and writes {name}")
        connection.commit()
    finally:
        cursor.close()


def _one(cursor: DBAPICursor) -> bool:
    (found,) = cursor.fetchone() or (False,)
    return bool(found)


def _is_ours(cursor: DBAPICursor, lease: Lease) -> bool:
    cursor.execute(
        "SELECT count(*) FROM lease WHERE name = %s AND holder = %s AND epoch = %s",
        (lease.name, lease.holder, lease.epoch),
    )
    return _one(cursor)


def _is_written(name: str, reader: Engine) -> bool:
    """A server that was killed has let go of the lock at once."""
    with _translated(name), reader.connect() as connection:
        return bool(connection.scalar(text(_HELD)))


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    """Raise psycopg's errors as ours, with the database's name and without values."""
    try:
        yield
    except DBAPIError as error:
        raise _translate(name, error.orig) from error


def _translate(name: str, error: BaseException | None) -> CustodesError:
    code = getattr(error, "sqlstate", None) or ""
    said = " ".join(str(error).split("\n")[0].split())
    if code in (_NO_SUCH_DATABASE, _WRONG_PASSWORD, _NOT_ALLOWED, _PRIVILEGE):
        return FailedPrecondition(f"{name} does not let us in: {said}")
    if code in (_CORRUPT, _INDEX_CORRUPT):
        return DataLoss(f"{name} is damaged: {said}")
    if code == _DISK_FULL:
        return ResourceExhausted(f"the disk of {name} is full")
    if type(error).__name__ in ("OperationalError", "InterfaceError") or code[:2] in ("08", "40", "53", "55", "57"):
        return Unavailable(f"{name} does not answer: {said}")
    return CustodesError(f"catalog in {name}: {said}")
