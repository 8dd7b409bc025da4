"""Power cuts: a recorded run replayed to thousands of moments, each with what a disk may have kept.

Why a replay and not a file system that drops writes: one run of some seconds gives every moment between two of its
calls, each with many disks, also those that only another file system or an unlucky order of write-back would leave,
and a bad one can be looked at again.
"""

import asyncio
import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from chaos.footage import Seen, make_site, measure
from chaos.kills import observe, wait_for_socket
from chaos.log_load import LogLoad, check_log, make_warden_site
from chaos.shim import Shim
from chaos.trace import Call, Disk, Marker, Op, read_trace
from chaos.verdict import Verdict
from custodes.adapters.blob.disk import Disk as RealDisk
from custodes.adapters.ipc.framing import Channel
from custodes.app.warden import open_gate
from custodes.config import SitePaths, read_identity
from custodes.errors import CustodesError
from custodes.record.journal import open_journal
from custodes.record.reconcile import reconcile
from custodes.record.verify import Depth, verify_segments
from custodes.runtime.clock import SystemClock
from custodes.testing.process import Process
from custodes.testing.recorder import SITE_ID
from custodes.units import CameraId, KeyId

DISKS_PER_CUT = 3
"""Only what was surely kept, and two with some of the rest."""


def cut_recorder(folder: Path, library: Path, clip: Path, *, seconds: float, cuts: int, seed: int) -> Verdict:
    """Record one run of a recorder, then crash at `cuts` moments; each crash is recovered as a start does it."""
    verdict = Verdict("power cut while recording")
    data_dir, before = folder / "cut-recorder", folder / "cut-recorder-before"
    site = make_site(data_dir, clip, time.time_ns())
    site.paths.segments.mkdir()
    site.paths.journal_dir.mkdir()
    shutil.copytree(data_dir, before)
    shim = Shim(library, folder, data_dir, is_traced=True)
    assert shim.trace is not None
    marker = Marker(shim.trace)
    with Process("custodes.app.recorder", data_dir, env=shim.env) as recorder:
        observer = observe(
            site.paths.socket("hub-analysis"), on_seen=lambda seen: marker.mark(json.dumps(asdict(seen)).encode())
        )
        time.sleep(seconds)
        recorder.kill()
        observer.finish()
    marker.close()
    calls = read_trace(shim.trace)
    crashed = folder / "crashed"
    for marks in _crashes(calls, data_dir, before, crashed, cuts, random.Random(seed)):
        verdict.trials += 1
        _recover_recorder(verdict, crashed, site.private_keys, [Seen(**json.loads(mark)) for mark in marks])
        shutil.rmtree(crashed)
    verdict.note = f"{len(calls):,} calls traced"
    return verdict


def _recover_recorder(verdict: Verdict, data_dir: Path, keys: dict[KeyId, bytes], seen: Sequence[Seen]) -> None:
    journal, _ = open_journal(RealDisk(), data_dir / "journal" / "recorder.journal", time.time_ns())
    reconcile(data_dir, RealDisk(), journal, site_id=SITE_ID)
    journal.close()
    loss = measure(data_dir, keys, seen)
    verdict.taken += loss.taken
    verdict.lost(loss.gops_lost)
    verdict.wrong += loss.wrong
    problems = verify_segments(data_dir, Depth.HASH).problems
    verdict.wrong += [f"custodes check: {one.path} {one.detail}" for one in problems]


def cut_warden(folder: Path, library: Path, *, seconds: float, cuts: int, seed: int) -> Verdict:
    """The same with a warden under load: log, keys and what it publishes."""
    verdict = Verdict("power cut while logging", unit="log entries")
    data_dir, before = folder / "cut-warden", folder / "cut-warden-before"
    paths = make_warden_site(data_dir)
    shutil.copytree(data_dir, before)
    shim = Shim(library, folder, data_dir, is_traced=True)
    assert shim.trace is not None
    marker = Marker(shim.trace)
    load = LogLoad(paths.socket("warden-server"))
    with Process("custodes.app.warden", data_dir, env=shim.env) as warden:
        wait_for_socket(paths.socket("warden-server"))
        channel = Channel.connect(paths.socket("warden-server"), timeout_s=5.0)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            index = load.one(channel, 0)
            told = ("published", load.published[-1]) if index is None else ("acknowledged", index)
            marker.mark(json.dumps(told).encode())
        channel.close()
        warden.kill()
    marker.close()
    calls = read_trace(shim.trace)
    crashed = folder / "crashed"
    for marks in _crashes(calls, data_dir, before, crashed, cuts, random.Random(seed)):
        verdict.trials += 1
        told = [json.loads(mark) for mark in marks]
        known = LogLoad(Path())
        known.acknowledged = {what: load.acknowledged[what] for kind, what in told if kind == "acknowledged"}
        known.published = [CameraId(what) for kind, what in told if kind == "published"]
        known.heads = {size: root for size, root in load.heads.items() if size <= max(known.acknowledged, default=-1)}
        verdict.taken += len(known.acknowledged)
        verdict.wrong += asyncio.run(_recover_warden(SitePaths(crashed), known))
        shutil.rmtree(crashed)
    verdict.note = f"{len(calls):,} calls traced"
    return verdict


async def _recover_warden(paths: SitePaths, known: LogLoad) -> list[str]:
    identity = read_identity(paths.identity)
    assert identity is not None
    try:
        async with open_gate(paths, identity, passphrase=None, clock=SystemClock()) as gate:
            await gate.renew()
    except CustodesError as error:
        return [f"the warden does not start: {error}"]
    return check_log(paths, known)


def _crashes(
    calls: Sequence[Call], root: Path, before: Path, into: Path, cuts: int, rng: random.Random
) -> Iterator[list[bytes]]:
    """Crash after `cuts` of the calls; yields the marks up to each, with the crashed disk in `into`."""
    disk, marks = Disk(root, before), list[bytes]()
    # Always also at the very end, where most is at stake.
    chosen = {len(calls) - 1, *rng.sample(range(len(calls)), min(cuts - 1, len(calls)))}
    for number, call in enumerate(calls):
        if call.op is Op.MARK:
            marks.append(call.payload)
        else:
            disk.apply(call)
        if number in chosen:
            for variant in range(DISKS_PER_CUT):
                disk.crash(into, rng=rng if variant else None)
                yield list(marks)
