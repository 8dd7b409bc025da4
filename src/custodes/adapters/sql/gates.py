"""What the activity gate did, over time: put, read. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, String, Table, delete, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import METADATA
from custodes.types.event import GateChanged, GateHour, GateMode
from custodes.units import NS_PER_S, CameraId, Ns, RunId

KEPT_NS = 90 * 86_400 * NS_PER_S
"""A quarter of a year shows seasons of light; nobody is in it."""

GATE_CHANGE = Table(
    "gate_change",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("utc_ns", BigInteger, primary_key=True),
    Column("run", String, primary_key=True),
    Column("mode_before", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("reason", String, nullable=False),
)

GATE_HOUR = Table(
    "gate_hour",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("mode", String, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("miss_low", Float, nullable=False),
    Column("miss_high", Float, nullable=False),
)


def put_gates(connection: Connection, changes: Sequence[GateChanged], hours: Sequence[GateHour]) -> None:
    """Changes that are there stay; an hour is replaced. What is older than `KEPT_NS` before the newest goes."""
    if changes:
        rows = [asdict(one) | {"mode": one.mode.value, "mode_before": one.mode_before.value} for one in changes]
        connection.execute(insert_into(connection, GATE_CHANGE).on_conflict_do_nothing(), rows)
    if hours:
        statement = insert_into(connection, GATE_HOUR)
        new = {name: statement.excluded[name] for name in ("mode", "trials", "missed", "miss_low", "miss_high")}
        statement = statement.on_conflict_do_update(index_elements=["camera_id", "start_ns"], set_=new)
        connection.execute(statement, [asdict(one) | {"mode": one.mode.value} for one in hours])
        oldest_ns = max(one.start_ns for one in hours) - KEPT_NS
        connection.execute(delete(GATE_HOUR).where(GATE_HOUR.c.start_ns < oldest_ns))
        connection.execute(delete(GATE_CHANGE).where(GATE_CHANGE.c.utc_ns < oldest_ns))


def read_changes(connection: Connection, camera_id: CameraId, limit: int) -> list[GateChanged]:
    """The latest, oldest first."""
    table = GATE_CHANGE
    statement = select(table).where(table.c.camera_id == camera_id).order_by(table.c.utc_ns.desc()).limit(limit)
    return [
        GateChanged(
            camera_id=CameraId(row.camera_id),
            run=RunId(row.run),
            utc_ns=Ns(row.utc_ns),
            mode_before=GateMode(row.mode_before),
            mode=GateMode(row.mode),
            reason=row.reason,
        )
        for row in reversed(connection.execute(statement).all())
    ]


def read_hours(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[GateHour]:
    """Those that begin in [start, end], by time."""
    table = GATE_HOUR
    statement = (
        select(table)
        .where(table.c.camera_id == camera_id, table.c.start_ns.between(start_ns, end_ns))
        .order_by(table.c.start_ns)
    )
    return [
        GateHour(
            camera_id=CameraId(row.camera_id),
            start_ns=Ns(row.start_ns),
            mode=GateMode(row.mode),
            trials=row.trials,
            missed=row.missed,
            miss_low=row.miss_low,
            miss_high=row.miss_high,
        )
        for row in connection.execute(statement)
    ]
