"""The log on SQLite: append durably, read, prove. One thread owns an `AuditLog`.

Its tables and rows are `log_tables`'. What others signed over our checkpoints lies beside (`anchors`).
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from custodes.audit.checkpoint import LogKeys, LogSigner, open_checkpoint, open_published, sign_checkpoint
from custodes.audit.cosignature import open_cosignatures
from custodes.audit.leaf import BLIND_BYTES, SealedLeaf, is_personal, seal_leaf, time_of
from custodes.audit.log_tables import (
    TILE_WIDTH,
    Edge,
    claim,
    insert_entries,
    load_edge,
    newest_generation,
    open_database,
    promoted_elsewhere,
    read_entries,
    read_sealed,
    stored_checkpoint,
    stored_tile,
    superseded,
    translated,
)
from custodes.audit.merkle import (
    TILE_LEVEL_BITS,
    consistency_path,
    fold_complete,
    inclusion_path,
    leaf_hash,
    range_root,
    root_of_peaks,
)
from custodes.audit.note import NoteVerifier
from custodes.errors import (
    FailedPrecondition,
    InvalidArgument,
    LogCorrupt,
)
from custodes.types.access import AuditKind, AuditRecord, Checkpoint, LogEntry
from custodes.units import Ns

T = TypeVar("T")

MAX_PAGE = 1000
MAX_BATCH = 4096
MAX_TOKEN_BYTES = 64 * 1024
"""RFC 3161 tokens with their certificates take 2 to 8 kB."""


class AuditLog:
    """The open log. Appends are all-or-nothing and durable when they return."""

    def __init__(self, connection: sqlite3.Connection, signer: LogSigner, *, generation: int = 0) -> None:
        self._db = connection
        self._generation = generation
        self._signer = signer
        self._edge = self._load_edge()
        self._is_edge_stale = False
        self._checkpoint = self._load_checkpoint()
        self._published: Checkpoint | None = None
        self.erasures = 0
        """How often personal parts were erased since it was opened."""

    @classmethod
    def open(cls, path: Path, signer: LogSigner, *, generation: int = 0) -> "AuditLog":
        """Open or create the log at `path`.

        Args: generation: of the supervisor under which this writer runs. From here on no writer of a lower one
            appends; 0 takes whichever is there.

        Raises: FailedPrecondition when a writer of a later generation opened it; LogCorrupt when the stored tree and
            the newest signed checkpoint disagree; Unavailable, ResourceExhausted from the disk.
        """
        connection = open_database(path)
        try:
            generation = claim(connection, generation)
        except sqlite3.Error as error:
            raise translated(error) from error
        return cls(connection, signer, generation=generation)

    @property
    def size(self) -> int:
        """Number of durable entries."""
        return self._edge.size

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        self._db.close()

    def append(self, records: Sequence[tuple[AuditRecord, Ns]]) -> list[LogEntry]:
        """Append records with their times as one durable transaction.

        Args:
            records: 1 to `MAX_BATCH`; the caller groups what waits.

        Raises: InvalidArgument (nothing appended) for a record out of bounds; ResourceExhausted, Unavailable when
            it did not become durable.
        """
        if not 0 < len(records) <= MAX_BATCH:
            raise InvalidArgument(f"{len(records)} records in one append; expected 1 to {MAX_BATCH}")
        if self._is_edge_stale:
            self._reload()
        sealed = [
            seal_leaf(record, utc_ns, os.urandom(BLIND_BYTES) if is_personal(record) else b"")
            for record, utc_ns in records
        ]
        edge = self._edge.copy()
        first, hashes, tiles = edge.size, [], []
        for each in sealed:
            hashes.append(leaf_hash(each.leaf))
            tiles += edge.push(hashes[-1])
        checkpoint = sign_checkpoint(self._signer.note, edge.size, root_of_peaks(edge.peaks))
        self._commit(first, sealed, tiles, checkpoint)
        self._edge, self._checkpoint = edge, checkpoint
        return [
            LogEntry(index=first + n, utc_ns=utc_ns, record=record, leaf_hash=hashes[n])
            for n, (record, utc_ns) in enumerate(records)
        ]

    def _commit(
        self, first: int, sealed: list[SealedLeaf], tiles: list[tuple[int, int, bytes]], checkpoint: Checkpoint
    ) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if (refusal := promoted_elsewhere(self._db)) is not None:
                raise refusal
            if (newest := newest_generation(self._db)) != self._generation:
                raise superseded(self._generation, newest)
            insert_entries(self._db, first, sealed, tiles, checkpoint)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            # Whether the disk took it is unknown; what the database says at the next append decides.
            self._is_edge_stale = True
            if self._db.in_transaction:
                self._db.rollback()
            raise translated(error) from error
        except (FailedPrecondition, LogCorrupt):
            self._db.rollback()
            raise

    def _reload(self) -> None:
        self._edge = self._load_edge()
        self._checkpoint = self._load_checkpoint()
        self._is_edge_stale = False

    def checkpoint(self) -> Checkpoint:
        """The newest tree head, signed with Ed25519 alone; every entry under it is durable."""
        return self._checkpoint

    def publish(self, time_s: int) -> Checkpoint:
        """The newest head as it may leave the warden: signed with ML-DSA-44, too, and remembered in the file.

        Made at most once per size; about 1 ms. A disk that cannot remember it does not hold it back: what it says is
        durable already.
        """
        if self._published is None or self._published.size != self._checkpoint.size:
            self._published = self._signer.publish(self._checkpoint, time_s)
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("INSERT OR REPLACE INTO state VALUES ('published', ?)", (self._published.note,))
        return self._published

    def read(self, start: int, limit: int) -> tuple[LogEntry, ...]:
        """Entries [start, start + limit). Raises: InvalidArgument, LogCorrupt."""
        if start < 0 or not 0 <= limit <= MAX_PAGE:
            raise InvalidArgument(f"entries from {start}, {limit} of them; at most {MAX_PAGE} at once")
        if start >= self.size:
            return ()  # also what is beyond SQLite's integers
        return read_entries(self._db, start, limit)

    def sealed(self, start: int, limit: int) -> tuple[list[SealedLeaf], Checkpoint]:
        """Entries [start, start + limit) as they are stored, for a replica, and a head signed for where they end.

        Raises: InvalidArgument, LogCorrupt, Unavailable.
        """
        if not 0 <= start < self.size or not 0 < limit <= MAX_PAGE:
            raise InvalidArgument(f"entries from {start}, {limit} of them, of a log of {self.size}")
        end = min(start + limit, self.size)
        found = read_sealed(self._db, start, end)
        if end == self.size:
            return found, self._checkpoint
        return found, sign_checkpoint(self._signer.note, end, self.root_at(end))

    def generation(self) -> int:
        """Of the newest writer that ever opened this file."""
        return newest_generation(self._db)

    def supersede(self, generation: int) -> None:
        """A replica was promoted under that generation: nothing is appended here any more, whatever starts later.

        Raises: Unavailable, ResourceExhausted.
        """
        try:
            self._db.execute("INSERT OR REPLACE INTO state VALUES ('superseded', ?)", (str(generation),))
        except sqlite3.Error as error:
            raise translated(error) from error

    def read_of_kind(self, kind: AuditKind, start: int, limit: int) -> tuple[LogEntry, ...]:
        """Those of entries [start, start + limit) that are of that kind: only these are opened. Raises: LogCorrupt."""
        found = read_entries(self._db, start, limit, having=f'"kind":"{kind.value}"'.encode())
        return tuple(one for one in found if one.record.kind is kind)

    def prove_inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """RFC 6962 audit path of entry `index` in the tree of `size` ≤ the log's. Raises: InvalidArgument."""
        self._check_size(size)
        return inclusion_path(self._node, index, size)

    def prove_consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """RFC 6962 consistency proof. Raises: InvalidArgument."""
        self._check_size(new_size)
        return consistency_path(self._node, old_size, new_size)

    def root_at(self, size: int) -> bytes:
        """Root of the tree over the first `size` ≥ 1 entries. Raises: InvalidArgument."""
        self._check_size(size)
        return range_root(self._node, 0, size)

    def store_cosigned(self, note: str, witnesses: Sequence[NoteVerifier]) -> None:
        """Keep, per witness, the newest of our checkpoints that it signed.

        Raises: LogCorrupt when it is not our checkpoint or a signature is wrong; InvalidArgument when no known witness
            signed it; Unavailable, ResourceExhausted.
        """
        checkpoint = open_published(note, self._signer.keys)
        if self.root_at(checkpoint.size) != checkpoint.root_hash:
            raise LogCorrupt(f"the cosigned checkpoint of {checkpoint.size} entries is not of this log")
        signed = open_cosignatures(checkpoint, witnesses)
        if not signed:
            raise InvalidArgument("no configured witness signed that checkpoint")
        try:
            self._db.executemany(
                "INSERT INTO cosigned VALUES (?, ?, ?) ON CONFLICT (witness) DO UPDATE"
                " SET size = excluded.size, note = excluded.note WHERE excluded.size >= size",
                sorted({(each.verifier.name, checkpoint.size, note) for each in signed}),
            )
        except sqlite3.Error as error:
            raise translated(error) from error

    def store_timestamp(self, note: str, token: bytes) -> None:
        """Keep a token over SHA-256 of one of our checkpoints; that it verifies is the caller's word.

        Raises: LogCorrupt when it is not our checkpoint; InvalidArgument for a token out of bounds; disk errors.
        """
        checkpoint = open_published(note, self._signer.keys)
        if self.root_at(checkpoint.size) != checkpoint.root_hash:
            raise LogCorrupt(f"the stamped checkpoint of {checkpoint.size} entries is not of this log")
        if not 0 < len(token) <= MAX_TOKEN_BYTES:
            raise InvalidArgument(f"a time stamp of {len(token)} bytes; at most {MAX_TOKEN_BYTES}")
        try:
            self._db.execute("INSERT OR IGNORE INTO timestamps VALUES (?, ?, ?)", (checkpoint.size, note, token))
        except sqlite3.Error as error:
            raise translated(error) from error

    def cosigned(self) -> list[tuple[str, Checkpoint]]:
        """(witness, checkpoint with its lines), by name; none that is not of this log."""
        try:
            rows = self._db.execute("SELECT witness, note FROM cosigned ORDER BY witness").fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
        return [(witness, open_published(note, self._signer.keys)) for witness, note in rows]

    def personal_before(self, utc_ns: Ns, limit: int) -> list[int]:
        """Indices of the oldest entries from before a moment that still have their personal part, at most `limit`."""
        try:
            rows = self._db.execute(
                "SELECT p.idx, e.leaf FROM personal p JOIN entries e ON e.idx = p.idx ORDER BY p.idx LIMIT ?", (limit,)
            ).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
        return [index for index, leaf in rows if time_of(leaf) < utc_ns]

    def erase(self, indices: Sequence[int]) -> None:
        """Erase personal parts for good: from table, free pages (`secure_delete`) and write-ahead log.

        The leaves stay, so every proof and checkpoint stays good. Raises: Unavailable, ResourceExhausted.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM personal WHERE idx = ?", [(index,) for index in indices])
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            raise translated(error) from error
        finally:
            self.erasures += 1

    def personal_kept(self) -> list[int]:
        """Indices of the entries that still have their personal part, in order. Raises: Unavailable."""
        try:
            return [row[0] for row in self._db.execute("SELECT idx FROM personal ORDER BY idx")]
        except sqlite3.Error as error:
            raise translated(error) from error

    def ask(self, question: Callable[[sqlite3.Connection, LogKeys], T]) -> T:
        """Put a question that only reads to the open database (`proof`)."""
        return question(self._db, self._signer.keys)

    def _check_size(self, size: int) -> None:
        if not 0 < size <= self._edge.size:
            raise InvalidArgument(f"no tree of size {size}; the log has {self._edge.size} entries")

    def _node(self, level: int, index: int) -> bytes:
        tile_level, bits = divmod(level, TILE_LEVEL_BITS)
        number, offset = divmod(index << bits, TILE_WIDTH)
        full = self._edge.size >> (TILE_LEVEL_BITS * (tile_level + 1))
        hashes = self._edge.partial[tile_level] if number == full else self._tile(tile_level, number)
        return fold_complete(hashes[offset : offset + (1 << bits)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        return stored_tile(self._db, level, number)

    def _load_edge(self) -> Edge:
        return load_edge(self._db)

    def _load_checkpoint(self) -> Checkpoint:
        note = stored_checkpoint(self._db)
        root = root_of_peaks(self._edge.peaks)
        if not note:
            if self._edge.size:
                raise LogCorrupt(f"the log has {self._edge.size} entries and no checkpoint")
            return sign_checkpoint(self._signer.note, 0, root)
        checkpoint = open_checkpoint(note, self._signer.keys.ed25519)
        if checkpoint.size != self._edge.size or checkpoint.root_hash != root:
            seen = (
                f"the log has {self._edge.size} entries, its signed checkpoint speaks of {checkpoint.size}"
                if checkpoint.size != self._edge.size
                else f"the log's {self._edge.size} entries are not those that its checkpoint signs"
            )
            raise LogCorrupt(
                f"{seen}: it was changed behind the warden's back, or only a part of warden/ was restored; "
                "restore the whole of warden/ from a backup"
            )
        return checkpoint
