"""Recompute everything: entries, personal parts, tiles, root, checkpoint signature. Reads only.

Works on the file of a running or a stopped warden and needs no secret, only the pinned public key.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from custodes.audit.checkpoint import LogKeys, open_checkpoint, open_published
from custodes.audit.leaf import check_leaf
from custodes.audit.log import SCHEMA_VERSION, TILE_WIDTH, published_notes, stored_checkpoint, translated
from custodes.audit.merkle import EMPTY_ROOT, fold_complete, leaf_hash, peaks_of_partials, root_of_peaks
from custodes.errors import LogCorrupt, NotFound
from custodes.types.access import Checkpoint

Progress = Callable[[int], None]
_NOTHING = (None, b"", b"")


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
    if not 1 <= version <= SCHEMA_VERSION:
        connection.close()
        raise LogCorrupt(f"audit log of schema {version}; this program knows 1 to {SCHEMA_VERSION}")
    return connection


class _Recount:
    """Takes the leaf hashes in blocks, recomputes every tile and compares it with the one stored."""

    def __init__(self, connection: sqlite3.Connection, wanted: Iterable[int]) -> None:
        self._db = connection
        self._wanted = sorted(wanted, reverse=True)
        self._partial: list[list[bytes]] = [[]]
        self._numbers: list[int] = [0]
        self.roots: dict[int, bytes] = {}
        """Root of the tree at each wanted size that was passed."""
        self.size = 0

    def take(self, hashes: list[bytes]) -> None:
        """The next block: 256 leaf hashes, fewer only at the end."""
        assert not self._partial[0] and 0 < len(hashes) <= TILE_WIDTH
        while self._wanted and self._wanted[-1] <= self.size + len(hashes):
            size = self._wanted.pop()
            self.roots[size] = root_of_peaks(
                peaks_of_partials([hashes[: size - self.size], *self._partial[1:]]) if size else ()
            )
        self.size += len(hashes)
        self._partial[0] = hashes
        level = 0
        while len(self._partial[level]) == TILE_WIDTH:
            self._compare(level)
            if level + 1 == len(self._partial):
                self._partial.append([])
                self._numbers.append(0)
            self._partial[level + 1].append(fold_complete(self._partial[level]))
            self._partial[level] = []
            level += 1

    def _compare(self, level: int) -> None:
        number, hashes = self._numbers[level], b"".join(self._partial[level])
        row = self._db.execute("SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)).fetchone()
        if row is None or row[0] != hashes:
            raise LogCorrupt(f"stored tile {number} of level {level} is not what the entries give")
        self._numbers[level] = number + 1

    def finish(self) -> bytes:
        """Root over everything taken. Raises: LogCorrupt when tiles are stored that no entries give."""
        (stored,) = self._db.execute("SELECT count(*) FROM tiles").fetchone()
        if stored != sum(self._numbers):
            raise LogCorrupt(f"{stored} tiles are stored; the entries give {sum(self._numbers)}")
        return root_of_peaks(peaks_of_partials(self._partial))


def verify_log(path: Path, trusted: LogKeys, progress: Progress | None = None) -> LogReport:
    """Check a whole log: every entry, personal part, tile, the newest head, and every checkpoint that was published
    or cosigned. About 2 µs per entry on one core (`bench.gate`).

    Args:
        trusted: the log's pinned keys.
        progress: called with the number of entries checked, every 65536.

    Raises: LogCorrupt naming the first thing that is wrong; NotFound; Unavailable.
    """
    connection = open_readonly(path)
    try:
        connection.execute("BEGIN")  # one snapshot: a running warden goes on appending
        return verify_connection(connection, trusted, progress)
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        connection.close()


def verify_connection(connection: sqlite3.Connection, trusted: LogKeys, progress: Progress | None = None) -> LogReport:
    """`verify_log` on an open connection, in whatever transaction it is."""
    heads = [open_published(note, trusted) for note in published_notes(connection)]
    recount, erased = _Recount(connection, {head.size for head in heads}), 0
    # Two cursors side by side: a join would look each entry up by itself.
    personal = connection.execute("SELECT idx, blind, data FROM personal ORDER BY idx")
    beside, blind, data = personal.fetchone() or _NOTHING
    entries = connection.execute("SELECT idx, leaf FROM entries ORDER BY idx")
    while block := entries.fetchmany(TILE_WIDTH):
        index = recount.size
        for stored, leaf in block:
            if stored != index:
                raise LogCorrupt(f"entry {index} is missing; the next one is {stored}")
            try:
                if beside == index:
                    erased += check_leaf(leaf, blind, data)
                    beside, blind, data = personal.fetchone() or _NOTHING
                else:
                    erased += check_leaf(leaf, b"", b"")
            except LogCorrupt as error:
                raise LogCorrupt(f"entry {index}: {error}") from error
            index += 1
        recount.take([leaf_hash(leaf) for _, leaf in block])
        if progress is not None and recount.size % 65_536 == 0:
            progress(recount.size)
    if beside is not None:
        raise LogCorrupt(f"a personal part is stored for entry {beside}, which there is not")
    root = recount.finish()
    for head in heads:
        if recount.roots.get(head.size, root if head.size == recount.size else b"") != head.root_hash:
            raise LogCorrupt(
                f"a published checkpoint of {head.size} entries is not of this tree: the log was rewritten"
            )
    return _check_head(connection, trusted, recount.size, root, erased)


def _check_head(connection: sqlite3.Connection, trusted: LogKeys, size: int, root: bytes, erased: int) -> LogReport:
    note = stored_checkpoint(connection)
    if not note and size == 0:
        empty = Checkpoint(origin=trusted.ed25519.name, size=0, root_hash=EMPTY_ROOT, note="")
        return LogReport(size=0, root_hash=EMPTY_ROOT, erased=0, checkpoint=empty)
    checkpoint = open_checkpoint(note, trusted.ed25519)
    if checkpoint.size != size:
        raise LogCorrupt(f"the signed checkpoint speaks of {checkpoint.size} entries; the log has {size}")
    if checkpoint.root_hash != root:
        raise LogCorrupt("the entries do not give the root that the checkpoint signs: an entry was changed")
    return LogReport(size=size, root_hash=root, erased=erased, checkpoint=checkpoint)
