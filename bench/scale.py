"""The catalog of a thousand cameras in PostgreSQL and in its file, in turns: facts a second, journeys, flows.

    python -m bench.scale [--rows 10000000] [--seconds 20] [--smoke]

A fact is an analysed frame with three people in it; a commit holds one of each camera, as the server groups them, and
is durable when it returns (PostgreSQL with its own defaults on this disk, SQLite with WAL and `synchronous=FULL`).
Movements are `bench.journeys`' month. Both databases run on this machine: PostgreSQL's own processes take their share
of its cores. Without Debian's `postgresql` only the file is measured, and the report says so.
Facts a CPU second are those of client and server together, which holds on a machine that does other things, too.
What a centre takes to catch up after a day's cut is `bench.catch_up`, what cameras cost by number `bench.cost`.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.catch_up import catch_up
from bench.cost import cost
from bench.journeys import CAMERAS, FULL_ROWS, ask, days_of, load
from custodes.adapters.sql import SqlCatalog, postgres_catalog, sqlite_catalog
from custodes.errors import Unavailable
from custodes.testing.catalog import make_frame
from custodes.testing.clock import ManualClock
from custodes.testing.postgres import running_postgres
from custodes.types.event import FrameAnalysed
from custodes.units import NS_PER_S, Ns
from eval.report import Report

FPS = 5
PEOPLE = 3
FIRST_LOTS = 3
"""Not counted: a camera's first frames are looked up one by one, once in its run's life (`AnalysisWriter`)."""

TURNS = 4
"""The databases take turns, so that a machine that slows down slows both."""


def lots() -> Iterator[list[FrameAnalysed]]:
    """One frame of each camera at a time, five times a second."""
    first = [make_frame(0, 0.0, camera_id=f"camera-{n}", tracks=PEOPLE) for n in range(CAMERAS)]
    step_ns, seq = NS_PER_S // FPS, 0
    while True:
        shift_ns = seq * step_ns
        yield [
            replace(
                fact,
                frame=replace(fact.frame, seq=seq, utc_ns=Ns(fact.frame.utc_ns + shift_ns)),
                valid_from_ns=Ns(fact.valid_from_ns + shift_ns - (step_ns if seq else 0)),
            )
            for fact in first
        ]
        seq += 1


def put_for(
    catalog: SqlCatalog, frames: Iterator[list[FrameAnalysed]], seconds: float, cpu_s: Callable[[], float]
) -> tuple[int, float, float, float]:
    """Facts stored, how long the storing took, and the CPU seconds of all and of this process. Args: cpu_s: of all."""
    facts, spent_s, used_s, own_s = 0, 0.0, 0.0, 0.0
    while spent_s < seconds:
        lot = next(frames)
        started, before_s, own_before_s = time.perf_counter(), cpu_s(), time.process_time()
        catalog.put_analysis(lot, [])
        spent_s += time.perf_counter() - started
        own_s += time.process_time() - own_before_s
        used_s += cpu_s() - before_s
        facts += len(lot)
    return facts, spent_s, used_s, own_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    rows, seconds = (200_000, 1.0) if arguments.smoke else (arguments.rows, arguments.seconds)
    config = {"rows": rows, "cameras": CAMERAS, "days": days_of(rows), "seconds": seconds, "facts_per_commit": CAMERAS}
    report = Report("bench.scale", smoke=arguments.smoke, config=config)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        catalogs = {"sqlite": sqlite_catalog(Path(folder) / "catalog.db", site_id="bench", clock=ManualClock())}
        cpu_of: dict[str, Callable[[], float]] = {"sqlite": time.process_time}
        try:
            server = stack.enter_context(running_postgres())
        except Unavailable as error:
            report.note(f"without PostgreSQL: {error}")
        else:
            catalogs["postgres"] = postgres_catalog(server.database(), site_id="bench", clock=ManualClock())
            cpu_of["postgres"] = lambda: time.process_time() + server.cpu_s()
        frames = {name: lots() for name in catalogs}
        for name, catalog in catalogs.items():
            for _ in range(FIRST_LOTS):
                catalog.put_analysis(next(frames[name]), [])
        stored: dict[str, list[tuple[int, float, float, float]]] = {}
        for turn in range(TURNS):
            for name, catalog in catalogs.items():
                stored.setdefault(name, []).append(put_for(catalog, frames[name], seconds / TURNS, cpu_of[name]))
            report.progress(turn + 1, TURNS, "turns of facts")
        size = "1e8_" if rows == FULL_ROWS else ""
        for name, catalog in catalogs.items():
            facts, spent_s, used_s, writer_s = map(sum, zip(*stored[name], strict=True))
            report.results[f"facts_per_s_{name}"] = round(facts / spent_s)
            report.results[f"facts_per_cpu_s_{name}"] = round(facts / used_s)
            if name == "postgres":
                # What bounds them where the database has a core of its own: the server's one writer.
                report.results["facts_per_writer_cpu_s_postgres"] = round(facts / writer_s)
            month = Report("bench.journeys", smoke=arguments.smoke, config={})
            load(catalog.movements, rows, month)
            ask(catalog.movements, days_of(rows), month)
            report.results[f"bulk_rows_per_s_{name}"] = month.results["bulk_rows_per_s"]
            report.results[f"journey_{size}{name}_ms_p95"] = month.results["journey_ms_p95"]
            report.results[f"flow_{size}{name}_ms_p95"] = month.results["flow_matrix_ms_p95"]
            catalog.close()
        count = itertools.count()

        def new_file() -> tuple[SqlCatalog, Callable[[], float]]:
            path = Path(folder) / f"cost-{next(count)}.db"
            return sqlite_catalog(path, site_id="bench", clock=ManualClock()), cpu_of["sqlite"]

        def new_database() -> tuple[SqlCatalog, Callable[[], float]]:
            return postgres_catalog(server.database(), site_id="bench", clock=ManualClock()), cpu_of["postgres"]

        cost(report, {"sqlite": new_file, **({"postgres": new_database} if "postgres" in catalogs else {})})
    try:
        catch_up(report, cameras=10 if arguments.smoke else CAMERAS)
    except (Unavailable, ImportError) as error:
        report.note(f"without a NATS server: {error}")
    report.finish()


if __name__ == "__main__":
    main()
