"""The warden's table of requests and passkeys: one SQLite file beside its keys, in memory too."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from custodes.access.keys import BEFORE
from custodes.errors import DataLoss, ProtocolError, StorageFailed
from custodes.types.approval import EnrolledKey, RequestRecord
from custodes.types.codec import decode_as, encode
from custodes.units import SegmentId

_UNKNOWN, _NEW, _ROOTED = 0, 1, 2
"""`user_version`: written before passkeys were vouched for, or new; none counts yet; one did."""

MAX_KEPT = 10_000
"""Oldest go first; what happened stays in the log."""


class RequestStore:
    """Owned by one thread. Small (some thousand rows), so that reads are from memory."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises: DataLoss for a damaged file, StorageFailed."""
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._database.execute(f"PRAGMA {pragma}")  # nosemgrep: sql-from-a-string - constants above
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS request"
                " (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, body BLOB NOT NULL)"
            )
            self._database.execute("CREATE TABLE IF NOT EXISTS passkey (id BLOB PRIMARY KEY, body BLOB NOT NULL)")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS erased (segment_id TEXT PRIMARY KEY, entry INTEGER NOT NULL) STRICT"
            )
            rows = self._database.execute("SELECT id, body FROM request ORDER BY number").fetchall()
            self._records = {str(row[0]): decode_as(RequestRecord, row[1]) for row in rows}
            keys = self._database.execute("SELECT id, body FROM passkey").fetchall()
            self._keys = {bytes(row[0]): decode_as(EnrolledKey, row[1]) for row in keys}
            self._state = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        except (sqlite3.DatabaseError, ProtocolError) as error:
            raise DataLoss(f"{path} is damaged; restore the warden's folder from a backup: {error}") from error

        if self._state == _UNKNOWN:
            self._enter(_ROOTED if self._keys else _NEW)
            for key in list(self._keys.values()):
                self.put_key(replace(key, vouched_by=key.vouched_by or BEFORE))

    @property
    def is_rooted(self) -> bool:
        """Whether there ever was a passkey that counts; the first one needs nobody to vouch for it."""
        return self._state == _ROOTED

    def _enter(self, state: int) -> None:
        self._write(f"PRAGMA user_version = {state:d}", ())
        self._state = state

    def records(self) -> list[RequestRecord]:
        """Oldest first."""
        return list(self._records.values())

    def record(self, request_id: str) -> RequestRecord | None:
        """By id."""
        return self._records.get(request_id)

    def put(self, record: RequestRecord) -> None:
        """Create or replace, durably. Raises: StorageFailed."""
        request_id = record.request.request_id
        self._write(
            "INSERT INTO request (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (request_id, encode(record)),
        )
        self._records[request_id] = record
        while len(self._records) > MAX_KEPT:
            oldest = next(iter(self._records))
            self._write("DELETE FROM request WHERE id = ?", (oldest,))
            del self._records[oldest]

    def key(self, credential_id: bytes) -> EnrolledKey | None:
        """A passkey by its id."""
        return self._keys.get(credential_id)

    def passkeys(self) -> list[EnrolledKey]:
        """All passkeys, in no order."""
        return list(self._keys.values())

    def put_key(self, key: EnrolledKey) -> None:
        """Create or replace, durably. Raises: StorageFailed."""
        if key.vouched_by and not self.is_rooted:
            self._enter(_ROOTED)
        self._write("INSERT OR REPLACE INTO passkey (id, body) VALUES (?, ?)", (key.credential_id, encode(key)))
        self._keys[key.credential_id] = key

    def forget_key(self, credential_id: bytes) -> None:
        """Idempotent. Raises: StorageFailed."""
        self._write("DELETE FROM passkey WHERE id = ?", (credential_id,))
        self._keys.pop(credential_id, None)

    def put_erased(self, segment_ids: Sequence[SegmentId], entry: int) -> None:
        """No key of these is released any more, by this log entry. Durable, all or none. Raises: StorageFailed."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            rows = [(segment_id, entry) for segment_id in segment_ids]
            self._database.executemany("INSERT OR IGNORE INTO erased VALUES (?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise StorageFailed(f"the warden cannot store an erasure: {error}") from error

    def erased(self, segment_ids: Sequence[SegmentId]) -> set[SegmentId]:
        """Those of them that were given up. Raises: StorageFailed."""
        marks = ",".join("?" * len(segment_ids))
        try:
            # nosemgrep: sql-from-a-string - question marks alone
            rows = self._database.execute(
                f"SELECT segment_id FROM erased WHERE segment_id IN ({marks})",  # nosec B608  # noqa: S608 (question marks alone)
                tuple(segment_ids),
            ).fetchall()
        except sqlite3.Error as error:
            raise StorageFailed(f"the warden cannot read what was erased: {error}") from error
        return {SegmentId(row[0]) for row in rows}

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageFailed(f"the warden cannot store a request: {error}") from error

    def close(self) -> None:
        """Idempotent."""
        self._database.close()
