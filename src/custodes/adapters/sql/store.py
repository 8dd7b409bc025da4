"""What the catalog asks of a database: two ways in, its errors in our words, and how it is left."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An opened database. `sqlite_store` and `postgres_store` make one."""

    name: str
    """For people: the file, or host and database, never a password."""
    writer: Engine
    """One connection, whose transactions see no other writer."""
    reader: Engine
    """Some connections that cannot write, each of whose transactions sees one state."""
    translated: Callable[[], AbstractContextManager[None]]
    """Raises the driver's errors as ours."""
    finish: Callable[[Connection], None]
    """The writer's last act."""
    overwriting: str
    """A statement after which this connection overwrites what it replaces; empty where there is none."""
    scrub: Callable[[Engine], None]
    """Leave nothing of what `account` held before in files that the database keeps."""

    is_written: Callable[[], bool]
    """Whether a connection holds the writer's place. A file's is its process's: always."""

    def dispose(self) -> None:
        """Close every connection; idempotent, and a later statement opens new ones."""
        self.reader.dispose()
        self.writer.dispose()
