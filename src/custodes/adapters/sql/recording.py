"""Statements about journals, segments and gaps. The caller owns the transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from custodes.adapters.sql.statements import in_portions, insert_into
from custodes.adapters.sql.tables import GAP, GARBAGE, JOURNAL, META, SEGMENT
from custodes.adapters.sql.totals import Differences, longest_ns
from custodes.types.media import ClockReading, ClockSource, Gap, GapCause, Segment, SegmentHeader
from custodes.units import CameraId, KeyId, Ns, RunId, SegmentId

_CLOCK_COLUMNS = ("media_ns", "clock_source", "clock_error_ns", "camera_offset_ns")


def journal_position(connection: Connection, journal: str) -> int:
    """0 for a journal never seen."""
    return connection.scalar(select(JOURNAL.c.position).where(JOURNAL.c.journal == journal)) or 0


def put_journal_position(connection: Connection, journal: str, position: int) -> None:
    """Set, also backwards (a journal that was replaced is read again from its start)."""
    statement = insert_into(connection, JOURNAL).values(journal=journal, position=position)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[JOURNAL.c.journal], set_={"position": statement.excluded.position}
        )
    )


def put_segments(connection: Connection, segments: Sequence[Segment], changes: Differences) -> None:
    """Insert or replace. A sealed row stays as it is; an open row never shrinks."""
    newest: dict[str, Segment] = {}
    for segment in segments:
        known = newest.get(segment.header.segment_id)
        if known is None or _replaces(segment, known.is_sealed, known.end_ns):
            newest[segment.header.segment_id] = segment
    stored = _stored_ends(connection, list(newest))
    for condemned in _condemned(connection, [segment_id for segment_id in newest if segment_id not in stored]):
        del newest[condemned]  # late news of what is being deleted
    rows = []
    for segment_id, segment in newest.items():
        is_sealed, end_ns, is_spare = stored.get(segment_id, (False, None, False))
        if end_ns is not None and not _replaces(segment, is_sealed, end_ns):
            continue
        length_ns = segment.end_ns - segment.header.start_ns
        change = changes.of(segment.header.camera_id)
        if not is_spare:
            change.recorded_ns += length_ns - (0 if end_ns is None else end_ns - segment.header.start_ns)
        change.longest_segment_ns = max(change.longest_segment_ns, length_ns)
        rows.append(_segment_row(segment))
    if rows:
        statement = insert_into(connection, SEGMENT)
        mutable = ("end_ns", "path", "bytes_on_disk", "fragments", "root", "is_sealed", *_CLOCK_COLUMNS)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[SEGMENT.c.segment_id], set_={name: statement.excluded[name] for name in mutable}
            ),
            rows,
        )


def _replaces(segment: Segment, is_sealed: bool, end_ns: int) -> bool:
    return not is_sealed and (segment.is_sealed or segment.end_ns > end_ns)


def _stored_ends(connection: Connection, ids: list[str]) -> dict[str, tuple[bool, int, bool]]:
    found: dict[str, tuple[bool, int, bool]] = {}
    columns = select(SEGMENT.c.segment_id, SEGMENT.c.is_sealed, SEGMENT.c.end_ns, SEGMENT.c.is_spare)
    for some in in_portions(ids):
        for row in connection.execute(columns.where(SEGMENT.c.segment_id.in_(some))):
            found[row.segment_id] = (row.is_sealed, row.end_ns, row.is_spare)
    return found


def _condemned(connection: Connection, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for some in in_portions(ids):
        found.update(connection.scalars(select(GARBAGE.c.segment_id).where(GARBAGE.c.segment_id.in_(some))))
    return found


def put_gaps(connection: Connection, gaps: Sequence[Gap], changes: Differences) -> None:
    """Insert, or set the end of the gap that began at that moment; the last word counts."""
    for gap in gaps:
        key = (GAP.c.camera_id == gap.camera_id) & (GAP.c.start_ns == gap.start_ns)
        old_end_ns = connection.scalar(select(GAP.c.end_ns).where(key))
        changes.of(gap.camera_id).gaps_ns += gap.end_ns - (gap.start_ns if old_end_ns is None else old_end_ns)
        statement = insert_into(connection, GAP).values(
            camera_id=gap.camera_id, start_ns=gap.start_ns, end_ns=gap.end_ns, cause=gap.cause.value
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[GAP.c.camera_id, GAP.c.start_ns],
                set_={"end_ns": statement.excluded.end_ns, "cause": statement.excluded.cause},
            )
        )


def read_segments(
    connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int, *, with_spares: bool = False
) -> list[Segment]:
    """Overlapping [start, end], by start."""
    earliest_ns = start_ns - longest_ns(connection, camera_id, "longest_segment_ns")
    statement = (
        select(SEGMENT)
        .where(SEGMENT.c.camera_id == camera_id)
        .where(SEGMENT.c.start_ns.between(earliest_ns, end_ns))
        .where(SEGMENT.c.end_ns >= start_ns)
        .order_by(SEGMENT.c.start_ns, SEGMENT.c.segment_id)
        .limit(limit)
    )
    if not with_spares:
        statement = statement.where(~SEGMENT.c.is_spare)
    return [segment_of(row) for row in connection.execute(statement)]


def story_ends(connection: Connection, camera_ids: Collection[CameraId]) -> dict[CameraId, Ns]:
    """See `Catalog`."""
    found: dict[CameraId, Ns] = {}
    for camera_id in camera_ids:
        for table in (SEGMENT, GAP):
            newest = select(table.c.end_ns).where(table.c.camera_id == camera_id).order_by(table.c.start_ns.desc())
            end_ns = connection.scalar(newest.limit(1))
            if end_ns is not None:
                found[camera_id] = Ns(max(end_ns, found.get(camera_id, 0)))
    return found


def read_gaps(connection: Connection, camera_ids: Collection[CameraId], start_ns: Ns, end_ns: Ns) -> list[Gap]:
    """Overlapping [start, end], by start. Gaps are few: all that began before the end are looked at."""
    statement = (
        select(GAP)
        .where(GAP.c.camera_id.in_(sorted(camera_ids)), GAP.c.start_ns <= end_ns, GAP.c.end_ns >= start_ns)
        .order_by(GAP.c.start_ns)
    )
    return [
        Gap(
            camera_id=CameraId(row.camera_id),
            start_ns=Ns(row.start_ns),
            end_ns=Ns(row.end_ns),
            cause=GapCause(row.cause),
        )
        for row in connection.execute(statement)
    ]


def unlogged_segments(connection: Connection, limit: int) -> list[Segment]:
    """Sealed, without a log index, by start."""
    statement = (
        select(SEGMENT)
        .where(SEGMENT.c.is_sealed, SEGMENT.c.log_index.is_(None))
        .order_by(SEGMENT.c.start_ns, SEGMENT.c.segment_id)
        .limit(limit)
    )
    return [segment_of(row) for row in connection.execute(statement)]


def mark_logged(connection: Connection, indices: Mapping[SegmentId, int]) -> None:
    """Set the log index of segments that have none, and the newest index seen."""
    if not indices:
        return
    statement = (
        update(SEGMENT)
        .where(SEGMENT.c.segment_id == bindparam("id"), SEGMENT.c.log_index.is_(None))
        .values(log_index=bindparam("index"))
    )
    connection.execute(statement, [{"id": segment_id, "index": index} for segment_id, index in indices.items()])
    newest = max(newest_log_index(connection), *indices.values())
    row = insert_into(connection, META).values(name="newest_log_index", value=str(newest))
    connection.execute(row.on_conflict_do_update(index_elements=[META.c.name], set_={"value": row.excluded.value}))


def log_indices(connection: Connection, segment_ids: Sequence[SegmentId]) -> dict[SegmentId, int]:
    """Of those that have one; asked in portions, since a statement takes some thousand parameters."""
    found: dict[SegmentId, int] = {}
    for some in in_portions(segment_ids):
        statement = select(SEGMENT.c.segment_id, SEGMENT.c.log_index).where(
            SEGMENT.c.segment_id.in_(some), SEGMENT.c.log_index.is_not(None)
        )
        found |= {SegmentId(segment_id): index for segment_id, index in connection.execute(statement)}
    return found


def newest_log_index(connection: Connection) -> int:
    """-1 for none."""
    value = connection.scalar(select(META.c.value).where(META.c.name == "newest_log_index"))
    return -1 if value is None else int(value)


def _segment_row(segment: Segment) -> dict[str, object]:
    header = segment.header
    return {
        "segment_id": header.segment_id,
        "camera_id": header.camera_id,
        "run": header.run,
        "site_id": header.site_id,
        "version": header.version,
        "start_ns": header.start_ns,
        "end_ns": segment.end_ns,
        "key_id": header.key_id,
        "wrapped_key": header.wrapped_key,
        "path": segment.path,
        "bytes_on_disk": segment.bytes_on_disk,
        "fragments": segment.fragments,
        "root": segment.root,
        "is_sealed": segment.is_sealed,
        "media_ns": segment.media_ns,
        "clock_source": segment.clock.source.value,
        "clock_error_ns": segment.clock.error_ns,
        "camera_offset_ns": segment.clock.camera_offset_ns,
        "lease_epoch": segment.lease_epoch,
    }


def segment_of(row: Row[Any]) -> Segment:
    """A row of the table as a value."""
    header = SegmentHeader(
        version=row.version,
        site_id=row.site_id,
        camera_id=CameraId(row.camera_id),
        run=RunId(row.run),
        segment_id=SegmentId(row.segment_id),
        start_ns=Ns(row.start_ns),
        key_id=KeyId(row.key_id),
        wrapped_key=row.wrapped_key,
    )
    return Segment(
        header=header,
        path=row.path,
        end_ns=Ns(row.end_ns),
        bytes_on_disk=row.bytes_on_disk,
        fragments=row.fragments,
        root=row.root,
        is_sealed=row.is_sealed,
        media_ns=row.media_ns,
        clock=ClockReading(
            source=ClockSource(row.clock_source),
            error_ns=row.clock_error_ns,
            camera_offset_ns=row.camera_offset_ns,
        ),
        lease_epoch=row.lease_epoch,
    )
