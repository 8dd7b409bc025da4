"""`custodes upgrade` of a running site with two recorders: every process is new, and no camera was without one.

A catalog as a much earlier version made it is brought up on the way: while the server stands still, the database is
made again with an early schema, holding what that schema could of this very site; then `custodes upgrade`, as in life.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Integer, MetaData, create_engine, func, select, text
from sqlalchemy.exc import OperationalError

import custodes.adapters.sql as sql
from custodes.testing.postgres import PASSWORD, running_postgres
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp, pytest.mark.slow]

CAMERAS = ("walkers", "again")
SECRET = "UPGRADE_TEST_PASSWORD"


def processes(site: RunningSite) -> dict[str, int]:
    return {one["name"]: one["pid"] for one in site.status()["processes"] if not one["name"].startswith("job")}


def upgrade(site: RunningSite, before: dict[str, int]) -> None:
    """And look whether all of it is as it was. `before`: `processes`."""
    done = site.cli("upgrade", timeout_s=600.0)
    assert done.returncode == 0, done.stderr + done.stdout + site.tail()
    after = processes(site)
    assert set(after) == set(before)
    assert [name for name in after if after[name] == before[name]] == ["supervisor"]
    for name in CAMERAS:
        site.wait_for(lambda name=name: "recorded_s" in site.camera(name), f"the state of {name}")
        recorded_s = site.camera(name)["recorded_s"]
        site.wait_for(lambda name=name, s=recorded_s: site.camera(name)["recorded_s"] > s + 5, f"more of {name}")
        assert site.camera(name)["gaps_s"] < 10, site.camera(name)
    assert not any("keeps failing" in line for line in site.lines)
    assert site.cli("audit", "verify").returncode == 0
    assert site.cli("check", "--hash").returncode == 0


def config_of(server: RtspServer) -> dict[str, Any]:
    cameras = [{"id": name, "url": server.url(name)} for name in CAMERAS]
    return {"recorder": {"segment_s": 10, "processes": 2}, "cameras": cameras}


def wait_for_recordings(site: RunningSite) -> None:
    for name in CAMERAS:
        site.wait_for(lambda name=name: site.camera(name).get("recorded_s", 0) > 15, f"recording of {name}")


def test_site_when_upgraded_has_new_processes_and_goes_on_recording(server: RtspServer, tmp_path: Path) -> None:
    with RunningSite(tmp_path / "site", config_of(server)) as site:
        wait_for_recordings(site)
        upgrade(site, processes(site))


@contextlib.contextmanager
def site_on(database: str, server: RtspServer, folder: Path) -> Iterator[tuple[RunningSite, str]]:
    """The site, and where SQLAlchemy finds its catalog."""
    if database == "sqlite":
        with RunningSite(folder / "site", config_of(server)) as site:
            yield site, f"sqlite:///{site.data_dir / 'catalog.db'}"
        return
    with running_postgres() as running:
        target = running.database()
        catalog = {
            "host": target.host,
            "port": target.port,
            "database": target.database,
            "user": target.user,
            "password": f"env:{SECRET}",
            "tls": "disable",
        }
        tree = {**config_of(server), "catalog": catalog}
        with RunningSite(folder / "site", tree, env={SECRET: PASSWORD}) as site:
            where = f"{target.host}:{target.port}/{target.database}"
            yield site, f"postgresql+psycopg://{target.user}:{PASSWORD}@{where}"


def made_early(url: str, revision: str) -> dict[str, int]:
    """Make the database as `revision` had it, with what fits of its rows; returns their number by table."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                     "AND pid <> pg_backend_pid()")
            )  # fmt: skip
        now = MetaData()
        now.reflect(connection)
        rows = {name: [dict(row) for row in connection.execute(table.select()).mappings()]
                for name, table in now.tables.items()}  # fmt: skip
        now.drop_all(connection)
        return _fill(connection, revision, rows)


def while_it_stands(pid: int, work: Callable[[], dict[str, int]]) -> dict[str, int]:
    """`work` while the process is stopped, so that nothing but the upgrade brings the catalog up; it stays so. A
    process that was stopped with the file's lock goes on for a moment."""
    for left in reversed(range(20)):
        os.kill(pid, signal.SIGSTOP)
        try:
            return work()
        except OperationalError:
            if not left:
                raise
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.3)
    raise AssertionError("unreachable")


def _fill(connection: Connection, revision: str, rows: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    config = Config()
    config.set_main_option("script_location", str(Path(sql.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    early = MetaData()
    early.reflect(connection)
    counts = {}
    for table in early.sorted_tables:
        if table.name == "alembic_version" or not rows.get(table.name):
            continue
        names = [column.name for column in table.columns if column.name in rows[table.name][0]]
        kept = [{name: row[name] for name in names} for row in rows[table.name]]
        connection.execute(table.delete())
        connection.execute(table.insert(), kept)
        counts[table.name] = len(kept)
        if connection.dialect.name == "postgresql":
            for key in table.primary_key.columns:
                if isinstance(key.type, Integer):  # the number that is given next, which copied rows do not move
                    sequence = func.pg_get_serial_sequence(table.name, key.name)
                    connection.execute(select(func.setval(sequence, select(func.max(key)).scalar_subquery())))
    return counts


def revision_of(url: str) -> str:
    with create_engine(url).connect() as connection:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


@pytest.mark.parametrize(("database", "revision"), [("sqlite", "0001"), ("postgres", "0004")])
def test_catalog_of_an_early_version_when_upgraded_is_brought_up_while_recording_goes_on(
    server: RtspServer, tmp_path: Path, database: str, revision: str
) -> None:
    with site_on(database, server, tmp_path) as (site, url):
        wait_for_recordings(site)
        newest, before = revision_of(url), processes(site)
        pid = before["server"]
        try:
            kept = while_it_stands(pid, lambda: made_early(url, revision))
            assert revision_of(url) == revision != newest
            assert kept["segment"] > 1 and kept["camera"] == len(CAMERAS)
            files = {name: recorded(site.data_dir, name) for name in CAMERAS}
            site.wait_for(
                lambda: all(recorded(site.data_dir, name) > files[name] for name in CAMERAS),
                "recording while the server stands still",
            )
            upgrade(site, before)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        assert revision_of(url) == newest
        with create_engine(url).connect() as connection:
            count = connection.scalar(text("SELECT count(*) FROM segment"))
        assert count is not None and count > kept["segment"], "what was recorded meanwhile is there, too"


def recorded(data_dir: Path, camera: str) -> int:
    """Bytes on the disk."""
    return sum(path.stat().st_size for path in (data_dir / "segments" / camera).rglob("*.seg"))
