"""Tables of back-fills, as the migrations make them."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from custodes.adapters.sql.tables import METADATA

BACKFILL = Table(
    "backfill",
    METADATA,
    Column("version", Integer, primary_key=True),
    Column("camera_id", String, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("position_ns", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("person", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("reference", String, nullable=False),
    Column("model", String, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""A version is never given again."""

ANALYSED_STRETCH = Table(
    "analysed_stretch",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("model", String, nullable=False),
)
"""Disjoint per camera."""
