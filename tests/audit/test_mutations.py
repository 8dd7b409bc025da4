"""Random mutations of the stored log, rows and columns of every table: each one is found."""

import random
import sqlite3

import pytest

from custodes.audit.verify import verify_connection
from custodes.errors import CustodesError
from custodes.testing.audit import fake_signer, fill, open_test_log

KEYS = fake_signer().keys
ENTRIES = 300
COLUMNS = [("entries", "leaf"), ("entries", "idx"), ("personal", "blind"), ("personal", "data"), ("personal", "idx"),
           ("tiles", "hashes"), ("tiles", "number"), ("tiles", "level"), ("state", "value")]  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path = tmp_path_factory.mktemp("mutations") / "log.db"
    log = open_test_log(path)
    fill(log, ENTRIES)
    log.publish(1)
    log.close()
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with sqlite3.connect(path) as stored:
        stored.backup(connection)
    stored.close()
    return connection


def changed_value(chance: random.Random, value: object) -> object:
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 1000, -1000])
    raw = bytearray(value.encode() if isinstance(value, str) else value)  # type: ignore[arg-type]
    match chance.randrange(4):
        case 0:
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        case 1:
            del raw[chance.randrange(len(raw))]
        case 2:
            raw.insert(chance.randrange(len(raw) + 1), chance.randrange(256))
        case _:
            raw = raw[: chance.randrange(len(raw))]
    return bytes(raw).decode("latin-1") if isinstance(value, str) else bytes(raw)


def mutate(connection: sqlite3.Connection, chance: random.Random) -> str:
    table, column = chance.choice(COLUMNS)
    keys = {"tiles": "level, number", "state": "name"}.get(table, "idx")
    rows = connection.execute(f"SELECT {keys} FROM {table} ORDER BY {keys}").fetchall()
    where = " AND ".join(f"{key} = ?" for key in keys.split(", "))
    row, other = chance.choice(rows), chance.choice(rows)
    kind = chance.choice(["change", "change", "change", "delete", "swap"])
    if kind == "delete" and table in ("personal", "state"):
        kind = "change"  # erasing a personal part is allowed, and what was published last is only remembered
    if kind == "delete":
        connection.execute(f"DELETE FROM {table} WHERE {where}", row)
    elif kind == "change" or row == other or column in keys:
        (value,) = connection.execute(f"SELECT {column} FROM {table} WHERE {where}", row).fetchone()
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed_value(chance, value), *row))
    else:
        values = [
            connection.execute(f"SELECT {column} FROM {table} WHERE {where}", key).fetchone() for key in (row, other)
        ]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (*values[1], *row))
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (*values[0], *other))
        kind = "swap" if values[0] != values[1] else "nothing"
    return f"{kind} {table}.{column} of {row}"


def run(connection: sqlite3.Connection, seed: int, count: int) -> list[str]:
    chance, missed = random.Random(seed), []
    connection.execute("PRAGMA foreign_keys=OFF")
    for _ in range(count):
        connection.execute("BEGIN")
        try:
            done = mutate(connection, chance)
            if done.startswith("nothing"):
                continue
            verify_connection(connection, KEYS)
            missed.append(done)
        except (CustodesError, sqlite3.Error, ValueError):
            pass
        finally:
            connection.execute("ROLLBACK")
    return missed


def test_verify_when_mutated_at_random_then_finds_each(database: sqlite3.Connection) -> None:
    assert verify_connection(database, KEYS).size == ENTRIES
    assert run(database, 1, 300) == []


@pytest.mark.slow
def test_verify_when_mutated_ten_thousand_times_then_finds_each(database: sqlite3.Connection) -> None:
    assert run(database, 2, 10_000) == []
