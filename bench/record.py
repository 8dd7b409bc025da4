"""What recording costs beside `ffmpeg -c copy`, with sealing, hashing and fsync included.

    python -m bench.record [--smoke] [--clip CLIP]

One stream of 1080p25, 4 Mbit/s, 2 s GOPs, made from real footage, is recorded through the product's own camera thread
and segmented by FFmpeg, in turn; a recorder process with file cameras in real time gives the share of a core.
"""

import argparse
import hashlib
import logging
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.footage import TABLE, shared_data
from bench.recording import CAM, FPS, GOP_FRAMES, RecordedSite, long_clip, make_stream, over_rtsp, record_once
from custodes.adapters.blob.disk import Disk
from custodes.errors import CameraError, FailedPrecondition
from custodes.media import nal
from custodes.media.authenticity import StreamVerifier
from custodes.media.demux import Demuxer
from custodes.media.fmp4 import read_init, read_packets
from custodes.record.journal import JournalWriter
from custodes.sealing.container import FragmentSealer, read_fragment, read_header, record_length, scan_fragments
from custodes.sealing.unwrap import generate_camera_day_key, unwrap_data_key
from custodes.sealing.wrap import new_segment
from custodes.testing.camera import START_NS, file_spec
from custodes.testing.recorder import SITE_ID, RecorderProcess, RecorderSite
from custodes.types.event import SegmentSealed
from custodes.types.media import Segment
from custodes.units import CameraId, KeyId, Ns, RunId, SegmentId
from eval.report import Report

CAMERAS = 100
GOPS_PER_S = FPS / GOP_FRAMES
WINDOWS = 5


def cpu_of(work: Callable[[], object], who: int = resource.RUSAGE_SELF) -> float:
    """CPU seconds, user and system, of all threads of this process (or of its ended children)."""
    before = resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ffmpeg_copy(clip: Path, folder: Path) -> float:
    """CPU seconds of FFmpeg segmenting the clip into minutes, its start-up included."""
    target = folder / "ffmpeg"
    target.mkdir()
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(clip), "-map", "0:v", "-c", "copy", "-f", "segment",
               "-segment_time", "60", "-segment_format", "mp4", str(target / "%d.mp4")]  # fmt: skip
    spent = cpu_of(lambda: subprocess.run(command, check=True, timeout=120), resource.RUSAGE_CHILDREN)
    shutil.rmtree(target)
    return spent


def demux_only(clip: Path) -> None:
    demuxer = Demuxer(str(clip), where=clip.name, options={}, open_timeout_s=10, read_timeout_s=10)
    try:
        for _ in demuxer.packets():
            pass
    except CameraError:
        pass
    demuxer.close()


def median_cpu_s(seconds: float, work: Callable[[], object]) -> float:
    """Median thread CPU of one call, in seconds, over about `seconds`."""
    spent, end = [], time.monotonic() + seconds
    while len(spent) < 5 or time.monotonic() < end:
        before = time.thread_time()
        work()
        spent.append(time.thread_time() - before)
    return statistics.median(spent)


def sealing_s(gop_bytes: int, folder: Path, seconds: float) -> tuple[float, float]:
    """CPU seconds of sealing and hashing one GOP; of key, two journal records and their sync for one segment."""
    _, public = generate_camera_day_key()

    def header():
        return new_segment(public_key=public, key_id=KeyId("cam/20260101"), site_id=SITE_ID, camera_id=CAM,
                           run=RunId("0123456789ab"), segment_id=SegmentId("1-a-0"), start_ns=START_NS)  # fmt: skip

    head, key = header()
    payload, record = memoryview(bytearray(os.urandom(gop_bytes))), memoryview(bytearray(record_length(gop_bytes)))

    def seal():
        FragmentSealer(head, key).seal_into(record, payload, start_ns=START_NS, end_ns=START_NS, is_init=False)

    journal = JournalWriter(Disk(), folder / "bench.journal")
    segment = Segment(header=head, path="segments/cam/20260101/1-a-0.seg", end_ns=Ns(START_NS + 60), bytes_on_disk=1,
                      fragments=31, root=b"r" * 32, is_sealed=True)  # fmt: skip

    def log():
        header()
        for _ in range(2):
            journal.append(SegmentSealed(segment=segment))

    spent = median_cpu_s(seconds, seal), median_cpu_s(seconds, log)
    journal.close()
    return spent


def floor_s(gop_bytes: int, folder: Path, seconds: float) -> float:
    """CPU seconds that one GOP costs whoever hashes, encrypts, writes and syncs it, with nothing else done."""
    disk, aead, block = Disk(), AESGCM(os.urandom(32)), os.urandom(gop_bytes)
    target = bytearray(gop_bytes + 16)
    file = disk.create(folder / "floor" / "f")

    def gop() -> None:
        hashlib.sha256(block).digest()
        aead.encrypt_into(bytes(12), block, None, target)
        file.append(target)
        file.sync()

    spent = median_cpu_s(seconds, gop)
    file.close()
    return spent


def seek_ms(site: RecordedSite, count: int) -> tuple[list[float], list[float]]:
    """From a segment's path to the packets of a random GOP, with the data key at hand and the file in memory.

    Returns: time on the wall, and this thread's CPU alone, which other work on the machine disturbs less.
    """
    chooser, spent, cpu = random.Random(7), [], []
    opened = []
    for segment in site.segments:
        with (site.data_dir / segment.path).open("rb") as stream:
            header = read_header(stream)
            key = unwrap_data_key(site.private_keys[header.key_id], header)
            init, *gops = scan_fragments(stream)
            info = read_init(read_fragment(stream, header, key, init), camera_id=header.camera_id, run=header.run)
        if gops:
            opened.append((segment, key, info, len(gops)))
    for _ in range(count):
        segment, key, info, gops = chooser.choice(opened)
        wanted = chooser.randrange(gops)
        began, began_cpu = time.perf_counter(), time.thread_time()
        with (site.data_dir / segment.path).open("rb") as stream:
            header = read_header(stream)
            fragment = scan_fragments(stream, checks_chain=False)[1 + wanted]
            payload = read_fragment(stream, header, key, fragment)
        packets = read_packets(info, payload, start_ns=fragment.start_ns)
        spent.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.thread_time() - began_cpu) * 1e3)
        assert packets[0].is_keyframe
    return spent, cpu


def core_share(clip: Path, cameras: int, seconds: float, folder: Path) -> tuple[float, float]:
    """Share of a core and MB of a recorder process that records `cameras` file cameras in real time."""
    site = RecorderSite(folder / "live")
    site.create(min_free_mb=0)
    names = [CameraId(f"cam{number}") for number in range(cameras)]
    for name in names:
        site.publish(name)
    site.assign([file_spec(clip, camera_id=name, is_looped=True) for name in names])
    recorder = RecorderProcess(site)
    try:
        files = site.data_dir / "segments"
        recorder.wait_for(lambda: len(list(files.glob("*/*/*.seg"))) >= cameras, "all cameras", timeout_s=60)
        process = psutil.Process(recorder.pid)
        time.sleep(1.0)
        shares = []
        for _ in range(WINDOWS):  # the median forgets a window in which somebody else had the machine
            before, began = process.cpu_times(), time.monotonic()
            time.sleep(seconds / WINDOWS)
            after = process.cpu_times()
            shares.append((after.user + after.system - before.user - before.system) / (time.monotonic() - began))
        share, rss_mb = statistics.median(shares), process.memory_info().rss / 2**20
    finally:
        recorder.terminate(10.0)
    return share, rss_mb


def signed_video_fps(seconds: float) -> float:
    """Pictures per CPU second that `StreamVerifier` verifies, of the signed reference clip."""
    clip = shared_data() / "network/onvif-media-signing/onvif_test_signed_h264.mp4"
    demuxer = Demuxer(str(clip), where=clip.name, options={}, open_timeout_s=10, read_timeout_s=10)
    extradata, packets = demuxer.info(CAM, RunId("a")).extradata, []
    try:
        packets.extend(raw.payload for raw in demuxer.packets())
    except CameraError:
        demuxer.close()

    def verify():
        verifier, verified = StreamVerifier("h264"), 0
        for payload in packets:
            verified += sum(one.verified for one in verifier.add(nal.units_of(payload, "h264", extradata), Ns(0)))
        assert verified == len(packets) - 1

    return (len(packets) - 1) / median_cpu_s(seconds, verify)


def fsync_ms(folder: Path, gop_bytes: int, count: int) -> list[float]:
    disk, spent, block = Disk(), [], os.urandom(gop_bytes)
    file = disk.create(folder / "sync" / "f")
    for _ in range(count):
        file.append(block)
        began = time.perf_counter()
        file.sync()
        spent.append((time.perf_counter() - began) * 1e3)
    file.close()
    return spent


def p(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def measure_rtsp(report: Report, clip: Path, folder: Path) -> None:
    try:
        ours, theirs = over_rtsp(clip, folder, cameras=4, seconds=15.0)
    except FailedPrecondition as error:
        report.note(f"RTSP not measured: {error}")
        return
    report.results["cpu_vs_ffmpeg_copy_rtsp"] = round(ours / theirs, 2)
    report.results["rtsp_core_share_100"] = round(ours * CAMERAS, 3)
    report.peers["ffmpeg -c copy, RTSP"] = {"core_share_100": round(theirs * CAMERAS, 3)}


def pairs(us: list[float], copies: list[float], copied: int) -> list[float]:
    """Microseconds per packet as shares of what FFmpeg's copy took per packet in the same round."""
    return [one / (copy / copied * 1e6) for one, copy in zip(us, copies, strict=True) if copy > 0]


def measure(report: Report, source: Path, folder: Path, *, smoke: bool) -> None:
    steps = 8
    report.progress(1, steps, "encoding the stream")
    short = make_stream(source, folder / "short.mp4", seconds=4 if smoke else 20)
    clip, packets, payload_bytes = long_clip(short, folder / "long.mp4", seconds=40 if smoke else 300)
    tiny, tiny_packets, _ = long_clip(short, folder / "tiny.mp4", seconds=2)
    gop_bytes = payload_bytes * GOP_FRAMES // packets
    report.config |= {"packets": packets, "mbit_s": round(payload_bytes * 8 / (packets / FPS) / 1e6, 2)}
    rounds = 1 if smoke else 7
    ours, copies, demux, site = [], [], [], None
    for number in range(rounds):
        report.progress(2, steps, f"recording and copying, round {number + 1} of {rounds}")
        with tempfile.TemporaryDirectory(dir=folder) as place:
            site = record_once(clip, Path(place), cpu_of, ours)
            overhead = site.bytes_on_disk / payload_bytes - 1
            if number == rounds - 1:
                report.progress(3, steps, "seeking")
                seeks, seeks_cpu = seek_ms(site, 200 if smoke else 2000)
            copies.append(ffmpeg_copy(clip, Path(place)) - ffmpeg_copy(tiny, Path(place)))
            demux.append(cpu_of(lambda: demux_only(clip)))
    us = {name: statistics.median(values) / packets * 1e6 for name, values in (("ours", ours), ("demux", demux))}
    floors = [one / packets * 1e6 for one in demux]
    copied = packets - tiny_packets
    us["copy"] = statistics.median(copies) / copied * 1e6
    # Pairs of one round: what disturbs the machine for seconds disturbs both.
    ratios = pairs([mine / packets * 1e6 for mine in ours], copies, copied)
    report.progress(4, steps, "sealing")
    seal_s, segment_s = sealing_s(gop_bytes, folder, 0.3 if smoke else 2.0)
    report.progress(5, steps, "a recorder in real time")
    live, seconds = (5, 2.0) if smoke else (25, 20.0)
    share, rss_mb = core_share(clip, live, seconds, folder)
    if not smoke:
        report.progress(6, steps, "recorder and ffmpeg at one RTSP server")
        measure_rtsp(report, short, folder)
    report.progress(7, steps, "floor")
    syncs = fsync_ms(folder, gop_bytes, 10 if smoke else 100)
    block = os.urandom(2**20)
    target = bytearray(2**20)
    copy_ms = median_cpu_s(0.1, lambda: target.__setitem__(slice(None), block)) * 1e3
    floor_us = floor_s(gop_bytes, folder, 0.2 if smoke else 1.0) / GOP_FRAMES * 1e6
    report.results |= {
        "cpu_vs_ffmpeg_copy": round(statistics.median(ratios), 2),
        # What nobody who reads by PyAV, and who also hashes, seals and syncs, can be below.
        "demux_vs_ffmpeg_copy": round(statistics.median(pairs(floors, copies, copied)), 2),
        "floor_vs_ffmpeg_copy": round(statistics.median(pairs([one + floor_us for one in floors], copies, copied)), 2),
        "cpu_vs_floor": round(us["ours"] / (us["demux"] + floor_us), 2),
        "core_share_100_cameras": round(share * CAMERAS / live, 3),
        "crypto_hash_log_share": round((seal_s * GOPS_PER_S + segment_s / 60) * CAMERAS, 3),
        "overhead_share": round(overhead, 5),
        "seek_ms_p50": round(p(seeks, 0.5), 2),
        "seek_ms_p99": round(p(seeks, 0.99), 2),
        "seek_cpu_ms_p99": round(p(seeks_cpu, 0.99), 2),
        "signed_video_fps": round(signed_video_fps(0.3 if smoke else 2.0)),
        "record_us_per_packet": round(us["ours"], 1),
        "record_ms_per_mb": round(us["ours"] * packets / payload_bytes * 1e3, 2),
        "core_share_100_unpaced": round(us["ours"] * FPS * CAMERAS / 1e6, 3),
        "rss_mb": round(rss_mb),
    }
    report.config |= {"live_cameras": live, "live_s": seconds}
    report.floor |= {
        "demux_us_per_packet": round(us["demux"], 1),
        "hash_seal_write_us_per_packet": round(floor_us, 1),
        "memcpy_ms_per_mb": round(copy_ms, 3),
        "fdatasync_ms_p50": round(p(syncs, 0.5), 2),
        "fdatasync_ms_p99": round(p(syncs, 0.99), 2),
    }
    report.peers["ffmpeg -c copy"] = {"copy_us_per_packet": round(us["copy"], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, default=None, help="default: intel-one-by-one of the shared footage")
    parser.add_argument("--smoke", action="store_true", help="40 s of video, one round, 5 live cameras for 2 s")
    wanted = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        sys.exit("bench.record: no ffmpeg; .ci/system-packages ffmpeg installs Debian's")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    report = Report("bench.record", smoke=wanted.smoke, config={"stream": "1080p25 h264, 2 s GOPs"})
    with tempfile.TemporaryDirectory(prefix="bench-record-", dir=Path.cwd()) as folder:
        measure(report, wanted.clip or shared_data() / TABLE, Path(folder), smoke=wanted.smoke)
    report.finish()


if __name__ == "__main__":
    main()
