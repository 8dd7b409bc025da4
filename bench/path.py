"""What one camera costs on the whole path: a real site on real footage over RTSP, beside the floor.

    python -m bench.path [--smoke] [--seconds 30]

Cameras play PETS (768×576, 7 fps) and intel-one-by-one (768×432, 10 fps) in turn. CPU is what the operating system
says of each process of the site, over a window after warm-up, divided by cameras × seconds. The live delay is our
clock when a chunk arrives at a viewer minus the capture time of its first frame, as the recorder estimates it
(arrival of its packet). The floor is measured in the same run: demux only, and demux + decode, of the same clips.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.footage import TABLE, WALKERS, shared_data
from custodes.errors import CameraEnded
from custodes.media.decode import FrameDecoder
from custodes.media.demux import Demuxer
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer
from custodes.types.media import Packet
from custodes.units import CameraId, Ns, RunId
from demo.prepare import prepare
from eval.report import Report

CLIPS = {"pets": WALKERS, "onebyone": TABLE}
FPS = {"pets": 7.0, "onebyone": 10.0}
"""PETS is tagged 10 fps but was taken at 7 (shared/data/README.md)."""
COUNTERS = ("frames_decoded", "frames_analysed", "frames_skipped_rate", "frames_skipped_quiet", "gops_shed")
WARM_UP_S = 8.0
SMOKE_CLIP_S = 20.0


def floor(clip: Path, fps: float) -> tuple[float, float]:
    """CPU seconds per second of video: (demux, demux + decode), one thread."""
    results = []
    for is_decoding in (False, True):
        demuxer = Demuxer(str(clip), where=clip.name, options={}, open_timeout_s=5, read_timeout_s=5)
        info = demuxer.info(CameraId("floor"), RunId("0" * 12))
        decoder = FrameDecoder(info)
        frames, begun = 0, time.process_time()
        try:
            for raw in demuxer.packets():
                frames += 1
                if is_decoding:
                    decoder.decode(_packet(frames, raw))
        except CameraEnded:
            pass
        results.append((time.process_time() - begun) / (frames / fps))
        demuxer.close()
    return results[0], results[1]


def _packet(seq: int, raw: Any) -> Packet:
    return Packet(
        camera_id=CameraId("floor"),
        run=RunId("0" * 12),
        seq=seq,
        payload=raw.payload,
        pts=seq,
        dts=seq,
        duration=1,
        is_keyframe=raw.is_keyframe,
        is_corrupt=False,
        utc_ns=Ns(seq),
    )


@contextmanager
def served(folder: Path, data: Path, clip_s: float | None) -> Iterator[tuple[RtspServer, dict[str, Path]]]:
    """The clips behind a real RTSP server."""
    clips = {}
    for name, relative in CLIPS.items():
        clips[name] = folder / f"{name}.h264"
        prepare(data / relative, clips[name], fps=FPS[name], height=None, seconds=clip_s)
    with RtspServer(clips) as server:
        yield server, clips


def measure(folder: Path, server: RtspServer, cameras: int, seconds: float, warm_up_s: float) -> dict[str, Any]:
    """Run a site with `cameras` cameras; CPU, memory and counters over the window, then one viewer's delays."""
    names = list(CLIPS)
    config = {
        "name": "bench",
        "cameras": [
            {"id": f"cam{number}", "url": server.url(names[number % len(names)])} for number in range(cameras)
        ],
    }
    with RunningSite(folder / f"site{cameras}", config) as site:
        site.wait_for(
            lambda: sum(row["frames_analysed"] > 0 for row in site.status()["cameras"]) == cameras,
            f"analysis of {cameras} cameras",
        )
        time.sleep(warm_up_s)
        before, begun = site.status(), time.monotonic()
        time.sleep(seconds)
        after, elapsed_s = site.status(), time.monotonic() - begun
        viewer = Viewer(site.address)
        viewer.claim(site.token)
        view_s = max(8.0, seconds / 2)
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(viewer.watch, "cam0", seconds=view_s)
            time.sleep(2.0)  # past the view's start
            watched, view_begun = site.status(), time.monotonic()
            time.sleep(view_s - 4.0)
            viewed, viewed_s = site.status(), time.monotonic() - view_begun
            seen = watching.result()
    share = elapsed_s * cameras
    return {
        "cpu": _cpu_by_kind(before, after, share),
        "rss": _rss_by_kind(after),
        "counters": {
            key: (sum(row[key] for row in after["cameras"]) - sum(row[key] for row in before["cameras"])) / share
            for key in COUNTERS
        },
        "job_cpu_s_per_view_s": _job_cpu(watched, viewed) / viewed_s,
        "delays_ms": [delay / 1e6 for delay in seen.delays_ns[len(seen.delays_ns) // 4 :]],
        "first_picture_s": seen.first_picture_s,
        "fully_masked_chunks": seen.fully_masked_chunks,
        "chunks": len(seen.media),
    }


def _cpu_by_kind(before: dict[str, Any], after: dict[str, Any], share: float) -> dict[str, float]:
    used: dict[str, float] = {}
    for status, sign in ((before, -1), (after, 1)):
        for process in status["processes"]:
            used[process["kind"]] = used.get(process["kind"], 0.0) + sign * process["cpu_s"]
    return {kind: round(cpu_s / share, 5) for kind, cpu_s in used.items()}


def _job_cpu(before: dict[str, Any], after: dict[str, Any]) -> float:
    """CPU of the jobs that are in both; spare ones cost nothing, one that came or went between does not count."""
    first = {process["name"]: process["cpu_s"] for process in before["processes"] if process["kind"] == "job"}
    return sum(process["cpu_s"] - first[process["name"]] for process in after["processes"] if process["name"] in first)


def _rss_by_kind(status: dict[str, Any]) -> dict[str, float]:
    held: dict[str, float] = {}
    for process in status["processes"]:
        held[process["kind"]] = round(held.get(process["kind"], 0.0) + process["rss_mb"], 1)
    return held


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="2 cameras for a few seconds, within 45 s")
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    counts = (2,) if arguments.smoke else (1, 4, 8)
    seconds = 5.0 if arguments.smoke else arguments.seconds
    report = Report(
        "bench.path", smoke=arguments.smoke, config={"cameras": counts, "seconds": seconds, "clips": CLIPS}
    )
    with (
        tempfile.TemporaryDirectory(prefix="custodes-bench-") as scratch,
        served(Path(scratch), shared_data(), SMOKE_CLIP_S if arguments.smoke else None) as (server, clips),
    ):
        for name, clip in clips.items():
            demux, decode = floor(clip, FPS[name])
            report.floor[f"demux_cpu_s_per_s_{name}"] = round(demux, 5)
            report.floor[f"demux_decode_cpu_s_per_s_{name}"] = round(decode, 5)
        for step, cameras in enumerate(counts):
            report.progress(step, len(counts), f"{cameras} cameras")
            got = measure(Path(scratch), server, cameras, seconds, 1.0 if arguments.smoke else WARM_UP_S)
            report.results[f"cpu_s_per_camera_s_{cameras}"] = round(sum(got["cpu"].values()), 4)
            for kind, cpu_s in got["cpu"].items():
                report.results[f"cpu_s_per_camera_s_{cameras}_{kind}"] = cpu_s
            for key, value in got["counters"].items():
                report.results[f"{key}_per_camera_s_{cameras}"] = round(value, 2)
            report.results["live_delay_ms_p95"] = _percentile(got["delays_ms"], 95)
            report.results[f"live_delay_ms_p50_{cameras}"] = _percentile(got["delays_ms"], 50)
            report.results[f"live_delay_ms_p95_{cameras}"] = _percentile(got["delays_ms"], 95)
            report.results[f"first_picture_s_{cameras}"] = round(got["first_picture_s"], 3)
            report.results[f"fully_masked_chunk_share_{cameras}"] = round(
                got["fully_masked_chunks"] / max(1, got["chunks"]), 3
            )
            report.results[f"job_cpu_s_per_view_s_{cameras}"] = round(got["job_cpu_s_per_view_s"], 4)
            report.results["rss_mb_total"] = round(sum(got["rss"].values()), 1)
            for kind, rss_mb in got["rss"].items():
                report.results[f"rss_mb_{kind}_{cameras}"] = rss_mb
    report.finish()


def _percentile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        raise SystemExit("the viewer saw no live picture; nothing to report")
    return round(statistics.quantiles(values, n=100)[percent - 1], 1)


if __name__ == "__main__":
    sys.exit(main())
