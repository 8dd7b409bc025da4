"""The same rows in DuckDB and in a plain SQLite table, for `bench.journeys --peers`; nothing of ours imports this."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from custodes.adapters.sql.movements import PASSAGE, passage_rows
from custodes.types.movement import Passages, Sighting


class PeerRows(Protocol):
    def put(self, passages: Passages) -> None: ...
    def put_sightings(self, sightings: Sequence[Sighting]) -> None: ...
    def journey(self, subject: str) -> list[Any]: ...
    def bytes_on_disk(self) -> int: ...
    def close(self) -> None: ...


def rows_of(passages: Passages, known: dict[str, int]) -> dict[str, npt.NDArray[np.int64]]:
    """As ours are stored: the same integers, so that the stores alone differ."""
    codes = [known.setdefault(run, len(known)) for run in passages.streams.runs]
    return passage_rows(passages, np.array(codes, np.int64)[passages.streams.codes])


SIGHTING_COLUMNS = "subject VARCHAR, start_ms BIGINT, run VARCHAR, track_id BIGINT, end_ms BIGINT"


def _sighting_row(one: Sighting) -> tuple[object, ...]:
    return (one.subject, one.start_ns // 10**6, one.run, one.track_id, one.end_ns // 10**6)


class DuckRows:
    """One table in time order (zone maps), sightings beside it; integers as narrow as they fit."""

    _TYPES = ("UINTEGER", "BIGINT", "BIGINT", "UINTEGER", "UTINYINT", "USMALLINT", *["UTINYINT"] * 6)

    def __init__(self, folder: Path) -> None:
        import duckdb

        self._path = folder / "peer.duckdb"
        self._known: dict[str, int] = {}
        self._db = duckdb.connect(str(self._path), config={"threads": 2})
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(PASSAGE.columns, self._TYPES, strict=True))
        self._db.execute(f"CREATE TABLE passage ({columns})")
        self._db.execute(f"CREATE TABLE sighting ({SIGHTING_COLUMNS})")

    def put(self, passages: Passages) -> None:
        lot = rows_of(passages, self._known)
        self._db.execute(f"INSERT INTO passage SELECT {', '.join(PASSAGE.columns)} FROM lot")
        assert lot

    def put_sightings(self, sightings: Sequence[Sighting]) -> None:
        table = list(zip(*map(_sighting_row, sightings), strict=True))
        names = ("subject", "start_ms", "run", "track_id", "end_ms")
        lot = {name: np.array(column) for name, column in zip(names, table, strict=True)}
        self._db.execute("INSERT INTO sighting SELECT subject, start_ms, run, track_id, end_ms FROM lot")
        assert lot

    def journey(self, subject: str) -> list[Any]:
        return self._db.execute("SELECT * FROM sighting WHERE subject = ? ORDER BY start_ms", (subject,)).fetchall()

    def bytes_on_disk(self) -> int:
        self._db.execute("CREATE INDEX IF NOT EXISTS by_subject ON sighting (subject)")
        self._db.execute("CHECKPOINT")
        return self._path.stat().st_size

    def close(self) -> None:
        self._db.close()


class PlainRows:
    """A row a track, keyed as ours are."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "peer.sqlite"
        self._known: dict[str, int] = {}
        self._db = sqlite3.connect(self._path)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        columns = ", ".join(f"{name} INTEGER" for name in PASSAGE.columns)
        key = ", ".join(PASSAGE.key)
        self._db.execute(f"CREATE TABLE passage ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID")
        self._db.execute("CREATE INDEX by_time ON passage (start_ms)")
        self._db.execute(f"CREATE TABLE sighting ({SIGHTING_COLUMNS}, PRIMARY KEY (subject, start_ms, run, track_id))")

    def put(self, passages: Passages) -> None:
        rows = rows_of(passages, self._known)
        values = zip(*(rows[name].tolist() for name in PASSAGE.columns), strict=True)
        marks = ", ".join("?" * len(PASSAGE.columns))
        with self._db:
            self._db.executemany(f"INSERT OR IGNORE INTO passage VALUES ({marks})", values)

    def put_sightings(self, sightings: Sequence[Sighting]) -> None:
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO sighting VALUES (?,?,?,?,?)", map(_sighting_row, sightings))

    def journey(self, subject: str) -> list[Any]:
        return self._db.execute("SELECT * FROM sighting WHERE subject = ? ORDER BY start_ms", (subject,)).fetchall()

    def bytes_on_disk(self) -> int:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size

    def close(self) -> None:
        self._db.close()
