"""What a view costs: CPU ms per frame by stage, scrubbing, and the time to the first picture of a warm job.

python -m bench.view --data ../shared/data [--smoke]
"""

import argparse
import hashlib
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from bench.footage import shared_data
from custodes.media.decode import FrameDecoder
from custodes.media.encode import LiveEncoder
from custodes.media.jpeg import encode_jpeg
from custodes.media.scale import Scaler
from custodes.redact.fill import fill_boxes
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.review.stills import StillView
from custodes.runtime.clock import SystemClock
from custodes.testing.job import SITE_ID, JobSite
from custodes.testing.marks import score
from custodes.testing.media import encode_clip, read_clip, vouch, write_segment
from custodes.testing.review import ReviewSite, make_review_site
from custodes.types.mark import slot_of
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.types.message import MaskFacts, MediaChunk, SeekTo, StillRendered, StopView, ViewEnded, ViewKind
from custodes.units import NS_PER_S, Ns
from custodes.watermark.mark import Marker
from eval.report import Report

START_NS = 1_767_225_600 * NS_PER_S
FPS = 10
BOXES = [(0.2, 0.3, 0.3, 0.9), (0.5, 0.3, 0.6, 0.9), (0.7, 0.35, 0.78, 0.8), (0.1, 0.2, 0.15, 0.5)]
"""Four people, as on a busy camera."""


def source(data: Path, frames: int) -> list[Frame]:
    """768×432 frames of intel-one-by-one from where somebody walks."""
    info, packets = read_clip(
        data / "people" / "intel-one-by-one-person-detection.mp4", frames=frames + 150, start_ns=START_NS
    )
    decoder = FrameDecoder(info)
    return [frame for packet in packets for frame in decoder.decode(packet)][-frames:]


def enlarge(frame: Frame, height: int, width: int) -> Frame:
    """By nearest neighbour with some noise, so that the encoder has something to do."""
    rows = np.arange(height) * frame.y.shape[0] // height
    columns = np.arange(width) * frame.y.shape[1] // width
    half = np.ix_(rows[::2] // 2, columns[::2] // 2)
    noise = np.random.default_rng(frame.seq).integers(-2, 3, size=(height, width))
    y = np.clip(frame.y[np.ix_(rows, columns)] + noise, 16, 235).astype(np.uint8)
    return Frame(
        camera_id=frame.camera_id, run=frame.run, seq=frame.seq, utc_ns=frame.utc_ns, y=y,
        u=np.ascontiguousarray(frame.u[half]), v=np.ascontiguousarray(frame.v[half]),
        is_keyframe=frame.is_keyframe, is_corrupt=False,
    )  # fmt: skip


def stages(info: StreamInfo, packets: list[Packet], max_height_px: int) -> dict[str, float]:
    """Mean thread CPU ms per frame and stage; z of every tenth frame after delivery is the caller's."""
    spent: dict[str, float] = defaultdict(float)
    timeline = MaskTimeline(MaskPolicy())
    times = [int(packet.utc_ns) for packet in [*packets[:-1:2], packets[-1]]]
    timeline.add(vouch(times, [BOXES for _ in times]))
    decoder, scaler, marker = FrameDecoder(info), Scaler(), Marker(hashlib.sha256(b"bench").digest())
    encoder: LiveEncoder | None = None

    def lap(name: str, since: float) -> float:
        now = time.thread_time()
        spent[name] += now - since
        return now

    for packet in packets:
        at = time.thread_time()
        (frame,) = decoder.decode(packet)
        at = lap("decode", at)
        masks = timeline.masks_at(frame.utc_ns, frame.run)
        assert masks is not None
        masked = fill_boxes(frame, masks)
        at = lap("mask", at)
        small = scaler.scale_down(masked, max_height_px)
        at = lap("scale", at)
        marked = marker.mark(small)
        at = lap("mark", at)
        if encoder is None:
            encoder = LiveEncoder(marked.y.shape[1], marked.y.shape[0], 28)
            at = time.thread_time()
        encoder.encode(marked, frame.utc_ns - packets[0].utc_ns)
        lap("encode", at)
    at = time.thread_time()
    for _ in range(10):
        encode_jpeg(marked, 70)
    spent["jpeg"] = (time.thread_time() - at) / 10 * len(packets)
    assert score(small.y, marked.y, hashlib.sha256(b"bench").digest(), slot_of(small.utc_ns)) >= 9
    return {name: seconds / len(packets) * 1000 for name, seconds in spent.items()}


def scrub(site: ReviewSite, info: StreamInfo, packets: list[Packet], count: int) -> tuple[float, float]:
    """p50 and p95 wall ms from wish to JPEG, random moments, masks known."""
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    view = StillView(archive=site.archive(segment), renderer=site.renderer(), keys=site.keys, clock=SystemClock())
    times = [int(packet.utc_ns) for packet in packets[::2]]
    view.add_masks(vouch(times, [BOXES for _ in times]))
    taken = []
    for number in np.random.default_rng(1).integers(0, len(packets) - 10, size=count).tolist():
        since = time.perf_counter()
        view.seek(packets[number].utc_ns, number)
        (still,) = view.step().outputs
        taken.append((time.perf_counter() - since) * 1000)
        assert isinstance(still, StillRendered)
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95))


def first_pictures(
    site: JobSite, info: StreamInfo, packets: list[Packet], count: int
) -> tuple[list[float], list[float]]:
    """Wall ms from ViewTask to the first still and the first chunk, job warm, warden real."""
    key = site.published_key()
    segment, _ = write_segment(
        site.paths.data_dir, info, packets, public_key=key.public_key, key_id=key.key_id, site_id=SITE_ID
    )
    times = [int(packet.utc_ns) for packet in packets[::2]]
    facts = MaskFacts(frames=vouch(times, [BOXES for _ in times]))
    taken: dict[ViewKind, list[float]] = {ViewKind.STILL: [], ViewKind.PLAYBACK: []}
    for number in range(count):
        for kind, answers in taken.items():
            grant = site.grant(
                live=False, start_ns=segment.header.start_ns, end_ns=segment.end_ns, session=f"{kind}-{number}"
            )
            with site.job() as job:
                since = time.perf_counter()
                job.channel.send(site.task(grant, kind, segment, start_ns=segment.header.start_ns))
                job.channel.send(facts)
                if kind is ViewKind.STILL:
                    job.channel.send(SeekTo(utc_ns=Ns(packets[10].utc_ns), request_id=1))
                job.until(MediaChunk, StillRendered)
                answers.append((time.perf_counter() - since) * 1000)
                job.channel.send(StopView())
                job.until(ViewEnded)
                job.wait()
    return taken[ViewKind.STILL], taken[ViewKind.PLAYBACK]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="bench.view")
    parser.add_argument("--data", type=Path, default=None, help="default: $CUSTODES_SHARED/data or ../shared/data")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    count = 40 if arguments.smoke else 200
    report = Report("bench.view", smoke=arguments.smoke, config={"frames": count, "crf": 28, "preset": "ultrafast"})
    frames = source(arguments.data or shared_data(), count)
    clips = {"768x432": encode_clip(frames, fps=FPS, gop=10, start_ns=START_NS)}
    large = (enlarge(frame, 1080, 1920) for frame in frames[: count // 2])
    clips["1920x1080"] = encode_clip(large, fps=FPS, gop=10, start_ns=START_NS)
    runs = [("768x432", "768x432", 720), ("1080p", "1920x1080", 1080), ("1080p_to_720p", "1920x1080", 720)]
    for step, (name, clip, height) in enumerate(runs):
        report.progress(step, len(runs) + 2, name)
        costs = stages(*clips[clip], height)
        report.results |= {f"{stage}_ms_{name}": round(ms, 3) for stage, ms in costs.items()}
        total = sum(ms for stage, ms in costs.items() if stage != "jpeg")
        report.results[f"total_ms_{name}"] = round(total, 3)
        report.floor[f"decode_encode_ms_{name}"] = round(costs["decode"] + costs["encode"], 3)
    report.results["core_per_marked_1080p15_viewer"] = round(report.results["total_ms_1080p"] * 15 / 1000, 3)
    report.progress(len(runs), len(runs) + 2, "scrub")
    with tempfile.TemporaryDirectory() as folder:
        p50, p95 = scrub(make_review_site(Path(folder)), *clips["768x432"], 40 if arguments.smoke else 200)
        report.results |= {"scrub_ms_p50": round(p50, 1), "scrub_ms_p95": round(p95, 1)}
    report.progress(len(runs) + 1, len(runs) + 2, "first picture")
    with tempfile.TemporaryDirectory() as folder:
        site = JobSite(Path(folder))
        now_ns = time.time_ns() - 60 * NS_PER_S
        info, packets = encode_clip(frames[:30], fps=FPS, gop=10, start_ns=now_ns)
        with site.warden():
            stills, chunks = first_pictures(site, info, packets, 3 if arguments.smoke else 10)
        site.close()
    report.results["first_still_ms_p50"] = round(float(np.median(stills)), 1)
    report.results["first_chunk_ms_p50"] = round(float(np.median(chunks)), 1)
    report.results["first_chunk_ms_max"] = round(max(chunks), 1)
    report.progress(len(runs) + 2, len(runs) + 2, "done")
    report.finish()


if __name__ == "__main__":
    main()
