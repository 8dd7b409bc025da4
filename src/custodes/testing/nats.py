"""A real NATS server with JetStream on loopback, for tests and benches: its own folder and port."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from custodes.adapters.nats import NatsTarget
from custodes.errors import Unavailable
from custodes.testing.ending import kill

START_TIMEOUT_S = 180.0
PORTS_TRIED = 5


def program() -> str | None:
    """Debian's is in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")


class NatsServer:
    """A running server."""

    def __init__(self, binary: str, folder: Path, port: int, config: Path | None) -> None:
        words = [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "store")]
        self._words = [*words, *(("-c", str(config)) if config is not None else ())]
        self._port = port
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def target(self, user: str = "", password: str = "") -> NatsTarget:
        """How a client connects."""
        return NatsTarget(url=f"nats://127.0.0.1:{self._port}", user=user, password=password)

    @property
    def url(self) -> str:
        """For a configuration."""
        return f"nats://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None:
            kill(self._process)
            self._process = None

    def start(self) -> None:
        """Raises: Unavailable when it does not come up."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)  # noqa: S603 - fixed words
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.02)
        self.kill()
        raise Unavailable(f"nats-server does not start: {self._log.read_text(errors='replace')[-500:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running_nats(config: Path | None = None) -> Iterator[NatsServer]:
    """A server in a folder of its own; `config`: more of its configuration. Raises: Unavailable when not installed."""
    binary = program()
    if binary is None:
        raise Unavailable("nats-server is not installed: apt-get install nats-server")
    with tempfile.TemporaryDirectory(prefix="custodes-nats-") as name:
        for left in reversed(range(PORTS_TRIED)):
            server = NatsServer(binary, Path(name), _free_port(), config)
            try:
                server.start()
                break
            except Unavailable:  # somebody took the port in between
                if not left:
                    raise
        try:
            yield server
        finally:
            server.kill()
