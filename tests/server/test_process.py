"""The server as a process of its own, without a supervisor."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.conftest import Site

from custodes.adapters.ipc import control
from custodes.adapters.sql import sqlite_catalog
from custodes.config import SiteConfig, write_effective
from custodes.runtime.clock import SystemClock
from custodes.testing.ending import kill

START_TIMEOUT_S = 180.0
FORBIDDEN = (
    "av",
    "onnxruntime",
    "openvino",
    "custodes.sealing.unwrap",
    "custodes.adapters.keys",
    "custodes.adapters.camera",
    "custodes.media",
    "custodes.watermark",
)


def start(site: Site, port: int = 0) -> subprocess.Popen[str]:
    config = SiteConfig.model_validate({"data_dir": site.paths.data_dir, "server": {"port": port}})
    write_effective(config, site.paths.effective_config)
    return subprocess.Popen(
        [sys.executable, "-m", "custodes.app.server", "--data", str(site.paths.data_dir)],
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def running(site: Site) -> Iterator[tuple[subprocess.Popen[str], int]]:
    site.paths.socket("server-control").unlink(missing_ok=True)
    process = start(site)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not site.paths.socket("server-control").exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process, int((site.paths.run_dir / "server.port").read_text())
    finally:
        kill(process)


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_server_when_alone_serves_page_and_status_and_stops_cleanly(site: Site) -> None:
    with running(site) as (process, port):
        assert get(port, "/")[0] in (303, 401, 403)
        assert control.read_cameras(site.paths.socket("server-control")).log_size == 0
        with socket.create_connection(("127.0.0.1", port)):  # a browser that keeps its connection open
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    assert not site.paths.catalog.with_name("catalog.db-wal").exists()
    assert "Traceback" not in (site.paths.log_dir / "server.log").read_text()


def test_server_when_killed_comes_back_at_the_same_address(site: Site) -> None:
    with running(site) as (process, port):
        process.kill()
    with running(site) as (_, again):
        assert again == port


def fails(site: Site, port: int = 0) -> str:
    process = start(site, port)
    _, complaint = process.communicate(timeout=START_TIMEOUT_S)
    assert process.returncode == 1
    assert "Traceback" not in complaint
    assert len(complaint.strip().splitlines()) == 1
    return complaint


def test_server_when_its_port_is_taken_says_so(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        complaint = fails(site, port)
    assert f"127.0.0.1:{port}" in complaint
    assert str(os.getpid()) in complaint


def test_server_when_the_catalog_is_another_sites_says_so(site: Site) -> None:
    sqlite_catalog(site.paths.catalog, site_id="ffff", clock=SystemClock()).close()
    assert "belongs to site ffff" in fails(site)


def test_server_when_the_catalog_is_damaged_says_so(site: Site) -> None:
    site.paths.catalog.write_bytes(b"garbage " * 2000)
    assert "is damaged" in fails(site)


def test_server_when_there_is_no_site_says_so(site: Site) -> None:
    site.paths.identity.unlink()
    assert "custodes up" in fails(site)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_server_never_loads(name: str, loaded: frozenset[str]) -> None:
    assert not {module for module in loaded if module == name or module.startswith(f"{name}.")}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    script: Path = tmp_path_factory.mktemp("modules") / "modules.py"
    script.write_text("import sys, custodes.app.server\nprint(*sys.modules)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=600)
    return frozenset(done.stdout.split())
