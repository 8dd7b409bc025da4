"""The load balancer that we ship, with a real HAProxy: it is valid, finds who serves, and moves when that one goes."""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from custodes.testing.ending import killed_after
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer

CONFIG = Path(__file__).parents[2] / "deploy/loadbalancer/haproxy.cfg"
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
WITHIN_S = 120.0

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="needs Debian's haproxy")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def here(folder: Path, port: int, first: str, second: str) -> Path:
    """The file as it is shipped, but for addresses and the operator's certificate."""
    text = CONFIG.read_text().replace("10.0.0.11:8600", first).replace("10.0.0.12:8600", second)
    text, found = re.subn(r"bind :443 .*", f"bind 127.0.0.1:{port}", text)
    assert found == 1
    path = folder / "haproxy.cfg"
    path.write_text(text.replace("inter 2s", "inter 100ms"))
    return path


@contextlib.contextmanager
def balancer(config: Path) -> Iterator[None]:
    assert HAPROXY is not None
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    with killed_after(process):
        yield


def get(port: int, path: str = "/login", **headers: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": "custodes.example", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def until(port: int, what: str, **headers: str) -> None:
    """Asked again and again: a machine that is slow to answer a check counts as gone for a moment."""
    deadline, last = time.monotonic() + WITHIN_S, "nothing"
    while time.monotonic() < deadline:
        try:
            last = get(port, **headers)
            if what in last:
                return
        except (urllib.error.URLError, OSError) as error:
            last = str(error)
        time.sleep(0.05)
    raise AssertionError(f"no {what!r} within {WITHIN_S:.0f} s: {last[:200]}")


class Machine(BaseHTTPRequestHandler):
    """A page that says which machine it is on, and who is said to ask."""

    name = ""

    def do_GET(self) -> None:
        body = f"{self.name} {self.headers.get('X-Forwarded-For')}".encode()
        is_known = self.headers.get("Host") == "custodes.example"
        self.send_response(200 if is_known else 421)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def machine(name: str, port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), type(name, (Machine,), {"name": name}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def test_configuration_as_it_is_shipped_is_valid_but_for_the_operators_certificate(tmp_path: Path) -> None:
    config = here(tmp_path, free_port(), "127.0.0.1:1", "127.0.0.1:2")
    done = subprocess.run(
        [str(HAPROXY), "-c", "-f", str(config)], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr


def test_visitors_are_sent_to_whichever_machine_serves(tmp_path: Path) -> None:
    port, first, second = free_port(), free_port(), free_port()
    config = here(tmp_path, port, f"127.0.0.1:{first}", f"127.0.0.1:{second}")
    with balancer(config):
        with machine("first", first):
            until(port, "first 127.0.0.1", **{"X-Forwarded-For": "192.0.2.9"})
        with machine("second", second):  # the first is gone
            until(port, "second")


@pytest.mark.slow
def test_a_site_and_its_standby_behind_it(tmp_path: Path) -> None:
    """The address stays when the machine's supervisor is killed; `custodes up --standby` answers there."""
    port, own = free_port(), free_port()
    server = {"port": own, "hosts": ["custodes.example"]}
    with (
        balancer(here(tmp_path, port, f"127.0.0.1:{own}", "127.0.0.1:1")),
        RunningSite(tmp_path / "site", {"cameras": [], "server": server}) as site,
        site.standby() as other,
    ):
        site.wait_for(lambda: site.token, "the first-boot token")
        Viewer(site.address).claim(site.token)
        until(port, "<html")
        assert site._process is not None
        site._process.kill()
        other.wait_for(lambda: other.address, "the standby's address", 180.0)
        until(port, "<html")
