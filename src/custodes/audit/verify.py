"""Recompute everything: entries, personal parts, tiles, root, checkpoint signature. Reads only.

Works on the file of a running or a stopped warden and needs no secret, only the pinned public key.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custodes.audit.checkpoint import open_checkpoint
from custodes.audit.leaf import SealedLeaf, check_leaf
from custodes.audit.log import SCHEMA_VERSION, TILE_WIDTH, stored_checkpoint, translated
from custodes.audit.merkle import EMPTY_ROOT, fold_complete, leaf_hash, peaks_of_partials, root_of_peaks
from custodes.audit.note import NoteVerifier
from custodes.errors import LogCorrupt, NotFound
from custodes.types.access import Checkpoint

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What a verification that found nothing wrong has seen."""

    size: int
    root_hash: bytes
    erased: int
    """Entries whose personal part was erased."""
    checkpoint: Checkpoint


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises: NotFound, Unavailable."""
    if not path.is_file():
        raise NotFound(f"no audit log at {path}")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only=ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise LogCorrupt(f"audit log of schema {version}; this program knows {SCHEMA_VERSION}")
    return connection


class _TileCheck:
    """Recomputes the tiles as leaf hashes arrive and compares them with those stored."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.partial: list[list[bytes]] = [[]]
        """The tiles not yet full, by level; together they hold the whole tree's root."""
        self._numbers: list[int] = [0]

    def push(self, hashed: bytes) -> None:
        carry, level = hashed, 0
        while True:
            if level == len(self.partial):
                self.partial.append([])
                self._numbers.append(0)
            tile = self.partial[level]
            tile.append(carry)
            if len(tile) < TILE_WIDTH:
                return
            row = self._db.execute(
                "SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, self._numbers[level])
            ).fetchone()
            if row is None or row[0] != b"".join(tile):
                raise LogCorrupt(f"stored tile {self._numbers[level]} of level {level} is not what the entries give")
            self._numbers[level] += 1
            carry = fold_complete(tile)
            tile.clear()
            level += 1

    def finish(self) -> None:
        (stored,) = self._db.execute("SELECT count(*) FROM tiles").fetchone()
        if stored != sum(self._numbers):
            raise LogCorrupt(f"{stored} tiles are stored; the entries give {sum(self._numbers)}")


def verify_log(path: Path, verifier: NoteVerifier, progress: Progress | None = None) -> LogReport:
    """Check a whole log.

    Args:
        verifier: the log's pinned name and key.
        progress: called with the number of entries checked, every 65536.

    Raises: LogCorrupt naming the first thing that is wrong; NotFound; Unavailable.
    """
    connection = open_readonly(path)
    try:
        connection.execute("BEGIN")  # one snapshot: a running warden goes on appending
        return _verify(connection, verifier, progress)
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        connection.close()


def _verify(connection: sqlite3.Connection, verifier: NoteVerifier, progress: Progress | None) -> LogReport:
    tiles, size, erased = _TileCheck(connection), 0, 0
    rows = connection.execute(
        "SELECT e.idx, e.leaf, coalesce(p.blind, x''), coalesce(p.data, x'') FROM entries e"
        " LEFT JOIN personal p ON p.idx = e.idx ORDER BY e.idx"
    )
    for index, leaf, blind, personal in rows:
        if index != size:
            raise LogCorrupt(f"entry {size} is missing; the next one is {index}")
        try:
            erased += check_leaf(SealedLeaf(leaf=leaf, blind=blind, personal=personal))
        except LogCorrupt as error:
            raise LogCorrupt(f"entry {index}: {error}") from error
        tiles.push(leaf_hash(leaf))
        size += 1
        if progress is not None and size % 65_536 == 0:
            progress(size)
    tiles.finish()
    (strays,) = connection.execute(
        "SELECT count(*) FROM personal WHERE idx NOT IN (SELECT idx FROM entries)"
    ).fetchone()
    if strays:
        raise LogCorrupt(f"{strays} personal parts belong to no entry")
    return _check_head(connection, verifier, size, root_of_peaks(peaks_of_partials(tiles.partial)), erased)


def _check_head(
    connection: sqlite3.Connection, verifier: NoteVerifier, size: int, root: bytes, erased: int
) -> LogReport:
    note = stored_checkpoint(connection)
    if not note and size == 0:
        empty = Checkpoint(origin=verifier.name, size=0, root_hash=EMPTY_ROOT, note="")
        return LogReport(size=0, root_hash=EMPTY_ROOT, erased=0, checkpoint=empty)
    checkpoint = open_checkpoint(note, verifier)
    if checkpoint.size != size:
        raise LogCorrupt(f"the signed checkpoint speaks of {checkpoint.size} entries; the log has {size}")
    if checkpoint.root_hash != root:
        raise LogCorrupt("the entries do not give the root that the checkpoint signs: an entry was changed")
    return LogReport(size=size, root_hash=root, erased=erased, checkpoint=checkpoint)
