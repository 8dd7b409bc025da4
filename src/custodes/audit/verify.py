"""Recompute everything: entries, personal parts, tiles, root, checkpoint signature. Reads only.

Works on the file of a running or a stopped warden and needs no secret, only the pinned public key.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custodes.audit.checkpoint import open_checkpoint
from custodes.audit.leaf import SealedLeaf, check_leaf
from custodes.audit.log import SCHEMA_VERSION, stored_checkpoint, translated
from custodes.audit.merkle import EMPTY_ROOT, leaf_hash, push_peak, root_of_peaks
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
        self._partial: list[list[bytes]] = [[]]
        self._numbers: list[int] = [0]
        self.peaks: list[bytes] = []
        self.size = 0

    def push(self, hashed: bytes) -> None:
        """Take the next leaf hash."""
        completed = push_peak(self.peaks, self.size, hashed)
        self.size += 1
        self._partial[0].append(hashed)
        for level, carry in enumerate(completed):
            if level + 1 == len(self._partial):
                self._partial.append([])
                self._numbers.append(0)
            self._compare(level)
            self._partial[level + 1].append(carry)

    def _compare(self, level: int) -> None:
        number, hashes = self._numbers[level], b"".join(self._partial[level])
        row = self._db.execute("SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)).fetchone()
        if row is None or row[0] != hashes:
            raise LogCorrupt(f"stored tile {number} of level {level} is not what the entries give")
        self._numbers[level] = number + 1
        self._partial[level].clear()

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
    tiles, erased = _TileCheck(connection), 0
    # Two cursors side by side: a join would look each entry up by itself.
    personal = connection.execute("SELECT idx, blind, data FROM personal ORDER BY idx")
    beside = personal.fetchone()
    for index, leaf in connection.execute("SELECT idx, leaf FROM entries ORDER BY idx"):
        if index != tiles.size:
            raise LogCorrupt(f"entry {tiles.size} is missing; the next one is {index}")
        blind, data = b"", b""
        if beside is not None and beside[0] == index:
            _, blind, data = beside
            beside = personal.fetchone()
        try:
            erased += check_leaf(SealedLeaf(leaf=leaf, blind=blind, personal=data))
        except LogCorrupt as error:
            raise LogCorrupt(f"entry {index}: {error}") from error
        tiles.push(leaf_hash(leaf))
        if progress is not None and tiles.size % 65_536 == 0:
            progress(tiles.size)
    if beside is not None:
        raise LogCorrupt(f"a personal part is stored for entry {beside[0]}, which there is not")
    tiles.finish()
    return _check_head(connection, verifier, tiles.size, root_of_peaks(tiles.peaks), erased)


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
