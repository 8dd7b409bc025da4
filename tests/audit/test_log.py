"""The log on SQLite: what is appended stays, proofs of every size verify, failure leaves nothing behind."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.audit.checkpoint import open_checkpoint
from custodes.audit.log import MAX_TOKEN_BYTES, AuditLog
from custodes.audit.log_tables import published_notes
from custodes.audit.merkle import root_of_leaves, verify_consistency, verify_inclusion
from custodes.audit.verify import verify_log
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, LogCorrupt, ResourceExhausted
from custodes.testing.audit import fake_signer, fill, open_test_log, sample_record
from custodes.types.access import AuditKind, AuditRecord
from custodes.units import Ns

KEYS = fake_signer().keys


def all_hashes(path: Path) -> list[bytes]:
    log = open_test_log(path)
    hashes: list[bytes] = []
    while len(hashes) < log.size:
        hashes += [entry.leaf_hash for entry in log.read(len(hashes), 1000)]
    log.close()
    return hashes


def test_append_when_read_back_then_equal_in_order(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    appended = log.append([(sample_record(n), Ns(n)) for n in range(10)])
    assert list(log.read(0, 1000)) == appended
    assert [entry.index for entry in appended] == list(range(10))
    assert [entry.record for entry in log.read(3, 2)] == [sample_record(3), sample_record(4)]


def test_read_of_kind_when_others_lie_between_then_only_those_of_the_interval(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 40)
    log.append([(replace(sample_record(1), details={"said": '"kind":"login"'}), Ns(7))])
    kept = [one for one in log.read(10, 31) if one.record.kind is AuditKind.LOGIN]
    assert list(log.read_of_kind(AuditKind.LOGIN, 10, 31)) == kept
    assert [one.index for one in kept] == list(range(12, 40, 3))
    assert log.read_of_kind(AuditKind.LOGIN, 41, 5) == ()


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 1000])
def test_open_when_closed_at_any_size_then_root_and_further_appends_are_right(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, size, group=100)
    before = log.checkpoint()
    log.close()
    log = open_test_log(path)
    assert log.checkpoint() == before
    fill(log, 3)
    after = log.checkpoint()
    proof = log.prove_consistency(size, size + 3)
    verify_consistency(
        old_size=size, new_size=size + 3, old_root=before.root_hash, new_root=after.root_hash, path=proof
    )
    log.close()
    assert after.root_hash == root_of_leaves(all_hashes(path))
    assert verify_log(path, KEYS).size == size + 3


def test_append_when_two_levels_of_tiles_are_full_then_reopens_with_the_same_root(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 65_536 + 300, group=2048)
    root, size = log.checkpoint().root_hash, log.size
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        leaf = log.read(index, 1)[0].leaf_hash
        verify_inclusion(leaf=leaf, index=index, size=size, path=log.prove_inclusion(index, size), root=root)
    log.close()
    log = open_test_log(path)
    assert log.checkpoint().root_hash == root
    fill(log, 1)
    log.close()
    assert verify_log(path, KEYS).size == size + 1


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "log.db"
    log = open_test_log(path)
    fill(log, 1300)
    log.close()
    return path


def test_prove_when_any_entry_in_any_tree_then_verifies(long_log: Path) -> None:
    hashes = all_hashes(long_log)
    log = open_test_log(long_log)

    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def prove(data: st.DataObject) -> None:
        size = data.draw(st.integers(1, 1300))
        index = data.draw(st.integers(0, size - 1))
        root = root_of_leaves(hashes[:size])
        path = log.prove_inclusion(index, size)
        verify_inclusion(leaf=hashes[index], index=index, size=size, path=path, root=root)
        later = data.draw(st.integers(size, 1300))
        proof = log.prove_consistency(size, later)
        verify_consistency(
            old_size=size, new_size=later, old_root=root, new_root=root_of_leaves(hashes[:later]), path=proof
        )

    prove()
    log.close()


def test_checkpoint_when_appended_then_is_signed_and_names_the_new_size(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    assert open_checkpoint(log.checkpoint().note, KEYS.ed25519).size == 0
    fill(log, 5)
    assert open_checkpoint(log.checkpoint().note, KEYS.ed25519).size == 5


def test_append_when_one_record_is_out_of_bounds_then_appends_nothing(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    bad = AuditRecord(kind=AuditKind.LOGIN, actor="x" * 5000, subject="", details={})
    with pytest.raises(InvalidArgument):
        log.append([(sample_record(0), Ns(0)), (bad, Ns(0))])
    assert (log.size, log.read(0, 10)) == (0, ())


def test_append_when_the_disk_is_full_then_fails_keeps_what_was_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 300)
    before = log.checkpoint()
    # The real "disk full" of SQLite, by its own page limit.
    (pages,) = log._db.execute("PRAGMA page_count").fetchone()
    log._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(ResourceExhausted):
        fill(log, 2000, group=2000)
    assert (log.size, log.checkpoint()) == (300, before)
    log._db.execute("PRAGMA max_page_count=1000000")
    fill(log, 5)
    assert log.size == 305
    log.close()
    assert verify_log(path, KEYS).size == 305


def test_append_when_a_later_generation_opened_the_log_then_is_refused_and_the_log_is_one(tmp_path: Path) -> None:
    """A warden that was paused while another machine took over."""
    path = tmp_path / "log.db"
    first = AuditLog.open(path, fake_signer(), generation=7)
    fill(first, 20)
    second = AuditLog.open(path, fake_signer(), generation=8)
    fill(second, 3)
    for _ in range(2):  # nor after what it does upon any error: to look again where the log ends
        with pytest.raises(FailedPrecondition, match="generation 8, this one is of 7"):
            first.append([(sample_record(1), Ns(1))])
    fill(second, 3)
    with pytest.raises(FailedPrecondition):  # its supervisor starts it again
        AuditLog.open(path, fake_signer(), generation=7)
    first.close()
    second.close()
    again = AuditLog.open(path, fake_signer(), generation=8)  # the same supervisor, after a crash
    fill(again, 1)
    again.close()
    assert verify_log(path, KEYS).size == 27
    open_test_log(path).append([(sample_record(1), Ns(1))])  # without a supervisor: whichever is there


@pytest.mark.parametrize(("start", "limit"), [(-1, 5), (0, 1001), (0, -1)])
def test_read_when_out_of_bounds_then_refuses(tmp_path: Path, start: int, limit: int) -> None:
    with pytest.raises(InvalidArgument):
        open_test_log(tmp_path / "log.db").read(start, limit)


def test_prove_when_the_tree_is_larger_than_the_log_then_refuses(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 5)
    for ask in (
        lambda: log.prove_inclusion(0, 6),
        lambda: log.prove_inclusion(5, 5),
        lambda: log.prove_consistency(0, 5),
    ):
        with pytest.raises(InvalidArgument):
            ask()


def test_open_when_entries_were_cut_off_then_refuses(tmp_path: Path) -> None:
    """A restored backup or a truncated log: signing on would be a fork."""
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 20)
    log.close()
    database = sqlite3.connect(path)
    database.execute("DELETE FROM entries WHERE idx = 19")
    database.commit()
    database.close()
    with pytest.raises(LogCorrupt):
        open_test_log(path)


def personal(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in (path, path.with_name("log.db-wal")) if one.exists())


def test_erase_when_asked_for_some_then_their_names_are_in_no_file_and_the_tree_is_as_before(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_test_log(path)
    fill(log, 30)
    at = 1_700_000_000_000_000_000
    assert log.personal_before(Ns(at + 7), 100) == [0, 3, 6]
    assert log.personal_before(Ns(at + 6), 100) == [0, 3]
    assert log.personal_before(Ns(at + 7), 2) == [0, 3]
    assert log.personal_before(Ns(at), 100) == []
    before = log.checkpoint()
    assert b"person-3" in personal(path)
    log.erase([0, 3, 4, 999])
    assert b"person-3" not in personal(path) and b"person-6" in personal(path)
    assert path.with_name("log.db-wal").stat().st_size == 0
    assert log.personal_before(Ns(at + 99), 3) == [6, 9, 12]
    assert (log.checkpoint(), [one.record.actor for one in log.read(3, 4)]) == (
        before,
        ["(erased)", "process:server", "process:server", "person-6"],
    )
    log.close()
    assert verify_log(path, KEYS).erased == 2


def test_erase_when_the_database_refuses_one_then_none_is_erased_and_the_log_goes_on(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 9)
    with sqlite3.connect(tmp_path / "log.db") as other:
        other.execute(
            "CREATE TRIGGER no BEFORE DELETE ON personal WHEN old.idx = 3 BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    other.close()
    with pytest.raises(CustodesError):
        log.erase([0, 3])
    assert log.personal_before(Ns(2**62), 9) == [0, 3, 6]
    fill(log, 1)
    assert log.size == 10
    log.close()
    with pytest.raises(CustodesError):
        log.personal_before(Ns(2**62), 9)


def test_time_stamp_when_it_is_of_this_log_and_in_bounds_then_kept_once(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 5)
    note = log.publish(1).note
    other = AuditLog.open(tmp_path / "other.db", fake_signer())
    other.append([(sample_record(n), Ns(n)) for n in range(7, 12)])
    for token in (b"", bytes(MAX_TOKEN_BYTES + 1)):
        with pytest.raises(InvalidArgument):
            log.store_timestamp(note, token)
    for foreign in (other.publish(1).note, note.replace("\n5\n", "\n4\n", 1)):
        with pytest.raises(CustodesError):
            log.store_timestamp(foreign, b"token")
    log.store_timestamp(note, b"t")
    log.store_timestamp(note, b"t")
    log.store_timestamp(log.publish(2).note, bytes(MAX_TOKEN_BYTES))
    with sqlite3.connect(tmp_path / "log.db") as reader:
        rows = reader.execute("SELECT * FROM timestamps").fetchall()
    reader.close()
    assert rows[0] == (5, note, b"t") and {row[0] for row in rows} == {5}
    assert note in log.ask(lambda connection, keys: published_notes(connection))
    log.close()
    with pytest.raises(CustodesError):
        log.store_timestamp(note, b"u")
    with pytest.raises(CustodesError):
        log.cosigned()
    other.close()
