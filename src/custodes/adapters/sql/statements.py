"""What the two databases say differently, so that every other statement here is the same for both."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert


def insert_into(connection: Connection, table: Table) -> Insert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update`, as the database says them."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: Table) -> Insert:
    """`insert_into`, for statements that are made once and kept."""
    return postgresql.insert(table) if dialect == postgresql.dialect.name else sqlite.insert(table)


def run(connection: Connection, statement: str, values: Sequence[Any] = ()) -> CursorResult[*tuple[Any, ...]]:
    """A statement in plain SQL, with `?` for each value; a list of tuples runs it for each.

    For rows by the thousand, where building expressions costs more than the database does. No literal of ours holds
    a question mark or a percent sign.
    """
    if connection.dialect.paramstyle != "qmark":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, values if isinstance(values, list) else tuple(values))
