"""Recompute everything: entries, personal parts, tiles, root, checkpoint signature. Reads only.

Works on the file of a running or a stopped warden and needs no secret, only the pinned public key.
"""

import multiprocessing
import os
import sqlite3
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from custodes.audit.checkpoint import LogKeys, open_checkpoint, open_published
from custodes.audit.leaf import check_leaves
from custodes.audit.log_tables import SCHEMA_VERSION, TILE_WIDTH, published_notes, stored_checkpoint, translated
from custodes.audit.merkle import EMPTY_ROOT, fold_complete, leaf_hashes, peaks_of_partials, root_of_peaks
from custodes.audit.tree import StoredTree
from custodes.errors import LogCorrupt, NotFound
from custodes.types.access import Checkpoint

Progress = Callable[[int], None]

_SHARE = 65_536
_SHARED_FROM = 4 * _SHARE
"""A quarter of a million entries, 0.7 s on one core: below that starting processes costs more than it saves."""
_MAX_WORKERS = 8
_MAPPED_BYTES = 1 << 30
"""Of the file are read without copying pages: a tenth of a verification (`bench.gate`). A file that is cut short
meanwhile ends the process by a signal, which nobody takes for a log that is good."""


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
        connection.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")  # nosemgrep: sql-from-a-string - a constant
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    if not 1 <= version <= SCHEMA_VERSION:
        connection.close()
        raise LogCorrupt(f"audit log of schema {version}; this program knows 1 to {SCHEMA_VERSION}")
    return connection


class _Recount:
    """Takes the leaf hashes in order, recomputes every tile and compares it with the one stored."""

    def __init__(self, connection: sqlite3.Connection, first_tile: int = 0) -> None:
        self._db = connection
        self._partial: list[list[bytes]] = [[]]
        self._numbers: list[int] = [first_tile]
        self.size = first_tile * TILE_WIDTH

    def take(self, hashes: list[bytes]) -> None:
        """The next block: 256 leaf hashes, fewer only at the end."""
        assert not self._partial[0] and 0 < len(hashes) <= TILE_WIDTH
        self.size += len(hashes)
        self._partial[0] = hashes
        self._carry(0)

    def take_tiles(self, roots: list[bytes]) -> None:
        """The next block of leaves as the roots of its level-0 tiles, compared elsewhere already."""
        for root in roots:
            self._numbers[0] += 1
            self.size += TILE_WIDTH
            self._lift(0, root)
            self._carry(1)

    def _lift(self, level: int, root: bytes) -> None:
        if level + 1 == len(self._partial):
            self._partial.append([])
            self._numbers.append(0)
        self._partial[level + 1].append(root)

    def _carry(self, level: int) -> None:
        while len(self._partial[level]) == TILE_WIDTH:
            root = compare_tile(self._db, level, self._numbers[level], self._partial[level])
            self._numbers[level] += 1
            self._partial[level] = []
            self._lift(level, root)
            level += 1

    def finish(self) -> bytes:
        """Root over everything taken. Raises: LogCorrupt when tiles are stored that no entries give."""
        (stored,) = self._db.execute("SELECT count(*) FROM tiles").fetchone()
        if stored != sum(self._numbers):
            raise LogCorrupt(f"{stored} tiles are stored; the entries give {sum(self._numbers)}")
        return root_of_peaks(peaks_of_partials(self._partial))


def compare_tile(connection: sqlite3.Connection, level: int, number: int, hashes: list[bytes]) -> bytes:
    """The root of a full tile. Raises: LogCorrupt when the stored one differs."""
    row = connection.execute("SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)).fetchone()
    if row is None or row[0] != b"".join(hashes):
        raise LogCorrupt(f"stored tile {number} of level {level} is not what the entries give")
    return fold_complete(hashes)


class _Personal:
    """Personal parts in step with the entries."""

    def __init__(self, connection: sqlite3.Connection, first: int, stop: int) -> None:
        self._rows = connection.execute(
            "SELECT idx, blind, data FROM personal WHERE idx >= ? AND idx < ? ORDER BY idx", (first, stop)
        )
        self._waiting: list[tuple[int, bytes, bytes]] = []

    def before(self, stop: int) -> dict[int, tuple[bytes, bytes]]:
        """(blind, data) by index of those below `stop` that were not given yet."""
        while not self._waiting or self._waiting[-1][0] < stop:
            more = self._rows.fetchmany(TILE_WIDTH)
            if not more:
                break
            self._waiting += more
        at = bisect_left(self._waiting, stop, key=itemgetter(0))
        given, self._waiting = self._waiting[:at], self._waiting[at:]
        return {index: (blind, data) for index, blind, data in given}

    def finish(self) -> None:
        """Raises: LogCorrupt when one belongs to no entry."""
        if self._waiting:
            raise LogCorrupt(f"a personal part is stored for entry {self._waiting[0][0]}, which there is not")


def verify_log(path: Path, trusted: LogKeys, progress: Progress | None = None) -> LogReport:
    """Check a whole log: every entry, personal part, tile, the newest head, and every checkpoint that was published
    or cosigned. About 2.4 µs per entry and core (`bench.gate`); a long log is shared among the machine's cores.

    Args:
        trusted: the log's pinned keys.
        progress: called with the number of entries checked, now and then.

    Raises: LogCorrupt naming the first thing that is wrong; NotFound; Unavailable.
    """
    connection = open_readonly(path)
    try:
        connection.execute("BEGIN")  # one snapshot: a running warden goes on appending
        recount, erased = _Recount(connection), 0
        (size,) = connection.execute("SELECT coalesce(max(idx) + 1, 0) FROM entries").fetchone()
        workers = min(os.cpu_count() or 1, _MAX_WORKERS)
        if os.getloadavg()[0] > workers:
            workers = 1  # nothing is idle: processes of ours would only wait for each other
        if size >= _SHARED_FROM and workers > 1:
            erased = _verify_shared(path, recount, size // _SHARE * _SHARE, workers, progress)
        return verify_connection(connection, trusted, progress, recount=recount, erased=erased)
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        connection.close()


def _verify_shared(path: Path, recount: _Recount, stop: int, workers: int, progress: Progress | None) -> int:
    """The first `stop` entries by several processes; they only grow more, so each may have a snapshot of its own."""
    erased = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        shares = [pool.submit(verify_share, path, first, first + _SHARE) for first in range(0, stop, _SHARE)]
        try:
            for share in shares:
                roots, found = share.result()
                erased += found
                recount.take_tiles(roots)
                if progress is not None:
                    progress(recount.size)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return erased


def verify_share(path: Path, first: int, stop: int) -> tuple[list[bytes], int]:
    """Roots of the level-0 tiles of entries [first, stop), which are multiples of 256, and how many were erased.

    Raises: LogCorrupt, Unavailable.
    """
    connection = open_readonly(path)
    try:
        roots: list[bytes] = []
        erased = 0
        for at, hashes, count in _blocks(connection, first, stop):
            roots.append(compare_tile(connection, 0, at // TILE_WIDTH, hashes))
            erased += count
        if len(roots) != (stop - first) // TILE_WIDTH:
            raise LogCorrupt(f"entries are missing between {first} and {stop}")
        return roots, erased
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        connection.close()


def _blocks(connection: sqlite3.Connection, first: int, stop: int | None) -> Iterator[tuple[int, list[bytes], int]]:
    """(index of the first, leaf hashes, erased) of each block of 256 entries, all of them checked."""
    last = sys.maxsize if stop is None else stop
    # Two cursors side by side: a join would look each entry up by itself.
    # The first block takes those below 0 along, which belong to no entry.
    personal = _Personal(connection, first or -sys.maxsize, last)
    entries = connection.execute(
        "SELECT idx, leaf FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx", (first or -sys.maxsize, last)
    )
    while block := entries.fetchmany(TILE_WIDTH):
        numbers, leaves = zip(*block, strict=True)
        if numbers != tuple(range(first, first + len(block))):
            missing = next(n for n, number in enumerate(numbers, first) if n != number)
            raise LogCorrupt(f"entry {missing} is missing; the next one is {numbers[missing - first]}")
        erased = check_leaves(first, leaves, personal.before(first + len(block)))
        yield first, leaf_hashes(leaves), erased
        first += len(block)
    personal.finish()


def verify_connection(
    connection: sqlite3.Connection,
    trusted: LogKeys,
    progress: Progress | None = None,
    *,
    recount: _Recount | None = None,
    erased: int = 0,
) -> LogReport:
    """`verify_log` on an open connection, in whatever transaction it is; goes on where `recount` is."""
    recount = recount or _Recount(connection)
    for _, hashes, count in _blocks(connection, recount.size, None):
        recount.take(hashes)
        erased += count
        if progress is not None and recount.size % 65_536 == 0:
            progress(recount.size)
    root = recount.finish()
    # Every stored tile is what the entries give, so older trees may be read from the tiles.
    for note in published_notes(connection):
        head = open_published(note, trusted)
        if head.size > recount.size or StoredTree(connection, head.size).root() != head.root_hash:
            raise LogCorrupt(f"the checkpoint once published at {head.size} entries is not of this tree")
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
