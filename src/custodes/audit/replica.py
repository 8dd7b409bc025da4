"""A log that follows another one: takes its entries, checks each, and keeps them under the writer's signature.

The tables are the log's own (`audit.log`), so that what reads a log reads this one, and a warden that is promoted
opens it.

**Invariant:** what is stored is the beginning of what the writer signed: leaves are hashed here, the root is ours,
and a signed head that says another root is refused before anything is written.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from custodes.audit.checkpoint import open_checkpoint
from custodes.audit.leaf import SealedLeaf, check_leaves
from custodes.audit.log_tables import insert_entries, load_edge, open_database, stored_checkpoint, translated
from custodes.audit.merkle import leaf_hash, root_of_peaks
from custodes.audit.note import NoteVerifier
from custodes.errors import LogCorrupt
from custodes.types.access import Checkpoint


class ReplicaLog:
    """One thread owns it."""

    def __init__(self, connection: sqlite3.Connection, writer: NoteVerifier) -> None:
        """Raises: LogCorrupt when what is stored is not what the writer signed."""
        self._db = connection
        self._writer = writer
        self._edge = load_edge(connection)
        note = stored_checkpoint(connection)
        self.head = open_checkpoint(note, writer) if note else None
        """The newest head that the writer signed; None while there is nothing."""
        if (self.head.size if self.head else 0) != self.size or (self.head and self.head.root_hash != self.root):
            raise LogCorrupt("the replica's entries are not those that its newest checkpoint signs; begin it anew")

    @classmethod
    def open(cls, path: Path, writer: NoteVerifier) -> "ReplicaLog":
        """Open or begin. Raises: LogCorrupt, Unavailable, ResourceExhausted."""
        connection = open_database(path)
        path.chmod(0o600)
        return cls(connection, writer)

    @property
    def size(self) -> int:
        """Number of durable entries."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """Of these entries."""
        return root_of_peaks(self._edge.peaks)

    @property
    def connection(self) -> sqlite3.Connection:
        """For questions that only read."""
        return self._db

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        self._db.close()

    def take(self, first: int, leaves: Sequence[SealedLeaf], note: str) -> Checkpoint:
        """Store the next entries, durably, under the head that the writer signed for where they end.

        Raises: LogCorrupt for entries that do not follow ours, cannot be read, do not open their commitments, or make
            another root than the writer signed; ResourceExhausted, Unavailable. Nothing is stored then.
        """
        head = open_checkpoint(note, self._writer)
        if first != self.size or head.size != first + len(leaves) or not leaves:
            raise LogCorrupt(
                f"entries {first} to {head.size - 1} do not follow the {self.size} that are here: the logs have "
                "diverged, or it is another one's stream"
            )
        beside = {first + n: (one.blind, one.personal) for n, one in enumerate(leaves) if one.blind}
        check_leaves(first, [one.leaf for one in leaves], beside)
        edge, tiles = self._edge.copy(), []
        for one in leaves:
            tiles += edge.push(leaf_hash(one.leaf))
        if root_of_peaks(edge.peaks) != head.root_hash:
            raise LogCorrupt(
                f"the writer signed another history: its {head.size} entries are not the {first} here and what it "
                "sent behind them; the logs have diverged"
            )
        try:
            self._db.execute("BEGIN IMMEDIATE")
            insert_entries(self._db, first, leaves, tiles, head)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            raise translated(error) from error
        self._edge, self.head = edge, head
        return head

    def personal_count(self) -> int:
        """How many entries still have their personal part."""
        (count,) = self._db.execute("SELECT count(*) FROM personal").fetchone()
        return int(count)

    def keep_personal(self, kept: Sequence[int]) -> None:
        """Erase, for good, every personal part but those of these entries (`AuditLog.erase`).

        Raises: Unavailable, ResourceExhausted.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("CREATE TEMP TABLE IF NOT EXISTS kept (idx INTEGER PRIMARY KEY)")
            self._db.execute("DELETE FROM temp.kept")
            self._db.executemany("INSERT INTO temp.kept VALUES (?)", [(index,) for index in kept])
            self._db.execute("DELETE FROM personal WHERE idx NOT IN (SELECT idx FROM temp.kept)")
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            raise translated(error) from error
