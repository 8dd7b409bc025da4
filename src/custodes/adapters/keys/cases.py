"""The warden's register of cases: one SQLite file beside its keys; cases in memory too, notes on the disk alone."""

import sqlite3
from pathlib import Path

from custodes.access.cases import number_key
from custodes.errors import DataLoss, ProtocolError, StorageFailed
from custodes.types.cases import Case, CaseNote
from custodes.types.codec import decode_as, encode


class CaseStore:
    """Owned by one thread. Some thousand cases, so that membership is answered from memory."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises: DataLoss for a damaged file, StorageFailed."""
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._database.execute(f"PRAGMA {pragma}")  # nosemgrep: sql-from-a-string - constants above
            self._database.execute("CREATE TABLE IF NOT EXISTS matter (key TEXT PRIMARY KEY, body BLOB NOT NULL)")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, key TEXT NOT NULL, body BLOB NOT NULL)"
            )
            self._database.execute("CREATE INDEX IF NOT EXISTS note_by_case ON note (key, id)")
            rows = self._database.execute("SELECT key, body FROM matter").fetchall()
            found = {str(row[0]): decode_as(Case, row[1]) for row in rows}
            self._cases = dict(sorted(found.items(), key=lambda item: item[1].opened_ns))
        except (sqlite3.DatabaseError, ProtocolError) as error:
            raise DataLoss(f"{path} is damaged; restore the warden's folder from a backup: {error}") from error

    def cases(self) -> list[Case]:
        """Oldest first."""
        return list(self._cases.values())

    def case(self, number: str) -> Case | None:
        """By number, without regard to case."""
        return self._cases.get(number_key(number))

    def put(self, case: Case) -> None:
        """Create or replace, durably. Raises: StorageFailed."""
        key = number_key(case.number)
        self._write("INSERT OR REPLACE INTO matter (key, body) VALUES (?, ?)", (key, encode(case)))
        self._cases[key] = case

    def notes(self, number: str) -> list[CaseNote]:
        """Of one case, oldest first. Raises: StorageFailed, ProtocolError for a damaged row."""
        try:
            rows = self._database.execute(
                "SELECT body FROM note WHERE key = ? ORDER BY id", (number_key(number),)
            ).fetchall()
        except sqlite3.Error as error:
            raise StorageFailed(f"the warden cannot read a case's notes: {error}") from error
        return [decode_as(CaseNote, row[0]) for row in rows]

    def add_note(self, note: CaseNote) -> None:
        """Append, durably. Raises: StorageFailed."""
        self._write("INSERT INTO note (key, body) VALUES (?, ?)", (number_key(note.number), encode(note)))

    def count_notes(self, number: str) -> int:
        """How many a case has."""
        row = self._database.execute("SELECT count(*) FROM note WHERE key = ?", (number_key(number),)).fetchone()
        return int(row[0])

    def erase_notes(self, number: str) -> None:
        """All of a case; their bytes are overwritten, in the file (`secure_delete`) and in its log. Idempotent."""
        self._write("DELETE FROM note WHERE key = ?", (number_key(number),))
        self._write("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageFailed(f"the warden cannot store a case: {error}") from error

    def close(self) -> None:
        """Idempotent."""
        self._database.close()
