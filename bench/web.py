"""What the page waits for: lanes of many cameras over a month through the whole application, and scrubbing.

    python -m bench.web [--smoke] [--part lanes|page|view|first|wall]

`timeline_64x30d_ms_p95`: `GET /api/v1/review` for 64 cameras and 30 days in 360 bins, over ASGI: gate, permission
(asked once, then remembered), SQLite, JSON; the smoke has 8 cameras and 3 days. The catalog holds a segment a minute
and a track every two minutes of each camera, with a gap of ten minutes a day; rows are written by plain SQL, with 64
bytes where a segment's wrapped key lies (a real one has 1.2 KB: more pages, the same number of looks). Windows are
drawn over a day, so that no answer is asked for twice. `lanes_64x24h_ms_p95`: a day of it, with tracks. `…_cpu_ms`:
the same by the process's own clock, for machines that do something else, too. Scrubbing, and what a marked 1080p15
viewer costs, are those of `bench.view`, with decoding and encoding alone as the floor.

`first_picture_ms`: from the socket's opening to the first chunk of live video of a whole running site, jobs warm.
`wall_16_for_N_…`: walls of 16 at 640×360 for N viewers (`bench.wall`); not in the smoke.
`page_day_…`: the wall left open for a simulated day (`bench.left_open`); growth is from the first quarter of an hour
to the end, after collecting garbage. The smoke leaves it open for a minute.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import anyio
import numpy as np
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from bench.footage import WALKERS, shared_data
from bench.left_open import Memory, left_open
from bench.view import FPS, START_NS, enlarge, scrub, source, stages
from bench.wall import walls
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.holds import HoldService
from custodes.config import SiteConfig
from custodes.runtime.clock import SystemClock
from custodes.testing.media import encode_clip
from custodes.testing.review import make_review_site
from custodes.testing.rtsp import prepare_clip
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer
from custodes.testing.web import (
    DrawnViews,
    FixedLive,
    InlineCatalog,
    LoggingWarden,
    WrittenErasures,
    WrittenExports,
    camera_row,
)
from custodes.units import NS_PER_DAY, NS_PER_MINUTE, NS_PER_S
from custodes.web.app import create_app
from eval.report import Report

BINS = 360
PASSWORD = "four words in a row"
_RUN = "00000000cafe"


def fill(path: Path, cameras: list[str], days: int, now_ns: int) -> None:
    """Rows as the catalog would have them."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    minutes = [minute for minute in range(days * 24 * 60) if minute % 1440 >= 10]
    first = now_ns - days * NS_PER_DAY
    for camera in cameras:
        starts = [first + minute * NS_PER_MINUTE for minute in minutes]
        connection.executemany(
            "INSERT INTO segment (segment_id, camera_id, run, site_id, version, start_ns, end_ns, key_id, wrapped_key,"
            " path, bytes_on_disk, fragments, root, is_sealed, log_index)"
            " VALUES (?, ?, ?, '', 1, ?, ?, ?, zeroblob(64), '', 1000000, 60, zeroblob(32), 1, 1)",
            (
                (f"{start}-{camera}", camera, _RUN, start, start + NS_PER_MINUTE, f"{camera}/{start // NS_PER_DAY}")
                for start in starts
            ),
        )
        connection.executemany(
            "INSERT INTO tracklet"
            " (camera_id, run, track_id, start_ns, end_ns, object_class, frames, mean_score, boxes)"
            " VALUES (?, ?, ?, ?, ?, ?, 50, 0.7, zeroblob(64))",
            (
                (camera, _RUN, number, start, start + 10 * NS_PER_S, 0 if number % 3 else 2)
                for number, start in enumerate(starts[::2])
            ),
        )
        per_day = [
            (camera, first + day * NS_PER_DAY, first + day * NS_PER_DAY + 10 * NS_PER_MINUTE) for day in range(days)
        ]
        connection.executemany("INSERT INTO gap VALUES (?, ?, ?, 'unreachable')", per_day)
        connection.executemany(
            "INSERT INTO coverage VALUES (?, ?, ?)",
            [(camera, end, end - 10 * NS_PER_MINUTE + NS_PER_DAY) for _, _, end in per_day],
        )
        connection.execute(
            "INSERT INTO total (camera_id, longest_segment_ns, longest_track_ns) VALUES (?, ?, ?)",
            (camera, NS_PER_MINUTE, 10 * NS_PER_S),
        )
        connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def first_picture_ms(folder: Path, clip: Path, looks: int) -> list[float]:
    """Milliseconds until the first live picture, one look after another."""
    camera = {"id": "walkers", "url": prepare_clip(clip, folder / "clip.mp4").as_uri(), "loop": True}
    with RunningSite(folder / "site", {"name": "Bench", "cameras": [camera]}) as site:
        site.wait_for(lambda: bool(site.token), "the token of the first account")
        viewer = Viewer(site.address)
        viewer.claim(site.token)
        site.wait_for(lambda: site.camera("walkers")["state"] == "recording", "the camera to be recorded")
        viewer.watch("walkers", seconds=60, chunks=1)
        return [viewer.watch("walkers", seconds=60, chunks=1).first_picture_s * 1000 for _ in range(looks)]


def lanes_ms(
    folder: Path, cameras: list[str], days: int, asks: int, *, memory: list[Memory], open_h: float = 0
) -> dict[str, list[float]]:
    """Milliseconds of each answer by key, on the wall's clock and on the process's; fills `memory` of a page that is
    left open for `open_h`."""
    clock = SystemClock()
    now_ns = clock.now_ns()
    path = folder / "catalog.db"
    sqlite_catalog(path, site_id="ab" * 8, clock=clock).close()
    fill(path, cameras, days, now_ns)
    catalog = sqlite_catalog(path, site_id="ab" * 8, clock=clock)
    warden = LoggingWarden(folder, clock)
    tokens: list[str] = []

    async def announce(token: str) -> None:
        tokens.append(token)
        await anyio.sleep(0)

    app = create_app(
        catalog=InlineCatalog.over(catalog),
        views=DrawnViews(warden, clock),
        live=FixedLive([camera_row(camera) for camera in cameras], ()),
        warden=warden,
        exports=WrittenExports(folder, warden),
        erasures=WrittenErasures(folder, warden),
        holds=HoldService(catalog=InlineCatalog.over(catalog), warden=warden, clock=clock),
        config=SiteConfig(name="Bench", data_dir=folder),
        clock=clock,
        announce=announce,
        hasher=PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1),
    )
    random = np.random.default_rng(7)
    taken: dict[str, list[float]] = {"month": [], "day": [], "month_cpu": [], "day_cpu": []}
    with TestClient(app, base_url="http://127.0.0.1", headers={"origin": "http://127.0.0.1"}) as client:
        form = {"token": tokens[-1], "name": "Ada", "password": PASSWORD, "password_again": PASSWORD}
        client.post("/first-boot", data={**form, "roles": ["operator"]})
        if open_h:
            memory += left_open(app, _cookie(client), hours=open_h)
        for name, span in (("month", days * NS_PER_DAY), ("day", NS_PER_DAY)):
            for _ in range(asks):
                end = now_ns - int(random.integers(0, NS_PER_DAY))
                query = {"camera": cameras, "from": end - span, "to": end, "bins": BINS}
                began, began_cpu = time.perf_counter(), time.process_time()
                answer = client.get("/api/v1/review", params=query)
                taken[name].append((time.perf_counter() - began) * 1000)
                taken[f"{name}_cpu"].append((time.process_time() - began_cpu) * 1000)
                assert len(answer.json()["lanes"]) == len(cameras), answer.text
    catalog.close()
    warden.log.close()
    return taken


def _cookie(client: TestClient) -> tuple[str, str]:
    return next((one.name, str(one.value)) for one in client.cookies.jar if "session" in one.name)


def lanes(report: Report, _data: Path, *, smoke: bool) -> None:
    """Timeline and lanes of many cameras."""
    count, days, asks = (8, 3, 10) if smoke else (64, 30, 60)
    report.config |= {"cameras": count, "days": days, "bins": BINS}
    with tempfile.TemporaryDirectory() as folder:
        taken = lanes_ms(Path(folder), [f"camera-{n:02}" for n in range(count)], days, asks, memory=[])
    for key, name in (("timeline_64x30d_ms", "month"), ("lanes_64x24h_ms", "day")):
        for share in (50, 95):
            report.results[f"{key}_p{share}"] = round(float(np.percentile(taken[name], share)), 1)
        report.results[f"{key.replace('_ms', '_cpu_ms')}_p50"] = round(float(np.median(taken[f"{name}_cpu"])), 1)


def page_day(report: Report, _data: Path, *, smoke: bool) -> None:
    """The wall, left open."""
    memory: list[Memory] = []
    with tempfile.TemporaryDirectory() as folder:
        lanes_ms(
            Path(folder), [f"camera-{n:02}" for n in range(4)], 1, 0, memory=memory, open_h=1 / 60 if smoke else 24
        )
    report.results |= {
        "page_day_heap_mb": memory[-1].heap_mb,
        "page_day_growth_mb": round(memory[-1].heap_mb - memory[0].heap_mb, 2),
        "page_day_nodes_growth": memory[-1].nodes - memory[0].nodes,
    }


def viewing(report: Report, data: Path, *, smoke: bool) -> None:
    """Scrubbing, and a marked viewer's cost."""
    clip = encode_clip(source(data, 40), fps=FPS, gop=10, start_ns=START_NS)
    with tempfile.TemporaryDirectory() as folder:
        p50, p95 = scrub(make_review_site(Path(folder)), *clip, 20 if smoke else 200)
    report.results |= {"scrub_ms_p50": round(p50, 1), "scrub_ms_p95": round(p95, 1)}
    large = (enlarge(frame, 1080, 1920) for frame in source(data, 10))
    costs = stages(*encode_clip(large, fps=FPS, gop=10, start_ns=START_NS), 1080)
    total = sum(ms for stage, ms in costs.items() if stage != "jpeg")
    report.results["core_per_marked_1080p15_viewer"] = round(total * 15 / 1000, 3)
    report.floor["core_decode_encode_1080p15"] = round((costs["decode"] + costs["encode"]) * 15 / 1000, 3)


def first_picture(report: Report, data: Path, *, smoke: bool) -> None:
    """A whole running site's first picture; nothing in the smoke."""
    if smoke:
        return
    with tempfile.TemporaryDirectory() as folder:
        waits = first_picture_ms(Path(folder), data / WALKERS, 20)
    for share in (50, 95):
        report.results[f"first_picture_ms_p{share}"] = round(float(np.percentile(waits, share)), 1)


def wall(report: Report, data: Path, *, smoke: bool) -> None:
    """Walls of 16 for several viewers; nothing in the smoke."""
    if smoke:
        return
    with tempfile.TemporaryDirectory() as folder:
        for one in walls(Path(folder), data / WALKERS, tiles=16, viewers=(1, 3, 10), seconds=20):
            for key, value in asdict(one).items():
                if key not in ("viewers", "tiles"):
                    report.results[f"wall_{one.tiles}_for_{one.viewers}_{key}"] = value
            report.note(str(one))


PARTS: dict[str, Callable[..., None]] = {
    "lanes": lanes,
    "page": page_day,
    "view": viewing,
    "first": first_picture,
    "wall": wall,
}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="bench.web")
    parser.add_argument("--data", type=Path, default=None, help="default: $CUSTODES_SHARED/data or ../shared/data")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--part", action="append", choices=PARTS, help="these alone; all, the page's day last")
    arguments = parser.parse_args()
    chosen = arguments.part or [*(name for name in PARTS if name != "page"), "page"]
    report = Report("bench.web", smoke=arguments.smoke, config={"parts": chosen})
    for done, name in enumerate(chosen):
        report.progress(done, len(chosen), name)
        known = set(report.results)
        PARTS[name](report, arguments.data or shared_data(), smoke=arguments.smoke)
        report.note(" ".join(f"{key} {value}" for key, value in report.results.items() if key not in known))
    report.progress(len(chosen), len(chosen), "done")
    report.finish()


if __name__ == "__main__":
    main()
