"""The catalog in PostgreSQL: the conformance suites on a real server, and what only a server can do wrong."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from custodes.adapters.sql import PostgresTarget, SqlCatalog, blocks, columns, postgres_catalog
from custodes.adapters.sql.tables import METADATA
from custodes.errors import FailedPrecondition, SiteMismatch, Unavailable
from custodes.ports.catalog import Coverage
from custodes.ports.movements import Movements
from custodes.testing.catalog import ALL, CAMERA, CatalogSuite, at, make_frame, make_segment, make_spec, same_frames
from custodes.testing.clock import ManualClock
from custodes.testing.leases import LeasesSuite
from custodes.testing.movements import MovementsSuite
from custodes.testing.outbox import OutboxSuite
from custodes.testing.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="session")
def reused(server: PostgresServer) -> PostgresTarget:
    return server.database()


@pytest.fixture
def target(server: PostgresServer, reused: PostgresTarget) -> PostgresTarget:
    """An empty database: a new one for each test would be 8 MB in 300 files each."""
    server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", reused.database)
    return reused


def open_catalog(target: PostgresTarget, site_id: str = "site") -> SqlCatalog:
    return postgres_catalog(target, site_id=site_id, clock=ManualClock())


class TestPostgresCatalog(CatalogSuite):
    @pytest.fixture
    def catalog(self, target: PostgresTarget, clock: ManualClock) -> Iterator[SqlCatalog]:
        with closing(postgres_catalog(target, site_id="site", clock=clock)) as catalog:
            yield catalog


class TestPostgresLeases(LeasesSuite):
    @pytest.fixture
    def catalog(self, target: PostgresTarget) -> Iterator[SqlCatalog]:
        with closing(open_catalog(target)) as catalog:
            yield catalog


class TestPostgresOutbox(OutboxSuite):
    @pytest.fixture
    def catalog(self, target: PostgresTarget) -> Iterator[SqlCatalog]:
        with closing(open_catalog(target)) as catalog:
            yield catalog


class TestPostgresMovements(MovementsSuite):
    @pytest.fixture
    def movements(self, target: PostgresTarget, monkeypatch: pytest.MonkeyPatch) -> Iterator[Movements]:
        monkeypatch.setattr(blocks, "TAIL_ROWS", 100)
        monkeypatch.setattr(columns, "MAX_ROWS", 128)
        with closing(open_catalog(target)) as catalog:
            yield catalog.movements

    @pytest.fixture
    def reopened(self, movements: Movements, target: PostgresTarget) -> Callable[[], Movements]:
        return lambda: movements


def test_database_when_opened_again_still_knows_everything(target: PostgresTarget) -> None:
    frames = [make_frame(seq, seq / 5, since=max(0, seq - 1) / 5) for seq in range(100)]
    with closing(open_catalog(target)) as first:
        first.put_cameras([make_spec()], is_exclusive=False)
        first.take_journal("j", 42, [make_segment(0, 60)], [])
        first.put_analysis(frames[:90], [])
    with closing(open_catalog(target)) as second:
        second.put_analysis(frames[80:], [])
        assert second.cameras() == [make_spec()]
        assert second.journal_position("j") == 42
        assert second.segments(CAMERA, *ALL, 9) == [make_segment(0, 60)]
        assert same_frames(second.analysed(CAMERA, *ALL), frames)
        assert second.coverage(CAMERA, *ALL) == [Coverage(start_ns=at(0), end_ns=at(99 / 5))]


def test_database_when_of_another_site_is_refused(target: PostgresTarget) -> None:
    open_catalog(target, "site-a").close()
    with pytest.raises(SiteMismatch, match="site-a"):
        open_catalog(target, "site-b")
    open_catalog(target, "site-a").close()


def test_database_when_of_a_newer_custodes_is_refused(server: PostgresServer, target: PostgresTarget) -> None:
    open_catalog(target).close()
    server.sql("UPDATE alembic_version SET version_num = '9999'", target.database)
    with pytest.raises(FailedPrecondition, match="newer custodes"):
        open_catalog(target)


def test_database_when_another_server_writes_is_refused_until_it_is_gone(target: PostgresTarget) -> None:
    with closing(open_catalog(target)) as first:
        with pytest.raises(Unavailable, match="another custodes server"):
            open_catalog(target)
        first.put_cameras([make_spec()], is_exclusive=False)
    with closing(open_catalog(target)) as second:
        assert second.cameras() == [make_spec()]


def test_database_when_it_sorts_by_a_language_is_refused(server: PostgresServer) -> None:
    with pytest.raises(FailedPrecondition, match=r"C\.UTF-8"):
        open_catalog(server.database(order="LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"database": "nowhere"}, "nowhere"),
        ({"password": "wrong"}, "password authentication failed"),
        ({"user": "nobody"}, "nobody"),
    ],
    ids=["database", "password", "user"],
)
def test_connection_when_refused_says_why_and_not_with_what(
    target: PostgresTarget, change: dict[str, str], what: str
) -> None:
    with pytest.raises((FailedPrecondition, Unavailable), match=what) as failed:
        open_catalog(replace(target, **change))
    assert target.password not in str(failed.value)
    assert target.password not in repr(target)


def test_connection_when_nobody_listens_is_unavailable(target: PostgresTarget) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/"):
        open_catalog(replace(target, port=1))


def test_server_when_it_crashes_loses_nothing_that_was_stored_and_is_found_again() -> None:
    with running_postgres() as server, closing(open_catalog(server.database())) as catalog:
        catalog.put_analysis([make_frame(0, 0)], [])
        server.stop()
        with pytest.raises(Unavailable):
            catalog.put_analysis([make_frame(1, 0.2, since=0)], [])
        with pytest.raises(Unavailable):
            catalog.analysed(CAMERA, *ALL)
        server.start()
        catalog.put_analysis([make_frame(1, 0.2, since=0)], [])
        assert [fact.frame.seq for fact in catalog.analysed(CAMERA, *ALL)] == [0, 1]


def test_schema_when_migrated_is_what_the_tables_say(target: PostgresTarget) -> None:
    open_catalog(target).close()
    where = f"{target.host}:{target.port}/{target.database}"
    engine = create_engine(f"postgresql+psycopg://{target.user}:{target.password}@{where}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
