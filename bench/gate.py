"""What the gate costs: decisions, durable appends, verification, proofs, sealing, and a look over real sockets.

    python -m bench.gate [--smoke]

`appends_per_s_1` waits for one durable commit after the other, as somebody alone does; `appends_per_s_waiting_64` is
the warden's writer with 64 requests waiting, which share commits; `appends_per_s_grouped` the log alone in groups of
512. `export_1h_s` is what packing an hour of 4 Mbit/s into a bundle takes beside a plain durable copy of the same
bytes (`export_1h_copy_s`, the floor); rendering the film is bench.view's matter. A smoke run packs one minute and
multiplies.

`first_frame_added_ms_p99` is what the warden adds before a first picture: Authorise and ReleaseKeys over its two
sockets, both log entries durable, HPKE open included. The floors are the bare primitives in the same run: one SQLite
commit of one row, AES-256-GCM and SHA-256 on 4 MB. Files lie in the current directory's file system, not in memory.
"""

import argparse
import asyncio
import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.access.policy import decide, load_policies
from custodes.adapters.ipc.warden import WardenClient, WardenJobClient
from custodes.app.warden_gate import day_of
from custodes.app.warden_log import LogWriter
from custodes.audit.evidence import BundleWriter, Exported, ProvenSegment, write_bundle
from custodes.audit.export import policy_text
from custodes.audit.proof import prove_entries
from custodes.audit.verify import verify_log
from custodes.config import SiteConfig, SiteIdentity, SitePaths, write_effective, write_identity
from custodes.runtime.clock import SystemClock
from custodes.sealing.container import (
    FragmentSealer,
    encode_header,
    read_fragment,
    read_fragment_range,
    scan_fragments,
)
from custodes.sealing.published import latest_usable, read_pinned
from custodes.sealing.unwrap import generate_camera_day_key, unwrap_data_key
from custodes.sealing.wrap import new_segment
from custodes.testing.audit import fake_signer, fill, open_test_log, sample_record
from custodes.testing.keys import SITE_ID, sample_segment
from custodes.types.access import (
    AccessRequest,
    Action,
    Fidelity,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.types.media import Segment
from custodes.units import CameraId, Ns, RunId, SegmentId, SessionId
from eval.report import Report

GATE = CameraId("gate")
ABOUT = Exported(
    export_id="bench",
    site_id=SITE_ID,
    site_name="Bench",
    camera_id="gate",
    camera_name="Gate",
    start_ns=Ns(0),
    end_ns=Ns(1),
    purpose="case",
    reference="1",
    exporter="Ann",
    fidelity="masked",
    created_ns=Ns(0),
    software="bench",
)
_FRAGMENT_BYTES = 4_000_000
"""About 8 s of 4 Mbit/s."""


def seconds_of(act: Callable[[], object], repeats: int) -> list[float]:
    """Wall seconds of each call."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begun)
    return sorted(taken)


def quantile(taken: list[float], share: float) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * share))]


def request(now_ns: int) -> AccessRequest:
    return AccessRequest(
        principal=Principal(user_id="u1", name="Ann", roles=frozenset({Role.OPERATOR})),
        action=Action.WATCH_LIVE,
        purpose=Purpose(kind=PurposeKind.LIVE_DUTY, reference=""),
        camera_id=GATE,
        start_ns=Ns(now_ns),
        end_ns=Ns(now_ns + 3600 * 10**9),
        fidelity=Fidelity.MASKED,
        session_id=SessionId("bench"),
    )


def measure_decisions(report: Report, repeats: int) -> None:
    policies, asked = load_policies(), request(time.time_ns())
    taken = seconds_of(lambda: decide(asked, policies), repeats)
    report.results["decision_ms_p50"] = quantile(taken, 0.5) * 1e3
    report.results["decision_ms_p95"] = quantile(taken, 0.95) * 1e3


def measure_log(report: Report, folder: Path, *, single: int, grouped: int) -> None:
    log = open_test_log(folder / "single.db")
    taken = seconds_of(lambda: log.append([(sample_record(log.size), Ns(1))]), single)
    report.results["appends_per_s_1"] = single / sum(taken)
    report.results["append_ms_p99"] = quantile(taken, 0.99) * 1e3
    log.close()
    report.floor["sqlite_commits_per_s"] = bare_commits_per_s(folder / "bare.db", single)
    path = folder / "grouped.db"
    log = open_test_log(path)
    begun = time.perf_counter()
    fill(log, grouped, group=512)
    report.results["appends_per_s_grouped"] = grouped / (time.perf_counter() - begun)
    step = max(1, grouped // 300)
    indices = iter(range(0, grouped, step))
    taken = seconds_of(lambda: log.prove_inclusion(next(indices), grouped), 250)
    report.results["proof_ms"] = statistics.median(taken) * 1e3
    report.results["proof_ms_p99"] = quantile(taken, 0.99) * 1e3
    log.close()
    report.results["log_bytes_per_entry"] = path.stat().st_size / grouped
    begun = time.perf_counter()
    assert verify_log(path, fake_signer().keys).size == grouped
    report.results["verify_entries_per_s"] = grouped / (time.perf_counter() - begun)
    report.floor["hash_entries_per_s"] = hashed_entries_per_s(100_000)
    report.results["appends_per_s_waiting_64"] = asyncio.run(waiting_appends_per_s(folder / "waiting.db", single))


def hashed_entries_per_s(count: int) -> float:
    """What the hashes alone allow on one core: leaf and node of each entry, a commitment of each third."""
    leaf, node = bytes(150), bytes(65)
    begun = time.perf_counter()
    for number in range(count):
        hashlib.sha256(leaf).digest()
        hashlib.sha256(node).digest()
        if number % 3 == 0:
            hashlib.sha256(leaf).hexdigest()
    return count / (time.perf_counter() - begun)


async def waiting_appends_per_s(path: Path, count: int) -> float:
    async with LogWriter(open_test_log(path), SystemClock()) as writer:
        numbers = iter(range(4 * count))

        async def append_on() -> None:
            for number in numbers:
                await writer.append(sample_record(number))

        begun = time.perf_counter()
        await asyncio.gather(*(append_on() for _ in range(64)))
        return 4 * count / (time.perf_counter() - begun)


def measure_export(report: Report, folder: Path, *, minutes: int) -> None:
    """One-minute segments of seven GOPs, packed with their proofs; the same bytes copied and synced beside it."""
    (folder / "segments").mkdir(parents=True)
    log = open_test_log(folder / "log.db")
    payload, segments = os.urandom(30_000_000 // 7), []
    for number in range(minutes):
        start_ns = 1_767_500_000_000_000_000 + number * 60 * 10**9
        header, data_key = sample_segment(start_ns=start_ns)
        sealer, path = FragmentSealer(header, data_key), folder / "segments" / f"{number}.seg"
        with path.open("wb") as stream:
            stream.write(encode_header(header))
            for _ in range(7):
                stream.write(sealer.seal(payload, start_ns=Ns(start_ns), end_ns=Ns(start_ns + 1), is_init=False))
        log.append([(sample_record(1), Ns(1))])
        segments.append(
            Segment(
                header=header,
                path=str(path.relative_to(folder)),
                end_ns=Ns(start_ns + 60 * 10**9),
                bytes_on_disk=path.stat().st_size,
                fragments=7,
                root=sealer.root,
                is_sealed=True,
            )
        )
    os.sync()
    begun = time.perf_counter()
    with (folder / "copy").open("wb") as target:
        for segment in segments:
            target.write((folder / segment.path).read_bytes())
        target.flush()
        os.fsync(target.fileno())
    copied = time.perf_counter() - begun
    (folder / "copy").unlink()
    begun = time.perf_counter()
    proofs = [prove_entries(log, (index,), 1)[0] for index in range(minutes)]
    writer = BundleWriter(folder / "bundle.zip")
    write_bundle(
        writer,
        ABOUT,
        data_dir=folder,
        segments=[ProvenSegment(segment=one, proof=proof) for one, proof in zip(segments, proofs, strict=True)],
        films=[],
        gaps=[],
        unreadable=[],
        grant_index=0,
        grant_proof=proofs[0],
        policy=policy_text(fake_signer().keys, []),
    )
    writer.close(proofs[0])
    packed = time.perf_counter() - begun
    log.close()
    report.results["export_1h_s"] = max(packed - copied, 0.0) * 60 / minutes
    report.results["export_1h_total_s"] = packed * 60 / minutes
    report.floor["export_1h_copy_s"] = copied * 60 / minutes


def bare_commits_per_s(path: Path, count: int) -> float:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (x BLOB)")
    taken = seconds_of(lambda: database.execute("INSERT INTO t VALUES (zeroblob(200))"), count)
    database.close()
    return count / sum(taken)


def measure_sealing(report: Report, repeats: int) -> None:
    private, public = generate_camera_day_key()
    header, data_key = sample_segment(public_key=public)
    sealer = FragmentSealer(header, data_key)
    payload = os.urandom(_FRAGMENT_BYTES)
    records: list[bytes] = []

    def seal() -> None:
        records.append(sealer.seal(payload, start_ns=Ns(0), end_ns=Ns(1), is_init=False))

    def rate(taken: list[float]) -> float:
        return _FRAGMENT_BYTES / statistics.median(taken) / 1e6

    report.results["seal_mb_per_s"] = rate(seconds_of(seal, repeats))
    stream = io.BytesIO(encode_header(header) + b"".join(records[:4]))
    fragments = scan_fragments(stream)
    taken = seconds_of(lambda: read_fragment(stream, header, data_key, fragments[1]), repeats)
    report.results["open_mb_per_s"] = rate(taken)
    taken = seconds_of(
        lambda: read_fragment_range(stream, header, data_key, fragments[2], 1_000_000, 1_065_536), 50 * repeats
    )
    report.results["range_64k_us"] = statistics.median(taken) * 1e6
    taken = seconds_of(lambda: sample_segment(public_key=public), 10 * repeats)
    report.results["wrap_us"] = statistics.median(taken) * 1e6
    taken = seconds_of(lambda: unwrap_data_key(private, header), 10 * repeats)
    report.results["unwrap_us"] = statistics.median(taken) * 1e6
    report.results["overhead_share"] = (len(records[0]) + len(encode_header(header)) / 8) / _FRAGMENT_BYTES - 1
    aead = AESGCM(bytes(32))
    report.floor["aes_mb_per_s"] = rate(seconds_of(lambda: aead.encrypt(bytes(12), payload, None), repeats))
    report.floor["sha256_mb_per_s"] = rate(seconds_of(lambda: hashlib.sha256(payload).digest(), repeats))


@contextlib.contextmanager
def running_warden(folder: Path) -> Iterator[SitePaths]:
    paths = SitePaths(folder)
    write_identity(paths.identity, SiteIdentity(site_id=SITE_ID, name="Bench", created_ns=Ns(1)))
    write_effective(SiteConfig(data_dir=folder), paths.effective_config)
    paths.run_dir.mkdir(mode=0o700, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "custodes.app.warden", "--data", str(folder)])
    try:
        while not paths.socket("warden-server").exists():
            if process.poll() is not None:
                raise SystemExit(f"warden ended with {process.returncode}")
            time.sleep(0.02)
        yield paths
    finally:
        process.terminate()
        process.wait(10)


async def measure_look(report: Report, paths: SitePaths, repeats: int) -> None:
    client = WardenClient(paths.socket("warden-server"))
    jobs = WardenJobClient(paths.socket("warden-jobs"))
    await client.publish_keys((GATE,))
    now = Ns(time.time_ns())
    key = latest_usable(paths.public_keys, GATE, day_of(now), read_pinned(paths.warden_key))
    run = RunId("0123456789ab")
    header, data_key = new_segment(
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=SITE_ID,
        camera_id=GATE,
        run=run,
        segment_id=SegmentId(f"{now}-{run}-0"),
        start_ns=now,
    )
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        answer = await client.authorise(request(now))
        assert answer.grant is not None
        released = jobs.release_keys(answer.grant.token, (header,))
        taken.append(time.perf_counter() - begun)
        assert released.data_keys == (data_key,)
    await client.close()
    taken.sort()
    report.results["first_frame_added_ms_p50"] = quantile(taken, 0.5) * 1e3
    report.results["first_frame_added_ms_p99"] = quantile(taken, 0.99) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.gate")
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    sizes = {"decisions": 2000, "single": 1000, "grouped": 100_000, "fragments": 20, "looks": 200, "minutes": 1}
    if not smoke:
        sizes = {
            "decisions": 20_000,
            "single": 5000,
            "grouped": 1_000_000,
            "fragments": 100,
            "looks": 3000,
            "minutes": 60,
        }
    report = Report("bench.gate", smoke=smoke, config=dict(sizes))
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        report.progress(1, 5, "decisions")
        measure_decisions(report, sizes["decisions"])
        report.progress(2, 5, "log")
        measure_log(report, folder, single=sizes["single"], grouped=sizes["grouped"])
        report.progress(3, 5, "sealing")
        measure_sealing(report, sizes["fragments"])
        report.progress(4, 5, "export")
        measure_export(report, folder / "export", minutes=sizes["minutes"])
        shutil.rmtree(folder / "export")
        report.progress(5, 5, "looks over sockets")
        (folder / "site").mkdir()
        with running_warden(folder / "site") as paths:
            asyncio.run(measure_look(report, paths, sizes["looks"]))
    report.finish()


if __name__ == "__main__":
    main()
