"""What the page waits for: lanes of many cameras over a month through the whole application, and scrubbing.

    python -m bench.web [--smoke]

`timeline_64x30d_ms_p95`: `GET /api/v1/review` for 64 cameras and 30 days in 360 bins, over ASGI: gate, permission
(asked once, then remembered), SQLite, JSON; the smoke has 8 cameras and 3 days. The catalog holds a segment a minute
and a track every two minutes of each camera, with a gap of ten minutes a day; rows are written by plain SQL, with 64
bytes where a segment's wrapped key lies (a real one has 1.2 KB: more pages, the same number of looks). Windows are
drawn over a day, so that no answer is asked for twice. `lanes_64x24h_ms_p95`: a day of it, with tracks. `…_cpu_ms`:
the same by the process's own clock, for machines that do something else, too. Scrubbing is that of `bench.view`.
"""

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

import anyio
import numpy as np
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from bench.footage import shared_data
from bench.view import FPS, START_NS, scrub, source
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.holds import HoldService
from custodes.config import SiteConfig
from custodes.runtime.clock import SystemClock
from custodes.testing.media import encode_clip
from custodes.testing.review import make_review_site
from custodes.testing.web import (
    DrawnViews,
    FixedLive,
    InlineCatalog,
    LoggingWarden,
    WrittenErasures,
    WrittenExports,
    camera_row,
)
from custodes.units import NS_PER_S
from custodes.web.app import create_app
from eval.report import Report

MINUTE_NS = 60 * NS_PER_S
DAY_NS = 24 * 60 * MINUTE_NS
BINS = 360
PASSWORD = "four words in a row"
_RUN = "00000000cafe"


def fill(path: Path, cameras: list[str], days: int, now_ns: int) -> None:
    """Rows as the catalog would have them."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    minutes = [minute for minute in range(days * 24 * 60) if minute % 1440 >= 10]
    first = now_ns - days * DAY_NS
    for camera in cameras:
        starts = [first + minute * MINUTE_NS for minute in minutes]
        connection.executemany(
            "INSERT INTO segment (segment_id, camera_id, run, site_id, version, start_ns, end_ns, key_id, wrapped_key,"
            " path, bytes_on_disk, fragments, root, is_sealed, log_index)"
            " VALUES (?, ?, ?, '', 1, ?, ?, ?, zeroblob(64), '', 1000000, 60, zeroblob(32), 1, 1)",
            (
                (f"{start}-{camera}", camera, _RUN, start, start + MINUTE_NS, f"{camera}/{start // DAY_NS}")
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
        per_day = [(camera, first + day * DAY_NS, first + day * DAY_NS + 10 * MINUTE_NS) for day in range(days)]
        connection.executemany("INSERT INTO gap VALUES (?, ?, ?, 'unreachable')", per_day)
        connection.executemany(
            "INSERT INTO coverage VALUES (?, ?, ?)",
            [(camera, end, end - 10 * MINUTE_NS + DAY_NS) for _, _, end in per_day],
        )
        connection.execute(
            "INSERT INTO total (camera_id, longest_segment_ns, longest_track_ns) VALUES (?, ?, ?)",
            (camera, MINUTE_NS, 10 * NS_PER_S),
        )
        connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def lanes_ms(folder: Path, cameras: list[str], days: int, asks: int) -> dict[str, list[float]]:
    """Milliseconds of each answer by key, on the wall's clock and on the process's."""
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
        for name, span in (("month", days * DAY_NS), ("day", DAY_NS)):
            for _ in range(asks):
                end = now_ns - int(random.integers(0, DAY_NS))
                query = {"camera": cameras, "from": end - span, "to": end, "bins": BINS}
                began, began_cpu = time.perf_counter(), time.process_time()
                answer = client.get("/api/v1/review", params=query)
                taken[name].append((time.perf_counter() - began) * 1000)
                taken[f"{name}_cpu"].append((time.process_time() - began_cpu) * 1000)
                assert len(answer.json()["lanes"]) == len(cameras), answer.text
    catalog.close()
    warden.log.close()
    return taken


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="bench.web")
    parser.add_argument("--data", type=Path, default=None, help="default: $CUSTODES_SHARED/data or ../shared/data")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    count, days, asks = (8, 3, 10) if arguments.smoke else (64, 30, 60)
    report = Report("bench.web", smoke=arguments.smoke, config={"cameras": count, "days": days, "bins": BINS})
    report.progress(0, 2, "lanes")
    with tempfile.TemporaryDirectory() as folder:
        taken = lanes_ms(Path(folder), [f"camera-{n:02}" for n in range(count)], days, asks)
    for key, name in (("timeline_64x30d_ms", "month"), ("lanes_64x24h_ms", "day")):
        for share in (50, 95):
            report.results[f"{key}_p{share}"] = round(float(np.percentile(taken[name], share)), 1)
        report.results[f"{key.replace('_ms', '_cpu_ms')}_p50"] = round(float(np.median(taken[f"{name}_cpu"])), 1)
    report.progress(1, 2, "scrub")
    clip = encode_clip(source(arguments.data or shared_data(), 40), fps=FPS, gop=10, start_ns=START_NS)
    with tempfile.TemporaryDirectory() as folder:
        p50, p95 = scrub(make_review_site(Path(folder)), *clip, 20 if arguments.smoke else 200)
    report.results |= {"scrub_ms_p50": round(p50, 1), "scrub_ms_p95": round(p95, 1)}
    report.progress(2, 2, "done")
    report.finish()


if __name__ == "__main__":
    main()
