"""A real PostgreSQL server on loopback, for tests and benches: its own folder, its own port, gone afterwards.

Needs Debian's `postgresql`, or its programs on PATH.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from custodes.adapters.sql import PostgresTarget
from custodes.errors import Unavailable

USER = "custodes"
PASSWORD = "a password of the test's own"  # noqa: S105 - of a server that lives for a test
START_TIMEOUT_S = 180.0
PORTS_TRIED = 5


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None when it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else (Path(on_path).parent if on_path else None)


class PostgresServer:
    """A running server. `database` makes one more database in it."""

    def __init__(self, folder: Path, port: int, binaries: Path) -> None:
        self._folder = folder
        self._port = port
        self._binaries = binaries
        self._made = 0

    def database(self, *, order: str = "LOCALE 'C.UTF-8'") -> PostgresTarget:
        """A new, empty one."""
        self._made += 1
        target = self.target(f"site_{self._made}")
        self.sql(f"CREATE DATABASE {target.database} TEMPLATE template0 ENCODING 'UTF8' {order}")
        return target

    def target(self, database: str, *, password: str = PASSWORD) -> PostgresTarget:
        """How a site connects."""
        return PostgresTarget(
            host="127.0.0.1",
            port=self._port,
            database=database,
            user=USER,
            password=password,
            tls="disable",
            ca_file=None,
        )

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run it as the superuser; returns what psql printed."""
        where = ("-h", "127.0.0.1", "-p", str(self._port), "-U", USER, "-d", database)
        return _run(self._binaries, "psql", *where, "-Atc", statement, PGPASSWORD=PASSWORD)

    def cpu_s(self) -> float:
        """CPU seconds of its processes that live, and of those that they waited for, so far."""
        postmaster = int((self._folder / "data/postmaster.pid").read_text().split()[0])
        total = 0.0
        for number in (postmaster, *_children(postmaster)):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2].split()
                total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        return total

    def stop(self, *, mode: str = "immediate") -> None:
        """As a crash ("immediate") or in order ("fast")."""
        _run(self._binaries, "pg_ctl", "-D", str(self._folder / "data"), "stop", "-m", mode)

    def start(self, **environ: str) -> None:
        """With more environment, if any. Raises: Unavailable when it does not come up."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        how = ("-w", "-t", str(int(START_TIMEOUT_S)), "-l", str(self._folder / "log"), "-o", options)
        _run(self._binaries, "pg_ctl", "-D", str(self._folder / "data"), *how, "start", **environ)


def _children(parent: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return []


def _run(binaries: Path, program: str, *arguments: str, **environ: str) -> str:
    """The server refuses to run as root, so root runs it as the package's own user. Raises: Unavailable."""
    words = [str(binaries / program), *arguments]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "postgres", "--", "env", *(f"{k}={v}" for k, v in environ.items()), *words]
    # To a file: pg_ctl's child keeps what it inherits, and a pipe would never end.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(  # noqa: S603 - programs of the package, fixed arguments
            words,
            stdout=said,
            stderr=said,
            check=False,
            env={**os.environ, **environ},
            cwd="/",
            timeout=600,
        )
        said.seek(0)
        text = said.read().strip()
    if done.returncode:
        raise Unavailable(f"{program} failed: {text[-500:]}")
    return text


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server in a folder of its own. Raises: Unavailable when PostgreSQL is not installed."""
    binaries = programs()
    if binaries is None:
        raise Unavailable("PostgreSQL is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="custodes-pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        account = ("-U", USER, "-A", "scram-sha-256", f"--pwfile={password}")
        _run(binaries, "initdb", "-D", str(folder / "data"), *account, "-E", "UTF8", "--locale=C.UTF-8", "-N")
        server = _started(folder, binaries)
        try:
            yield server
        finally:
            with contextlib.suppress(Unavailable):  # a test stopped it
                server.stop()


def _started(folder: Path, binaries: Path) -> PostgresServer:
    for _ in range(PORTS_TRIED - 1):
        server = PostgresServer(folder, _free_port(), binaries)
        with contextlib.suppress(Unavailable):  # somebody took the port in between
            server.start()
            return server
    server = PostgresServer(folder, _free_port(), binaries)
    server.start()
    return server
