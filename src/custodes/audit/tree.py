"""Reads the stored tree without the warden: nodes, proofs, tiles, from a read-only connection.

`log` has the same for the open log, from memory where it can.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator

from custodes.audit.log_tables import TILE_WIDTH, translated
from custodes.audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_LEVEL_BITS,
    consistency_path,
    fold_complete,
    inclusion_path,
    leaf_hash,
    range_root,
)
from custodes.errors import InvalidArgument, LogCorrupt

_CACHED_TILES = 256
"""2 MB; a proof touches a tile or two per level."""


class StoredTree:
    """The tree over the first `size` entries of an open database."""

    def __init__(self, connection: sqlite3.Connection, size: int) -> None:
        self._db = connection
        self.size = size
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def root(self) -> bytes:
        """Root of this tree. Raises: LogCorrupt, InvalidArgument when the log is shorter."""
        return range_root(self._node, 0, self.size) if self.size else EMPTY_ROOT

    def prove_inclusion(self, index: int) -> tuple[bytes, ...]:
        """RFC 6962 audit path of entry `index` in this tree. Raises: InvalidArgument, LogCorrupt."""
        return inclusion_path(self._node, index, self.size)

    def prove_consistency(self, old_size: int) -> tuple[bytes, ...]:
        """RFC 6962 proof that the tree of `old_size` is a prefix of this one. Raises: InvalidArgument, LogCorrupt."""
        return consistency_path(self._node, old_size, self.size)

    def tiles(self) -> Iterator[tuple[int, int, list[bytes]]]:
        """(level, number, hashes) of every tile that C2SP tlog-tiles wants for this size, partial ones included."""
        level, count = 0, self.size
        while count:
            for number in range(-(-count // TILE_WIDTH)):
                yield level, number, self.tile(level, number)[: count - number * TILE_WIDTH]
            level, count = level + 1, count // TILE_WIDTH

    def tile(self, level: int, number: int) -> list[bytes]:
        """Hashes of one tile, 1 to 256. Raises: LogCorrupt when neither the tile nor what it is made of is there."""
        known = self._cache.get((level, number))
        if known is None:
            known = self._stored(level, number) or self._made(level, number)
            self._cache[level, number] = known
            if len(self._cache) > _CACHED_TILES:
                self._cache.popitem(last=False)
        return known

    def _node(self, level: int, index: int) -> bytes:
        tile_level, bits = divmod(level, TILE_LEVEL_BITS)
        number, offset = divmod(index << bits, TILE_WIDTH)
        hashes = self.tile(tile_level, number)[offset : offset + (1 << bits)]
        if len(hashes) != 1 << bits:
            raise InvalidArgument(f"no tree of size {self.size}: the log is shorter")
        return fold_complete(hashes)

    def _stored(self, level: int, number: int) -> list[bytes] | None:
        try:
            row = self._db.execute(
                "SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)
            ).fetchone()
        except sqlite3.Error as error:
            raise translated(error) from error
        if row is None:
            return None
        if len(row[0]) != TILE_WIDTH * HASH_BYTES:
            raise LogCorrupt(f"tile {number} of level {level} is damaged")
        return [row[0][at : at + HASH_BYTES] for at in range(0, len(row[0]), HASH_BYTES)]

    def _made(self, level: int, number: int) -> list[bytes]:
        """A partial tile from the entries or the full tiles below."""
        first = number * TILE_WIDTH
        if level:
            count = min(TILE_WIDTH, (self.size >> (TILE_LEVEL_BITS * level)) - first)
            return [fold_complete(self.tile(level - 1, first + n)) for n in range(count)]
        try:
            rows = self._db.execute(
                "SELECT leaf FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx",
                (first, min(self.size, first + TILE_WIDTH)),
            ).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
        return [leaf_hash(row[0]) for row in rows]
