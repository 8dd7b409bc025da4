"""From a posted picture to camera, second, session and proof by one command, on a real site that goes on recording.

    python -m bench.leak [--cameras 4] [--leaks 5] [--record 120]

Cameras play four clips over RTSP. For each leak a viewer looks at a camera's page in Chromium for a case and takes a
screenshot, others look at the same seconds, and two services make the screenshot smaller and compress it. Then two
people run `custodes leak attribute` over all cameras and all that was recorded, somebody else `custodes leak verify`.
`leak_named_s` is the first command from its start to its end, beside a site that records and analyses. It has no smoke
size: tests/e2e/test_leak.py goes the same way.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.footage import TABLE, WALKERS, shared_data
from custodes.testing.leaked import Shot, screenshot, sent_on, who_trace
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer
from demo.prepare import prepare
from eval.report import Report

CLIPS = {
    "walkers": (WALKERS, 7.0),
    "table": (TABLE, 10.0),
    "terrace": ("multicam/epfl/terrace1-c0.mp4", None),
    "highway": ("traffic/cdnet-highway.mp4", None),
}
CLIP_S = 90.0
HEIGHT_PX = 432
SECOND_S = 1.5
"""The page says whole seconds: its middle, and one beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What the command said of one leak."""

    wall_s: float
    job_cpu_s: float
    """Of the jobs that compared, from their start."""
    verify_s: float
    is_camera: bool
    is_second: bool
    is_held: bool
    """The page's second lies in the told stretch."""
    is_session: bool
    is_proven: bool
    z: float
    said: dict[str, object]
    """By the page, and by the command, side by side."""


def trace(site: RunningSite, shot: Shot, camera: str, who: Sequence[str], folder: Path, reference: str) -> Traced:
    """One command, and the other side's check."""
    picture, bundle = folder / f"{reference}.jpg", folder / f"{reference}.zip"
    picture.write_bytes(sent_on(shot.png))
    before_s, begun = _job_cpu_s(site), time.monotonic()
    done = site.cli("leak", "attribute", str(picture), *who, "--json", "-o", str(bundle), timeout_s=600)
    wall_s = time.monotonic() - begun
    if done.returncode:
        raise SystemExit(f"custodes leak attribute: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    job_cpu_s = _job_cpu_s(site) - before_s
    named = told.get("named", [])
    of_session = {one["session_id"]: one["reference"] for one in told.get("shown_to", [])}
    begun = time.monotonic()
    checked = site.cli("leak", "verify", str(bundle))
    first_s, last_s = (told.get(key, 0) / 1e9 for key in ("earliest_ns", "latest_ns"))
    utc_s = told.get("utc_ns", 0) / 1e9
    said: dict[str, object] = {
        "camera": camera,
        "page_s": shot.utc_s,
        "told_camera": told.get("camera", ""),
        "verdict": told["verdict"],
        "likeness": {name: one["likeness"] for name, one in told["cameras"].items()},
        # seconds from the page's own
        "told_off_s": round(utc_s - shot.utc_s, 2),
        "told_stretch_s": [round(first_s - shot.utc_s, 2), round(last_s - shot.utc_s, 2)],
        "by_content_s": [round(one / 1e9 - shot.utc_s, 2) for one in told.get("by_content_ns", [])],
        "wall_s": round(wall_s, 2),
        "job_cpu_s": round(job_cpu_s, 2),
        "z": [round(one["z"], 1) for one in named],
    }
    return Traced(
        wall_s=wall_s,
        job_cpu_s=job_cpu_s,
        verify_s=time.monotonic() - begun,
        is_camera=told.get("camera") == camera,
        is_second=abs(utc_s - (shot.utc_s + 0.5)) <= SECOND_S,
        is_held=first_s < shot.utc_s + 1 and last_s >= shot.utc_s,
        is_session=told["verdict"] == "named" and [of_session.get(one["session"]) for one in named] == [reference],
        is_proven=checked.stdout.startswith("good"),
        z=max((one["z"] for one in named), default=0.0),
        said=said,
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="bench.leak", description=__doc__)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--leaks", type=int, default=5)
    parser.add_argument("--record", type=float, default=120.0, help="seconds before the first leak")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for the screenshots")
    parser.add_argument("--data", type=Path, default=None, help="default: $CUSTODES_SHARED/data or ../shared/data")
    arguments = parser.parse_args()
    config = {"cameras": arguments.cameras, "leaks": arguments.leaks, "recorded_s": arguments.record}
    report = Report("bench.leak", smoke=False, config=config)
    data, names = arguments.data or shared_data(), list(CLIPS)
    with tempfile.TemporaryDirectory() as name:
        folder, clips = Path(name), {}
        for clip, (path, fps) in CLIPS.items():
            clips[clip] = folder / f"{clip}.h264"
            prepare(data / path, clips[clip], fps=fps, height=HEIGHT_PX, seconds=CLIP_S)
        with RtspServer(clips) as server:
            cameras = [f"{names[n % len(names)]}-{n}" for n in range(arguments.cameras)]
            site_config = {
                "name": "Leaks",
                "recorder": {"segment_s": 10},
                "cameras": [{"id": one, "url": server.url(one.rsplit("-", 1)[0])} for one in cameras],
            }
            with RunningSite(folder / "site", site_config) as site:
                traced = _leaks(report, site, folder, cameras, arguments.leaks, arguments.record, arguments.keep)
    results = report.results
    results["leak_named_s"] = round(float(np.median([one.wall_s for one in traced])), 2)
    results["leak_named_s_max"] = round(max(one.wall_s for one in traced), 2)
    results["leak_named_job_cpu_s"] = round(float(np.median([one.job_cpu_s for one in traced])), 2)
    results["leak_verified_s"] = round(float(np.median([one.verify_s for one in traced])), 2)
    results["z_min"] = round(min(one.z for one in traced), 1)
    report.rows += [one.said for one in traced]
    for what in ("camera", "second", "held", "session", "proven"):
        right = sum(getattr(one, f"is_{what}") for one in traced) / len(traced)
        results[f"{what}_right"] = round(right, 3)
    report.finish()


def _job_cpu_s(site: RunningSite) -> float:
    """CPU seconds of all comparisons so far, as the jobs wrote them down."""
    total = 0.0
    for path in (site.data_dir / "log").glob("job-*.log*"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"trace ends"' in line or '"search over cameras ends"' in line:
                total += json.loads(line)["cpu_s"]
    return total


def _has_recorded(site: RunningSite, camera: str, seconds: float) -> bool:
    row = site.camera(camera)
    return bool(row) and row["recorded_s"] > seconds and row["frames_analysed"] > 0


def _leaks(
    report: Report,
    site: RunningSite,
    folder: Path,
    cameras: Sequence[str],
    count: int,
    record_s: float,
    keep: Path | None,
) -> list[Traced]:
    viewer = Viewer(site.address)
    site.wait_for(lambda: bool(site.token), "the token of the first account")
    viewer.claim(site.token)
    who = who_trace(site, folder)
    for camera in cameras:
        site.wait_for(
            lambda name=camera: site.camera(name)["recorded_s"] > record_s, f"{record_s:.0f} s of {camera}", 600
        )
    traced = []
    for number in range(count):
        camera, reference = cameras[number % len(cameras)], f"leak-{number}"
        shot = screenshot(site, camera, reference=reference)
        # Somebody who was shown the same seconds, and is a candidate.
        moments = [(shot.utc_s + step) * 10**9 for step in (-1, 0, 1)]
        viewer.stills(camera, moments, reference="a bystander")
        traced.append(trace(site, shot, camera, who, folder, reference))
        report.progress(number + 1, count, f"{traced[-1].wall_s:.1f} s")
        report.note(json.dumps(traced[-1].said))
        if keep is not None:
            (keep / f"{reference}.png").write_bytes(shot.png)
    return traced


if __name__ == "__main__":
    main()
