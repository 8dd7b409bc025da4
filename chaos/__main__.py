"""All faults, one after the other, as a table: `make chaos`, or `python -m chaos --smoke`.

Kills go on beside the other faults, which is the load they are to happen under. Exit code 1 when something was lost
that should not have been.
"""

import argparse
import errno
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from chaos import disks, kills, moves, powercut, shim
from chaos.footage import make_clip
from chaos.verdict import Verdict, merged, table

RECORDER_RIGS, WARDEN_RIGS = 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of everything."""

    kills: int
    max_s: float
    cut_s: float
    cuts: int
    single_faults: int
    trials: int
    steps: int
    flaky_cameras: int
    reconnects: int


FULL = Extent(
    kills=1000,
    max_s=900.0,
    cut_s=10.0,
    cuts=400,
    single_faults=25,
    trials=3,
    steps=20,
    flaky_cameras=20,
    reconnects=10,
)
SMOKE = Extent(
    kills=20, max_s=60.0, cut_s=2.0, cuts=8, single_faults=3, trials=1, steps=4, flaky_cameras=3, reconnects=2
)


def _run_kills(folder: Path, clip: Path, extent: Extent, stop: threading.Event) -> list[Verdict]:
    """Both kinds side by side until there were enough; `stop` ends it early."""
    deadline = time.monotonic() + extent.max_s
    with ThreadPoolExecutor(RECORDER_RIGS + WARDEN_RIGS) as pool:
        counted = [_Counted(extent.kills // 2, deadline, stop) for _ in range(2)]
        recorders = [
            pool.submit(kills.kill_recorders, folder, clip, until=counted[0].next, seed=seed)
            for seed in range(RECORDER_RIGS)
        ]
        wardens = [
            pool.submit(kills.kill_wardens, folder, until=counted[1].next, seed=100 + seed)
            for seed in range(WARDEN_RIGS)
        ]
        return [merged([one.result() for one in recorders]), merged([one.result() for one in wardens])]


class _Counted:
    """`until` of a rig: enough rounds, too late, or stopped. A recorder's round is two kills or three."""

    def __init__(self, rounds: int, deadline: float, stop: threading.Event) -> None:
        self._left, self._deadline, self._stop = rounds, deadline, stop
        self._lock = threading.Lock()

    def next(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left < 0 or time.monotonic() > self._deadline or self._stop.is_set()


def _others(folder: Path, library: Path, clip: Path, extent: Extent) -> Sequence[Callable[[], Verdict]]:
    def failing(fault: str, code: int, permille: int) -> Verdict:
        return disks.fail_for_a_while(
            folder, library, clip, fault=fault, code=code, permille=permille, trials=extent.trials
        )

    faults: list[Callable[[], Verdict]] = [
        lambda: powercut.cut_recorder(folder, library, clip, seconds=extent.cut_s, cuts=extent.cuts, seed=1),
        lambda: powercut.cut_warden(folder, library, seconds=extent.cut_s / 10, cuts=extent.cuts // 4, seed=2),
        lambda: disks.fail_now_and_then(folder, library, clip, kind="write", trials=extent.single_faults, seed=3),
        lambda: disks.fail_now_and_then(folder, library, clip, kind="sync", trials=extent.single_faults, seed=4),
        lambda: failing("EIO on a tenth of writes and syncs", errno.EIO, 100),
        lambda: failing("EIO on all writes and syncs", errno.EIO, 1000),
        lambda: failing("file system turns read-only", errno.EROFS, 1000),
        lambda: moves.set_recorder_clock(folder, library, clip, steps=extent.steps, seed=5),
        lambda: moves.set_warden_clock(folder, library, steps=extent.steps),
        lambda: moves.drop_connections(
            folder, clip, cameras=extent.flaky_cameras, reconnects=extent.reconnects, seed=6
        ),
    ]
    if disks.can_mount():
        faults += [
            lambda: disks.fill_up(folder, clip, trials=extent.trials),
            lambda: disks.start_read_only(folder, clip),
            lambda: disks.take_away(folder, clip, trials=extent.trials),
        ]
    else:
        print("not root: no tmpfs that fills up, no read-only mount, no unmounting", file=sys.stderr)
    return faults


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="chaos", description="faults against recorder and warden")
    parser.add_argument("--smoke", action="store_true", help="a little of everything")
    parser.add_argument("--json", action="store_true", help="one line of JSON per fault instead of the table")
    arguments = parser.parse_args()
    if not shim.is_available():
        print("chaos: gcc is needed for the fault-injecting library", file=sys.stderr)
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    extent = SMOKE if arguments.smoke else FULL
    # Memory, so that the machine's own disk is not what is measured; what a power cut leaves is the replay's to say.
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=shared if shared.is_dir() else None))
    stop = threading.Event()
    began = time.monotonic()
    try:
        library, clip = shim.build(folder), make_clip(folder)
        with ThreadPoolExecutor(1) as pool:
            killing = pool.submit(_run_kills, folder, clip, extent, stop)
            try:
                verdicts = []
                for fault in _others(folder, library, clip, extent):
                    verdicts.append(fault())
                    print(f"{time.monotonic() - began:6.0f} s  {verdicts[-1].fault}", file=sys.stderr)
            except BaseException:
                stop.set()
                raise
            verdicts = killing.result() + verdicts
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        for one in verdicts:
            print(json.dumps({**asdict(one), "is_good": one.is_good}))
    else:
        print(table(verdicts))
        print(f"{time.monotonic() - began:.0f} s")
    return 0 if all(one.is_good for one in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
