"""Where a site's catalog is: moving it, and never starting with an empty one beside its past."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from custodes.adapters.sql import PostgresTarget, SqlCatalog, sqlite_catalog
from custodes.app.catalog import catalog_names, copy_to_database, copy_to_file, open_catalog
from custodes.config import SiteConfig, SitePaths, write_effective
from custodes.config.database import DatabaseConfig
from custodes.errors import AlreadyExists, ConfigError, FailedPrecondition, Unavailable
from custodes.testing.catalog import ALL, CAMERA, make_crossing, make_frame, make_segment, make_spec, make_track
from custodes.testing.clock import ManualClock
from custodes.testing.postgres import PASSWORD, PostgresServer, running_postgres
from custodes.types.access import ALL_CAMERAS
from custodes.units import Ns

ENVIRON = {"CATALOG_PASSWORD": PASSWORD}


def quiet(table: str, rows: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    return SitePaths(tmp_path)


@pytest.fixture
def database(server: PostgresServer) -> DatabaseConfig:
    return configured(server.database())


def configured(target: PostgresTarget) -> DatabaseConfig:
    return DatabaseConfig(
        host=target.host,
        port=target.port,
        database=target.database,
        user=target.user,
        password="env:CATALOG_PASSWORD",
        tls="disable",
    )


def opened(paths: SitePaths, database: DatabaseConfig | None) -> SqlCatalog:
    config = SiteConfig(catalog=database)
    write_effective(config, paths.effective_config)
    return open_catalog(paths, config, site_id="site", clock=ManualClock(), environ=ENVIRON)


def fill(catalog: SqlCatalog) -> None:
    catalog.put_cameras([make_spec()], is_exclusive=False)
    catalog.take_journal("j", 42, [make_segment(number * 60, number * 60 + 60) for number in range(50)], [])
    catalog.mark_logged({make_segment(0, 60).header.segment_id: 7})
    catalog.put_analysis([make_frame(seq, seq / 5, since=max(0, seq - 1) / 5) for seq in range(300)], [])
    catalog.put_analysis([], [make_track(number, number, number + 1) for number in range(40)])
    catalog.put_crossings([make_crossing(3, 5.0)])


def contents(catalog: SqlCatalog) -> list[object]:
    seqs = [fact.frame.seq for fact in catalog.analysed(CAMERA, *ALL)]
    return [
        catalog.cameras(),
        catalog.segments(CAMERA, *ALL, 99),
        seqs,
        catalog.coverage(CAMERA, *ALL),
        catalog.tracks(CAMERA, *ALL, 99),
        catalog.crossings(CAMERA, *ALL, 99),
        catalog.totals(),
        catalog.journal_position("j"),
        catalog.movements.rows(),
        len(catalog.movements.passages(ALL_CAMERAS, Ns(0), Ns(2**62), limit=99).streams.codes),
    ]


def test_catalog_when_moved_to_a_database_and_back_is_the_same_and_grows_on(
    paths: SitePaths, database: DatabaseConfig
) -> None:
    with closing(opened(paths, None)) as first:
        fill(first)
        before = contents(first)
    copied = copy_to_database(paths, database, ENVIRON, quiet)
    assert copied > 60
    assert not paths.catalog.exists()
    with closing(opened(paths, database)) as moved:
        assert contents(moved) == before
        names = catalog_names(paths, ENVIRON)
        assert names is not None
        assert len(names.paths) == 50 and names.log_indices == {make_segment(0, 60).header.segment_id: 7}
        # numbers that the database gives go on behind those that came along
        moved.put_analysis([make_frame(1000, 1000.0)], [make_track(77, 900, 901)])
        grown = contents(moved)
    copy_to_file(paths, database, ENVIRON, quiet, file=paths.catalog)
    with closing(opened(paths, None)) as back:
        assert contents(back) == grown


def test_copy_when_the_database_holds_a_catalog_is_refused_and_both_stay(
    paths: SitePaths, database: DatabaseConfig
) -> None:
    opened(paths, database).close()
    with closing(sqlite_catalog(paths.catalog, site_id="site", clock=ManualClock())) as file:
        fill(file)
    with pytest.raises(AlreadyExists, match="holds a catalog already"):
        copy_to_database(paths, database, ENVIRON, quiet)
    assert paths.catalog.exists()


def test_start_when_the_file_holds_the_past_and_the_database_nothing_is_refused(
    paths: SitePaths, database: DatabaseConfig
) -> None:
    opened(paths, None).close()
    with pytest.raises(FailedPrecondition, match="catalog copy --to database"):
        opened(paths, database)


def test_start_when_the_database_holds_the_past_and_is_not_configured_is_refused(
    paths: SitePaths, database: DatabaseConfig
) -> None:
    opened(paths, database).close()
    with pytest.raises(FailedPrecondition, match=f"{database.database}.*catalog copy --to file"):
        opened(paths, None)


def test_copy_when_the_database_is_away_leaves_the_file(paths: SitePaths, database: DatabaseConfig) -> None:
    opened(paths, None).close()
    with pytest.raises(Unavailable):
        copy_to_database(paths, database.model_copy(update={"port": 1}), ENVIRON, quiet)
    opened(paths, None).close()


def test_password_when_its_reference_leads_nowhere_is_said_by_name(paths: SitePaths, database: DatabaseConfig) -> None:
    config = SiteConfig(catalog=database)
    with pytest.raises(ConfigError, match=r"catalog\.password: env:CATALOG_PASSWORD"):
        open_catalog(paths, config, site_id="site", clock=ManualClock(), environ={})


@pytest.mark.parametrize(
    "bad",
    [
        {"host": "db; rm"},
        {"host": "db", "password": "secret"},
        {"host": "db", "database": "a'b"},
        {"host": "db", "tls": "prefer"},
        {"host": "db", "port": 0},
    ],
    ids=["host", "password", "database", "tls", "port"],
)
def test_database_when_misconfigured_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(reversed(bad))):
        DatabaseConfig.model_validate(bad)
