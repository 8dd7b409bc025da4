"""What a cell costs on Ray, against the same cell in a process beside: the same packets, in turns.

    python -m bench.cells [--smoke] [--cameras 4] [--pairs 3] [--limit 300]

CPU seconds of the feeding process and everything it started (replicas; Ray's head, raylet and workers), for the same
lots of a real clip through `runtime.cells` and the packaged detector; the median of the pairs' ratios is
`ray_overhead`. Wall time is given beside it: on a machine where others work it says little. A host that does not get
through within `--limit` seconds is left out from then on, and said to be: Ray on a machine with a load of 20 may never
get its worker up.
"""

import argparse
import dataclasses
import statistics
import time
from typing import Any

import msgspec.structs
import psutil

from bench.footage import TABLE, shared_data
from custodes.app.cluster import plan_of
from custodes.config import SiteConfig
from custodes.errors import CustodesError, DeadlineExceeded, Unavailable
from custodes.runtime.cell_process import ProcessHost
from custodes.runtime.cells import CellPlan, CellRunner, Fed, Host
from custodes.runtime.ray_cells import RayHost, connect
from custodes.testing.cells import FIGURES
from custodes.testing.media import make_clip, read_clip
from custodes.types.cell import CellCamera
from custodes.types.codec import encode
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import StreamOpened
from custodes.types.scene import CameraScene
from custodes.units import NS_PER_S, CameraId, Ns
from eval.report import Report

LOT = 64
START_NS = Ns(1_700_000_000 * NS_PER_S)
FRAMES = 600
"""Of each camera: a cell lives for weeks, and of a second of work the end of a worker's start would be a tenth."""

CONNECT_TRIES = 3
"""Ray gives up a machine that needs more than half a minute to begin, and a busy one may."""


def items_of(info: StreamInfo, packets: list[Packet], cameras: int) -> list[Fed]:
    """The clip on each camera, in turn."""
    ids = [CameraId(f"camera-{number}") for number in range(cameras)]
    items = [
        Fed(
            key=one,
            payload=encode(
                CellCamera(
                    camera_id=one,
                    fps=5.0,
                    has_gate=True,
                    watches_tampering=True,
                    watches_replay=False,
                    areas=(),
                    scene=CameraScene(),
                    tracks=b"",
                    learnt=b"",
                    now_ns=START_NS,
                )
            ),
        )
        for one in ids
    ]
    items += [Fed(key=one, payload=encode(StreamOpened(info=dataclasses.replace(info, camera_id=one)))) for one in ids]
    for packet in packets:
        items += [
            Fed(
                key=one,
                payload=encode(msgspec.structs.replace(packet, camera_id=one)),
                is_cut=packet.is_keyframe,
            )
            for one in ids
        ]
    return items


def spent_s() -> float:
    """CPU of this process and all it started that lives."""
    me = psutil.Process()
    total = 0.0
    for one in [me, *me.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def through(host: Host, plan: CellPlan, items: list[Fed], limit_s: float) -> tuple[float, float, int]:
    """CPU, wall and how many outputs; it is there and warm before it is measured. Raises: DeadlineExceeded."""
    runner, until_s = CellRunner(host, "bench", plan), time.monotonic() + limit_s

    def take() -> int:
        if time.monotonic() > until_s:
            raise DeadlineExceeded(f"not through within {limit_s:g} s")
        return len(runner.take(0.1))

    try:
        runner.feed(items[:1])
        while not runner.is_idle:
            take()
        cpu_s, wall_s, outputs = spent_s(), time.monotonic(), 0
        for first in range(1, len(items), LOT):
            while runner.is_full:
                outputs += take()
            runner.feed(items[first : first + LOT])
        outputs += len(runner.flush(max(until_s - time.monotonic(), 1.0)))
        return spent_s() - cpu_s, time.monotonic() - wall_s, outputs
    finally:
        runner.close()


def connected() -> Any:
    """A cluster of this machine's own. Raises: FailedPrecondition without the extra; Unavailable."""
    for left in reversed(range(CONNECT_TRIES)):
        try:
            return connect("local")
        except Unavailable:
            if not left:
                raise
    raise AssertionError("unreachable")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=300.0)
    arguments = parser.parse_args()
    cameras, pairs = (2, 1) if arguments.smoke else (arguments.cameras, arguments.pairs)
    report = Report("bench.cells", smoke=arguments.smoke, config={"cameras": cameras, "pairs": pairs, "lot": LOT})
    if arguments.smoke:
        info, packets = make_clip(frames=40, fps=10, gop=10, start_ns=START_NS)
        plan = FIGURES
    else:
        info, packets = read_clip(shared_data() / TABLE, frames=FRAMES, start_ns=START_NS)
        plan = plan_of(SiteConfig())
    items = items_of(info, list(packets), cameras)
    hosts: dict[str, Host] = {"procs": ProcessHost()}
    ray = None
    if arguments.smoke:
        report.note("smoke starts no Ray: that takes half a minute")
    else:
        try:
            ray = connected()
            hosts["ray"] = RayHost(ray, labels={})
        except CustodesError as error:
            report.note(f"without Ray: {error}")
    costs: dict[str, list[tuple[float, float, int]]] = {name: [] for name in hosts}
    for pair in range(pairs):
        for name in list(hosts) if pair % 2 == 0 else list(hosts)[::-1]:
            try:
                costs[name].append(through(hosts[name], plan, items, arguments.limit))
            except CustodesError as error:
                report.note(f"{name} is left out: {error}")
                hosts.pop(name)
        report.progress(pair + 1, pairs, "pairs")
    if len({cost[2] for found in costs.values() for cost in found}) != 1:
        raise SystemExit(f"the hosts gave different numbers of outputs: {costs}")
    for name, found in costs.items():
        if not found:
            continue
        report.results[f"cpu_s_{name}"] = round(statistics.median(cost[0] for cost in found), 3)
        report.results[f"wall_s_{name}"] = round(statistics.median(cost[1] for cost in found), 3)
    if ray is not None:
        # Where one was left out, the whole pairs before it count.
        ratios = [one[0] / other[0] for one, other in zip(costs["ray"], costs["procs"], strict=False)]
        if ratios:
            report.results["ray_overhead"] = round(statistics.median(ratios), 3)
            report.results["ray_overhead_pairs"] = [round(one, 3) for one in ratios]
        ray.shutdown()
    report.finish()


if __name__ == "__main__":
    main()
