"""Replacing the analysis of a stretch, and the back-fills that do it. The caller owns the transaction."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection, delete, func, select

from custodes.adapters.sql import chunks
from custodes.adapters.sql.analysis import chunk_row, put_chunks
from custodes.adapters.sql.backfill_tables import ANALYSED_STRETCH, BACKFILL
from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import CHUNK, COVERAGE, CROSSING, TRACKLET
from custodes.adapters.sql.totals import Differences
from custodes.errors import NotFound
from custodes.types.access import Purpose, PurposeKind
from custodes.types.backfill import AnalysedStretch, Backfill, BackfillState
from custodes.types.event import FrameAnalysed
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

_REACH_NS = 15 * NS_PER_S
"""A frame refers to the look before it: 1 s back where it vouches, 12 s where it says that it was quiet."""

KEPT = 200
"""Back-fills that are listed; older ones that have ended are forgotten."""


def take_out(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns, changes: Differences) -> None:
    """Remove frames, coverage, tracks and crossings of [start, end); tracks and crossings by their beginning.

    A frame behind the end that vouches for a part of it vouches for its own moment only from now on.
    """
    _take_out_frames(connection, camera_id, start_ns, end_ns)
    _take_out_coverage(connection, camera_id, start_ns, end_ns)
    is_within = (TRACKLET.c.camera_id == camera_id) & TRACKLET.c.start_ns.between(start_ns, end_ns - 1)
    counts = select(TRACKLET.c.object_class, func.count()).where(is_within).group_by(TRACKLET.c.object_class)
    change = changes.of(camera_id)
    for object_class, count in connection.execute(counts):
        change.tracks -= count
        change.people -= count * (object_class == ObjectClass.PERSON)
        change.vehicles -= count * (object_class in VEHICLES)
    connection.execute(delete(TRACKLET).where(is_within))
    connection.execute(
        delete(CROSSING).where(CROSSING.c.camera_id == camera_id, CROSSING.c.start_ns.between(start_ns, end_ns - 1))
    )


def _take_out_frames(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> None:
    touched = (
        select(CHUNK.c.chunk_id, CHUNK.c.run, CHUNK.c.columns)
        .where(CHUNK.c.camera_id == camera_id)
        .where(CHUNK.c.start_ns.between(start_ns - chunks.MAX_SPAN_NS, end_ns + _REACH_NS))
        .where(CHUNK.c.end_ns >= start_ns)
    )
    for row in connection.execute(touched).all():
        frames = chunks.unpack(camera_id, RunId(row.run), row.columns)
        before = [fact for fact in frames if fact.frame.utc_ns < start_ns]
        behind = [_parted(fact, end_ns) for fact in frames if fact.frame.utc_ns >= end_ns]
        connection.execute(delete(CHUNK).where(CHUNK.c.chunk_id == row.chunk_id))
        put_chunks(connection, [chunk_row(part) for part in (before, behind) if part])


def _parted(fact: FrameAnalysed, end_ns: Ns) -> FrameAnalysed:
    """Without what it says of the time before `end_ns`: the look that it goes on from is gone."""
    utc_ns = fact.frame.utc_ns
    valid_from_ns = utc_ns if fact.valid_from_ns < end_ns else fact.valid_from_ns
    quiet_from_ns = Ns(0) if fact.quiet_from_ns < end_ns else fact.quiet_from_ns
    return replace(fact, valid_from_ns=valid_from_ns, quiet_from_ns=quiet_from_ns)


def _take_out_coverage(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> None:
    is_touched = (COVERAGE.c.camera_id == camera_id) & (COVERAGE.c.end_ns > start_ns) & (COVERAGE.c.start_ns < end_ns)
    rows = connection.execute(select(COVERAGE.c.start_ns, COVERAGE.c.end_ns).where(is_touched)).all()
    connection.execute(delete(COVERAGE).where(is_touched))
    parts = _outside([(row.start_ns, row.end_ns) for row in rows], start_ns, end_ns)
    if parts:
        connection.execute(
            insert_into(connection, COVERAGE),
            [{"camera_id": camera_id, "start_ns": low, "end_ns": high} for low, high in parts],
        )


def note_stretch(connection: Connection, stretch: AnalysedStretch) -> None:
    """From here on this one analysed it last; older stretches keep what lies outside. One that goes on where another
    of its version ends is one with it."""
    table, start_ns, end_ns = ANALYSED_STRETCH, stretch.start_ns, stretch.end_ns
    touching = (table.c.camera_id == stretch.camera_id) & (table.c.end_ns >= start_ns) & (table.c.start_ns <= end_ns)
    rows = connection.execute(select(table).where(touching)).all()
    connection.execute(delete(table).where(touching))
    low, high, kept = start_ns, end_ns, []
    for row in rows:
        if (row.version, row.model) == (stretch.version, stretch.model):
            low, high = min(low, row.start_ns), max(high, row.end_ns)
        else:
            kept += [(*part, row.version, row.model) for part in _outside([(row.start_ns, row.end_ns)], low, high)]
    names = ("start_ns", "end_ns", "version", "model")
    values = [*kept, (low, high, stretch.version, stretch.model)]
    connection.execute(
        insert_into(connection, table),
        [{"camera_id": stretch.camera_id, **dict(zip(names, one, strict=True))} for one in values],
    )


def _outside(stretches: Iterable[tuple[int, int]], start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    parts = [part for low, high in stretches for part in ((low, min(high, start_ns)), (max(low, end_ns), high))]
    return [(low, high) for low, high in parts if low < high]


def read_stretches(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[AnalysedStretch]:
    """Those that overlap, by start."""
    table = ANALYSED_STRETCH
    statement = (
        select(table)
        .where(table.c.camera_id == camera_id, table.c.end_ns >= start_ns, table.c.start_ns <= end_ns)
        .order_by(table.c.start_ns)
    )
    return [
        AnalysedStretch(
            camera_id=CameraId(row.camera_id), start_ns=Ns(row.start_ns), end_ns=Ns(row.end_ns), version=row.version,
            model=row.model,
        )
        for row in connection.execute(statement)
    ]  # fmt: skip


def put_backfill(connection: Connection, backfill: Backfill) -> Backfill:
    """Create (version 0), or replace. Returns it with its version."""
    row = {
        "camera_id": backfill.camera_id,
        "start_ns": backfill.start_ns,
        "end_ns": backfill.end_ns,
        "position_ns": backfill.position_ns,
        "state": backfill.state.value,
        "detail": backfill.detail,
        "person": backfill.person,
        "purpose": backfill.purpose.kind.value,
        "reference": backfill.purpose.reference,
        "model": backfill.model,
        "created_ns": backfill.created_ns,
    }
    if backfill.version:
        changed = connection.execute(BACKFILL.update().where(BACKFILL.c.version == backfill.version).values(row))
        if not changed.rowcount:
            raise NotFound(f"there is no back-fill {backfill.version}")
        return backfill
    made = connection.execute(BACKFILL.insert().values(row)).inserted_primary_key
    assert made is not None
    connection.execute(delete(BACKFILL).where(BACKFILL.c.version <= made[0] - KEPT))
    return replace(backfill, version=int(made[0]))


def read_backfills(connection: Connection) -> list[Backfill]:
    """The newest first."""
    statement = select(BACKFILL).order_by(BACKFILL.c.version.desc()).limit(KEPT)
    return [
        Backfill(
            version=row.version,
            camera_id=CameraId(row.camera_id),
            start_ns=Ns(row.start_ns),
            end_ns=Ns(row.end_ns),
            position_ns=Ns(row.position_ns),
            state=BackfillState(row.state),
            detail=row.detail,
            person=row.person,
            purpose=Purpose(kind=PurposeKind(row.purpose), reference=row.reference),
            model=row.model,
            created_ns=Ns(row.created_ns),
        )
        for row in connection.execute(statement)
    ]
