"""Tables of `movements` as migrations make them; its statements are plain SQL, because rows come by the thousand."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from custodes.adapters.sql.tables import METADATA

NAME = Table(
    "movement_name",
    METADATA,
    Column("code", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("first", String, nullable=False),
    Column("second", String, nullable=False),
    UniqueConstraint("kind", "first", "second"),
)
"""Streams (camera, run) and lines by number. Never deleted: blocks refer to them."""

BLOCK = Table(
    "column_block",
    METADATA,
    Column("block_id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("start_min", BigInteger, nullable=False),
    Column("start_max", BigInteger, nullable=False),
    Column("end_max", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", LargeBinary, nullable=False),
    Index("column_block_by_time", "kind", "start_min", "start_max", "end_max", "rows"),
    sqlite_autoincrement=True,
)
"""Up to `columns.MAX_ROWS` rows. A block's number is never given again, so that it can be cached."""


def _tail(name: str, key: tuple[str, ...], others: tuple[str, ...]) -> Table:
    return Table(
        name,
        METADATA,
        *(Column(one, BigInteger, primary_key=True) for one in key),
        *(Column(one, BigInteger, nullable=False) for one in others),
        sqlite_with_rowid=False,
    )


PASSAGE_TAIL = _tail(
    "passage_tail",
    ("stream", "track_id", "start_ms"),
    ("duration_ms", "object_class", "frames", "score", "quality", "first_x", "first_y", "last_x", "last_y"),
)
CROSSING_TAIL = _tail(
    "crossing_tail",
    ("stream", "line", "track_id", "start_ms"),
    ("duration_ms", "object_class", "is_forward"),
)

SIGHTING = Table(
    "sighting",
    METADATA,
    Column("subject", String, primary_key=True),
    Column("start_ms", BigInteger, primary_key=True),
    Column("stream", BigInteger, primary_key=True),
    Column("track_id", BigInteger, primary_key=True),
    Column("end_ms", BigInteger, nullable=False),
    Column("probability", Float, nullable=False),
    sqlite_with_rowid=False,
)
"""Of the enrolled alone."""

FLOW_HOUR = Table(
    "flow_hour",
    METADATA,
    Column("start_ms", BigInteger, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("columns", LargeBinary, nullable=False),
)
