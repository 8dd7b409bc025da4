"""Verification: every kind of tampering with the stored log is noticed."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit import verify
from custodes.audit.checkpoint import LogSigner
from custodes.audit.leaf import seal_leaf
from custodes.audit.log import AuditLog
from custodes.audit.merkle import leaf_hash, root_of_leaves
from custodes.audit.verify import _Recount, verify_log, verify_share
from custodes.errors import CustodesError, LogCorrupt, NotFound
from custodes.testing.audit import ORIGIN, fake_signer, fill, open_test_log, sample_record
from custodes.units import Ns

KEYS = fake_signer().keys


@pytest.fixture(scope="module")
def whole_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "log.db"
    log = open_test_log(path)
    fill(log, 600)
    log.close()
    return path


@pytest.fixture
def copied(whole_log: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole_log, tmp_path / "log.db"))


def test_verify_when_untouched_then_reports_the_size(copied: Path) -> None:
    report = verify_log(copied, KEYS)
    assert (report.size, report.erased, report.checkpoint.size) == (600, 0, 600)


def test_verify_when_the_warden_is_appending_then_sees_a_whole_moment(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    for size in range(1, 30):
        fill(log, 1)
        assert verify_log(tmp_path / "log.db", KEYS).size == size


def test_verify_when_empty_then_good(tmp_path: Path) -> None:
    open_test_log(tmp_path / "log.db").close()
    assert verify_log(tmp_path / "log.db", KEYS).size == 0


OTHER_LEAF = seal_leaf(sample_record(9999), Ns(5), bytes(32)).leaf
BLOB = "x'" + "00" * 8192 + "'"

TAMPERINGS = {
    "leaf changed": f"UPDATE entries SET leaf = x'{OTHER_LEAF.hex()}' WHERE idx = 7",
    "leaf of another entry": "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE idx = 1) WHERE idx = 4",
    "last entry deleted": "DELETE FROM entries WHERE idx = 599",
    "middle entry deleted": "DELETE FROM entries WHERE idx = 300",
    "middle entry deleted and the rest moved up": "DELETE FROM entries WHERE idx = 300;"
    "UPDATE entries SET idx = -idx WHERE idx > 300; UPDATE entries SET idx = -idx - 1 WHERE idx < 0",
    "entry inserted at the end": f"INSERT INTO entries VALUES (600, x'{OTHER_LEAF.hex()}')",
    "two entries swapped": "UPDATE entries SET idx = -1 WHERE idx = 4; UPDATE entries SET idx = 4 WHERE idx = 5;"
    "UPDATE entries SET idx = 5 WHERE idx = -1",
    "personal part changed": "UPDATE personal SET data ="
    " CAST(replace(data, 'person-3', 'person-4') AS BLOB) WHERE idx = 3",
    "personal parts swapped": "UPDATE personal SET data = (SELECT data FROM personal WHERE idx = 6) WHERE idx = 3",
    "personal part added": "INSERT INTO personal VALUES (1, zeroblob(32), x'7b7d')",
    "personal part of no entry": "INSERT INTO personal VALUES (9999, zeroblob(32), x'7b7d')",
    "blind changed": "UPDATE personal SET blind = zeroblob(32) WHERE idx = 3",
    "tile changed": f"UPDATE tiles SET hashes = {BLOB} WHERE number = 1",
    "tile deleted": "DELETE FROM tiles WHERE number = 0",
    "tile added": f"INSERT INTO tiles VALUES (3, 0, {BLOB})",
    "checkpoint deleted": "DELETE FROM state",
    "checkpoint cut": "UPDATE state SET value = substr(value, 1, 60)",
    "checkpoint of another size": "UPDATE state SET value = replace(value, '600', '599')",
    "log emptied": "DELETE FROM personal; DELETE FROM tiles; DELETE FROM entries",
}


@pytest.mark.parametrize("sql", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_verify_when_tampered_with_then_refuses(copied: Path, sql: str) -> None:
    database = sqlite3.connect(copied)
    database.executescript(sql)
    database.close()
    with pytest.raises(LogCorrupt):
        verify_log(copied, KEYS)


def test_verify_when_rewritten_whole_by_somebody_else_then_refuses(tmp_path: Path) -> None:
    forger = LogSigner(
        ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x07" * 32), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    )
    log = AuditLog.open(tmp_path / "log.db", forger)
    fill(log, 10)
    log.close()
    with pytest.raises(LogCorrupt):
        verify_log(tmp_path / "log.db", KEYS)


def test_verify_when_personal_parts_were_erased_then_good_and_counted(copied: Path) -> None:
    database = sqlite3.connect(copied)
    database.execute("DELETE FROM personal WHERE idx < 30")
    database.commit()
    database.close()
    assert verify_log(copied, KEYS).erased == 10


def test_verify_when_any_byte_of_the_stored_entries_is_flipped_then_refuses(copied: Path) -> None:
    """Bytes in the file itself, below SQLite; every entry's leaf is hit once."""
    leaves = [row[0] for row in sqlite3.connect(copied).execute("SELECT leaf FROM entries WHERE idx % 23 = 0")]
    raw = copied.read_bytes()
    for number, leaf in enumerate(leaves):
        at = raw.index(leaf) + number % len(leaf)
        changed = bytearray(raw)
        changed[at] ^= 1
        copied.write_bytes(bytes(changed))
        with pytest.raises(CustodesError):
            verify_log(copied, KEYS)


def test_verify_when_there_is_no_log_then_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify_log(tmp_path / "log.db", KEYS)


def test_verify_when_it_is_not_a_database_then_refuses(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(CustodesError):
        verify_log(tmp_path / "log.db", KEYS)


def test_verify_share_when_whole_then_the_roots_of_its_tiles_and_what_was_erased(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 1100)
    log.close()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DELETE FROM personal WHERE idx < 30 OR idx >= 1024")
    leaves = [leaf_hash(row[0]) for row in database.execute("SELECT leaf FROM entries ORDER BY idx")]
    roots = [root_of_leaves(leaves[at : at + 256]) for at in range(0, 1024, 256)]
    assert verify_share(path, 0, 1024) == (roots, 10)
    assert verify_share(path, 256, 768) == (roots[1:3], 0)
    one, other = _Recount(database), _Recount(database)
    for at in range(0, 1024, 256):
        one.take(leaves[at : at + 256])
    other.take_tiles(roots[:1])
    other.take_tiles(roots[1:])
    for recount in (one, other):
        recount.take(leaves[1024:])
        assert recount.size == 1100
    assert one.finish() == other.finish() == root_of_leaves(leaves)
    database.execute("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND number = 2")
    with pytest.raises(LogCorrupt, match="tile 2 of level 0"):
        verify_share(path, 512, 768)
    assert verify_share(path, 0, 512) == (roots[:2], 10)
    database.execute("DELETE FROM entries WHERE idx >= 1000")
    with pytest.raises(LogCorrupt):
        verify_share(path, 768, 1024)
    with pytest.raises(LogCorrupt, match="missing between 1024 and 1280"):
        verify_share(path, 1024, 1280)
    database.executescript("DROP TABLE tiles")
    with pytest.raises(CustodesError):
        verify_share(path, 0, 256)
    database.close()


def test_verify_when_shared_among_threads_then_every_share_is_counted_and_the_first_fault_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without processes, which cost a second: what is shared out, and what is made of the answers."""
    monkeypatch.setattr(verify, "_SHARE", 512)
    monkeypatch.setattr(verify, "_SHARED_FROM", 1536)
    monkeypatch.setattr(verify, "ProcessPoolExecutor", lambda max_workers, mp_context: ThreadPoolExecutor(max_workers))
    monkeypatch.setattr(verify.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(verify.os, "getloadavg", lambda: (2.0, 9.0, 9.0))
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 1535)
    seen: list[int] = []
    assert verify_log(path, KEYS, seen.append).size == 1535 and seen == [], "too short to share"
    fill(log, 265)
    log.close()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DELETE FROM personal WHERE idx < 30 OR idx >= 1791")
    assert verify_log(path, KEYS).erased == 13
    report = verify_log(path, KEYS, seen.append)
    assert (report.size, report.erased, seen) == (1800, 13, [512, 1024, 1536])
    monkeypatch.setattr(verify.os, "getloadavg", lambda: (2.1, 0.0, 0.0))
    assert verify_log(path, KEYS, seen.append).erased == 13 and len(seen) == 3, "nothing is idle"
    monkeypatch.setattr(verify.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    database.execute(f"UPDATE entries SET leaf = x'{OTHER_LEAF.hex()}' WHERE idx = 700")
    with pytest.raises(LogCorrupt):
        verify_log(path, KEYS)
    database.close()


def test_verify_when_shared_among_processes_then_the_same_and_tampering_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_SHARE", 512)
    monkeypatch.setattr(verify, "_SHARED_FROM", 1)
    monkeypatch.setattr(verify.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(verify.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 1800)
    log.publish(1)
    log.close()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DELETE FROM personal WHERE idx < 30")
    seen: list[int] = []
    report = verify_log(path, KEYS, seen.append)
    assert (report.size, report.erased, seen) == (1800, 10, [512, 1024, 1536])
    database.execute(f"UPDATE entries SET leaf = x'{OTHER_LEAF.hex()}' WHERE idx = 700")
    with pytest.raises(LogCorrupt):
        verify_log(path, KEYS)
