"""What a camera costs, by how many there are: a part of `bench.scale`.

Simulated sources: the product's camera threads (`app.recorder_camera`: demux, activity signal, GOPs, sealing, writing,
journal, both hubs without a reader) over one file, as fast as it goes, `n` threads in one process; and the facts that
analysis of them gives, five looks a second, stored as the server groups them (20 commits a second). CPU seconds a
camera and second of its time; cameras do not look at each other, so decoding and detecting costs each the same.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from bench.recording import _to_its_end
from custodes.adapters.blob.disk import Disk
from custodes.adapters.camera import open_camera
from custodes.adapters.ipc.hub import Hub
from custodes.adapters.sql import SqlCatalog
from custodes.app.recorder import SharedJournal
from custodes.app.recorder_camera import CameraWorker
from custodes.record.journal import JournalWriter
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.camera import START_NS, FastClock, file_spec, write_clip
from custodes.testing.catalog import make_frame
from custodes.testing.recorder import SITE_ID, RecorderSite
from custodes.units import NS_PER_S, CameraId, Ns
from eval.report import Report

COUNTS = (8, 100, 1000)
SMOKE_COUNTS = (4, 32)
CLIP_S, FPS = 10, 15
COMMITS_A_SECOND = 20
LOOKS_A_SECOND = 5
FACT_S = 4.0
"""Of all cameras' time; per count as much as fits a thousand cameras' commits."""


def recording_cpu_s(count: int, clip: Path, folder: Path) -> float:
    """CPU seconds a camera and second, of `count` camera threads in this process."""
    site = RecorderSite(folder / "site")
    site.create()
    names = [CameraId(f"camera-{n}") for n in range(count)]
    for name in names:
        site.publish(name, START_NS)
    pinned = read_pinned(site.paths.warden_key)
    hubs = [Hub(folder / f"{name}.sock") for name in "al"]
    for hub in hubs:
        hub.start()
    journal = SharedJournal(JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal"))
    scratch = Scratch()
    workers = [_worker(site, name, clip, hubs, journal, scratch, pinned) for name in names]
    threads = [threading.Thread(target=_to_its_end, args=(worker,)) for worker, _ in workers]
    started = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent_s = time.process_time() - started
    for _, recording in workers:
        recording.finish(START_NS)
    for hub in hubs:
        hub.stop()
    journal.close()
    assert len({one.header.camera_id for one in site.sealed()}) == count, "a camera recorded nothing"
    return spent_s / count / CLIP_S


def _worker(
    site: RecorderSite,
    name: CameraId,
    clip: Path,
    hubs: Sequence[Hub],
    journal: SharedJournal,
    scratch: Scratch,
    pinned: object,
) -> tuple[CameraWorker, CameraRecording]:
    clock = FastClock()
    recording = CameraRecording(
        name,
        policy=RecordingPolicy(site_id=SITE_ID, data_dir=site.data_dir, segment_ns=60 * NS_PER_S, min_free_bytes=0),
        storage=Disk(),
        journal=journal,
        find_key=lambda camera_id, day: latest_usable(site.paths.public_keys, camera_id, day, pinned),  # type: ignore[arg-type]
        scratch=scratch,
        last_end_ns=None,
    )
    worker = CameraWorker(
        file_spec(clip, camera_id=name),
        make_source=lambda spec, wait: open_camera(spec, clock, wait=clock.wait),
        recording=recording,
        analysis_hub=hubs[0],
        live_hub=hubs[1],
        clock=clock,
        hang_ns=10**18,
    )
    return worker, recording


def facts_cpu_s(count: int, catalog: SqlCatalog, cpu_s: Callable[[], float]) -> float:
    """CPU seconds a camera and second, of storing what analysis tells of `count` cameras. `cpu_s`: of all of it."""
    first = [make_frame(0, 0.0, camera_id=f"camera-{n}", tracks=3) for n in range(count)]
    lots: list[list[object]] = [[] for _ in range(round(FACT_S * COMMITS_A_SECOND))]
    for number in range(round(FACT_S * LOOKS_A_SECOND)):
        for n, fact in enumerate(first):
            shift_ns = number * NS_PER_S // LOOKS_A_SECOND
            at_s = number / LOOKS_A_SECOND + n / count / LOOKS_A_SECOND  # spread over the fifth of a second
            before_ns = NS_PER_S // LOOKS_A_SECOND if number else 0
            moved = replace(
                fact,
                frame=replace(fact.frame, seq=number, utc_ns=Ns(fact.frame.utc_ns + shift_ns)),
                valid_from_ns=Ns(fact.valid_from_ns + shift_ns - before_ns),
            )
            lots[min(int(at_s * COMMITS_A_SECOND), len(lots) - 1)].append(moved)
    started = cpu_s()
    for lot in lots:
        if lot:
            catalog.put_analysis(lot, [])  # type: ignore[arg-type]
    return (cpu_s() - started) / count / FACT_S


def cost(report: Report, catalogs: dict[str, Callable[[], tuple[SqlCatalog, Callable[[], float]]]]) -> None:
    """Adds `cost_per_camera_*`. Args: catalogs: by name, makes a new one, and how to read the CPU it cost."""
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)  # a line for each camera that begins and ends
    counts = SMOKE_COUNTS if report.config["smoke"] else COUNTS
    few, many = counts[0], counts[-1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = write_clip(folder / "clip.mp4", frames=CLIP_S * FPS, fps=FPS, gop=2 * FPS)
        recorded: dict[int, float] = {}
        for done, count in enumerate(counts):
            place = folder / str(count)
            place.mkdir()
            recorded[count] = recording_cpu_s(count, clip, place)
            shutil.rmtree(place)
            report.results[f"recording_cpu_ms_per_camera_s_{count}"] = round(1000 * recorded[count], 3)
            report.progress(done + 1, len(counts), "numbers of cameras")
        for database, make in catalogs.items():
            totals = {}
            for count in counts:
                catalog, cpu_s = make()
                stored = facts_cpu_s(count, catalog, cpu_s)
                catalog.close()
                totals[count] = recorded[count] + stored
                report.results[f"facts_cpu_ms_per_camera_s_{database}_{count}"] = round(1000 * stored, 3)
            suffix = "" if database == "sqlite" else f"_{database}"
            report.results[f"cost_per_camera_ratio_{many}_to_{few}{suffix}"] = round(totals[many] / totals[few], 3)
