"""A table of columns in blocks, with a tail of plain rows that are too few yet to make one. The caller owns the
transaction.

A block holds up to `columns.MAX_ROWS` rows by stream and start, so that one camera's rows lie together; its row in
`column_block` says which times it touches. Live rows go to the tail, which becomes a block when it is long; an archive
goes to blocks at once. Blocks never change: a deletion writes the rest as a new one.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Table

from custodes.adapters.sql import columns
from custodes.adapters.sql.columns import Ints, Rows
from custodes.adapters.sql.statements import run

TAIL_ROWS = 16_384
"""When the tail becomes a block. A query reads all of it, in some 20 ms; a smaller block packs no worse."""

CACHED_BLOCKS = 4
"""Keys of the blocks that late or repeated rows are looked up in, the newest ones as a rule; 1.5 MB each."""

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One kind of rows. `start_ms` and `duration_ms` are among its columns."""

    kind: str
    tail: str
    """Name of the tail's table; its columns are `columns`, in this order."""
    columns: tuple[str, ...]
    key: tuple[str, ...]


def schema_of(kind: str, tail: Table) -> Schema:
    """Of the tail's table: its columns, its primary key."""
    return Schema(
        kind=kind,
        tail=tail.name,
        columns=tuple(column.name for column in tail.columns),
        key=tuple(column.name for column in tail.primary_key.columns),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    block_id: int
    rows: int


class BlockTable:
    """One kind of rows for the only writing connection, and for readers. Its cache holds immutable blocks alone."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._keys: OrderedDict[int, Rows] = OrderedDict()

    # -- writing ---------------------------------------------------------------------------------------------

    def put(self, connection: Connection, rows: Rows) -> int:
        """Insert what is not there yet, and of equal keys among `rows` the first. Returns how many were new."""
        is_new = self._unknown(connection, rows)
        fresh = rows if is_new.all() else columns.take(rows, is_new)
        count = len(fresh["start_ms"])
        if not count:
            return 0
        if count >= TAIL_ROWS:
            if self._tail_count(connection):
                fresh = columns.take(fresh, self._not_in_tail(connection, fresh))
            self._put_blocks(connection, fresh)
            return len(fresh["start_ms"])
        names = ", ".join(self.schema.columns)
        marks = ", ".join("?" * len(self.schema.columns))
        values = list(zip(*(fresh[name].tolist() for name in self.schema.columns), strict=True))
        insert = f"INSERT INTO {self.schema.tail} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # nosec B608  # noqa: S608
        inserted = run(connection, insert, values).rowcount
        if self._tail_count(connection) >= TAIL_ROWS:
            self._flush_tail(connection)
        return inserted

    def remove(self, connection: Connection, start_ms: int, end_ms: int, is_meant: Callable[[Rows], _Mask]) -> None:
        """Delete what `is_meant` says among the rows of blocks and tail that touch [start, end]."""
        for block in self._touching(connection, start_ms, end_ms):
            rows = self._read(connection, block, self.schema.columns)
            is_gone = is_meant(rows)
            if is_gone.any():
                run(connection, "DELETE FROM column_block WHERE block_id = ?", (block.block_id,))
                self._put_blocks(connection, columns.take(rows, ~is_gone))
        tail = self._tail(connection)
        is_gone = is_meant(tail)
        if is_gone.any():
            gone = columns.take(tail, is_gone)
            where = " AND ".join(f"{name} = ?" for name in self.schema.key)
            keys = list(zip(*(gone[name].tolist() for name in self.schema.key), strict=True))
            run(connection, f"DELETE FROM {self.schema.tail} WHERE {where}", keys)  # nosec B608  # noqa: S608

    # -- reading ---------------------------------------------------------------------------------------------

    def select(
        self,
        connection: Connection,
        start_ms: int,
        end_ms: int,
        is_wanted: Callable[[Rows], _Mask],
        names: Sequence[str],
        *,
        limit: int | None = None,
    ) -> Rows:
        """Columns of the rows that touch [start, end] and are wanted, by start; the newest `limit` of them.

        Args: is_wanted: is given `stream`, `start_ms` and `duration_ms`.
        """
        wanted = dict.fromkeys((*names, "stream", "start_ms", "duration_ms"))
        parts: list[Rows] = []
        for rows in self._parts(connection, start_ms, end_ms, tuple(wanted)):
            starts, ends = rows["start_ms"], rows["start_ms"] + rows["duration_ms"]
            parts.append(columns.take(rows, (starts <= end_ms) & (ends >= start_ms) & is_wanted(rows)))
        found = columns.join(parts, wanted)
        order = np.lexsort((found["stream"], found["start_ms"]))
        if limit is not None:
            order = order[max(len(order) - limit, 0) :]
        return {name: found[name][order] for name in names}

    def count(self, connection: Connection) -> int:
        """All rows."""
        query = "SELECT coalesce(sum(rows), 0) FROM column_block WHERE kind = ?"
        blocks = run(connection, query, (self.schema.kind,)).scalar_one()
        return int(blocks) + self._tail_count(connection)

    # -- parts -----------------------------------------------------------------------------------------------

    def _parts(self, connection: Connection, start_ms: int, end_ms: int, names: Sequence[str]) -> Iterator[Rows]:
        for block in self._touching(connection, start_ms, end_ms):
            yield self._read(connection, block, names)
        yield columns.take(self._tail(connection), slice(None))

    def _touching(self, connection: Connection, start_ms: int, end_ms: int) -> list[_Block]:
        query = (
            "SELECT block_id, rows FROM column_block WHERE kind = ? AND start_min <= ? AND end_max >= ? "
            "ORDER BY start_min, block_id"
        )
        found = run(connection, query, (self.schema.kind, end_ms, start_ms))
        return [_Block(block_id=block_id, rows=rows) for block_id, rows in found]

    def _read(self, connection: Connection, block: _Block, names: Sequence[str]) -> Rows:
        query = "SELECT columns FROM column_block WHERE block_id = ?"
        blob = run(connection, query, (block.block_id,)).scalar_one()
        return columns.unpack(blob, block.rows, names)

    def _tail_count(self, connection: Connection) -> int:
        return int(run(connection, f"SELECT count(*) FROM {self.schema.tail}").scalar_one())  # nosec B608  # noqa: S608

    def _tail(self, connection: Connection) -> Rows:
        names = self.schema.columns
        found = run(connection, f"SELECT {', '.join(names)} FROM {self.schema.tail}").fetchall()  # nosec B608  # noqa: S608
        table = np.array([tuple(row) for row in found], np.int64).reshape(-1, len(names))
        return {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(names)}

    def _flush_tail(self, connection: Connection) -> None:
        self._put_blocks(connection, self._tail(connection))
        run(connection, f"DELETE FROM {self.schema.tail}")  # nosec B608  # noqa: S608

    def _put_blocks(self, connection: Connection, rows: Rows) -> None:
        """Cut by time, so that a block touches as little of it as may be; inside by stream and start."""
        total = len(rows["start_ms"])
        if not total:
            return
        starts = rows["start_ms"]
        if (starts[1:] < starts[:-1]).any():
            rows = columns.take(rows, np.argsort(starts, kind="stable"))
        for first in range(0, total, columns.MAX_ROWS):
            part = columns.take(rows, slice(first, first + columns.MAX_ROWS))
            part = columns.take(part, np.lexsort((part["start_ms"], part["stream"])))
            ends = part["start_ms"] + part["duration_ms"]
            values = (
                self.schema.kind,
                int(part["start_ms"].min()),
                int(part["start_ms"].max()),
                int(ends.max()),
                len(ends),
                columns.pack(part),
            )
            run(
                connection,
                "INSERT INTO column_block (kind, start_min, start_max, end_max, rows, columns) VALUES (?,?,?,?,?,?)",
                values,
            )

    # -- keys ------------------------------------------------------------------------------------------------

    def _unknown(self, connection: Connection, rows: Rows) -> _Mask:
        """Which rows are in no block, and the first of their key here."""
        is_new: _Mask = np.ones(len(rows["start_ms"]), bool)
        if not len(is_new):
            return is_new
        hashes = _hashes(rows, self.schema.key)
        ascending = np.sort(hashes)
        if (ascending[1:] == ascending[:-1]).any():
            order = np.argsort(hashes, kind="stable")
            same = hashes[order][1:] == hashes[order][:-1]
            for name in self.schema.key:
                same &= rows[name][order][1:] == rows[name][order][:-1]
            is_new[order[1:][same]] = False
        low, high = int(rows["start_ms"].min()), int(rows["start_ms"].max())
        query = "SELECT block_id, rows FROM column_block WHERE kind = ? AND start_min <= ? AND start_max >= ?"
        for block_id, count in run(connection, query, (self.schema.kind, high, low)).fetchall():
            known = self._block_keys(connection, _Block(block_id=block_id, rows=count))
            is_new &= ~_is_among(rows, hashes, known, self.schema.key)
        return is_new

    def _not_in_tail(self, connection: Connection, rows: Rows) -> _Mask:
        tail = self._tail(connection)
        return ~_is_among(rows, _hashes(rows, self.schema.key), _sorted_keys(tail, self.schema.key), self.schema.key)

    def _block_keys(self, connection: Connection, block: _Block) -> Rows:
        known = self._keys.get(block.block_id)
        if known is None:
            known = _sorted_keys(self._read(connection, block, self.schema.key), self.schema.key)
            self._keys[block.block_id] = known
            if len(self._keys) > CACHED_BLOCKS:
                self._keys.popitem(last=False)
        self._keys.move_to_end(block.block_id)
        return known


_MIX = tuple(struct.unpack("<Q", struct.pack("<d", number))[0] | 1 for number in (1.618, 2.718, 3.1416, 1.414, 1.732))


def _hashes(rows: Rows, key: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    mixed = np.zeros(len(rows[key[0]]), np.uint64)
    for name, odd in zip(key, _MIX, strict=False):
        mixed = (mixed ^ rows[name].astype(np.uint64)) * np.uint64(odd)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _sorted_keys(rows: Rows, key: tuple[str, ...]) -> Rows:
    hashes = _hashes(rows, key)
    order = np.argsort(hashes, kind="stable")
    return {name: rows[name][order] for name in key} | {"hash": hashes[order].view(np.int64)}


def _is_among(rows: Rows, hashes: npt.NDArray[np.uint64], known: Rows, key: tuple[str, ...]) -> _Mask:
    """(n,) bool. A row is known when hash and key are equal, so that an accident of the hash hides no row."""
    known_hashes = known["hash"].view(np.uint64)
    if not len(known_hashes):
        return np.zeros(len(hashes), bool)
    at: Ints = np.minimum(np.searchsorted(known_hashes, hashes), len(known_hashes) - 1)
    is_known: _Mask = known_hashes[at] == hashes
    for name in key:
        is_known &= known[name][at] == rows[name]
    return is_known
