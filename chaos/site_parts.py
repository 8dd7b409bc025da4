"""A whole site with everything around it, each part in a place where something can be done to it.

Two cameras behind an RTSP server, `custodes up` with its catalog in PostgreSQL, copies of recordings in an
S3-compatible store (moto's server), a centre that hears it over NATS. Links between them are relays that can be cut,
folders are small disks of their own, wall clocks are those of `faults.c`. All are real processes and protocols.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from bench.footage import shared_data
from chaos.disks import tmpfs
from chaos.footage import make_clip
from chaos.links import Link
from chaos.shim import Shim
from custodes.adapters.blob.s3 import S3Store
from custodes.adapters.sql.centre import CentreStore
from custodes.app.centre import centre_store
from custodes.testing import nats, postgres
from custodes.testing.nats import NatsServer
from custodes.testing.postgres import PASSWORD, PostgresServer
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from demo.prepare import prepare

CAMERAS = ("east", "west")
PETS = "people/pets09-s2l1-view001.avi"
BUCKET = "recordings"
START_S = 120.0
DISKS_KIB = {"site": 1_500_000, "postgres": 700_000, "nats": 200_000, "centre": 200_000}

_S3 = """
import sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
print("READY", flush=True)
while True:
    time.sleep(3600)
"""


def free_port() -> int:
    """One that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Program:
    """A process that is begun, killed and begun again."""

    def __init__(self, argv: list[str], *, ready: str, log: Path, env: Mapping[str, str]) -> None:
        """`ready`: what its output holds when it can be used."""
        self._argv, self._ready, self._log, self._env = argv, ready, log, dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises: TimeoutError with its last words."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._argv, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **self._env}
            )
        until = time.monotonic() + START_S
        while self._ready not in self._log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > until:
                raise TimeoutError(f"{self._argv[:3]} does not start: {self._log.read_text(errors='replace')[-800:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """`kill -9`; idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Whole:
    """Context manager: everything runs. Parts: `site`, `postgres`, `nats`, `s3`, `centre`; `links`, `disks`, `clocks`
    by name."""

    def __init__(self, folder: Path, library: Path) -> None:
        """`folder`: short, since sockets lie below it, and empty. `library`: `shim.build`'s."""
        self._folder, self._library = folder, library
        self._stack = ExitStack()
        self.links: dict[str, Link] = {}
        self.disks = {name: folder / name for name in DISKS_KIB}
        self.clocks: dict[str, Shim] = {}
        self.site: RunningSite
        self.postgres: PostgresServer
        self.nats: NatsServer
        self.s3: Program
        self.centre: Program
        self.database = ""
        self.site_id = ""
        self._config: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # -- beginning ----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        for name, size_kib in DISKS_KIB.items():
            self._stack.enter_context(tmpfs(self.disks[name], size_kib))
        for name in ("site", "postgres", "s3", "centre"):
            root = self._folder / f"clock-{name}"
            root.mkdir()
            self.clocks[name] = Shim(self._library, self._folder, root)
            (self._folder / f"{root.name}.control").chmod(0o666)
        cameras = self._start_cameras()
        self._start_postgres()
        with _temporary_files_in(self.disks["nats"]):
            self.nats = self._stack.enter_context(nats.running_nats())
        self._start_s3()
        self._link("nats", int(self.nats.url.rpartition(":")[2]))
        self._link("centre-nats", self.links["nats"].target_port)
        keys = self._cli("centre", "init", str(self.disks["centre"] / "c"), "--name", "chaos.example/centre").split()
        self._config = {
            "name": "Chaos",
            "recorder": {"segment_s": 4},
            "analyser": {"tampering": {"replays": False}},
            "cameras": [{"id": one, "url": url} for one, url in cameras.items()],
            "catalog": {
                "host": "127.0.0.1",
                "port": self.links["postgres"].port,
                "database": self.database,
                "user": postgres.USER,
                "password": "env:CATALOG_PASSWORD",
                "tls": "disable",
            },
            "tiers": {
                "offsite": {
                    "endpoint": f"http://127.0.0.1:{self.links['s3'].port}",
                    "bucket": BUCKET,
                    "access_key": "env:S3_KEY",
                    "secret_key": "env:S3_KEY",
                }
            },
            "federation": {
                "nats": {"url": f"nats://127.0.0.1:{self.links['nats'].port}"},
                "centre": keys,
                "share": ["health", "log", "counts", "flows"],
                "every_s": 1,
            },
        }
        self.start_site()
        self._stack.callback(lambda: self.site.stop())
        self._start_centre()

    def start_site(self) -> None:
        """`custodes up`, as a service manager does it, also after a kill."""
        env = {"CATALOG_PASSWORD": PASSWORD, "S3_KEY": "chaos", **self.clocks["site"].env}
        self.site = RunningSite(self.disks["site"] / "s", self._config, env=env)
        self.site.__enter__()

    def _start_cameras(self) -> dict[str, str]:
        clip = self._folder / "clip.h264"
        try:
            prepare(shared_data() / PETS, clip, fps=7.0, height=288, seconds=None)
        except SystemExit:  # no footage beside the checkout: painted figures
            prepare(make_clip(self._folder), clip, fps=None, height=None, seconds=None)
        server = self._stack.enter_context(RtspServer(dict.fromkeys(CAMERAS, clip)))
        self._link("cameras", server.port)
        return {one: f"rtsp://127.0.0.1:{self.links['cameras'].port}/{one}" for one in CAMERAS}

    def _start_postgres(self) -> None:
        self._folder.chmod(0o711)
        with _temporary_files_in(self.disks["postgres"]):
            self.postgres = self._stack.enter_context(postgres.running_postgres())
        self.postgres.stop(mode="fast")
        self.postgres.start(**self.clocks["postgres"].env)
        target = self.postgres.database()
        self.database = target.database
        self._link("postgres", target.port)

    def _start_s3(self) -> None:
        port = free_port()
        self._link("s3", port)
        self.s3 = Program(
            [sys.executable, "-c", _S3, str(port)],
            ready="READY",
            log=self._folder / "s3.log",
            env=self.clocks["s3"].env,
        )
        self._stack.callback(lambda: self.s3.kill())
        self.start_s3()

    def start_s3(self) -> None:
        """With its bucket: moto's server keeps everything in memory, so one that was killed comes back empty."""
        self.s3.start()
        self.store()._client.create_bucket(Bucket=BUCKET)

    def _start_centre(self) -> None:
        site = self.disks["site"] / "s"
        (told,) = yaml.safe_load(self._cli("federation", "key", "--data", str(site)))
        self.site_id = told["id"]
        (self._folder / "site.log").write_text(self._cli("audit", "keys", "--data", str(site)))
        tree = {
            "data_dir": str(self.disks["centre"] / "c"),
            "nats": {"url": f"nats://127.0.0.1:{self.links['centre-nats'].port}"},
            "sites": [{**told, "name": "Chaos", "log": str(self._folder / "site.log")}],
        }
        config = self._folder / "centre.yaml"
        config.write_text(yaml.safe_dump(tree))
        self.centre = Program(
            [sys.executable, "-m", "custodes.cli.main", "centre", "up", "--config", str(config)],
            ready="hears 1 sites",
            log=self._folder / "centre.log",
            env={"PYTHONUNBUFFERED": "1", **self.clocks["centre"].env},
        )
        self._stack.callback(lambda: self.centre.kill())
        self.centre.start()

    def _link(self, name: str, port: int) -> None:
        self.links[name] = self._stack.enter_context(Link(name, port))

    def _cli(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "custodes.cli.main", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"custodes {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    # -- asking -------------------------------------------------------------------------------------------------

    def rows(self, statement: str) -> list[list[str]]:
        """Of the catalog, past every relay. Raises: Unavailable while the database is away."""
        return [line.split("|") for line in self.postgres.sql(statement, self.database).splitlines()]

    def store(self) -> S3Store:
        """The store, past the relay."""
        port = self.links["s3"].target_port
        return S3Store(endpoint=f"http://127.0.0.1:{port}", bucket=BUCKET, access_key="chaos", secret_key="chaos")

    def nothing_waits(self, seq: int) -> bool:
        """Whether the site has forgotten what the centre has, but for the last moments' facts."""
        ((kept,),) = self.rows(f"SELECT count(*) FROM outbox WHERE seq <= {seq}")
        return int(kept) <= 50

    @contextmanager
    def centre_rows(self) -> Iterator[CentreStore]:
        """The centre's database."""
        store = centre_store(self.disks["centre"] / "c")
        try:
            yield store
        finally:
            store.close()

    def recorded_bytes(self) -> dict[str, int]:
        """Of each camera's segment files, counted on the disk itself; what is deleted meanwhile does not count."""
        found = {}
        for one in CAMERAS:
            folder = self.disks["site"] / "s" / "segments" / one
            found[one] = 0
            for path in folder.rglob("*.seg"):
                with contextlib.suppress(FileNotFoundError):
                    found[one] += path.stat().st_size
        return found

    def kill_site(self) -> None:
        """The supervisor, by SIGKILL: everything of the site ends with it."""
        process = self.site._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
