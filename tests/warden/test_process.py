"""The warden as a process: sockets, clients, kill -9, what it may not load."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.warden.conftest import GATE, Site

from custodes.adapters.ipc.warden import WardenClient, WardenJobClient
from custodes.config import SiteConfig, write_effective
from custodes.errors import CustodesError, InvalidArgument, PermissionDenied, Unavailable
from custodes.testing.ending import kill
from custodes.types.access import AuditKind, AuditRecord

START_TIMEOUT_S = 180.0
"""Only ends what hangs: a machine with much else to do starts a process in a minute."""


class RealSite(Site):
    """A data directory whose warden is a process of its own, on the real clock."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.clock.jump(time.time_ns() - self.clock.now_ns())
        write_effective(SiteConfig(data_dir=data_dir), self.paths.effective_config)
        self.paths.run_dir.mkdir(mode=0o700, exist_ok=True)

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        for name in ("warden-server", "warden-jobs"):
            self.paths.socket(name).unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "custodes.app.warden", "--data", str(self.paths.data_dir)],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.paths.socket("warden-server").exists():
            if process.poll() is not None:
                break
            if time.monotonic() > deadline:
                process.kill()
                raise TimeoutError(f"the warden does not come up in {START_TIMEOUT_S:.0f} s")
            time.sleep(0.01)
        return process

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        process = self.start()
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            yield process
        finally:
            kill(process)


@pytest.fixture
def real(tmp_path: Path) -> RealSite:
    return RealSite(tmp_path)


def test_warden_when_asked_over_its_sockets_then_the_whole_look_works(real: RealSite) -> None:
    async def main() -> None:
        client = WardenClient(real.paths.socket("warden-server"))
        await client.publish_keys((GATE,))
        header, data_key = real.segment()
        answer = await client.authorise(real.request())
        assert answer.grant is not None
        jobs = WardenJobClient(real.paths.socket("warden-jobs"))
        assert jobs.release_keys(answer.grant.token, (header,)).data_keys == (data_key,)
        await client.end_grant(answer.grant.grant_id, 5)
        with pytest.raises(PermissionDenied):
            jobs.release_keys(answer.grant.token, (header,))
        with pytest.raises(InvalidArgument):
            await client.read_log(0, 5000)
        checkpoint = await client.read_checkpoint()
        page = await client.read_log(0, 100)
        assert page.checkpoint == checkpoint and len(page.entries) == checkpoint.size
        assert (await client.prove_inclusion(0, checkpoint.size)).path
        await client.close()

    with real.running() as process:
        asyncio.run(main())
        modes = [stat.S_IMODE(real.paths.socket(name).stat().st_mode) for name in ("warden-server", "warden-jobs")]
        assert modes == [0o600, 0o600]
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_TIMEOUT_S) == 0
    assert real.kinds()[-4:] == [
        AuditKind.ACCESS_GRANTED,
        AuditKind.KEYS_RELEASED,
        AuditKind.VIEW_ENDED,
        AuditKind.KEYS_REFUSED,
    ]
    real.verify()


def test_clients_when_the_warden_restarts_then_go_on_and_when_it_is_gone_then_unavailable(real: RealSite) -> None:
    async def main() -> None:
        client = WardenClient(real.paths.socket("warden-server"), timeout_s=60)
        with real.running():
            assert (await client.read_checkpoint()).size == 2
        with real.running():
            assert (await client.read_checkpoint()).size == 3
        with pytest.raises(Unavailable):
            await client.authorise(real.request())
        with pytest.raises(Unavailable):
            WardenJobClient(real.paths.socket("warden-jobs")).release_keys("A" * 43, ())
        await client.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "raw",
    [b"\x00", struct.pack(">I", 2**31), struct.pack(">I", 4) + b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n" * 9],
    ids=["cut", "huge", "not ours", "http"],
)
def test_warden_when_a_peer_sends_garbage_then_only_that_connection_ends(real: RealSite, raw: bytes) -> None:
    with real.running() as process:
        for name in ("warden-server", "warden-jobs"):
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(60)
            peer.connect(str(real.paths.socket(name)))
            peer.sendall(raw)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
            peer.close()

        async def main() -> None:
            client = WardenClient(real.paths.socket("warden-server"))
            assert (await client.read_checkpoint()).size == 2
            await client.close()

        asyncio.run(main())
        assert process.poll() is None


def test_warden_when_killed_at_random_moments_then_nothing_released_is_missing_from_the_log(real: RealSite) -> None:
    """kill -9 while looks are going on; every key that arrived outside stands in the log that survives."""
    chance = random.Random(7)
    seen: list[tuple[int, str]] = []

    def look(stop: threading.Event) -> None:
        async def main() -> None:
            client = WardenClient(real.paths.socket("warden-server"), timeout_s=30)
            jobs = WardenJobClient(real.paths.socket("warden-jobs"), timeout_s=30)
            while not stop.is_set():
                header, data_key = real.segment()
                answer = await client.authorise(real.request())
                assert answer.grant is not None
                released = jobs.release_keys(answer.grant.token, (header,))
                assert released.data_keys == (data_key,)
                seen.append((released.log_index, header.segment_id))

        with contextlib.suppress(CustodesError):
            asyncio.run(main())

    with real.running():
        asyncio.run(publish(real))
    for _ in range(3):
        with real.running() as process:
            stop = threading.Event()
            lookers = [threading.Thread(target=look, args=(stop,)) for _ in range(3)]
            for looker in lookers:
                looker.start()
            # Death comes in the middle of the work, after so many looks as chance says, however slow the machine is.
            target = len(seen) + chance.randint(2, 12)
            while len(seen) < target and any(looker.is_alive() for looker in lookers):
                time.sleep(0.001)
            process.kill()
            stop.set()
            for looker in lookers:
                looker.join(20)
        real.verify()
        entries = real.entries()
        for index, segment_id in seen:
            assert entries[index].record.kind is AuditKind.KEYS_RELEASED
            assert segment_id in entries[index].record.details.values()
    assert len(seen) >= 6


async def publish(real: RealSite) -> None:
    client = WardenClient(real.paths.socket("warden-server"))
    await client.publish_keys((GATE,))
    await client.close()


def test_warden_when_the_log_was_tampered_with_then_does_not_start_and_says_why(real: RealSite) -> None:
    with real.running():

        async def main() -> None:
            client = WardenClient(real.paths.socket("warden-server"))
            await client.append(AuditRecord(kind=AuditKind.LOGIN, actor="ann", subject="ann", details={}))
            await client.close()

        asyncio.run(main())
    database = sqlite3.connect(real.paths.warden_dir / "log.db")
    database.executescript("DELETE FROM personal; DELETE FROM entries WHERE idx = 2")
    database.close()
    process = real.start()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"checkpoint" in said


def test_warden_when_the_root_secret_is_gone_then_does_not_make_a_new_one(real: RealSite) -> None:
    with real.running():
        pass
    (real.paths.warden_dir / "keys.db").unlink()
    process = real.start()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"root secret" in said


@pytest.mark.parametrize("lost", ["log.db", "."], ids=["log", "all of it"])
def test_warden_when_its_log_is_gone_then_does_not_begin_a_new_one(real: RealSite, lost: str) -> None:
    with real.running():
        pass
    if lost == ".":
        shutil.rmtree(real.paths.warden_dir)
    else:
        (real.paths.warden_dir / lost).unlink()
    process = real.start()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"backup" in said
    assert not (real.paths.warden_dir / lost).exists()


FORBIDDEN = ("av", "fastapi", "starlette", "uvicorn", "httpx", "onnxruntime", "openvino", "sqlalchemy", "ray")
FORBIDDEN_OURS = ("custodes.web", "custodes.media", "custodes.adapters.model", "custodes.adapters.sql")


def test_warden_when_loaded_then_has_no_http_media_or_model_library() -> None:
    code = "import sys, custodes.app.warden; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    ).stdout.split()
    assert "custodes.sealing.unwrap" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in FORBIDDEN or name.startswith(FORBIDDEN_OURS)]


@pytest.mark.parametrize("module", ["wrap", "container", "live", "published"])
def test_public_half_when_loaded_then_brings_no_private_half(module: str) -> None:
    code = f"import sys, custodes.sealing.{module}; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    ).stdout.split()
    assert f"custodes.sealing.{module}" in loaded
    assert "custodes.sealing.unwrap" not in loaded


def test_memory_when_the_warden_runs_then_others_of_the_same_user_cannot_trace_it(real: RealSite) -> None:
    with real.running() as process:
        status = Path(f"/proc/{process.pid}/limits").read_text()
        core = next(line for line in status.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
