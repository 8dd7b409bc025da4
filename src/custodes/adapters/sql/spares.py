"""Second copies: what a recorder wrote of a camera that had been given to another. The caller owns the transaction.

A *spare* is a segment most of whose time a later owner of its camera recorded, too. Its row and file stay, it is
logged, held, erased and deleted like any other, and it is in no answer about what was recorded when: kept, not
doubled. Epochs decide who is later, and the recordings' own times what overlaps; no clock is asked.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from custodes.adapters.sql.tables import SEGMENT
from custodes.adapters.sql.totals import Differences, longest_ns
from custodes.types.media import Segment
from custodes.units import CameraId


def mark_spares(connection: Connection, segments: Sequence[Segment], changes: Differences) -> None:
    """Judge these and all that they overlap. After their rows and the sums of their cameras are written.

    Without leases nothing is looked at; with them, two reads over an index for each camera named.
    """
    spans: dict[CameraId, tuple[int, int]] = {}
    for one in segments:
        if one.lease_epoch:
            camera_id = one.header.camera_id
            low, high = spans.get(camera_id, (one.header.start_ns, one.end_ns))
            spans[camera_id] = (min(low, one.header.start_ns), max(high, one.end_ns))
    for camera_id, span in spans.items():
        _judge(connection, camera_id, span, changes)


def _judge(connection: Connection, camera_id: CameraId, span: tuple[int, int], changes: Differences) -> None:
    rows = _overlapping(connection, camera_id, *span)
    if len({row.lease_epoch for row in rows}) < 2:
        return
    # Those that reach beyond the span are judged by everything they overlap.
    around = _overlapping(connection, camera_id, min(r.start_ns for r in rows), max(r.end_ns for r in rows))
    for row in rows:
        later = [(other.start_ns, other.end_ns) for other in around if other.lease_epoch > row.lease_epoch]
        is_spare = 2 * covered_ns(row.start_ns, row.end_ns, later) > row.end_ns - row.start_ns
        if is_spare != row.is_spare:
            length_ns = row.end_ns - row.start_ns
            changes.of(camera_id).recorded_ns += -length_ns if is_spare else length_ns
            connection.execute(update(SEGMENT).where(SEGMENT.c.segment_id == row.segment_id).values(is_spare=is_spare))


def covered_ns(start_ns: int, end_ns: int, spans: Iterable[tuple[int, int]]) -> int:
    """How much of [start, end] the spans cover together."""
    covered, reached = 0, start_ns
    for low, high in sorted(spans):
        low, high = max(low, reached), min(high, end_ns)
        if high > low:
            covered += high - low
            reached = high
    return covered


def _overlapping(
    connection: Connection, camera_id: CameraId, start_ns: int, end_ns: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    earliest_ns = start_ns - longest_ns(connection, camera_id, "longest_segment_ns")
    columns = (SEGMENT.c.segment_id, SEGMENT.c.start_ns, SEGMENT.c.end_ns, SEGMENT.c.lease_epoch, SEGMENT.c.is_spare)
    return connection.execute(
        select(*columns)
        .where(SEGMENT.c.camera_id == camera_id, SEGMENT.c.start_ns.between(earliest_ns, end_ns))
        .where(SEGMENT.c.end_ns >= start_ns)
    ).all()
