"""The tables of the log, and its rows as they are stored: made, claimed by one writer, written and read.

`entries` holds the leaves; `personal` what may be erased; `tiles` every full row of 256 hashes, as C2SP tlog-tiles
cuts the tree; `state` the newest head, stored in the transaction that makes its entries durable, and the checkpoint
published last; the generation of its one writer, compared in each transaction that appends. The partial tiles at the
right edge live in memory (`Edge`) and are rebuilt at start from at most 255 hashes per level. What is appended, proven
and signed is `log`'s.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from custodes.audit.leaf import SealedLeaf, open_leaf
from custodes.audit.merkle import (
    HASH_BYTES,
    TILE_LEVEL_BITS,
    fold_complete,
    leaf_hash,
    peaks_of_partials,
    push_peak,
)
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    LogCorrupt,
    ResourceExhausted,
    Unavailable,
)
from custodes.types.access import Checkpoint, LogEntry

TILE_WIDTH = 1 << TILE_LEVEL_BITS

SCHEMA = """
CREATE TABLE entries (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
CREATE TABLE personal (idx INTEGER PRIMARY KEY REFERENCES entries, blind BLOB NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE tiles (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,
                    PRIMARY KEY (level, number)) STRICT, WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
SCHEMA_2 = """
CREATE TABLE cosigned (witness TEXT PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE timestamps (size INTEGER PRIMARY KEY, note TEXT NOT NULL, token BLOB NOT NULL) STRICT;
"""
"""`cosigned`: per witness the newest checkpoint that it signed, with its lines. `timestamps`: RFC 3161 tokens over
SHA-256 of a checkpoint's note."""
SCHEMA_VERSION = 2


def open_database(path: Path) -> sqlite3.Connection:
    """The log's tables, made when they are not there. Raises: LogCorrupt, Unavailable, ResourceExhausted."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version in (0, 1):
            script = SCHEMA_2 if version else SCHEMA + SCHEMA_2
            connection.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version={SCHEMA_VERSION};COMMIT")
        elif version != SCHEMA_VERSION:
            raise LogCorrupt(f"audit log of schema {version}; this program knows {SCHEMA_VERSION}")
    except sqlite3.Error as error:
        raise translated(error) from error
    return connection


def translated(error: sqlite3.Error) -> CustodesError:
    """SQLite's error as one of ours. Everything here means: not durable, release nothing."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return ResourceExhausted(f"the audit log cannot be written, the disk is full: {error}")
    if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogCorrupt(f"the audit log's database is damaged: {error}")
    return Unavailable(f"the audit log cannot be written or read: {error}")


def newest_generation(connection: sqlite3.Connection) -> int:
    """Of the writer that was there last; 0 for none. Raises: LogCorrupt."""
    row = connection.execute("SELECT value FROM state WHERE name = 'generation'").fetchone()
    if row is not None and not str(row[0]).isdecimal():
        raise LogCorrupt(f"the log's writer is of generation {row[0]!r}, which is no number")
    return int(row[0]) if row else 0


def superseded(own: int, newest: int) -> FailedPrecondition:
    """What a writer of a lower generation is told."""
    return FailedPrecondition(
        f"the audit log is written by a warden of generation {newest}, this one is of {own}: another supervisor took "
        "the site over, or its file `generation` was lost and the clock is behind"
    )


def promoted_elsewhere(connection: sqlite3.Connection) -> FailedPrecondition | None:
    """What every writer is told once a replica was promoted; None before."""
    row = connection.execute("SELECT value FROM state WHERE name = 'superseded'").fetchone()
    return row and FailedPrecondition(
        f"a replica of this warden was promoted (generation {row[0]}): the log goes on there, and this one is written "
        "no more"
    )


def claim(connection: sqlite3.Connection, generation: int) -> int:
    """Note who writes from now on; returns the generation. Raises: FailedPrecondition."""
    connection.execute("BEGIN IMMEDIATE")
    if (refusal := promoted_elsewhere(connection)) is not None:
        connection.rollback()
        connection.close()
        raise refusal
    newest = newest_generation(connection)
    if 0 < generation < newest:
        connection.rollback()
        connection.close()
        raise superseded(generation, newest)
    if generation > newest:
        connection.execute("INSERT OR REPLACE INTO state VALUES ('generation', ?)", (str(generation),))
    connection.execute("COMMIT")
    return max(generation, newest)


class Edge:
    """The right edge of a tree in memory: peaks, and the partial tile of each tile level."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []
        self.partial: list[list[bytes]] = [[]]

    def copy(self) -> "Edge":
        """For leaves that may yet be refused."""
        other = Edge()
        other.size, other.peaks = self.size, list(self.peaks)
        other.partial = [list(tile) for tile in self.partial]
        return other

    def push(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; returns the tiles (level, number, hashes) that became full."""
        completed = push_peak(self.peaks, self.size, leaf)
        self.size += 1
        if not completed:
            self.partial[0].append(leaf)
            return []
        full: list[tuple[int, int, bytes]] = []
        for level, carry in enumerate([leaf, *completed]):
            if level == len(self.partial):
                self.partial.append([])
            tile = self.partial[level]
            tile.append(carry)
            if len(tile) == TILE_WIDTH:
                number = (self.size >> (TILE_LEVEL_BITS * (level + 1))) - 1
                full.append((level, number, b"".join(tile)))
                tile.clear()
        return full


def stored_tile(connection: sqlite3.Connection, level: int, number: int) -> list[bytes]:
    """The hashes of a full tile. Raises: LogCorrupt, Unavailable."""
    try:
        row = connection.execute("SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)).fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    if row is None or len(row[0]) != TILE_WIDTH * HASH_BYTES:
        raise LogCorrupt(f"tile {number} of level {level} is missing or damaged")
    return [row[0][at : at + HASH_BYTES] for at in range(0, len(row[0]), HASH_BYTES)]


def insert_entries(
    connection: sqlite3.Connection,
    first: int,
    leaves: Sequence[SealedLeaf],
    tiles: Sequence[tuple[int, int, bytes]],
    head: Checkpoint,
) -> None:
    """Entries from `first` on, what they change of the tree, and the head they end under; in the caller's transaction.

    Raises: sqlite3.Error.
    """
    personal = [(first + n, one.blind, one.personal) for n, one in enumerate(leaves) if one.blind]
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?)", [(first + n, one.leaf) for n, one in enumerate(leaves)]
    )
    connection.executemany("INSERT INTO personal VALUES (?, ?, ?)", personal)
    connection.executemany("INSERT INTO tiles VALUES (?, ?, ?)", tiles)
    connection.execute("INSERT OR REPLACE INTO state VALUES ('checkpoint', ?)", (head.note,))


def load_edge(connection: sqlite3.Connection) -> Edge:
    """From at most 255 hashes a level. Raises: LogCorrupt, Unavailable."""
    try:
        (size,) = connection.execute("SELECT coalesce(max(idx) + 1, 0) FROM entries").fetchone()
        first = size - size % TILE_WIDTH
        leaves = [row[0] for row in connection.execute("SELECT leaf FROM entries WHERE idx >= ?", (first,))]
    except sqlite3.Error as error:
        raise translated(error) from error
    if len(leaves) != size - first:
        raise LogCorrupt(f"the log has {len(leaves)} entries from {first} on; expected {size - first}")
    edge = Edge()
    edge.size = size
    edge.partial[0] = [leaf_hash(leaf) for leaf in leaves]
    tile_level, full = 0, size // TILE_WIDTH
    while full:
        # The roots of the full tiles of one level are the hashes of the next.
        begin = full - full % TILE_WIDTH
        edge.partial.append([fold_complete(stored_tile(connection, tile_level, n)) for n in range(begin, full)])
        tile_level, full = tile_level + 1, full // TILE_WIDTH
    edge.peaks = peaks_of_partials(edge.partial)
    return edge


def stored_checkpoint(connection: sqlite3.Connection) -> str:
    """The newest checkpoint's note as stored; empty for a new log."""
    try:
        row = connection.execute("SELECT value FROM state WHERE name = 'checkpoint'").fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    return str(row[0]) if row else ""


def published_notes(connection: sqlite3.Connection) -> list[str]:
    """Every checkpoint that left the warden and is remembered: the one published last and those cosigned or
    timestamped. Raises: LogCorrupt, Unavailable."""
    try:
        if connection.execute("PRAGMA user_version").fetchone() == (1,):
            return []  # of before there were any, and no warden has opened it since
        rows = connection.execute(
            "SELECT value FROM state WHERE name = 'published' UNION ALL SELECT note FROM cosigned"
            " UNION ALL SELECT note FROM timestamps"
        ).fetchall()
    except sqlite3.Error as error:
        raise translated(error) from error
    return [str(row[0]) for row in rows]


def read_sealed(connection: sqlite3.Connection, start: int, end: int) -> list[SealedLeaf]:
    """Entries [start, end) as they are stored. Raises: LogCorrupt when one is missing, Unavailable."""
    try:
        rows = connection.execute(
            "SELECT e.leaf, coalesce(p.blind, x''), coalesce(p.data, x'') FROM entries e"
            " LEFT JOIN personal p ON p.idx = e.idx WHERE e.idx >= ? AND e.idx < ? ORDER BY e.idx",
            (start, end),
        ).fetchall()
    except sqlite3.Error as error:
        raise translated(error) from error
    if len(rows) != end - start:
        raise LogCorrupt(f"the log has {len(rows)} of the entries {start} to {end - 1}")
    return [SealedLeaf(leaf=leaf, blind=blind, personal=personal) for leaf, blind, personal in rows]


def read_entries(
    connection: sqlite3.Connection, start: int, limit: int, *, having: bytes = b""
) -> tuple[LogEntry, ...]:
    """Entries [start, start + limit) decoded, of leaves having these bytes; erased ones say so. Raises: LogCorrupt."""
    try:
        rows = connection.execute(
            "SELECT e.idx, e.leaf, coalesce(p.blind, x''), coalesce(p.data, x'') FROM entries e"
            " LEFT JOIN personal p ON p.idx = e.idx WHERE e.idx >= ? AND (? OR (e.idx < ? AND instr(e.leaf, ?)))"
            " ORDER BY e.idx LIMIT ?",
            (start, not having, start + limit, having, limit),
        ).fetchall()
    except sqlite3.Error as error:
        raise translated(error) from error
    entries = []
    for index, leaf, blind, personal in rows:
        utc_ns, record = open_leaf(SealedLeaf(leaf=leaf, blind=blind, personal=personal))
        entries.append(LogEntry(index=index, utc_ns=utc_ns, record=record, leaf_hash=leaf_hash(leaf)))
    return tuple(entries)
