"""Several servers of one site behind a real HAProxy, with a real PostgreSQL: it does not matter which one answers."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.deploy.test_loadbalancer import HAPROXY, balancer, free_port
from tests.web.test_gate import PATHS
from websockets.exceptions import WebSocketException

from custodes.errors import CustodesError
from custodes.testing.camera import write_clip
from custodes.testing.postgres import PASSWORD, PostgresServer, running_postgres
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Seen, Viewer
from custodes.web.spread import SPREAD

CONFIG = Path(__file__).parents[2] / "deploy/loadbalancer/servers.cfg"
NAMES = ("server", "server-2", "server-3")
WITHIN_S = 120.0

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="needs Debian's haproxy")


def here(folder: Path, port: int, ports: list[int]) -> Path:
    """The file as it is shipped, but for addresses and the operator's certificate."""
    text = CONFIG.read_text()
    for number, own in enumerate(ports):
        text = text.replace(f"10.0.0.11:{8600 + number}", f"127.0.0.1:{own}")
    text, found = re.subn(r"bind :443 .*", f"bind 127.0.0.1:{port}", text)
    assert found == 1 and "10.0.0.11" not in text
    path = folder / "servers.cfg"
    path.write_text(text.replace("inter 2s", "inter 200ms"))
    return path


def test_configuration_as_it_is_shipped_is_valid_but_for_the_operators_certificate(tmp_path: Path) -> None:
    config = here(tmp_path, free_port(), [1, 2, 3])
    done = subprocess.run(
        [str(HAPROXY), "-c", "-f", str(config)], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr


def test_configuration_of_the_container_is_valid(tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text((CONFIG.parents[1] / "container/servers.haproxy.cfg").read_text())
    done = subprocess.run(
        [str(HAPROXY), "-c", "-f", str(config)], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr


class Servers:
    """The running site, and which of its servers is which."""

    def __init__(
        self,
        site: RunningSite,
        database: PostgresServer,
        name: str,
        port: int,
        ports: list[int],
        catalog: dict[str, object],
    ) -> None:
        self.site, self.port, self.ports, self.catalog = site, port, ports, catalog
        self._database, self._name = database, name

    def leader(self) -> tuple[str, int]:
        """Name and process id, as the lease says."""
        holder = self._database.sql("SELECT holder FROM lease WHERE name = 'server/leader'", self._name)
        name, pid = re.fullmatch(r"(.+)@.+/(\d+)/.+", holder).groups()  # type: ignore[union-attr]
        return name, int(pid)

    def of(self, name: str) -> int:
        """Its port."""
        return self.ports[NAMES.index(name)]

    def next_leader(self, before: str) -> str:
        self.site.wait_for(lambda: self.leader()[0] != before, "another that leads")
        return self.leader()[0]


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    clip = folder / "clip.mp4"
    write_clip(clip, frames=80)
    with running_postgres() as database:
        target = database.database()
        place = {"host": target.host, "port": target.port, "database": target.database, "user": target.user}
        catalog = {**place, "password": "env:CATALOG_PASSWORD", "tls": "disable"}
        config = {
            "catalog": catalog,
            "server": {"port": 0, "processes": len(NAMES), "hosts": ["custodes.example"]},
            "recorder": {"segment_s": 5},
            "cameras": [{"id": "gate", "url": f"file://{clip}", "loop": True}],
        }
        with RunningSite(folder / "site", config, env={"CATALOG_PASSWORD": PASSWORD}) as site:
            run = site.data_dir / "run"
            site.wait_for(lambda: all((run / f"{name}-jobs.sock").exists() for name in NAMES), "three servers")
            ports, port = [int((run / f"{name}.port").read_text()) for name in NAMES], free_port()
            with balancer(here(folder, port, ports)):
                yield Servers(site, database, target.database, port, ports, catalog)


class Lines(threading.Thread):
    """Brings a machine's sockets to another folder, as ssh's -L does between machines."""

    def __init__(self, there: Path, here: Path, names: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._ways = [(here / f"{name}.sock", there / f"{name}.sock") for name in names]
        self.carried = 0

    def run(self) -> None:
        asyncio.run(self._carry())

    async def _carry(self) -> None:
        servers = [await asyncio.start_unix_server(self._way(there), str(here)) for here, there in self._ways]
        await asyncio.gather(*(server.serve_forever() for server in servers))

    def _way(self, there: Path) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                back, forth = await asyncio.open_unix_connection(str(there))
            except OSError:
                writer.close()
                return
            self.carried += 1
            await asyncio.gather(self._pump(reader, forth), self._pump(back, writer))

        return carry

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        writer.close()


class Watching(threading.Thread):
    """Somebody in front of a live picture, who takes it up again as the wall does when it breaks."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(daemon=True)
        self.viewer, self.is_over, self.breaks = viewer, threading.Event(), 0
        self.pictures: list[Seen] = []

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                self.pictures.append(self.viewer.watch("gate", seconds=3600, chunks=2))
            except (OSError, CustodesError, WebSocketException, httpx.HTTPError):
                self.breaks += 1
                time.sleep(0.2)

    def until_more(self, pictures: int = 1) -> None:
        wanted, deadline = len(self.pictures) + pictures, time.monotonic() + WITHIN_S
        while len(self.pictures) < wanted:
            assert time.monotonic() < deadline, f"no more pictures; {self.breaks} breaks"
            time.sleep(0.1)


def logged_in(address: str, viewer: Viewer) -> Viewer:
    """The same person's browser at another address."""
    other = Viewer(address)
    other.http.headers["cookie"] = viewer.http.headers["cookie"]
    return other


def refused_by_nobody(viewer: Viewer) -> list[str]:
    """Each page and question that a server answers by itself; those that it cannot."""
    wrong = []
    for path in sorted(SPREAD):
        if path == "/static" or path.endswith(("/live", "/review")):
            continue
        whole = re.sub(r"\{([a-z0-9_]+)\}", lambda found: PATHS[found.group(1)], path)
        now_ns = time.time_ns()
        span = {"start": now_ns - 60 * 10**9, "end": now_ns, "from_ns": now_ns - 60 * 10**9, "to_ns": now_ns}
        answer = viewer.http.get(whole, params={key: str(value) for key, value in span.items()})
        if answer.status_code >= 500:
            wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
    return wrong


@pytest.mark.slow
def test_three_servers_answer_as_one_and_go_on_when_the_one_that_leads_is_killed(tmp_path: Path) -> None:
    with servers(tmp_path) as running:
        site, front = running.site, f"http://127.0.0.1:{running.port}"
        name, pid = running.leader()
        follows = [one for one in NAMES if one != name]
        first, second = (f"http://127.0.0.1:{running.of(one)}" for one in follows)

        # The first account is made at one server, the session counts at the others and through the balancer.
        site.wait_for(lambda: site.token, "the first-boot token")
        person = Viewer(first)
        person.claim(site.token)
        for address in (second, f"http://127.0.0.1:{running.of(name)}", front):
            assert logged_in(address, person).get("session")["name"] == "Ada Operator"
        site.wait_for(lambda: site.camera("gate").get("recording"), "recording")
        for one in follows:
            assert refused_by_nobody(logged_in(f"http://127.0.0.1:{running.of(one)}", person)) == []

        # Wrong passwords are counted over all servers: tried round robin, the limit is the same as at one.
        tries = [
            httpx.post(
                f"http://127.0.0.1:{running.ports[number % 3]}/login",
                data={"name": "Nobody", "password": "wrong"},
                headers={"origin": f"http://127.0.0.1:{running.ports[number % 3]}"},
            ).status_code
            for number in range(6)
        ]
        assert tries[-1] == 429 and tries[:4] == [401] * 4

        # A live picture at a server that follows, and one at the leader's, through its death.
        steady = Watching(logged_in(second, person))
        moved = Watching(logged_in(front, person))
        for one in (steady, moved):
            one.start()
            one.until_more()
        os.kill(pid, signal.SIGKILL)
        again = Viewer(first)
        again.log_in()  # held until another leads
        next_one = running.next_leader(name)
        assert next_one in follows
        for one in (steady, moved):
            one.until_more(2)
        assert steady.breaks == 0

        # What the recorder says reaches the new leader, and a change is made through whoever is asked.
        site.wait_for(lambda: site.camera("gate").get("recording"), "recording after the kill")
        recorded_s = site.camera("gate")["recorded_s"]
        site.wait_for(lambda: site.camera("gate")["recorded_s"] > recorded_s + 6, "more recordings in the catalog")
        Viewer(front).log_in()
        for one in (steady, moved):
            one.is_over.set()
        verified = site.cli("audit", "verify")
        assert verified.returncode == 0, verified.stderr


@pytest.mark.slow
def test_leader_that_hangs_is_followed_and_begins_anew_behind_the_next(tmp_path: Path) -> None:
    with servers(tmp_path) as running:
        site = running.site
        name, pid = running.leader()
        site.wait_for(lambda: site.token, "the first-boot token")
        person = Viewer(f"http://127.0.0.1:{running.of(name)}")
        person.claim(site.token)
        os.kill(pid, signal.SIGSTOP)
        next_one = running.next_leader(name)
        other = logged_in(f"http://127.0.0.1:{running.of(next_one)}", person)
        assert other.get("session")["name"] == "Ada Operator"
        site.wait_for(lambda: pid not in site.pids("server"), "the end of the one that hung")
        site.wait_for(lambda: len(site.pids("server")) == len(NAMES), "three servers again")
        site.wait_for(lambda: site.camera("gate").get("recording"), "recording")


@pytest.mark.slow
def test_servers_of_a_second_machine_answer_show_and_outlive_the_one_that_leads(tmp_path: Path) -> None:
    """It has a folder of its own: the site's name, its footage by a shared disk, its sockets by a line."""
    with servers(tmp_path) as running:
        site, second = running.site, tmp_path / "second"
        site.wait_for(lambda: site.token, "the first-boot token")
        (second / "run").mkdir(mode=0o700, parents=True)
        second.chmod(0o700)
        shutil.copy(site.data_dir / "site.json", second / "site.json")
        (second / "segments").symlink_to(site.data_dir / "segments")
        names = ("warden-server", "warden-jobs", "hub-live", "server-page", "server-news")
        Lines(site.data_dir / "run", second / "run", names).start()
        config = {"catalog": running.catalog, "server": {"port": 0, "leads": False}}
        with RunningSite(second, config, env={"CATALOG_PASSWORD": PASSWORD}) as other:
            person = Viewer(other.address)
            person.claim(site.token)  # by the leader, on the other machine
            site.wait_for(lambda: site.camera("gate").get("recording"), "recording")
            assert {row["name"] for row in other.status()["processes"]} >= {"server", "forker"}
            assert not {"recorder", "warden"} & {row["name"] for row in other.status()["processes"]}
            watching = Watching(person)
            watching.start()
            watching.until_more()
            now_ns = time.time_ns()
            still = person.stills("gate", [now_ns - 4 * 10**9])
            assert still.stills and still.stills[0][2][:2] == b"\xff\xd8"
            name, pid = running.leader()
            os.kill(pid, signal.SIGKILL)
            Viewer(other.address).log_in()
            assert running.next_leader(name) != name
            watching.until_more(2)
            assert watching.breaks == 0
            watching.is_over.set()
