"""A whole site under its real supervisor: how it ends, and what is told of it. Kills are in tests/e2e."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from custodes.cli.exit_codes import EXIT_CODES
from custodes.config import SitePaths
from custodes.errors import ErrorKind
from custodes.runtime.data_dir import running_pid
from custodes.testing.site import RunningSite

pytestmark = pytest.mark.e2e

KINDS = ("warden", "server", "recorder", "analyser", "matcher")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSite]:
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    with RunningSite(tmp_path / "site", {"name": "Test"}) as running:
        running.wait_for(lambda: _all_run(running), "all processes running")
        yield running


def _rows(site: RunningSite) -> dict[str, dict[str, object]]:
    return {row["kind"]: row for row in site.status()["processes"] or []}


def _all_run(site: RunningSite) -> bool:
    rows = _rows(site)
    return all(kind in rows and rows[kind]["state"] == "running" for kind in ("supervisor", *KINDS))


def _family(data_dir: Path) -> list[psutil.Process]:
    pid = running_pid(data_dir)
    assert pid is not None
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def test_nothing_is_left_when_the_site_is_stopped_by_command(site: RunningSite) -> None:
    family = _family(site.data_dir)
    assert site.cli("site", "path").stdout.strip() == str(site.data_dir)
    done = site.cli("site", "stop")
    assert done.returncode == 0, done.stderr
    assert site.stop() == 0
    assert not [process for process in family if process.is_running() and process.status() != "zombie"]
    assert running_pid(site.data_dir) is None
    assert site.cli("status").returncode == EXIT_CODES[ErrorKind.UNAVAILABLE]


def test_all_processes_end_when_the_supervisor_is_killed(site: RunningSite) -> None:
    family = _family(site.data_dir)
    os.kill(family[0].pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert not [process for process in alive if process.status() != "zombie"]
    assert gone or family
    assert running_pid(site.data_dir) is None


def test_status_tells_what_it_can_when_the_server_is_down(site: RunningSite) -> None:
    os.kill(site.pids("server")[0], signal.SIGSTOP)
    try:
        done = site.cli("status", "--json")
        assert done.returncode == 0
        assert '"cameras": null' in done.stdout and '"log": null' in done.stdout
        assert "the server does not answer" in done.stderr
    finally:
        os.kill(site.pids("server")[0], signal.SIGCONT)


def test_standby_takes_over_when_the_supervisor_dies_and_what_was_paused_stops(site: RunningSite) -> None:
    with site.standby() as other:
        other.wait_for(lambda: any("waiting for it to be gone" in line for line in other.lines), "it to wait")
        os.kill(_family(site.data_dir)[0].pid, signal.SIGKILL)
        other.wait_for(lambda: other.address, "the address of the standby")
        other.wait_for(lambda: _all_run(other), "all processes running")
        assert other.cli("audit", "verify").returncode == 0
        SitePaths(site.data_dir).generation.write_text("999999999999\n")  # a third one, while this machine was away
        other.wait_for(lambda: any("took this site over" in line for line in other.lines), "it to notice")
        assert other.stop() == 0
