"""A catalog in a PostgreSQL database: connections, one writer, and the server's errors in our words.

Optional (`custodes[postgres]`, psycopg). A database belongs to one site, and to one server at a time: the writing
connection holds an advisory lock for as long as it lives, so that two servers never take turns without knowing.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from custodes.adapters.sql.store import Store
from custodes.errors import CustodesError, DataLoss, FailedPrecondition, ResourceExhausted, Unavailable

READ_CONNECTIONS = 4
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 60_000
"""Of one statement; the longest of ours takes a second. A server that hangs must not hang the site."""
LOCK_TIMEOUT_MS = 5_000
WRITER_LOCK = 0x637573746F646573
"""The key of the advisory lock: "custodes" in ASCII. Locks are per database, so it need not differ."""

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


def postgres_store(target: PostgresTarget) -> Store:
    """Connects with the first statement. Raises: FailedPrecondition when psycopg is not installed."""
    try:
        import psycopg  # noqa: F401 - optional, and SQLAlchemy's own message names no extra
    except ImportError as error:
        raise FailedPrecondition("a catalog in PostgreSQL needs psycopg: pip install 'custodes[postgres]'") from error
    return Store(
        name=target.name,
        writer=_open_engine(target, is_writer=True),
        reader=_open_engine(target, is_writer=False),
        translated=functools.partial(_translated, target.name),
        finish=lambda connection: connection.rollback(),
        overwriting="",
        scrub=_scrub,
    )


def _scrub(writer: Engine) -> None:
    """A small table written anew; its old file goes, what stands in the server's log of changes ages out of it."""
    with writer.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM FULL account"))


def _open_engine(target: PostgresTarget, *, is_writer: bool) -> Engine:
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
        pool_pre_ping=not is_writer,
        isolation_level="READ COMMITTED" if is_writer else "REPEATABLE READ",
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "keepalives_idle": 10, "keepalives_count": 3},
        hide_parameters=True,
    )
    if is_writer:
        event.listen(engine, "connect", functools.partial(_take_turn, target.name))
    return engine


def _take_turn(name: str, connection: DBAPIConnection, _: object) -> None:
    """For each new connection of the writer, also one after a restart of the database."""
    cursor = connection.cursor()
    try:
        cursor.execute(_IS_BY_BYTES)
        (is_by_bytes,) = cursor.fetchone() or (False,)
        if not is_by_bytes:
            raise FailedPrecondition(
                f"{name} sorts text as a language does, not by its bytes; make the database with "
                "createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8"
            )
        cursor.execute(f"SELECT pg_try_advisory_lock({WRITER_LOCK})")  # nosemgrep: sql-from-a-string - a constant
        (is_ours,) = cursor.fetchone() or (False,)
        if not is_ours:
            raise Unavailable(f"{name} is used by another custodes server")
        connection.commit()
    finally:
        cursor.close()


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
