"""`ports.movements.Movements` in the catalog's own file, so that a track and its columns are one transaction.

Tracks and crossings lie in blocks (`blocks`), sightings in a table by subject, flows as one small block an hour. Why
not DuckDB: ADR 28.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from custodes.adapters.sql import columns
from custodes.adapters.sql.blocks import BlockTable, schema_of
from custodes.adapters.sql.columns import Ints, Rows
from custodes.adapters.sql.movement_names import Names
from custodes.adapters.sql.movement_tables import CROSSING_TAIL, PASSAGE_TAIL
from custodes.adapters.sql.statements import run
from custodes.errors import InvalidArgument
from custodes.ports.movements import Stretch
from custodes.types.access import CameraScope
from custodes.types.movement import NO_INTS, CrossingCount, Crossings, Flows, Passages, Sighting, Streams
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId

PASSAGE, CROSSING = schema_of("passage", PASSAGE_TAIL), schema_of("crossing", CROSSING_TAIL)
HOUR_MS = 3_600_000
_FLOW = ("origin", "destination", "object_class", "count", "transit_ms_sum")
_MOST = 2**53
"""Times in ms and track ids beyond this are nobody's."""
_SHARES = 255


class SqlMovements:
    """Uses the catalog's connections: `write` takes turns, `read` runs beside."""

    def __init__(
        self,
        write: Callable[[], AbstractContextManager[Connection]],
        read: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._write = write
        self._read = read
        self._names = Names()
        self._passages = BlockTable(PASSAGE)
        self._crossings = BlockTable(CROSSING)

    def forget_cache(self) -> None:
        """The last transaction did not commit: names that it gave may not be there."""
        self._names = Names()

    # -- tracks and crossings ----------------------------------------------------------------------------------

    def put_passages(self, passages: Passages) -> int:
        """See `Movements`."""
        with self._write() as connection:
            return self.add_passages(connection, passages)

    def add_passages(self, connection: Connection, passages: Passages) -> int:
        """`put_passages` in the caller's transaction."""
        rows = passage_rows(passages, self._names.codes_of(connection, passages.streams))
        return self._passages.put(connection, rows)

    def put_crossings(self, crossings: Crossings) -> int:
        """See `Movements`."""
        with self._write() as connection:
            return self.add_crossings(connection, crossings)

    def add_crossings(self, connection: Connection, crossings: Crossings) -> int:
        """`put_crossings` in the caller's transaction."""
        streams = self._names.codes_of(connection, crossings.streams)
        lines = self._names.lines_of(connection, crossings.line_names)
        return self._crossings.put(connection, crossing_rows(crossings, streams, lines))

    def passages(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, *, limit: int) -> Passages:
        """See `Movements`."""
        with self._read() as connection:
            is_wanted = self._in_scope(connection, scope)
            span = (start_ns // NS_PER_MS, end_ns // NS_PER_MS)
            rows = self._passages.select(connection, *span, is_wanted, PASSAGE.columns, limit=limit)
            return passages_of(rows, self._names.streams_of(connection, rows["stream"]))

    def crossings(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, *, limit: int) -> Crossings:
        """See `Movements`."""
        with self._read() as connection:
            is_wanted = self._in_scope(connection, scope)
            span = (start_ns // NS_PER_MS, end_ns // NS_PER_MS)
            rows = self._crossings.select(connection, *span, is_wanted, CROSSING.columns, limit=limit)
            codes, lines = np.unique(rows["line"], return_inverse=True)
            return Crossings(
                streams=self._names.streams_of(connection, rows["stream"]),
                lines=lines.astype(np.int64),
                line_names=self._names.lines_named(connection, codes),
                track_ids=rows["track_id"],
                classes=rows["object_class"],
                utc_ns=rows["start_ms"] * NS_PER_MS,
                is_forward=rows["is_forward"].astype(bool),
            )

    def crossing_counts(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, *, bin_ns: int) -> list[CrossingCount]:
        """See `Movements`."""
        if bin_ns < NS_PER_S:
            raise InvalidArgument(f"bins of {bin_ns} ns; at least a second")
        found = self.crossings(scope, start_ns, Ns(end_ns - 1), limit=_MOST)
        if not len(found):
            return []
        streams = found.streams
        cameras, of_stream = np.unique(np.array(streams.camera_ids), return_inverse=True)
        bins = (found.utc_ns - start_ns) // bin_ns
        table = np.stack([of_stream[streams.codes], found.lines, found.classes, found.is_forward, bins], axis=1)
        groups, counts = np.unique(table, axis=0, return_counts=True)
        return [
            CrossingCount(
                camera_id=CameraId(str(cameras[camera])),
                line=found.line_names[line],
                object_class=int(object_class),
                is_forward=bool(is_forward),
                bin_start_ns=Ns(start_ns + int(at) * bin_ns),
                count=int(count),
            )
            for (camera, line, object_class, is_forward, at), count in zip(groups.tolist(), counts, strict=True)
        ]

    def replace(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, passages: Passages, crossings: Crossings) -> None:
        """See `Movements`."""
        with self._write() as connection:
            self.replace_within(connection, camera_id, start_ns, end_ns)
            self.add_passages(connection, passages)
            self.add_crossings(connection, crossings)

    def replace_within(self, connection: Connection, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> None:
        """The deleting half of `replace`, in the caller's transaction."""
        low, high = -(-start_ns // NS_PER_MS), -(-end_ns // NS_PER_MS)
        streams = self._names.streams_on(connection, camera_id)

        def is_meant(rows: Rows) -> npt.NDArray[np.bool_]:
            starts = rows["start_ms"]
            return (starts >= low) & (starts < high) & np.isin(rows["stream"], streams)

        for table in (self._passages, self._crossings):
            table.remove(connection, low, high, is_meant)

    def forget(self, camera_id: CameraId, before_ns: Ns, kept: Sequence[Stretch] = ()) -> None:
        """See `Movements`."""
        with self._write() as connection:
            self.forget_within(connection, camera_id, before_ns, kept)

    def forget_within(
        self, connection: Connection, camera_id: CameraId, before_ns: Ns, kept: Sequence[Stretch] = ()
    ) -> None:
        """`forget` in the caller's transaction."""
        before_ms = before_ns // NS_PER_MS
        streams = self._names.streams_on(connection, camera_id)
        stretches = [(low // NS_PER_MS, -(-high // NS_PER_MS)) for low, high in kept]

        def is_meant(rows: Rows) -> npt.NDArray[np.bool_]:
            starts, ends = rows["start_ms"], rows["start_ms"] + rows["duration_ms"]
            is_old = (ends <= before_ms) & np.isin(rows["stream"], streams)
            for low, high in stretches:
                is_old &= (ends < low) | (starts > high)
            return is_old

        for table in (self._passages, self._crossings):
            table.remove(connection, -_MOST, before_ms, is_meant)
        found = run(
            connection,
            "SELECT subject, start_ms, stream, track_id, end_ms FROM sighting WHERE end_ms <= ?",
            (before_ms,),
        ).fetchall()
        mine = set(streams.tolist())
        old = [
            tuple(row[:4])
            for row in found
            if row.stream in mine and not any(row.end_ms >= low and row.start_ms <= high for low, high in stretches)
        ]
        if old:
            run(
                connection,
                "DELETE FROM sighting WHERE subject = ? AND start_ms = ? AND stream = ? AND track_id = ?",
                old,
            )

    # -- sightings ---------------------------------------------------------------------------------------------

    def put_sightings(self, sightings: Sequence[Sighting]) -> None:
        """See `Movements`."""
        if not sightings:
            return
        with self._write() as connection:
            codes = self._names.codes(connection, [(one.camera_id, one.run) for one in sightings])
            rows = [
                (one.subject, one.start_ns // NS_PER_MS, code, one.track_id, one.end_ns // NS_PER_MS, one.probability)
                for one, code in zip(sightings, codes, strict=True)
            ]
            run(
                connection,
                "INSERT INTO sighting (subject, start_ms, stream, track_id, end_ms, probability) "
                "VALUES (?,?,?,?,?,?) ON CONFLICT (subject, start_ms, stream, track_id) "
                "DO UPDATE SET end_ms = excluded.end_ms, probability = excluded.probability",
                rows,
            )

    def journey(self, subject: str, start_ns: Ns, end_ns: Ns) -> list[Sighting]:
        """See `Movements`."""
        with self._read() as connection:
            found = run(
                connection,
                "SELECT start_ms, stream, track_id, end_ms, probability FROM sighting "
                "WHERE subject = ? AND start_ms <= ? AND end_ms >= ? ORDER BY start_ms, stream, track_id",
                (subject, end_ns // NS_PER_MS, start_ns // NS_PER_MS),
            ).fetchall()
            names = self._names.all_streams(connection)
            return [
                Sighting(
                    subject=subject,
                    camera_id=CameraId(names[row.stream][0]),
                    run=RunId(names[row.stream][1]),
                    track_id=row.track_id,
                    start_ns=Ns(row.start_ms * NS_PER_MS),
                    end_ns=Ns(row.end_ms * NS_PER_MS),
                    probability=row.probability,
                )
                for row in found
            ]

    def forget_subject(self, subject: str) -> None:
        """See `Movements`."""
        with self._write() as connection:
            run(connection, "DELETE FROM sighting WHERE subject = ?", (subject,))

    # -- flows -------------------------------------------------------------------------------------------------

    def put_flows(self, start_ns: Ns, flows: Flows) -> None:
        """See `Movements`."""
        if start_ns % (HOUR_MS * NS_PER_MS):
            raise InvalidArgument(f"{start_ns} is not the start of an hour, UTC")
        given = (flows.origins, flows.destinations, flows.classes, flows.counts, flows.transit_ms_sums)
        rows = dict(zip(_FLOW, (_checked(column, len(flows), -_MOST, _MOST) for column in given), strict=True))
        start_ms = start_ns // NS_PER_MS
        with self._write() as connection:
            run(connection, "DELETE FROM flow_hour WHERE start_ms = ?", (start_ms,))
            if not len(flows):
                return
            codes = np.array(self._names.codes(connection, [(camera, "") for camera in flows.camera_ids]), np.int64)
            rows |= {"origin": codes[rows["origin"]], "destination": codes[rows["destination"]]}
            rows = columns.take(rows, np.lexsort((rows["object_class"], rows["destination"], rows["origin"])))
            if len(flows) > columns.MAX_ROWS:
                raise InvalidArgument(f"{len(flows)} pairs of cameras in one hour; at most {columns.MAX_ROWS}")
            run(
                connection,
                "INSERT INTO flow_hour (start_ms, rows, columns) VALUES (?,?,?)",
                (start_ms, len(flows), columns.pack(rows)),
            )

    def flow_matrix(self, scope: CameraScope, start_ns: Ns, end_ns: Ns) -> Flows:
        """See `Movements`."""
        with self._read() as connection:
            found = run(
                connection,
                "SELECT rows, columns FROM flow_hour WHERE start_ms >= ? AND start_ms < ?",
                (-(-start_ns // NS_PER_MS), -(-end_ns // NS_PER_MS)),
            ).fetchall()
            parts = [columns.unpack(row.columns, row.rows, _FLOW) for row in found]
            rows = columns.join(parts, _FLOW)
            codes, pairs = np.unique(np.stack([rows["origin"], rows["destination"]]), return_inverse=True)
            names = self._names.all_streams(connection)
        cameras = tuple(CameraId(names[code][0]) for code in codes.tolist())
        origins, destinations = pairs.reshape(2, -1)
        is_open = np.array([scope.covers(camera) for camera in cameras], bool)
        is_shown = is_open[origins] & is_open[destinations] if len(cameras) else np.zeros(0, bool)
        width = max(len(cameras), 1)
        keys = ((rows["object_class"] * width + origins) * width + destinations)[is_shown]
        groups, of_group = np.unique(keys, return_inverse=True)
        return Flows(
            camera_ids=cameras,
            origins=groups // width % width,
            destinations=groups % width,
            classes=groups // width // width,
            counts=_summed(of_group, rows["count"][is_shown], len(groups)),
            transit_ms_sums=_summed(of_group, rows["transit_ms_sum"][is_shown], len(groups)),
        )

    def rows(self) -> Mapping[str, int]:
        """See `Movements`."""
        with self._read() as connection:
            return {
                "passages": self._passages.count(connection),
                "crossings": self._crossings.count(connection),
                "sightings": run(connection, "SELECT count(*) FROM sighting").scalar_one(),
                "flow_hours": run(connection, "SELECT count(*) FROM flow_hour").scalar_one(),
            }

    def _in_scope(self, connection: Connection, scope: CameraScope) -> Callable[[Rows], npt.NDArray[np.bool_]]:
        if scope.is_all:
            return lambda rows: np.ones(len(rows["stream"]), bool)
        streams = np.concatenate(
            [NO_INTS, *(self._names.streams_on(connection, one) for one in sorted(scope.camera_ids))]
        )
        return lambda rows: np.isin(rows["stream"], streams)


def _summed(of_group: Ints, values: Ints, groups: int) -> Ints:
    totals = np.zeros(groups, np.int64)
    np.add.at(totals, of_group, values)
    return totals


def passage_rows(passages: Passages, streams: Ints) -> Rows:
    """As they are stored. Raises: InvalidArgument."""
    count = len(passages)
    start_ms = _checked(passages.start_ns, count, 0, _MOST * NS_PER_MS // 1000) // NS_PER_MS
    end_ms = _checked(passages.end_ns, count, 0, _MOST * NS_PER_MS // 1000) // NS_PER_MS
    if (end_ms < start_ms).any():
        raise InvalidArgument("a passage ends before it begins")
    feet = [(passages.first_feet, 0), (passages.first_feet, 1), (passages.last_feet, 0), (passages.last_feet, 1)]
    if passages.first_feet.shape != (count, 2) or passages.last_feet.shape != (count, 2):
        raise InvalidArgument("feet of passages are two numbers each")
    rows = {
        "stream": _checked(streams, count, 0, _MOST),
        "track_id": _checked(passages.track_ids, count, -_MOST, _MOST),
        "start_ms": start_ms,
        "duration_ms": end_ms - start_ms,
        "object_class": _checked(passages.classes, count, 0, 255),
        "frames": np.minimum(_checked(passages.frames, count, 0, _MOST), 65_535),
        "score": _bytes(passages.mean_scores, count),
        "quality": _bytes(passages.qualities, count),
    }
    names = ("first_x", "first_y", "last_x", "last_y")
    return rows | {name: _bytes(points[:, axis], count) for name, (points, axis) in zip(names, feet, strict=True)}


def passages_of(rows: Rows, streams: Streams) -> Passages:
    """As they were put, but for what rounding took."""
    start_ns = rows["start_ms"] * NS_PER_MS
    return Passages(
        streams=streams,
        track_ids=rows["track_id"],
        classes=rows["object_class"],
        start_ns=start_ns,
        end_ns=start_ns + rows["duration_ms"] * NS_PER_MS,
        frames=rows["frames"],
        mean_scores=_shares(rows["score"]),
        qualities=_shares(rows["quality"]),
        first_feet=np.stack([_shares(rows["first_x"]), _shares(rows["first_y"])], axis=1),
        last_feet=np.stack([_shares(rows["last_x"]), _shares(rows["last_y"])], axis=1),
    )


def crossing_rows(crossings: Crossings, streams: Ints, lines: Ints) -> Rows:
    """As they are stored. Raises: InvalidArgument."""
    count = len(crossings)
    which = _checked(crossings.lines, count, 0, max(len(lines) - 1, 0))
    return {
        "stream": _checked(streams, count, 0, _MOST),
        "line": lines[which] if count else NO_INTS,
        "track_id": _checked(crossings.track_ids, count, -_MOST, _MOST),
        "start_ms": _checked(crossings.utc_ns, count, 0, _MOST * NS_PER_MS // 1000) // NS_PER_MS,
        "duration_ms": np.zeros(count, np.int64),
        "object_class": _checked(crossings.classes, count, 0, 255),
        "is_forward": _checked(crossings.is_forward.astype(np.int64), count, 0, 1),
    }


def _checked(column: Ints, count: int, low: int, high: int) -> Ints:
    if column.shape != (count,):
        raise InvalidArgument(f"columns of unequal length: {column.shape}, expected ({count},)")
    if count and not (low <= int(column.min()) and int(column.max()) <= high):
        raise InvalidArgument(f"a number from {column.min()} to {column.max()}; expected {low} to {high}")
    return np.asarray(column, np.int64)


def _bytes(shares: npt.NDArray[np.float32], count: int) -> Ints:
    if shares.shape != (count,) or not np.isfinite(shares).all():
        raise InvalidArgument(f"a column of shares of shape {shares.shape} or with a number that is none")
    return np.rint(np.clip(shares, 0.0, 1.0) * _SHARES).astype(np.int64)


def _shares(column: Ints) -> npt.NDArray[np.float32]:
    return (column / _SHARES).astype(np.float32)
