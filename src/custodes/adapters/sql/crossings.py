"""Line crossings: put, read. The caller owns the transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import CROSSING
from custodes.types.event import LineCrossed
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

_SAME_NS = 2 * NS_PER_S
"""An analyser that was killed and goes on from its checkpoint may find the same crossing again, at a slightly other
moment; nobody crosses a line twice the same way in so short a time with hysteresis in between."""


def put_crossings(connection: Connection, crossings: Sequence[LineCrossed]) -> list[LineCrossed]:
    """Insert those that are not there yet; returns these."""
    added: list[LineCrossed] = []
    for one in crossings:
        same = (
            select(CROSSING.c.start_ns)
            .where(CROSSING.c.camera_id == one.camera_id, CROSSING.c.run == one.run, CROSSING.c.line == one.line)
            .where(CROSSING.c.track_id == one.track_id, CROSSING.c.is_forward == one.is_forward)
            .where(CROSSING.c.start_ns.between(one.utc_ns - _SAME_NS, one.utc_ns + _SAME_NS))
            .limit(1)
        )
        if connection.scalar(same) is None:
            row = {
                "camera_id": one.camera_id,
                "run": one.run,
                "line": one.line,
                "track_id": one.track_id,
                "start_ns": one.utc_ns,
                "end_ns": one.utc_ns,
                "object_class": int(one.object_class),
                "is_forward": one.is_forward,
            }
            connection.execute(insert_into(connection, CROSSING).values(row).on_conflict_do_nothing())
            added.append(one)
    return added


def read_crossings(
    connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int
) -> list[LineCrossed]:
    """In [start, end], by time."""
    statement = (
        select(CROSSING)
        .where(CROSSING.c.camera_id == camera_id, CROSSING.c.start_ns.between(start_ns, end_ns))
        .order_by(CROSSING.c.start_ns, CROSSING.c.run, CROSSING.c.track_id, CROSSING.c.line)
        .limit(limit)
    )
    return [
        LineCrossed(
            camera_id=CameraId(row.camera_id),
            run=RunId(row.run),
            line=row.line,
            track_id=row.track_id,
            object_class=ObjectClass(row.object_class),
            utc_ns=Ns(row.start_ns),
            is_forward=row.is_forward,
        )
        for row in connection.execute(statement)
    ]
