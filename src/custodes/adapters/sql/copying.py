"""A whole catalog from one database into another, empty one: a move to PostgreSQL or back, and the file of a backup.

Rows go as they are, from one state of the source; the target is made by the same migrations, so that both mean the
same. O(rows), a few thousand in memory at a time.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Integer, Table, func, inspect, select, text

from custodes.adapters.sql.schema import migrate, newest_version, version_of
from custodes.adapters.sql.store import Store
from custodes.adapters.sql.tables import METADATA
from custodes.errors import AlreadyExists, DataLoss, FailedPrecondition

ROWS_AT_ONCE = 2_000
"""Chunks of analysed frames are about 5 KB each: 10 MB."""

Progress = Callable[[str, int], None]
"""Table, rows of it that are there."""


def copy_catalog(source: Store, target: Store, *, on_progress: Progress = lambda table, rows: None) -> int:
    """Copy everything in one transaction of the target; returns the number of rows.

    Raises: FailedPrecondition (the source has another version's schema), AlreadyExists (the target holds a catalog),
        DataLoss (fewer rows arrived than left), and what the databases raise.
    """
    with source.translated(), source.reader.connect() as reading:
        # Streamed: a driver that fetched a table at once would hold a year of frames in memory.
        streaming = reading.execution_options(stream_results=True, yield_per=ROWS_AT_ONCE)
        if version_of(reading) != newest_version():
            raise FailedPrecondition(
                f"{source.name} has the schema of another custodes ({version_of(reading) or 'none'}); start the site "
                "with it once, then copy"
            )
        with target.translated(), target.writer.begin() as writing:
            if inspect(writing).has_table("meta"):
                raise AlreadyExists(f"{target.name} holds a catalog already; nothing was changed")
            migrate(writing, target.name)
            rows = 0
            for table in METADATA.sorted_tables:
                rows += _copy_table(streaming, writing, table, on_progress)
            _advance_sequences(writing)
    with target.translated(), target.writer.connect() as last:
        target.finish(last)
    return rows


def _copy_table(reading: Connection, writing: Connection, table: Table, on_progress: Progress) -> int:
    copied = 0
    for some in reading.execute(select(table)).mappings().partitions(ROWS_AT_ONCE):
        rows: list[dict[str, Any]] = [dict(row) for row in some]
        writing.execute(table.insert(), rows)
        copied += len(rows)
        on_progress(table.name, copied)
    there = writing.scalar(select(func.count()).select_from(table))
    if there != copied:
        raise DataLoss(f"{copied} rows of {table.name} were read and {there} are there")
    return copied


def _advance_sequences(connection: Connection) -> None:
    """PostgreSQL numbers new rows from a sequence, which rows with numbers of their own do not move."""
    if connection.dialect.name != "postgresql":
        return
    for table in METADATA.sorted_tables:
        numbered = [one for one in table.primary_key.columns if isinstance(one.type, Integer)]
        if len(table.primary_key.columns) != 1 or not numbered or numbered[0].autoincrement is False:
            continue
        name = numbered[0].name
        where = {"table": f'"{table.name}"', "column": name}
        sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), where)
        if sequence is not None:
            newest = connection.scalar(select(func.max(numbered[0]))) or 0
            move = text("SELECT setval(CAST(:sequence AS regclass), :newest, :is_used)")
            connection.execute(move, {"sequence": sequence, "newest": max(newest, 1), "is_used": newest > 0})
