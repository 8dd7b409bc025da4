"""Analysed frames, coverage and tracks. The caller owns the transaction.

The usual case is a camera's next frames in order: `AnalysisWriter` keeps the chunk that still grows in memory, so
that a commit for ten cameras is two statements. Anything else (a new run, a late or repeated frame, the first
frames after a start) is looked up in the tables first. The memory is a cache of committed rows: after a transaction
that failed the owner calls `forget`.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, select

from custodes.adapters.sql import chunks
from custodes.adapters.sql.statements import delete_keys, insert_into, upsert
from custodes.adapters.sql.tables import CHUNK, COVERAGE, TOTAL, TRACKLET
from custodes.adapters.sql.totals import Differences, longest_ns
from custodes.ports.catalog import Coverage
from custodes.types.access import CameraScope
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.vision import VEHICLES, ObjectClass, Tracklet
from custodes.units import CameraId, Ns, RunId

_BOXES = struct.Struct("<8d")
_CHUNK_KEY = ("camera_id", "run", "seq_first")

PIECE_FRAMES = 4
"""A chunk grows by rows of so many frames and becomes one row when it is full: a commit rewrites two and a half frames
of a camera on average, not half a chunk. At 1,000 cameras that is the difference between 1 and 12 MB a commit."""


@dataclass(slots=True, kw_only=True)
class _Tail:
    """A camera's newest frames, on their way to a full chunk, and the stretch of coverage that its newest is in."""

    run: RunId
    frames: list[FrameAnalysed]
    packed: list[bytes]
    """`frames`, each by `chunks.pack_one`."""
    pieces: list[int]
    """Where in `frames` each stored row begins; the last one still grows."""
    stored: int
    """How many of `frames` are in rows."""
    start_ns: int
    end_ns: int
    covered_from_ns: int
    covered_to_ns: int
    is_covered_last: bool
    """No stretch of the camera lies behind this one, so that growing it can touch none."""

    @property
    def is_full(self) -> bool:
        return len(self.frames) >= chunks.MAX_FRAMES

    def add(self, fact: FrameAnalysed) -> None:
        if not self.pieces or len(self.frames) - self.pieces[-1] >= PIECE_FRAMES:
            self.pieces.append(len(self.frames))
        self.frames.append(fact)
        self.packed.append(chunks.pack_one(fact))


@dataclass(slots=True)
class _Pending:
    """What a transaction will write with a few statements."""

    rows: list[dict[str, object]] = field(default_factory=list)
    merged: list[tuple[CameraId, RunId, int]] = field(default_factory=list)
    """Keys of rows whose frames are in a full chunk among `rows`."""
    covered: dict[CameraId, tuple[int, int]] = field(default_factory=dict)

    def take(self, tail: _Tail) -> None:
        """Everything of a tail that is in no row yet: the pieces that grew, or one chunk when it is full."""
        if tail.stored == len(tail.frames):
            return
        if tail.is_full:
            self.close(tail)
            return
        ends = [*tail.pieces[1:], len(tail.frames)]
        for start, end in zip(tail.pieces, ends, strict=True):
            if end > tail.stored:
                self.rows.append(chunk_row(tail.frames[start:end], tail.packed[start:end]))
        tail.stored = len(tail.frames)

    def close(self, tail: _Tail) -> None:
        """One chunk in place of the tail's rows. Its key is that of the first."""
        camera_id = tail.frames[0].frame.camera_id
        self.rows.append(chunk_row(tail.frames))
        self.merged += [(camera_id, tail.run, tail.frames[at].frame.seq) for at in tail.pieces[1:]]
        tail.pieces, tail.stored = [0], len(tail.frames)

    def write(self, connection: Connection) -> None:
        """And begin anew."""
        delete_keys(connection, CHUNK, _CHUNK_KEY, self.merged)
        put_chunks(connection, self.rows)
        _extend_coverage(connection, self.covered)
        self.rows, self.merged, self.covered = [], [], {}


class AnalysisWriter:
    """Writes frames for the only writing connection."""

    def __init__(self) -> None:
        self._tails: dict[CameraId, _Tail] = {}

    def forget(self) -> None:
        """Drop the cache: the last transaction did not commit."""
        self._tails.clear()

    def put_frames(self, connection: Connection, frames: Sequence[FrameAnalysed]) -> None:
        """Store frames that are not stored yet."""
        by_stream: dict[tuple[CameraId, RunId], dict[int, FrameAnalysed]] = {}
        for fact in frames:
            key = (fact.frame.camera_id, fact.frame.run)
            by_stream.setdefault(key, {}).setdefault(fact.frame.seq, fact)
        pending = _Pending()
        for (camera_id, run), by_seq in by_stream.items():
            ordered = [by_seq[seq] for seq in sorted(by_seq)]
            self._put_stream(connection, camera_id, run, ordered, pending)
        pending.write(connection)

    def _put_stream(
        self,
        connection: Connection,
        camera_id: CameraId,
        run: RunId,
        frames: list[FrameAnalysed],
        pending: _Pending,
    ) -> None:
        tail = self._tails.get(camera_id)
        if tail is None or tail.run != run or frames[0].frame.seq <= tail.frames[-1].frame.seq:
            pending.write(connection)  # rows that this transaction has not written yet must be there to be found
            frames = _unknown(connection, camera_id, run, frames)
            tail = self._load_tail(connection, camera_id, run)
        for fact in frames:
            if tail is None:
                tail = self._make_tail(connection, camera_id, run, [], [fact])
            elif fact.frame.seq < tail.frames[-1].frame.seq:
                # Late: a chunk of its own. It may close a hole, so that the tail's stretch begins earlier.
                put_chunks(connection, [chunk_row([fact])])
                _merge_coverage(connection, camera_id, _from_ns(fact), fact.frame.utc_ns)
                _cover(connection, tail)
            else:
                _append(connection, tail, fact, pending)
        if tail is not None:
            pending.take(tail)

    def _load_tail(self, connection: Connection, camera_id: CameraId, run: RunId) -> _Tail | None:
        """From the newest row, and from what grew before it."""
        self._tails.pop(camera_id, None)
        newest = connection.execute(
            select(CHUNK.c.columns)
            .where(CHUNK.c.camera_id == camera_id, CHUNK.c.run == run)
            .order_by(CHUNK.c.seq_first.desc())
            .limit(chunks.MAX_FRAMES // PIECE_FRAMES)
        ).all()
        pieces: list[list[FrameAnalysed]] = []
        for row in newest:
            if pieces and not chunks.is_growing(row.columns):
                break
            pieces.insert(0, chunks.unpack(camera_id, run, row.columns))
            if not chunks.is_growing(row.columns):
                break
        stored = [fact for piece in pieces for fact in piece]
        starts = [sum(map(len, pieces[:at])) for at in range(len(pieces))]
        return self._make_tail(connection, camera_id, run, starts, stored) if stored else None

    def _make_tail(
        self,
        connection: Connection,
        camera_id: CameraId,
        run: RunId,
        pieces: list[int],
        frames: list[FrameAnalysed],
    ) -> _Tail:
        """Args: pieces: as in `_Tail`; none when the frames are in no row yet."""
        times = [fact.frame.utc_ns for fact in frames]
        tail = _Tail(
            run=run,
            frames=frames,
            packed=[chunks.pack_one(fact) for fact in frames],
            pieces=pieces or [0],
            stored=len(frames) if pieces else 0,
            start_ns=min(times),
            end_ns=max(times),
            covered_from_ns=0,
            covered_to_ns=0,
            is_covered_last=False,
        )
        _cover(connection, tail)
        self._tails[camera_id] = tail
        return tail


def _cover(connection: Connection, tail: _Tail) -> None:
    """Find the stretch that the newest frame is in, among those stored."""
    last = tail.frames[-1]
    tail.covered_from_ns, tail.covered_to_ns, tail.is_covered_last = _merge_coverage(
        connection, last.frame.camera_id, _from_ns(last), last.frame.utc_ns
    )


def _append(connection: Connection, tail: _Tail, fact: FrameAnalysed, pending: _Pending) -> None:
    """Add one frame that follows; what is full, and what is vouched for, goes to `pending`."""
    camera_id, utc_ns = fact.frame.camera_id, fact.frame.utc_ns
    start_ns, end_ns = min(tail.start_ns, utc_ns), max(tail.end_ns, utc_ns)
    if tail.is_full or end_ns - start_ns > chunks.MAX_SPAN_NS:
        if tail.stored < len(tail.frames) or len(tail.pieces) > 1:
            pending.close(tail)
        tail.frames, tail.packed, tail.pieces, tail.stored = [], [], [], 0
        start_ns, end_ns = utc_ns, utc_ns
    tail.add(fact)
    tail.start_ns, tail.end_ns = start_ns, end_ns
    if tail.is_covered_last and tail.covered_from_ns <= _from_ns(fact) <= tail.covered_to_ns <= utc_ns:
        tail.covered_to_ns = utc_ns
        pending.covered[camera_id] = (tail.covered_from_ns, utc_ns)
    else:
        covered = pending.covered
        _extend_coverage(connection, {camera_id: covered.pop(camera_id)} if camera_id in covered else {})
        tail.covered_from_ns, tail.covered_to_ns, tail.is_covered_last = _merge_coverage(
            connection, camera_id, _from_ns(fact), utc_ns
        )


def _from_ns(fact: FrameAnalysed) -> Ns:
    """Since when a frame's camera was analysed: what was left undecoded because it was quiet counts as analysed."""
    return min(fact.valid_from_ns, fact.quiet_from_ns or fact.valid_from_ns)


def _unknown(
    connection: Connection, camera_id: CameraId, run: RunId, frames: list[FrameAnalysed]
) -> list[FrameAnalysed]:
    """Those of `frames` (by seq) that no chunk holds."""
    overlapping = (
        select(CHUNK.c.columns)
        .where(CHUNK.c.camera_id == camera_id, CHUNK.c.run == run)
        .where(CHUNK.c.seq_first <= frames[-1].frame.seq, CHUNK.c.seq_last >= frames[0].frame.seq)
    )
    known: set[int] = set()
    for row in connection.execute(overlapping):
        known.update(fact.frame.seq for fact in chunks.unpack(camera_id, run, row.columns))
    return [fact for fact in frames if fact.frame.seq not in known]


def chunk_row(frames: list[FrameAnalysed], packed: list[bytes] | None = None) -> dict[str, object]:
    """A row of 1 to `chunks.MAX_FRAMES` frames. `packed` is given for a chunk that still grows."""
    first, last = frames[0].frame, frames[-1].frame
    times = [fact.frame.utc_ns for fact in frames]
    return {
        "camera_id": first.camera_id,
        "run": first.run,
        "seq_first": first.seq,
        "seq_last": last.seq,
        "start_ns": min(times),
        "end_ns": max(times),
        "frames": len(frames),
        "columns": chunks.pack_full(frames) if packed is None else chunks.pack_growing(packed),
    }


def put_chunks(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Insert, or replace by key."""
    upsert(connection, CHUNK, _CHUNK_KEY, rows)


def _extend_coverage(connection: Connection, covered: dict[CameraId, tuple[int, int]]) -> None:
    """Set the ends of stretches that are the newest of their camera: nothing lies behind them to be merged."""
    rows = [{"camera_id": one, "start_ns": start, "end_ns": end} for one, (start, end) in covered.items()]
    upsert(connection, COVERAGE, ("camera_id", "start_ns"), rows)


def _merge_coverage(connection: Connection, camera_id: CameraId, start_ns: int, end_ns: int) -> tuple[int, int, bool]:
    """Add an interval anywhere; returns the merged one that holds it, and whether it is the camera's last."""
    touching = (COVERAGE.c.camera_id == camera_id) & (COVERAGE.c.end_ns >= start_ns) & (COVERAGE.c.start_ns <= end_ns)
    rows = connection.execute(select(COVERAGE.c.start_ns, COVERAGE.c.end_ns).where(touching)).all()
    low = min([start_ns, *(row.start_ns for row in rows)])
    high = max([end_ns, *(row.end_ns for row in rows)])
    if len(rows) != 1 or (rows[0].start_ns, rows[0].end_ns) != (low, high):
        connection.execute(delete(COVERAGE).where(touching))
        connection.execute(COVERAGE.insert().values(camera_id=camera_id, start_ns=low, end_ns=high))
    behind = select(COVERAGE.c.start_ns).where(COVERAGE.c.camera_id == camera_id, COVERAGE.c.end_ns > high).limit(1)
    return low, high, connection.scalar(behind) is None


def put_tracks(connection: Connection, ended: Iterable[TrackEnded], changes: Differences) -> list[Tracklet]:
    """Insert tracks that are not there yet; returns these."""
    added: list[Tracklet] = []
    statement = insert_into(connection, TRACKLET).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    for tracklet in (fact.tracklet for fact in ended):
        if connection.execute(statement, _tracklet_row(tracklet)).rowcount:
            change = changes.of(tracklet.camera_id)
            change.tracks += 1
            change.people += tracklet.object_class is ObjectClass.PERSON
            change.vehicles += tracklet.object_class in VEHICLES
            change.longest_track_ns = max(change.longest_track_ns, tracklet.end_ns - tracklet.start_ns)
            added.append(tracklet)
    return added


def read_frames(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[FrameAnalysed]:
    """With utc_ns in [start, end], by time."""
    statement = (
        select(CHUNK.c.run, CHUNK.c.columns)
        .where(CHUNK.c.camera_id == camera_id)
        .where(CHUNK.c.start_ns.between(start_ns - chunks.MAX_SPAN_NS, end_ns))
        .where(CHUNK.c.end_ns >= start_ns)
    )
    frames = [
        fact
        for row in connection.execute(statement)
        for fact in chunks.unpack(camera_id, RunId(row.run), row.columns)
        if start_ns <= fact.frame.utc_ns <= end_ns
    ]
    return sorted(frames, key=lambda fact: (fact.frame.utc_ns, fact.frame.run, fact.frame.seq))


def read_coverage(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Coverage]:
    """Overlapping [start, end], by start."""
    statement = (
        select(COVERAGE)
        .where(COVERAGE.c.camera_id == camera_id, COVERAGE.c.end_ns >= start_ns, COVERAGE.c.start_ns <= end_ns)
        .order_by(COVERAGE.c.start_ns)
    )
    return [Coverage(start_ns=Ns(row.start_ns), end_ns=Ns(row.end_ns)) for row in connection.execute(statement)]


def read_tracks(connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
    """Overlapping [start, end], by start."""
    earliest_ns = start_ns - longest_ns(connection, camera_id, "longest_track_ns")
    statement = (
        select(TRACKLET)
        .where(TRACKLET.c.camera_id == camera_id)
        .where(TRACKLET.c.start_ns.between(earliest_ns, end_ns))
        .where(TRACKLET.c.end_ns >= start_ns)
        .order_by(TRACKLET.c.start_ns, TRACKLET.c.run, TRACKLET.c.track_id)
        .limit(limit)
    )
    return [tracklet_of(row) for row in connection.execute(statement)]


def read_tracks_within(
    connection: Connection, scope: CameraScope, start_ns: Ns, end_ns: Ns, limit: int
) -> list[Tracklet]:
    """Overlapping [start, end] on the cameras of the scope, newest first."""
    longest = connection.scalar(select(func.max(TOTAL.c.longest_track_ns))) or 0
    statement = (
        select(TRACKLET)
        .where(TRACKLET.c.start_ns.between(start_ns - longest, end_ns))
        .where(TRACKLET.c.end_ns >= start_ns)
        .order_by(TRACKLET.c.start_ns.desc(), TRACKLET.c.camera_id, TRACKLET.c.run, TRACKLET.c.track_id)
        .limit(limit)
    )
    if not scope.is_all:
        statement = statement.where(TRACKLET.c.camera_id.in_(sorted(scope.camera_ids)))
    return [tracklet_of(row) for row in connection.execute(statement)]


def _tracklet_row(tracklet: Tracklet) -> dict[str, object]:
    return {
        "camera_id": tracklet.camera_id,
        "run": tracklet.run,
        "track_id": tracklet.track_id,
        "start_ns": tracklet.start_ns,
        "end_ns": tracklet.end_ns,
        "object_class": int(tracklet.object_class),
        "frames": tracklet.frames,
        "mean_score": tracklet.mean_score,
        "quality": tracklet.quality,
        "boxes": _BOXES.pack(*tracklet.first_box_norm, *tracklet.last_box_norm),
    }


def tracklet_of(row: Any) -> Tracklet:
    """A row of `TRACKLET` as a value."""
    boxes = _BOXES.unpack(row.boxes)
    return Tracklet(
        camera_id=CameraId(row.camera_id),
        run=RunId(row.run),
        track_id=row.track_id,
        object_class=ObjectClass(row.object_class),
        start_ns=Ns(row.start_ns),
        end_ns=Ns(row.end_ns),
        frames=row.frames,
        mean_score=row.mean_score,
        first_box_norm=boxes[:4],
        last_box_norm=boxes[4:],
        quality=row.quality,
    )
