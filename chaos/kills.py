"""`kill -9` of recorder and warden at random moments under load; after each everything is looked at."""

import contextlib
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from chaos.footage import Observer, Seen, make_site, measure
from chaos.log_load import LogLoad, check_log, make_warden_site
from chaos.verdict import Verdict
from chaos.zygote import Zygote
from custodes.adapters.ipc.framing import Channel
from custodes.errors import CustodesError, Unavailable
from custodes.record.verify import Depth, Found, verify_segments

START_BOUND_S = 60.0
"""A busy machine's."""
SITE_KILLS = 25
"""Then a fresh site: what is read after each kill shall not grow with their number."""

Until = Callable[[], bool]


def kill_recorders(folder: Path, clip: Path, *, until: Until, seed: int) -> Verdict:
    """One rig: kill, look, start again, until `until()`."""
    rng, verdict = random.Random(seed), Verdict("kill -9 of the recorder")
    zygote = Zygote("custodes.app.recorder")
    try:
        while not until():
            data_dir = folder / f"recorder-{seed}-{verdict.trials}"
            _kills_of_one_site(data_dir, clip, zygote, rng, verdict, until)
            shutil.rmtree(data_dir)
    finally:
        zygote.close()
    return verdict


def _kills_of_one_site(
    data_dir: Path, clip: Path, zygote: Zygote, rng: random.Random, verdict: Verdict, until: Until
) -> None:
    site = make_site(data_dir, clip, time.time_ns())
    hub = site.paths.socket("hub-analysis")
    pid = 0
    try:
        for _ in range(SITE_KILLS):
            pid = zygote.start(data_dir)
            if rng.random() < 0.2:  # while it starts: it reconciles, opens journals, begins first segments
                time.sleep(rng.uniform(0.0, 0.4))
                zygote.kill(pid)
                pid = zygote.start(data_dir)
                verdict.trials += 1
            observer = observe(hub)
            if verdict.trials % 2 == 0:  # else while it connects, however long this machine takes
                wait_for(lambda seen=observer.seen: seen, "packet")
            time.sleep(rng.uniform(0.05, 1.6))
            zygote.kill(pid)
            seen = observer.finish()
            _note_damage(verdict, verify_segments(data_dir, Depth.SIZE).problems)  # before anybody repairs
            # The next recorder reconciles before it opens its hub.
            pid = zygote.start(data_dir)
            wait_for_socket(hub)
            zygote.kill(pid)
            verdict.trials += 2
            judge(verdict, data_dir, site.private_keys, seen)
            if until():
                break
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            zygote.kill(pid)


def judge(verdict: Verdict, data_dir: Path, keys: dict, seen: list[Seen]) -> None:  # type: ignore[type-arg]
    """What the last kill cost, and whether `custodes check --hash` is clean."""
    loss = measure(data_dir, keys, seen)
    verdict.taken += loss.taken
    verdict.lost(loss.gops_lost)
    verdict.wrong += loss.wrong
    _note_damage(verdict, verify_segments(data_dir, Depth.HASH).problems)


def _note_damage(verdict: Verdict, problems: list[Found]) -> None:
    verdict.wrong += [f"custodes check: {one.path} {one.detail}" for one in problems]


def observe(hub: Path, *, on_seen: Callable[[Seen], None] = lambda seen: None) -> Observer:
    """Subscribe to a recorder that is starting. Raises: Unavailable after `START_BOUND_S`."""
    deadline = time.monotonic() + START_BOUND_S
    while True:
        try:
            return Observer(hub, on_seen=on_seen)
        except CustodesError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def wait_for(is_so: Callable[[], object], what: str, *, bound_s: float = START_BOUND_S) -> None:
    """Raises: TimeoutError naming `what`."""
    deadline = time.monotonic() + bound_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {bound_s:.0f} s")
        time.sleep(0.05)


def wait_for_socket(path: Path) -> None:
    """Until somebody listens there. Raises: Unavailable after `START_BOUND_S`."""
    deadline = time.monotonic() + START_BOUND_S
    while True:
        try:
            Channel.connect(path, timeout_s=1.0).close()
        except CustodesError:
            if time.monotonic() > deadline:
                raise Unavailable(f"nobody listens at {path} within {START_BOUND_S:.0f} s") from None
            time.sleep(0.02)
        else:
            return


def kill_wardens(folder: Path, *, until: Until, seed: int) -> Verdict:
    """One rig: appends and key requests from several threads, kill, verify the whole log, start again."""
    rng = random.Random(seed)
    verdict = Verdict("kill -9 of the warden", unit="log entries")
    zygote = Zygote("custodes.app.warden")
    try:
        while not until():
            data_dir = folder / f"warden-{seed}-{verdict.trials}"
            _warden_kills_of_one_site(data_dir, zygote, rng, verdict, until)
            shutil.rmtree(data_dir)
    finally:
        zygote.close()
    return verdict


def _warden_kills_of_one_site(
    data_dir: Path, zygote: Zygote, rng: random.Random, verdict: Verdict, until: Until
) -> None:
    paths = make_warden_site(data_dir)
    load = LogLoad(paths.socket("warden-server"))
    for _ in range(4 * SITE_KILLS):
        pid = zygote.start(data_dir)
        threads = [threading.Thread(target=load.run, args=(number,), daemon=True) for number in range(3)]
        stop_at = rng.uniform(0.0, 0.4)
        if rng.random() < 0.8:
            wait_for_socket(paths.socket("warden-server"))
        known = len(load.acknowledged)
        for thread in threads:
            thread.start()
        if verdict.trials % 2 == 0:
            wait_for(lambda known=known: len(load.acknowledged) > known, "acknowledged entry")
        time.sleep(stop_at)
        zygote.kill(pid)
        load.stop()
        for thread in threads:
            thread.join(timeout=30)
        verdict.trials += 1
        verdict.wrong += check_log(paths, load)
        if until():
            break
    verdict.taken += len(load.acknowledged)
