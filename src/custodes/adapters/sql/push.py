"""Devices of people that are told by web push. The caller owns the transaction."""

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, String, Table, delete, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import METADATA
from custodes.types.push import PushDevice

PUSH_DEVICE = Table(
    "push_device",
    METADATA,
    Column("device_id", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("p256dh", LargeBinary, nullable=False),
    Column("auth", LargeBinary, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)


def put_push_device(connection: Connection, device: PushDevice) -> None:
    """Create or replace by id."""
    values = {column.name: getattr(device, column.name) for column in PUSH_DEVICE.c}
    connection.execute(
        insert_into(connection, PUSH_DEVICE)
        .values(values)
        .on_conflict_do_update(index_elements=["device_id"], set_=values)
    )


def read_push_devices(connection: Connection) -> list[PushDevice]:
    """By creation."""
    rows = connection.execute(select(PUSH_DEVICE).order_by(PUSH_DEVICE.c.created_ns, PUSH_DEVICE.c.device_id))
    return [PushDevice(**row._asdict()) for row in rows]


def remove_push_device(connection: Connection, device_id: str) -> None:
    """Idempotent."""
    connection.execute(delete(PUSH_DEVICE).where(PUSH_DEVICE.c.device_id == device_id))
