"""Figures (traffic, incidents, flows) as rows. The caller owns the transaction."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Connection, delete, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import FIGURE
from custodes.errors import ProtocolError
from custodes.types.codec import decode, encode
from custodes.types.flow import FlowHour
from custodes.types.traffic import Figure, Incident, IncidentVerdict
from custodes.units import CameraId, Ns

T = TypeVar("T", bound=Figure)


def put_figures(connection: Connection, figures: Sequence[Figure]) -> None:
    """Insert or replace by key."""
    if not figures:
        return
    statement = insert_into(connection, FIGURE)
    statement = statement.on_conflict_do_update(
        index_elements=[FIGURE.c.kind, FIGURE.c.camera_id, FIGURE.c.start_ns, FIGURE.c.name],
        set_={"end_ns": statement.excluded.end_ns, "payload": statement.excluded.payload},
    )
    connection.execute(statement, [_row(one) for one in figures])


def _row(figure: Figure) -> dict[str, object]:
    return {
        "kind": type(figure).__name__,
        "camera_id": figure.camera_id,
        "start_ns": figure.start_ns,
        "name": _name(figure),
        "end_ns": figure.end_ns,
        "payload": encode(figure),
    }


def _name(figure: Figure) -> str:
    match figure:
        case Incident(kind=kind, road=road) | IncidentVerdict(kind=kind, road=road):
            return f"{kind}/{road}"
        case FlowHour(group=group):
            return group.value
        case _:
            return ""


def read_figures(
    connection: Connection, kind: type[T], camera_id: CameraId | None, start_ns: Ns, end_ns: Ns, limit: int
) -> list[T]:
    """That began in [start, end), by start; None means all cameras'. A row of another version is left out."""
    statement = (
        select(FIGURE.c.payload)
        .where(FIGURE.c.kind == kind.__name__, FIGURE.c.start_ns >= start_ns, FIGURE.c.start_ns < end_ns)
        .order_by(FIGURE.c.start_ns, FIGURE.c.camera_id, FIGURE.c.name)
        .limit(limit)
    )
    if camera_id is not None:
        statement = statement.where(FIGURE.c.camera_id == camera_id)
    found = []
    for row in connection.execute(statement):
        try:
            value = decode(row.payload)
        except ProtocolError:
            continue
        if isinstance(value, kind):
            found.append(value)
    return found


def forget_figures(connection: Connection, before_ns: Ns) -> None:
    """Drop those that ended before."""
    connection.execute(delete(FIGURE).where(FIGURE.c.end_ns < before_ns))
