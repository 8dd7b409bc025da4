"""What the two databases say differently, so that every other statement here is the same for both."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Table, delete, tuple_
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert

T = TypeVar("T")
_IDS_PER_QUERY = 500
"""Below SQLite's bound of variables in one statement (32766)."""


def in_portions(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Slices that fit into one statement."""
    for first in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[first : first + _IDS_PER_QUERY]


def insert_into(connection: Connection, table: Table) -> Insert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update`, as the database says them."""
    return postgresql.insert(table) if connection.dialect.name == postgresql.dialect.name else sqlite.insert(table)


def run(connection: Connection, statement: str, values: Sequence[Any] = ()) -> CursorResult[*tuple[Any, ...]]:
    """A statement in plain SQL, with `?` for each value; a list of tuples runs it for each.

    For rows by the thousand, where building expressions costs more than the database does. No literal of ours holds
    a question mark or a percent sign.
    """
    if connection.dialect.paramstyle != "qmark":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, values if isinstance(values, list) else tuple(values))


def upsert(connection: Connection, table: Table, key: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or set the other columns of those whose `key` is there; of two with one key the later counts.

    Args:
        key: columns with a unique index.
        rows: all with the same columns, values as the driver takes them.
    """
    if not rows:
        return
    if connection.dialect.name != postgresql.dialect.name:
        connection.execute(_upsert_one(table, key, tuple(rows[0])), rows)
        return
    # One statement with an array a column: a statement a row costs psycopg, and the server, more than the row does.
    latest = {tuple(row[name] for name in key): row for row in rows}.values()
    names = tuple(rows[0])
    connection.exec_driver_sql(
        _upsert_arrays(table, key, names), tuple([row[name] for row in latest] for name in names)
    )


@functools.cache
def _upsert_one(table: Table, key: tuple[str, ...], names: tuple[str, ...]) -> Insert:
    statement = sqlite.insert(table)
    return statement.on_conflict_do_update(
        index_elements=[table.c[name] for name in key],
        set_={name: statement.excluded[name] for name in names if name not in key},
    )


@functools.cache
def _upsert_arrays(table: Table, key: tuple[str, ...], names: tuple[str, ...]) -> str:
    where = f"{table.name} ({', '.join(names)})"
    rows = f"{_arrays(table, names)} ON CONFLICT ({', '.join(key)})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    # Names of our own tables, no values.
    return f"INSERT INTO {where} SELECT * FROM {rows} DO UPDATE SET {changed}"  # nosec B608  # noqa: S608


def delete_keys(connection: Connection, table: Table, key: tuple[str, ...], keys: Sequence[tuple[Any, ...]]) -> None:
    """Delete rows by the values of their `key`, columns with a unique index."""
    if not keys:
        return
    if connection.dialect.name != postgresql.dialect.name:
        columns = tuple_(*(table.c[name] for name in key))
        for some in in_portions(keys):
            connection.execute(delete(table).where(columns.in_(some)))
        return
    # A list of a thousand keys is planned as a thousand conditions; arrays are joined.
    connection.exec_driver_sql(_delete_arrays(table, key), tuple([one[at] for one in keys] for at in range(len(key))))


@functools.cache
def _delete_arrays(table: Table, key: tuple[str, ...]) -> str:
    where = " AND ".join(f"{table.name}.{name} = gone.{name}" for name in key)
    gone = f"{_arrays(table, key)} AS gone ({', '.join(key)})"
    return f"DELETE FROM {table.name} USING {gone} WHERE {where}"  # nosec B608  # noqa: S608 - names of our own tables


def _arrays(table: Table, names: tuple[str, ...]) -> str:
    """`%b`: in binary, so that blobs are not written out in hexadecimal."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # of SQLAlchemy
    return "unnest(" + ", ".join(f"%b::{table.c[name].type.compile(dialect)}[]" for name in names) + ")"
