"""What a replica of the warden costs: durable appends with none, with one that follows, and with one that is waited
for.

    python -m bench.replicas [--smoke]

The replica is the real process, `custodes warden replica`, on the same machine and disk: its fsync and ours queue for
one device, and a network is not in between. `appends_per_s_1` waits for one entry after the other, `appends_per_s_64`
has 64 waiting, which share commits and pieces; the warden's own writer, as `bench.gate` has it, is the floor.
"""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from custodes.app.replica import make_replica
from custodes.app.warden import open_gate
from custodes.app.warden_gate import Gate
from custodes.app.warden_replication import SOCKET, ReplicaRules
from custodes.audit.note import parse_vkey
from custodes.config import SiteIdentity, SitePaths, write_identity
from custodes.runtime.clock import SystemClock
from custodes.testing.audit import sample_record
from custodes.testing.keys import SITE_ID
from custodes.units import Ns
from eval.report import Report

HOWS = ("none", "asynchronous", "synchronous")


def quantile(taken: list[float], share: float) -> float:
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]


@asynccontextmanager
async def site(folder: Path, how: str) -> AsyncIterator[Gate]:
    """A warden in this process, with a replica as `how` says."""
    folder.mkdir(mode=0o700)
    paths, identity = SitePaths(folder), SiteIdentity(site_id=SITE_ID, name="Bench", created_ns=Ns(1))
    write_identity(paths.identity, identity)
    paths.run_dir.mkdir(mode=0o700)
    async with open_gate(paths, identity, passphrase=None, clock=SystemClock()):
        pass
    rules, process = None, None
    if how != "none":
        replica = folder.with_name(folder.name + "-replica")
        key = make_replica(replica, "bench/replica", folder)
        rules = ReplicaRules(verifiers=(parse_vkey(key),), is_synchronous=how == "synchronous")
        words = ("warden", "replica", str(replica), "--from", str(paths.socket(SOCKET)))
        process = subprocess.Popen([sys.executable, "-m", "custodes.cli.main", *words], stderr=subprocess.DEVNULL)
    try:
        async with open_gate(paths, identity, passphrase=None, clock=SystemClock(), replicas=rules) as gate:
            while gate.replication is not None and not gate.replication.is_complete():
                await asyncio.sleep(0.05)
            yield gate
    finally:
        if process is not None:
            process.terminate()
            process.wait()


async def measure(report: Report, folder: Path, how: str, count: int) -> None:
    async with site(folder, how) as gate:
        taken = []
        for number in range(count):
            begun = time.perf_counter()
            await gate.append(sample_record(number))
            taken.append(time.perf_counter() - begun)
        report.results[f"appends_per_s_1_{how}"] = count / sum(taken)
        report.results[f"append_ms_p50_{how}"] = quantile(taken, 0.5) * 1e3
        report.results[f"append_ms_p99_{how}"] = quantile(taken, 0.99) * 1e3
        numbers = iter(range(4 * count))

        async def append_on() -> None:
            for number in numbers:
                await gate.append(sample_record(number))

        begun = time.perf_counter()
        await asyncio.gather(*(append_on() for _ in range(64)))
        report.results[f"appends_per_s_64_{how}"] = 4 * count / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.replicas")
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    count = 200 if smoke else 2000
    report = Report("bench.replicas", smoke=smoke, config={"appends": count})
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-replicas-") as name:
        for step, how in enumerate(HOWS, start=1):
            report.progress(step, len(HOWS), how)
            with contextlib.redirect_stdout(sys.stderr):
                asyncio.run(measure(report, Path(name) / how, how, count))
    report.finish()


if __name__ == "__main__":
    main()
