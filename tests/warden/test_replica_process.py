"""Warden and replica as processes: kill -9 in mid-stream, promotion by the command, the old one returns."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.warden.test_process import RealSite

from custodes.adapters.ipc.warden import WardenClient
from custodes.audit.log_tables import read_entries
from custodes.audit.verify import open_readonly
from custodes.config import SiteConfig, SitePaths, write_effective
from custodes.errors import CustodesError
from custodes.testing.ending import ended
from custodes.types.access import AuditKind, AuditRecord

WITHIN_S = 60.0
ENVIRONMENT = {"CUSTODES_PASSPHRASE": "a long passphrase of this test"}


def custodes(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "custodes.cli.main", "warden", *words],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def follow(folder: Path, source: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "custodes.cli.main", "warden", "replica", str(folder), "--from", str(source)],
        stderr=subprocess.PIPE,
    )


def until(what: str, is_so) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


class Appending(threading.Thread):
    """Appends until nobody answers; what was acknowledged."""

    def __init__(self, socket: Path) -> None:
        super().__init__(daemon=True)
        self.socket = socket
        self.acknowledged: dict[int, str] = {}

    def run(self) -> None:
        asyncio.run(self._append())

    async def _append(self) -> None:
        client = WardenClient(self.socket)

        async def some(lane: int) -> None:
            number = 0
            while True:
                subject = f"{lane}-{number}"
                record = AuditRecord(kind=AuditKind.CONFIG_CHANGED, actor="process:test", subject=subject, details={})
                try:
                    self.acknowledged[await client.append(record)] = subject
                except CustodesError:
                    return
                number += 1

        await asyncio.gather(*(some(lane) for lane in range(4)))
        await client.close()


@pytest.mark.slow
def test_nothing_acknowledged_is_missing_after_kill_9_and_promotion_and_the_old_warden_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "site").mkdir(mode=0o700)
    site, folder = RealSite(tmp_path / "site"), tmp_path / "replica"
    os.environ.update(ENVIRONMENT)
    try:
        with site.running():
            pass
        made = custodes("init", str(folder), "--name", "second.example/warden", "--site", str(tmp_path / "site"))
        assert made.returncode == 0, made.stderr
        config = {"data_dir": tmp_path / "site", "audit": {"replicas": [made.stdout.strip()], "synchronous": True}}
        write_effective(SiteConfig.model_validate(config), site.paths.effective_config)
        source = site.paths.socket("warden-replica")
        replica = follow(folder, source)
        writer = site.start()
        assert writer.poll() is None
        appending = Appending(site.paths.socket("warden-server"))
        appending.start()
        until("entries", lambda: len(appending.acknowledged) > 100)
        os.kill(writer.pid, signal.SIGKILL)
        ended(writer)
        appending.join(WITHIN_S)
        status = custodes("status", str(folder))
        assert "second.example/warden" in status.stdout and "synchronous" in status.stdout
        replica.send_signal(signal.SIGTERM)
        assert replica.wait(WITHIN_S) == 0

        done = custodes("promote", str(folder), "--from", str(source))
        assert done.returncode == 0, done.stderr
        connection = open_readonly(SitePaths(folder).warden_dir / "log.db")
        entries, start = {}, 0
        while page := read_entries(connection, start, 1000):
            entries |= {entry.index: entry.record for entry in page}
            start += len(page)
        connection.close()
        lost = {index for index, subject in appending.acknowledged.items() if entries[index].subject != subject}
        assert not lost
        assert entries[max(entries)].kind is AuditKind.WARDEN_PROMOTED

        # The old one comes back, with all that it had, and finds who was promoted: it writes nothing.
        size = len(site.entries())
        telling = follow(folder, source)
        again = site.start()
        assert again.wait(WITHIN_S) != 0
        assert again.stderr is not None and b"promoted" in again.stderr.read()
        assert len(site.entries()) == size
        telling.terminate()
        telling.wait(WITHIN_S)
    finally:
        for name in ENVIRONMENT:
            del os.environ[name]
