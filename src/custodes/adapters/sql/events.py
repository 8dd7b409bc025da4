"""Events of the site: put, read. The caller owns the transaction."""

import json

from sqlalchemy import Connection, delete, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import SITE_EVENT
from custodes.types.event import SiteEvent, SiteEventKind
from custodes.units import CameraId, Ns

MAX_KEPT = 2000
"""Oldest go first: at one every quarter of an hour, three weeks."""


def put_event(connection: Connection, event: SiteEvent) -> None:
    """Create or replace by kind and start."""
    values = {
        "kind": event.kind.value,
        "start_ns": event.start_ns,
        "end_ns": event.end_ns,
        "cameras": json.dumps(event.camera_ids),
        "detail": event.detail,
    }
    statement = insert_into(connection, SITE_EVENT).values(values)
    key = [SITE_EVENT.c.kind, SITE_EVENT.c.start_ns]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))
    newest = select(SITE_EVENT.c.start_ns).order_by(SITE_EVENT.c.start_ns.desc()).offset(MAX_KEPT).limit(1)
    if (oldest_ns := connection.scalar(newest)) is not None:
        connection.execute(delete(SITE_EVENT).where(SITE_EVENT.c.start_ns <= oldest_ns))


def read_events(connection: Connection, limit: int) -> list[SiteEvent]:
    """Newest first."""
    statement = select(SITE_EVENT).order_by(SITE_EVENT.c.start_ns.desc(), SITE_EVENT.c.kind).limit(limit)
    return [
        SiteEvent(
            kind=SiteEventKind(row.kind),
            start_ns=Ns(row.start_ns),
            end_ns=Ns(row.end_ns),
            camera_ids=tuple(CameraId(one) for one in json.loads(row.cameras)),
            detail=row.detail,
        )
        for row in connection.execute(statement)
    ]
