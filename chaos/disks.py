"""A disk that fills up, fails, turns read-only or is unmounted under a recorder: what is lost, and is it known?"""

import errno
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from chaos.footage import gaps_of, make_site, measure, sealed_segments
from chaos.kills import observe, wait_for
from chaos.shim import Shim
from chaos.verdict import Verdict
from custodes.record.verify import Depth, verify_segments
from custodes.testing.process import Process
from custodes.testing.recorder import RecorderSite
from custodes.types.media import GapCause

DISK = (GapCause.DISK_FULL, GapCause.DISK_ERROR)
SPACING_S = 1.3
"""Between two single faults: beyond the recorder's second between two tries (`record.recording.RETRY_NS`)."""


def can_mount() -> bool:
    """Whether we may mount a tmpfs here."""
    probe = Path("/proc/self/status").read_text(encoding="ascii")
    mask = next(line.split()[1] for line in probe.splitlines() if line.startswith("CapEff"))
    return bool(int(mask, 16) >> 21 & 1)  # CAP_SYS_ADMIN, linux/capability.h


def mount(*arguments: object) -> None:
    """Raises: CalledProcessError."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def unmount(path: Path, *, is_lazy: bool = False) -> None:
    """Raises: CalledProcessError."""
    subprocess.run(["umount", *(["-l"] if is_lazy else []), str(path)], check=True)


@contextmanager
def tmpfs(path: Path, size_kib: int) -> Iterator[None]:
    """A small disk at `path`, gone at the end."""
    path.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size_kib}k", "chaos", path)
    try:
        yield
    finally:
        unmount(path, is_lazy=True)


def _records(site: RecorderSite) -> bool:
    return len(sealed_segments(site.data_dir)) >= 2


def _grows(site: RecorderSite) -> Callable[[], object]:
    before = len(sealed_segments(site.data_dir))
    return lambda: len(sealed_segments(site.data_dir)) >= before + 4


def _judge(verdict: Verdict, site: RecorderSite, seen: list, *, is_known: bool) -> None:  # type: ignore[type-arg]
    loss = measure(site.data_dir, site.private_keys, seen, explained_by=DISK if is_known else ())
    verdict.trials += 1
    verdict.taken += loss.taken
    verdict.lost(loss.gops_lost)
    verdict.wrong += loss.wrong
    problems = verify_segments(site.data_dir, Depth.HASH).problems
    verdict.wrong += [f"custodes check: {one.path} {one.detail}" for one in problems]


def fill_up(folder: Path, clip: Path, *, trials: int) -> Verdict:
    """A file system of some MB that fills up, stays full for a while and gets room again."""
    verdict = Verdict("disk full (tmpfs)", note="lost beyond the noted gaps")
    for number in range(trials):
        data_dir = folder / f"full-{number}"
        with tmpfs(data_dir, 640 + 64 * number):
            site = make_site(data_dir / "site", clip, time.time_ns())
            with Process("custodes.app.recorder", site.data_dir) as recorder:
                observer = observe(site.paths.socket("hub-analysis"))
                wait_for(partial(_is_filled, data_dir), "full disk")
                time.sleep(1.5)
                mount("-o", "remount,size=16m", data_dir)
                wait_for(partial(gaps_of, site.data_dir, DISK), "gap that says so")
                wait_for(_grows(site), "recording after the disk got room")
                recorder.terminate()
                seen = observer.finish()
            _judge(verdict, site, seen, is_known=True)
    return verdict


def _is_filled(path: Path) -> bool:
    done = subprocess.run(["df", "--output=avail", "-k", str(path)], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) < 8


def fail_now_and_then(folder: Path, library: Path, clip: Path, *, kind: str, trials: int, seed: int) -> Verdict:
    """Single calls fail with EIO, a second and more apart: nobody needs to lose anything but the GOP in hand."""
    verdict = Verdict(f"EIO on a single {kind}", unit="packets")
    rng = random.Random(seed)
    site, shim = _shimmed(folder / f"single-{kind}", library, folder, clip)
    with Process("custodes.app.recorder", site.data_dir, env=shim.env) as recorder:
        observer = observe(site.paths.socket("hub-analysis"))
        wait_for(lambda: observer.seen, "packet")
        for _ in range(trials):
            time.sleep(SPACING_S + rng.random() * 0.3)
            shim.fail(**{"writes" if kind == "write" else "syncs": errno.EIO}, times=1)
        time.sleep(SPACING_S)
        shim.fail()
        wait_for(_grows(site), "recording after the faults")
        recorder.terminate()
        seen = observer.finish()
    verdict.faults = shim.faults
    _judge(verdict, site, seen, is_known=False)
    verdict.trials = shim.faults
    verdict.allowed_gops = 0
    return verdict


def fail_for_a_while(
    folder: Path, library: Path, clip: Path, *, fault: str, code: int, permille: int, trials: int
) -> Verdict:
    """All or some writes and syncs fail for three seconds, then none: what is missing must be a known gap."""
    verdict = Verdict(fault, note="lost beyond the noted gaps")
    for number in range(trials):
        site, shim = _shimmed(folder / f"while-{code}-{permille}-{number}", library, folder, clip)
        with Process("custodes.app.recorder", site.data_dir, env=shim.env) as recorder:
            observer = observe(site.paths.socket("hub-analysis"))
            wait_for(partial(_records, site), "segments")
            shim.fail(writes=code, syncs=code, permille=permille)
            time.sleep(3.0)
            shim.fail()
            wait_for(_grows(site), "recording after the faults")
            recorder.terminate()
            seen = observer.finish()
        verdict.faults += shim.faults
        _judge(verdict, site, seen, is_known=True)
    return verdict


def _shimmed(data_dir: Path, library: Path, folder: Path, clip: Path) -> tuple[RecorderSite, Shim]:
    site = make_site(data_dir, clip, time.time_ns())
    return site, Shim(library, folder, data_dir)


def take_away(folder: Path, clip: Path, *, trials: int) -> Verdict:
    """The data directory's disk is unmounted under a running recorder and comes back."""
    verdict = Verdict("data directory unmounted", note="lost beyond the noted gaps")
    for number in range(trials):
        disk, data_dir = folder / f"disk-{number}", folder / f"mounted-{number}"
        data_dir.mkdir()
        with tmpfs(disk, 32 * 1024):
            (disk / "site").mkdir()
            mount("--bind", disk / "site", data_dir)
            site = make_site(data_dir / "inner", clip, time.time_ns())
            with Process("custodes.app.recorder", site.data_dir) as recorder:
                observer = observe(site.paths.socket("hub-analysis"))
                wait_for(partial(_records, site), "segments")
                unmount(data_dir, is_lazy=True)
                time.sleep(4.0)
                below = [str(path) for path in data_dir.rglob("*")]
                if below:
                    verdict.wrong.append(f"written beside the unmounted disk: {below[:3]}")
                mount("--bind", disk / "site", data_dir)
                wait_for(_grows(site), "recording after the disk came back")
                recorder.terminate()
                seen = observer.finish()
            _judge(verdict, site, seen, is_known=True)
            unmount(data_dir, is_lazy=True)
    return verdict


def start_read_only(folder: Path, clip: Path) -> Verdict:
    """A recorder that starts on a read-only disk ends with a sentence; once it is writable, it records."""
    verdict = Verdict("start on a read-only disk")
    data_dir = folder / "read-only"
    with tmpfs(data_dir, 16 * 1024):
        site = make_site(data_dir / "site", clip, time.time_ns())
        with Process("custodes.app.recorder", site.data_dir):
            wait_for(partial(_records, site), "segments")
        mount("-o", "remount,ro", data_dir)
        with Process("custodes.app.recorder", site.data_dir) as refused:
            wait_for(lambda: not refused.is_running(), "refusal")
        mount("-o", "remount,rw", data_dir)
        with Process("custodes.app.recorder", site.data_dir) as recorder:
            observer = observe(site.paths.socket("hub-analysis"))
            wait_for(_grows(site), "recording on the writable disk")
            recorder.terminate()
            seen = observer.finish()
        _judge(verdict, site, seen, is_known=False)
    return verdict
