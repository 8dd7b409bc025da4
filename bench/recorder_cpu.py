"""CPU per packet of recording against demuxing alone, on one clip, without waiting for real time.

    python -m bench.recorder_cpu [--smoke] [--clip CLIP] [--packets N]

One process, one thread, in turn: demux only; source (timestamps, UTC); the same recorded (assemble, mux, seal, write,
fdatasync per GOP); the same with a hub subscriber on each hub. Prints one JSON line with medians of five rounds.
"""

import argparse
import resource
import statistics
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from bench.footage import TABLE, shared_data
from custodes.adapters.blob.disk import Disk
from custodes.adapters.camera import open_camera
from custodes.adapters.ipc.hub import Hub, PlainForm
from custodes.adapters.ipc.hub_subscriber import HubSubscriber
from custodes.app.recorder_camera import SealedForm
from custodes.errors import CameraError, CustodesError
from custodes.media.demux import Demuxer
from custodes.record.journal import JournalWriter
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.camera import START_NS, FastClock, file_spec
from custodes.testing.recorder import SITE_ID, RecorderSite
from custodes.units import NS_PER_S, CameraId
from eval.report import Report

CAM = CameraId("cam")
ROUNDS = 5


def cpu_s(kind: int = resource.RUSAGE_THREAD) -> float:
    usage = resource.getrusage(kind)
    return usage.ru_utime + usage.ru_stime


def demux_only(clip: Path, packets: int) -> float:
    before, count = cpu_s(), 0
    while count < packets:
        demuxer = Demuxer(str(clip), where=clip.name, options={}, open_timeout_s=10, read_timeout_s=10)
        try:
            for _ in demuxer.packets():
                count += 1
                if count == packets:
                    break
        except CameraError:
            pass
        demuxer.close()
    return (cpu_s() - before) / packets * 1e6


def source_only(clip: Path, packets: int, take: Callable[[object, int], None] | None = None) -> float:
    clock = FastClock()
    source = open_camera(file_spec(clip, is_looped=True), clock, wait=clock.wait)
    before = cpu_s()
    info = source.open()
    if take is not None:
        take(info, clock.now_ns())
    for count, packet in enumerate(source.packets()):
        if take is not None:
            take(packet, clock.now_ns())
        if count == packets:
            break
    spent = (cpu_s() - before) / packets * 1e6
    source.close()
    return spent


def recorded(clip: Path, packets: int, *, with_readers: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="rec", dir=Path.cwd()) as folder:
        site = RecorderSite(Path(folder) / "s")
        site.create()
        site.publish(CAM, START_NS)
        pinned = read_pinned(site.paths.warden_key)
        hubs = [Hub(Path(folder) / f"{name}.sock") for name in ("a", "l")] if with_readers else []
        readers = []
        for hub in hubs:
            hub.start()
            readers.append(HubSubscriber(Path(folder) / ("a.sock" if hub is hubs[0] else "l.sock"), [CAM]))
        for reader in readers:
            threading.Thread(target=_drain, args=(reader,), daemon=True).start()
        recording = CameraRecording(
            CAM,
            policy=RecordingPolicy(
                site_id=SITE_ID, data_dir=site.data_dir, segment_ns=60 * NS_PER_S, min_free_bytes=0
            ),
            storage=Disk(),
            journal=JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal"),
            find_key=lambda camera_id, day: latest_usable(site.paths.public_keys, camera_id, day, pinned),
            last_end_ns=None,
            on_opening=lambda opening: hubs[1].open_stream(CAM, SealedForm(opening)) if hubs else None,
        )
        started: list[bool] = []

        def take(item, now_ns):
            if not started:
                started.append(True)
                recording.begin_run(item)
                if hubs:
                    hubs[0].open_stream(CAM, PlainForm(item))
                return
            recording.add(item, now_ns)
            for hub in hubs:
                hub.publish(item)

        spent = source_only(clip, packets, take)
        recording.finish(START_NS)
        for hub in hubs:
            hub.stop()
        return spent


def _drain(reader: HubSubscriber) -> None:
    try:
        while True:
            reader.receive()
    except CustodesError:
        reader.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, default=None, help="default: intel-one-by-one of the shared footage")
    parser.add_argument("--packets", type=int, default=2000)
    parser.add_argument("--smoke", action="store_true", help="one round of 500 packets")
    wanted = parser.parse_args()
    clip = wanted.clip or shared_data() / TABLE
    rounds, packets = (1, 500) if wanted.smoke else (ROUNDS, wanted.packets)
    kinds: dict[str, Callable[[], float]] = {
        "demux_us": lambda: demux_only(clip, packets),
        "source_us": lambda: source_only(clip, packets),
        "record_us": lambda: recorded(clip, packets, with_readers=False),
        "record_and_publish_us": lambda: recorded(clip, packets, with_readers=True),
    }
    seen: dict[str, list[float]] = {name: [] for name in kinds}
    report = Report(
        "bench.recorder_cpu", smoke=wanted.smoke, config={"clip": clip.name, "packets": packets, "rounds": rounds}
    )
    for number in range(rounds):
        report.progress(number, rounds, "round")
        for name, measure in kinds.items():
            seen[name].append(measure())
    results = {name: round(statistics.median(values), 1) for name, values in seen.items()}
    report.floor["demux_us"] = results.pop("demux_us")
    report.results |= results
    report.finish()


if __name__ == "__main__":
    main()
