"""Layouts of the wall. The caller owns the transaction."""

import json

from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, String, Table, delete, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import METADATA
from custodes.types.wall import WallLayout
from custodes.units import CameraId, Ns

WALL_LAYOUT = Table(
    "wall_layout",
    METADATA,
    Column("layout_id", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("cameras", String, nullable=False),
    Column("tiles", Integer, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
)
"""`cameras`: JSON list of ids."""


def put_layout(connection: Connection, layout: WallLayout) -> None:
    """Create or replace by id."""
    values = {column.name: getattr(layout, column.name) for column in WALL_LAYOUT.c}
    values["cameras"] = json.dumps(layout.cameras)
    connection.execute(
        insert_into(connection, WALL_LAYOUT)
        .values(values)
        .on_conflict_do_update(index_elements=["layout_id"], set_=values)
    )


def read_layouts(connection: Connection) -> list[WallLayout]:
    """By name."""
    return [
        WallLayout(
            layout_id=row.layout_id,
            user_id=row.user_id,
            name=row.name,
            cameras=tuple(CameraId(one) for one in json.loads(row.cameras)),
            tiles=row.tiles,
            is_shared=row.is_shared,
            changed_ns=Ns(row.changed_ns),
        )
        for row in connection.execute(select(WALL_LAYOUT).order_by(WALL_LAYOUT.c.name, WALL_LAYOUT.c.layout_id))
    ]


def remove_layout(connection: Connection, layout_id: str) -> None:
    """Idempotent."""
    connection.execute(delete(WALL_LAYOUT).where(WALL_LAYOUT.c.layout_id == layout_id))
