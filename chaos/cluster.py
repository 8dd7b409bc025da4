"""Faults of a cluster: a head, two machines and a site as network namespaces of this one; what each fault does.

    python -m chaos.cluster [--only drain,kill] [--patience 180]

Needs root (namespaces) and custodes[cluster]. The machines are started by `custodes cluster up` and `join`; the
cell adds up numbers (`testing.cells`), so that one item lost, doubled or out of order changes every later output.
Exit code 1 when a fault changed what came out, or when it did not end within `--patience` seconds.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from custodes.errors import CustodesError, DeadlineExceeded
from custodes.runtime.cells import CellRunner, Fed
from custodes.runtime.ray_cells import RayHost, connect, drain, drained_nodes
from custodes.testing.cells import PLAN, expected, items_of

NET, BRIDGE = "10.77.0", "custchaos"
MACHINES = (1, 2, 3)
HEAD = f"{NET}.1:6379"
ITEMS = items_of(["a", "bb", "ccc"], 600)
LOT, FAULT_AT = 16, 20
START_S, START_TRIES = 120.0, 4
FAULTS = ("none", "kill", "pause", "drain", "cut")
"""Methods of `Faults`, in the order in which they are tried: the last takes a machine away for good."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def outside(*arguments: str) -> None:
    """A command in the namespace where this program was started, from inside another one."""
    subprocess.run(["nsenter", f"--net=/proc/{os.environ['CHAOS_OUTSIDE']}/ns/net", *arguments], check=True)


@contextmanager
def namespaces() -> Iterator[None]:
    """One for each machine, on a bridge."""
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("link", "set", BRIDGE, "up")
        for number in MACHINES:
            name = f"{BRIDGE}{number}"
            ip("netns", "add", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", name, "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for number in MACHINES:
            subprocess.run(["ip", "netns", "del", f"{BRIDGE}{number}"], check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], check=False)


def _begun(argv: list[str], log: Path, number: int) -> subprocess.Popen[bytes]:
    """A machine that is up. Ray gives one up that needs more than half a minute, which a busy one does. Raises:
    SystemExit when it does not begin."""
    for _ in range(START_TRIES):
        with log.open("wb") as output:
            process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, process_group=0)
        until = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < until:
            if b"runtime started" in log.read_bytes():
                return process
            time.sleep(0.2)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    raise SystemExit(f"machine {number} did not begin: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def machines(folder: Path) -> Iterator[None]:
    """Head and two others, by the product's own commands. Raises: SystemExit when one does not begin."""
    processes: list[subprocess.Popen[bytes]] = []
    token = str(folder / "token")
    try:
        for number in MACHINES:
            role = ["up", "--cpus", "0"] if number == 1 else ["join", HEAD, "--cpus", "1", "--label", "zone=a"]
            log = folder / f"machine-{number}.log"
            argv = ["ip", "netns", "exec", f"{BRIDGE}{number}", sys.executable, "-m", "custodes.cli.main", "cluster"]
            argv += [*role, "--address", f"{NET}.{number}", "--token-file", token]
            argv += ["--temp", str(folder / f"r{number}")]
            processes.append(_begun(argv, log, number))
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


class Faults:
    """What is done to the machine on which the replica runs."""

    def __init__(self, ray: Any, host: RayHost) -> None:
        self._ray, self._host = ray, host

    def none(self, runner: CellRunner, pid: int) -> None:
        """To compare with."""

    def kill(self, runner: CellRunner, pid: int) -> None:
        """The replica's process, by SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    def drain(self, runner: CellRunner, pid: int) -> None:
        """`custodes cluster drain`, as a site follows it."""
        drain(self._ray, runner.place, is_drained=True)
        self._host.drained = drained_nodes(self._ray)
        runner.move()

    def pause(self, runner: CellRunner, pid: int) -> None:
        """The replica's process stands still for 15 s."""
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(15.0, os.kill, (pid, signal.SIGCONT)).start()

    def cut(self, runner: CellRunner, pid: int) -> None:
        """Its line is down and stays down."""
        outside("ip", "link", "set", self._line(runner), "down")

    def mend(self) -> None:
        """As before; a machine that was cut off is gone from the cluster for good."""
        for node in drained_nodes(self._ray):
            drain(self._ray, node, is_drained=False)
        self._host.drained = frozenset()

    @staticmethod
    def _line(runner: CellRunner) -> str:
        return f"{BRIDGE}{runner.where.rpartition('.')[2]}"


def observe(name: str, host: RayHost, fault: Callable[[CellRunner, int], None], patience_s: float) -> dict[str, Any]:
    """Feed everything, with the fault in between."""
    until = time.monotonic() + patience_s
    runner = CellRunner(host, name, PLAN)
    outputs: list[tuple[str, bytes]] = []
    seen = time.monotonic()
    longest_s = 0.0

    def take() -> list[tuple[str, bytes]]:
        nonlocal seen, longest_s
        if time.monotonic() > until:
            raise DeadlineExceeded(f"{name}: {len(outputs)} outputs within {patience_s:g} s")
        found = runner.take(0.2)
        if found:
            longest_s, seen = max(longest_s, time.monotonic() - seen), time.monotonic()
        return found

    try:
        runner.feed([Fed(key="pid", payload=b"pid", is_kept=False)])
        while not (first := take()):
            pass
        pid, begun_on = int(first[0][1]), runner.where
        longest_s = 0.0
        for number, at in enumerate(range(0, len(ITEMS), LOT)):
            while runner.is_full:
                outputs += take()
            runner.feed(ITEMS[at : at + LOT])
            if number == FAULT_AT:
                seen = time.monotonic()
                fault(runner, pid)
        while not runner.is_idle:
            outputs += take()
        outputs += runner.flush(patience_s)
        return {
            "fault": name,
            "from": begun_on,
            "to": runner.where,
            "same": outputs == expected(ITEMS),
            "losses": runner.losses,
            "left_out": runner.skipped,
            "pause_s": round(longest_s, 1),
        }
    except CustodesError as error:
        return {"fault": name, "same": False, "error": str(error)}
    finally:
        runner.close()


def inside(token: Path, names: list[str], patience_s: float) -> int:
    """In the head's namespace, where the site would be."""
    ray = connect(HEAD, token)
    host = RayHost(ray, labels={"zone": "a"})
    faults, is_good = Faults(ray, host), True
    for name in names:
        row = observe(name, host, getattr(faults, name), patience_s)
        faults.mend()
        is_good = is_good and row["same"]
        print(json.dumps(row), flush=True)
    sys.stdout.flush()
    os._exit(0 if is_good else 1)  # ray's threads wait for machines that are cut off


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(FAULTS))
    parser.add_argument("--patience", type=float, default=180.0)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    if arguments.inside is not None:
        inside(arguments.inside, names, arguments.patience)
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    with tempfile.TemporaryDirectory(prefix="cc") as folder, namespaces(), machines(Path(folder)):
        argv = ["ip", "netns", "exec", f"{BRIDGE}1", sys.executable, "-m", "chaos.cluster", "--only", arguments.only]
        argv += ["--patience", str(arguments.patience), "--inside", f"{folder}/token"]
        done = subprocess.run(argv, env={**os.environ, "CHAOS_OUTSIDE": str(os.getpid())}, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
