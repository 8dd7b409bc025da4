import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.adapters.keys.choose import PIN_VARIABLE, TOKEN_VARIABLE
from custodes.adapters.keys.file import PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE
from custodes.app.supervisor import process_specs
from custodes.config import SiteConfig, SitePaths
from custodes.errors import NotFound, ResourceExhausted, Unavailable
from custodes.runtime import output
from custodes.runtime.child import ChildSpec
from custodes.testing.ending import kill

from .conftest import STUBBORN, WORKER, running, spec


def test_killed_process_is_started_again_when_it_gets_sigkill(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, spec("a", WORKER), spec("b", WORKER)) as site:
            await site.until(lambda: site.status("a").state == site.status("b").state == "running")
            first, other = site.status("a").pid, site.status("b").pid
            os.kill(first, signal.SIGKILL)
            await site.until(lambda: site.status("a").state == "running" and site.status("a").pid not in (0, first))
            assert site.status("a").restarts == 1
            assert site.status("a").last_exit == "killed by SIGKILL"
            assert site.status("b").pid == other
            assert any("a ended: killed by SIGKILL" in event for event in site.events)

    asyncio.run(scenario())


def test_process_is_degraded_and_visible_when_it_crashes_in_a_loop(tmp_path: Path) -> None:
    async def scenario() -> None:
        code = "import sys; sys.exit('the disk is full')"
        async with running(tmp_path, spec("a", WORKER), spec("b", code)) as site:
            await site.until(lambda: site.status("b").state == "degraded")
            assert site.status("b").last_exit == "exit 1: the disk is full"
            assert site.status("b").restarts == 4
            assert site.status("a").state == "running"
            assert "the disk is full" in (tmp_path / "b.out").read_text()

    asyncio.run(scenario())


def test_others_start_at_once_when_the_first_fails(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, spec("a", "import sys; sys.exit('no key')"), spec("b", WORKER)) as site:
            await site.until(lambda: site.status("b").state == "running")
            assert "a is not ready; starting the others all the same" in site.events

    asyncio.run(scenario())


def test_stop_kills_a_process_when_it_ignores_sigterm(tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    async def scenario() -> None:
        async with running(tmp_path, spec("a", WORKER), spec("b", STUBBORN), patience_s=0.3) as site:
            await site.until(lambda: (tmp_path / "b.out").exists() and site.status("a").state == "running")
            pids = [status.pid for status in site.supervisor.statuses()]
            await site.supervisor.stop()
            assert not any(is_alive(pid) for pid in pids)
            assert any("b did not stop" in event for event in site.events)
            assert {status.state for status in site.supervisor.statuses()} == {"stopped"}

    asyncio.run(scenario())


def test_grandchildren_end_when_their_process_is_killed(tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    code = (
        "import subprocess, sys, time\n"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(c.pid, flush=True); time.sleep(600)"
    )

    async def scenario() -> None:
        async with running(tmp_path, spec("a", code)) as site:
            log = tmp_path / "a.out"
            await site.until(lambda: log.exists() and log.read_text().strip().isdigit())
            grandchild = int(log.read_text())
            assert is_alive(grandchild)
            os.kill(site.status("a").pid, signal.SIGKILL)
            await site.until(lambda: not is_alive(grandchild))

    asyncio.run(scenario())


def test_job_is_forgotten_when_it_exits_zero(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, spec("a", WORKER), job_code="pass") as site:
            assert site.supervisor.spawn_job() == "job-0"
            await site.until(lambda: len(site.supervisor.statuses()) == 1)
            assert not any("job-0" in event for event in site.events)

    asyncio.run(scenario())


def test_job_is_counted_and_replaced_when_it_crashes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as site:
            site.supervisor.spawn_job()
            await site.until(lambda: site.status("job-0").state == "running")
            os.kill(site.status("job-0").pid, signal.SIGKILL)
            await site.until(lambda: site.status("job-0").restarts == 1 and site.status("job-0").state == "running")

    asyncio.run(scenario())


def test_job_is_refused_when_the_bound_is_met(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as site:
            site.supervisor.spawn_job()
            site.supervisor.spawn_job()
            with pytest.raises(ResourceExhausted, match="at most 2"):
                site.supervisor.spawn_job()

    asyncio.run(scenario())


def test_process_counts_as_running_only_when_its_socket_is_there(tmp_path: Path) -> None:
    socket_path = tmp_path / "x.sock"
    socket_path.touch()  # a left-over of a killed incarnation
    go = tmp_path / "go"
    code = (
        f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(.01)\n"
        f"pathlib.Path({str(socket_path)!r}).touch(); time.sleep(600)"
    )
    child = ChildSpec(name="a", kind="worker", argv=(sys.executable, "-c", code), ready_socket=socket_path)

    async def scenario() -> None:
        # Two specs would wait for the first to be ready; one does not.
        async with running(tmp_path, child) as site:
            await site.until(lambda: site.status("a").pid > 0 and not socket_path.exists())
            assert site.status("a").state == "starting"
            go.touch()
            await site.until(lambda: site.status("a").state == "running")

    asyncio.run(scenario())


def test_cpu_seconds_of_dead_incarnations_stay_in_the_sum(tmp_path: Path) -> None:
    code = "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.2: pass\nraise SystemExit(3)"

    async def scenario() -> None:
        async with running(tmp_path, spec("a", code)) as site:
            await site.until(lambda: site.status("a").restarts >= 2)
            assert site.status("a").cpu_s >= 0.4

    asyncio.run(scenario())


def test_child_does_not_get_a_variable_that_is_withheld_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTODES_PASSPHRASE", "correct horse battery")
    code = "import os, time\nprint('has:', 'CUSTODES_PASSPHRASE' in os.environ, flush=True)\n" + WORKER

    async def scenario() -> None:
        withholding = replace(spec("b", code), withheld=frozenset({"CUSTODES_PASSPHRASE"}))
        async with running(tmp_path, spec("a", code), withholding) as site:
            logs = [tmp_path / "a.out", tmp_path / "b.out"]
            # the whole line: it is written in pieces
            await site.until(lambda: all(log.exists() and "e\n" in log.read_text() for log in logs))
            assert [log.read_text().split()[-1] for log in logs] == ["True", "False"]

    asyncio.run(scenario())


def test_passphrase_is_given_to_the_warden_alone(tmp_path: Path) -> None:
    specs = process_specs(SiteConfig(data_dir=tmp_path), SitePaths(tmp_path))
    own = SiteConfig.model_validate({"data_dir": tmp_path, "keys": {"user": "custodes-warden"}})
    assert {one.kind for one in specs} - {one.kind for one in process_specs(own, SitePaths(tmp_path))} == {"warden"}
    names = {PASSPHRASE_VARIABLE, PASSPHRASE_FILE_VARIABLE, PIN_VARIABLE, TOKEN_VARIABLE}
    names |= {f"{PIN_VARIABLE}_FILE", f"{TOKEN_VARIABLE}_FILE"}
    assert [spec.kind for spec in specs if not names <= spec.withheld] == ["warden"]


def test_output_file_is_bounded_when_a_child_prints_for_ever(tmp_path: Path) -> None:
    written = output.BoundedOutput(tmp_path / "a.out")
    for _ in range(50):
        written.write(b"x" * 100_000 + b"\n")
    written.write(b"the end\n\n")
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= output.MAX_OUTPUT_BYTES
    assert written.last_line() == "the end"


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    pid_file = tmp_path / "pid"
    child = (
        "import os, pathlib, time\nfrom custodes.runtime import die_with_parent\ndie_with_parent()\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    parent = (
        "import os, subprocess, sys, time\n"
        "os.environ['CUSTODES_SUPERVISOR_PID'] = str(os.getpid())\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True); time.sleep(600)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", parent])
    try:
        deadline = time.monotonic() + 60
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pid = int(pid_file.read_text())
        assert is_alive(pid)
    finally:
        kill(supervisor)
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_process_that_is_replaced_ends_in_order_begins_anew_and_is_no_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, spec("a", WORKER), spec("b", STUBBORN)) as site:
            await site.until(lambda: site.status("a").state == site.status("b").state == "running")
            first, deaf = site.status("a").pid, site.status("b").pid
            await site.supervisor.replace("a", 30.0, 60.0)
            assert site.status("a").state == "running"
            assert site.status("a").pid not in (0, first)
            assert not any("ended" in event for event in site.events)
            await site.supervisor.replace("b", 0.2, 60.0)  # SIGKILL then
            assert site.status("b").pid not in (0, deaf)
            with pytest.raises(NotFound, match="no process c"):
                await site.supervisor.replace("c", 1.0, 1.0)

    asyncio.run(scenario())


def test_new_process_that_cannot_start_is_said(tmp_path: Path) -> None:
    """The new version is broken: who asked hears why, and the old one is gone."""

    async def scenario() -> None:
        code = (
            "import pathlib, signal, sys, time\n"
            f"mark = pathlib.Path({str(tmp_path / 'mark')!r})\n"
            "if mark.exists(): sys.exit('this version is broken')\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); mark.touch(); time.sleep(600)"
        )
        async with running(tmp_path, spec("a", code)) as site:
            await site.until((tmp_path / "mark").exists)
            with pytest.raises(Unavailable, match="this version is broken"):
                await site.supervisor.replace("a", 30.0, 60.0)

    asyncio.run(scenario())
