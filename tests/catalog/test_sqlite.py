"""The SQLite catalog: the conformance suite, and what only a file can do wrong."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from custodes.adapters.sql import SqlCatalog, chunks, sqlite_catalog
from custodes.adapters.sql.tables import METADATA
from custodes.errors import DataLoss, FailedPrecondition, ProtocolError, SiteMismatch, Unavailable
from custodes.ports.catalog import Account, Coverage
from custodes.testing.catalog import ALL, CAMERA, CatalogSuite, at, make_frame, make_segment, make_spec, same_frames
from custodes.testing.clock import ManualClock
from custodes.testing.leases import LeasesSuite
from custodes.testing.outbox import OutboxSuite
from custodes.types.vision import TrackedFrame
from custodes.units import Ns


def open_catalog(path: Path, site_id: str = "site") -> SqlCatalog:
    return sqlite_catalog(path, site_id=site_id, clock=ManualClock())


class TestSqliteCatalog(CatalogSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path, clock: ManualClock) -> Iterator[SqlCatalog]:
        catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="site", clock=clock)
        yield catalog
        catalog.close()


class TestSqliteLeases(LeasesSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[SqlCatalog]:
        catalog = open_catalog(tmp_path / "catalog.db")
        yield catalog
        catalog.close()


class TestSqliteOutbox(OutboxSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[SqlCatalog]:
        catalog = open_catalog(tmp_path / "catalog.db")
        yield catalog
        catalog.close()


def test_file_when_opened_again_still_knows_everything(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    first = open_catalog(path)
    frames = [make_frame(seq, seq / 5, since=max(0, seq - 1) / 5) for seq in range(100)]
    first.put_cameras([make_spec()], is_exclusive=False)
    first.take_journal("j", 42, [make_segment(0, 60)], [])
    first.put_analysis(frames[:90], [])
    first.close()
    assert not path.with_name("catalog.db-wal").exists()
    second = open_catalog(path)
    second.put_analysis(frames[80:], [])
    assert second.cameras() == [make_spec()]
    assert second.journal_position("j") == 42
    assert second.segments(CAMERA, *ALL, 9) == [make_segment(0, 60)]
    assert same_frames(second.analysed(CAMERA, *ALL), frames)
    assert second.coverage(CAMERA, *ALL) == [Coverage(start_ns=at(0), end_ns=at(99 / 5))]
    second.close()


def test_file_when_of_another_site_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_catalog(path, "site-a").close()
    with pytest.raises(SiteMismatch, match="site-a"):
        open_catalog(path, "site-b")
    open_catalog(path, "site-a").close()


def test_file_when_of_a_newer_custodes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_catalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(FailedPrecondition, match="newer custodes"):
        open_catalog(path)


@pytest.mark.parametrize("content", [b"no database at all, just text" * 200, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_when_it_is_no_database_is_data_loss(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(content)
    with pytest.raises(DataLoss, match=r"catalog\.db"):
        open_catalog(path)


def test_file_when_the_directory_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_catalog(tmp_path / "nowhere" / "catalog.db")


def test_schema_when_migrated_is_what_the_tables_say(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_catalog(path).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_frames_when_a_transaction_fails_are_not_half_remembered(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db")
    catalog.put_analysis([make_frame(0, 0)], [])
    broken = make_frame(2, 0.4)
    object.__setattr__(broken.frame, "utc_ns", 2**70)  # beyond 64 bits: the statement fails after others ran
    with pytest.raises(ProtocolError, match="64 bits"):
        catalog.put_analysis([make_frame(1, 0.2, since=0), broken], [])
    catalog.put_analysis([make_frame(1, 0.2, since=0), make_frame(2, 0.4, since=0.2)], [])
    assert [fact.frame.seq for fact in catalog.analysed(CAMERA, *ALL)] == [0, 1, 2]
    assert catalog.coverage(CAMERA, *ALL) == [Coverage(start_ns=at(0), end_ns=at(0.4))]
    catalog.close()


def test_reads_when_a_writer_is_busy_go_on(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db")
    stop, started = threading.Event(), threading.Barrier(4)

    def read() -> int:
        reads = 0
        while not stop.is_set():
            seqs = [fact.frame.seq for fact in catalog.analysed(CAMERA, *ALL)]
            assert seqs == list(range(len(seqs)))
            if not reads:
                started.wait(60)
            reads += 1
        return reads

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        started.wait(60)
        try:
            for seq in range(100):
                catalog.put_analysis([make_frame(seq, seq / 5)], [])
        finally:
            stop.set()
        assert all(reader.result() > 0 for reader in readers)
    catalog.close()


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_coverage_whatever_the_order_is_the_union(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    spans = data.draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), min_size=1, max_size=12))
    frames = [make_frame(seq, start + length, since=start, tracks=0) for seq, (start, length) in enumerate(spans)]
    order = data.draw(st.permutations(frames))
    cut = data.draw(st.integers(0, len(order)))
    catalog = open_catalog(tmp_path_factory.mktemp("union") / "catalog.db")
    catalog.put_analysis(order[:cut], [])
    catalog.put_analysis(order[cut:], [])
    expected: list[list[int]] = []
    for start, end in sorted((start, start + length) for start, length in spans):
        if expected and start <= expected[-1][1]:
            expected[-1][1] = max(expected[-1][1], end)
        else:
            expected.append([start, end])
    assert catalog.coverage(CAMERA, *ALL) == [Coverage(start_ns=at(a), end_ns=at(b)) for a, b in expected]
    assert sorted(fact.frame.seq for fact in catalog.analysed(CAMERA, *ALL)) == list(range(len(spans)))
    catalog.close()


def test_chunk_columns_when_a_tracked_frame_has_arrays_name_them_all() -> None:
    arrays = {field.name for field in fields(TrackedFrame)} - {"camera_id", "run", "seq", "utc_ns"}
    assert arrays == set(chunks.TRACK_COLUMNS)


@pytest.mark.parametrize("form", ["growing", "full"])
def test_chunk_when_damaged_anywhere_is_data_loss_or_plain_values(form: str) -> None:
    frames = [make_frame(seq, seq / 5) for seq in range(5)]
    growing = chunks.pack_growing([chunks.pack_one(fact) for fact in frames])
    blob = growing if form == "growing" else chunks.pack_full(frames)
    assert same_frames(chunks.unpack(CAMERA, frames[0].frame.run, blob), frames)
    rng = np.random.default_rng(1)
    for _ in range(300):
        broken = bytearray(blob[: rng.integers(0, len(blob) + 1)])
        if broken and rng.random() < 0.5:
            broken[rng.integers(0, len(broken))] ^= 1 << int(rng.integers(0, 8))
        try:
            for fact in chunks.unpack(CAMERA, frames[0].frame.run, bytes(broken)):
                assert isinstance(fact.frame.utc_ns, int)
        except DataLoss:
            continue


def test_analysed_when_asked_for_nothing_is_empty(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db")
    assert catalog.analysed(CAMERA, Ns(5), Ns(1)) == []
    assert catalog.totals() == {}
    catalog.close()


def test_frames_when_a_chunk_is_full_are_one_row_also_over_a_restart(tmp_path: Path) -> None:
    frames = [make_frame(seq, seq / 10, since=max(0, seq - 1) / 10) for seq in range(chunks.MAX_FRAMES + 1)]
    first = open_catalog(tmp_path / "catalog.db")
    for fact in frames[:30]:
        first.put_analysis([fact], [])
    first.close()
    second = open_catalog(tmp_path / "catalog.db")
    for fact in frames[30:]:
        second.put_analysis([fact], [])
    assert same_frames(second.analysed(CAMERA, *ALL), frames)
    second.close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        counts = connection.execute("SELECT frames FROM chunk ORDER BY seq_first").fetchall()
    connection.close()
    assert counts == [(chunks.MAX_FRAMES,), (1,)]


def test_bare_secret_when_sealed_is_in_no_file_of_the_catalog(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db")
    secret = "KRUGKIDROVUWG2ZAMJZG653OEBTG66BA"
    for number in range(50):
        account = Account(
            user_id=f"u{number}",
            name=f"Person {number}",
            password_hash="x",
            roles=frozenset(),
            created_ns=at(0),
            totp_secret=secret,
        )
        catalog.put_account(account)
    files = [tmp_path / "catalog.db", tmp_path / "catalog.db-wal"]
    assert any(secret.encode() in path.read_bytes() for path in files)
    catalog.keep_sealed({f"u{number}": b"sealed" * 9 for number in range(50)})
    assert not any(secret.encode() in path.read_bytes() for path in files if path.exists())
    catalog.close()
