"""A site whose catalog is in PostgreSQL by configuration alone; back in its file it still knows everybody."""

from pathlib import Path

import pytest

from custodes.testing.postgres import PASSWORD, running_postgres
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer

pytestmark = [pytest.mark.e2e]


def test_site_in_a_database_is_run_backed_up_and_brought_back(tmp_path: Path) -> None:
    with running_postgres() as server:
        target = server.database()
        place = {"host": target.host, "port": target.port, "database": target.database, "user": target.user}
        config = {"catalog": {**place, "password": "env:CATALOG_PASSWORD", "tls": "disable"}, "cameras": []}
        environ = {"CATALOG_PASSWORD": PASSWORD}
        with RunningSite(tmp_path / "site", config, env=environ) as site:
            site.wait_for(lambda: site.token, "the first-boot token")
            Viewer(site.address).claim(site.token)
            assert not (tmp_path / "site" / "catalog.db").exists()
            assert server.sql("SELECT name FROM account", target.database) == "Ada Operator"
            assert PASSWORD not in (tmp_path / "site" / "effective.json").read_text()
            checked = site.cli("check", "--presence")
            assert checked.returncode == 0, checked.stderr
            shares = site.cli("recovery", "make")
            assert shares.returncode == 0, shares.stderr
            made = site.cli("backup", "make", str(tmp_path / "backup"))
            assert made.returncode == 0, made.stderr
            assert site.cli("backup", "verify", str(tmp_path / "backup")).returncode == 0
        moved = site.cli("catalog", "copy", "--to", "file", "--config", str(tmp_path / "site.yaml"))
        assert moved.returncode == 0, moved.stderr
        assert "rows are in" in moved.stdout
    with RunningSite(tmp_path / "site", {"cameras": []}) as again:
        Viewer(again.address).log_in()
        assert again.cli("audit", "verify").returncode == 0
