"""How long a camera is not recorded when its recorder is killed, hangs or is drained.

    python -m bench.handover [--cameras 8] [--rounds 3] [--smoke]

Two recorder processes share the cameras (generated clips of 25 pictures a second, a GOP of 0.4 s); one is taken away,
in turns by SIGKILL, by SIGSTOP and by draining. The figure is the hole in the recordings, by their own times:
from the end of the last segment under the old epoch to the begin of the first under the new one, so that all is in it:
noticing, deciding, asking, connecting, the wait for a keyframe. A camera on the network takes its own time to accept a
connection, which a file does not.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from custodes.app.serving.recorders import DRAIN, FOREVER_NS, PEOPLE
from custodes.errors import DeadlineExceeded
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.catalog import ALL
from custodes.testing.recorder import RecorderProcess, RecorderSite
from custodes.testing.recorders import RecorderServer
from custodes.units import NS_PER_S, CameraId
from eval.report import Report

PATIENCE_S = 120.0
LEASE_S = 5.0


def holes_s(site: RecorderSite, way: str, cameras: list[CameraId]) -> list[float]:
    """One round: each moved camera's hole in seconds."""
    server = RecorderServer(site)
    server.catalog.put_cameras(site.cameras(), is_exclusive=True)
    server.start()
    recorders = {name: RecorderProcess(site, name=name) for name in ("recorder", "recorder-2")}
    try:
        _until(lambda: len(set(server.owners().values())) == 2, "both recorders to have cameras")
        _until(lambda: all(_epochs(server, one) for one in cameras), "recordings of all")
        before = {one: max(_epochs(server, one)) for one in cameras}
        moved = [one for one, owner in server.owners().items() if owner == "recorder"]
        if way == "drain":
            server.catalog.leases.take([DRAIN + "recorder"], PEOPLE, FOREVER_NS)
        else:
            os.kill(recorders["recorder"].pid, signal.SIGKILL if way == "kill" else signal.SIGSTOP)
        _until(lambda: all(max(_epochs(server, one)) > before[one] for one in moved), "the other one to record all")
        if way == "pause":
            os.kill(recorders["recorder"].pid, signal.SIGCONT)
        recorders["recorder-2"].terminate()
    finally:
        for one in recorders.values():
            one.terminate()
        server.stop()
    return [_hole_s(site, one, before[one]) for one in moved]


def _hole_s(site: RecorderSite, camera_id: CameraId, epoch: int) -> float:
    catalog = RecorderServer(site).catalog
    segments = catalog.segments(camera_id, *ALL, 9999)
    catalog.close()
    ends = [one.end_ns for one in segments if one.lease_epoch == epoch]
    begins = [one.header.start_ns for one in segments if one.lease_epoch > epoch]
    return (min(begins) - max(ends)) / NS_PER_S


def _epochs(server: RecorderServer, camera_id: CameraId) -> list[int]:
    return [one.lease_epoch for one in server.catalog.segments(camera_id, *ALL, 9999) if one.fragments > 1]


def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"waited in vain for {what}")
        time.sleep(0.02)


def make_site(folder: Path, cameras: list[CameraId]) -> RecorderSite:
    """Two recorders, one clip for all."""
    site = RecorderSite(folder / "site")
    site.create(segment_s=4.0, min_free_mb=0, processes=2, lease_s=LEASE_S)
    clip = write_clip(folder / "walk.mp4", frames=500, fps=25, gop=10)
    for camera_id in cameras:
        site.publish(camera_id)
    site.assign([file_spec(clip, camera_id=one, is_looped=True) for one in cameras])
    return site


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="two cameras, one round, killed only")
    arguments = parser.parse_args()
    count, rounds = (2, 1) if arguments.smoke else (arguments.cameras, arguments.rounds)
    config = {"cameras": count, "rounds": rounds, "lease_s": LEASE_S}
    report = Report("bench.handover", smoke=arguments.smoke, config=config)
    for way in ("kill",) if arguments.smoke else ("kill", "pause", "drain"):
        found: list[float] = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="handover") as folder:
                cameras = [CameraId(f"camera-{number}") for number in range(count)]
                found += holes_s(make_site(Path(folder), cameras), way, cameras)
        found.sort()
        report.results[f"{way}_hole_s_median"] = round(found[len(found) // 2], 2)
        report.results[f"{way}_hole_s_max"] = round(found[-1], 2)
    report.finish()


if __name__ == "__main__":
    main()
