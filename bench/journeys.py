"""A month of a thousand cameras as columns: what rows cost, how fast they come in, how fast they answer.

    python -m bench.journeys [--rows 100000000] [--smoke] [--peers]

10⁸ synthetic tracks over 30 days on 1,000 cameras, 1.5 % of them sightings of 20,000 enrolled people, flows between
3,000 pairs of cameras by hour. Times, durations, scores and places are random, so no compressor finds more than is
there. `--peers` loads the same rows into DuckDB and into a plain SQLite table (at most 10⁷: what the choice in
ADR 28 cost). The adapter is the one that the catalog uses, on an empty file.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.journeys_peers import DuckRows, PeerRows, PlainRows
from custodes.adapters.sql import sqlite_catalog
from custodes.ports.movements import Movements
from custodes.testing.clock import ManualClock
from custodes.testing.movements import START_NS, take_passages
from custodes.types.access import ALL_CAMERAS, CameraScope
from custodes.types.movement import Flows, Passages, Sighting, Streams
from custodes.units import NS_PER_HOUR, CameraId, Ns, RunId
from eval.report import Report

CAMERAS = 1000
DAYS = 30
FULL_ROWS = 100_000_000
SUBJECTS = 20_000
SIGHTED_SHARE = 0.015
PAIRS = 3000
LOT = 1_000_000
LIVE_ROWS = 1000
"""Rows per commit at 20,000 a second: the server commits 20 times a second (`app.serving.facts.LINGER_S`)."""

LIVE_COMMITS = 200
ASKED = 200
PEER_ROWS = 10_000_000


def days_of(rows: int) -> int:
    """Fewer rows are fewer days, so that a block holds as much time as with all of them."""
    return max(1, DAYS * rows // FULL_ROWS)


def make_month(rows: int) -> Iterator[Passages]:
    """In time order, in lots. Runs change daily; of three numbers that a tracker gives, one becomes a track."""
    rng = np.random.default_rng(9)
    given = np.zeros(days_of(rows) * CAMERAS, np.int64)
    span_ms = days_of(rows) * 86_400_000
    for first in range(0, rows, LOT):
        count = min(LOT, rows - first)
        low, high = span_ms * first // rows, span_ms * (first + count) // rows
        start_ms = np.sort(rng.integers(low, high, count))
        cameras, days = rng.integers(0, CAMERAS, count), start_ms // 86_400_000
        codes, of_row = np.unique(days * CAMERAS + cameras, return_inverse=True)
        starts = START_NS + start_ms * 1_000_000
        by_stream = np.argsort(of_row, kind="stable")
        rank = np.empty(count, np.int64)
        rank[by_stream] = np.arange(count) - np.searchsorted(of_row[by_stream], of_row[by_stream])
        track_ids = 1000 + 3 * (given[codes][of_row] + rank) + rng.integers(0, 3, count)
        given[codes] += np.bincount(of_row, minlength=len(codes))
        yield Passages(
            streams=Streams(
                codes=of_row,
                camera_ids=tuple(CameraId(f"camera-{code % CAMERAS}") for code in codes.tolist()),
                runs=tuple(RunId(f"{code:012x}") for code in codes.tolist()),
            ),
            track_ids=track_ids,
            classes=rng.choice([0, 1, 2, 3, 4, 5], count, p=[0.5, 0.05, 0.35, 0.02, 0.03, 0.05]),
            start_ns=starts,
            end_ns=starts + (rng.gamma(2.0, 6000, count).astype(np.int64) + 200) * 1_000_000,
            frames=np.minimum(rng.gamma(2.0, 40, count).astype(np.int64) + 3, 5000),
            mean_scores=rng.normal(0.7, 0.1, count).astype(np.float32),
            qualities=rng.normal(0.5, 0.15, count).astype(np.float32),
            first_feet=rng.random((count, 2), np.float32),
            last_feet=rng.random((count, 2), np.float32),
        )


def sightings_of(lot: Passages, seed: int) -> list[Sighting]:
    """The share of a lot that is of enrolled people."""
    rng = np.random.default_rng(seed)
    chosen = np.flatnonzero(rng.random(len(lot)) < SIGHTED_SHARE)
    subjects = rng.integers(0, SUBJECTS, len(chosen))
    return [
        Sighting(
            subject=f"person-{subject}",
            camera_id=lot.streams.camera_ids[code],
            run=lot.streams.runs[code],
            track_id=track,
            start_ns=Ns(start),
            end_ns=Ns(end),
            probability=0.9,
        )
        for subject, code, track, start, end in zip(
            subjects.tolist(), lot.streams.codes[chosen].tolist(), lot.track_ids[chosen].tolist(),
            lot.start_ns[chosen].tolist(), lot.end_ns[chosen].tolist(), strict=True,
        )
    ]  # fmt: skip


def make_hour(seed: int) -> Flows:
    """One hour between all pairs."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(20, PAIRS)
    pairs = np.random.default_rng(0).integers(0, CAMERAS, (2, PAIRS))
    return Flows(
        camera_ids=tuple(CameraId(f"camera-{n}") for n in range(CAMERAS)),
        origins=pairs[0],
        destinations=pairs[1],
        classes=rng.choice([0, 2], PAIRS),
        counts=counts,
        transit_ms_sums=counts * rng.integers(5_000, 60_000, PAIRS),
    )


def timed_ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - started)


def load(movements: Movements, rows: int, report: Report) -> Passages:
    """All of the month; returns its last lot."""
    spent_s, spent_cpu_s, done, lot = 0.0, 0.0, 0, None
    for at, lot in enumerate(make_month(rows)):
        started, started_cpu = time.perf_counter(), time.process_time()
        done += movements.put_passages(lot)
        spent_s += time.perf_counter() - started
        spent_cpu_s += time.process_time() - started_cpu
        movements.put_sightings(sightings_of(lot, at))
        report.progress(done, rows, "rows")
    assert done == rows and lot is not None
    report.results["bulk_rows_per_s"] = round(rows / spent_s)
    report.results["bulk_rows_per_cpu_s"] = round(rows / spent_cpu_s)
    for hour in range(days_of(rows) * 24):
        movements.put_flows(Ns(START_NS + hour * NS_PER_HOUR), make_hour(hour))
    return lot


def ask(movements: Movements, days: int, report: Report) -> None:
    """Journeys of a month, matrices of a day, a camera's hour, a line's... each at random, nothing asked twice."""
    rng = np.random.default_rng(4)
    end_ns = Ns(START_NS + days * 24 * NS_PER_HOUR)
    journeys = [
        timed_ms(lambda: movements.journey(f"person-{rng.integers(SUBJECTS)}", Ns(START_NS), end_ns))
        for _ in range(ASKED)
    ]
    mornings = [Ns(START_NS + int(day) * 24 * NS_PER_HOUR) for day in rng.integers(0, days, ASKED // 4)]
    matrices = [
        timed_ms(lambda day=day: movements.flow_matrix(ALL_CAMERAS, day, Ns(day + 24 * NS_PER_HOUR)))  # type: ignore[misc]
        for day in mornings
    ]
    hours = []
    for _ in range(ASKED // 8):
        scope = CameraScope(is_all=False, camera_ids=frozenset({CameraId(f"camera-{rng.integers(CAMERAS)}")}))
        start = Ns(START_NS + int(rng.integers(days * 24)) * NS_PER_HOUR)
        hours.append(
            timed_ms(lambda a=scope, b=start: movements.passages(a, b, Ns(b + NS_PER_HOUR), limit=10**6))  # type: ignore[misc]
        )
    report.results["journey_ms_p95"] = round(float(np.percentile(journeys, 95)), 2)
    report.results["flow_matrix_ms_p95"] = round(float(np.percentile(matrices, 95)), 2)
    report.results["camera_hour_ms_p95"] = round(float(np.percentile(hours, 95)), 1)


def live(put: Callable[[Passages], object], lot: Passages, commits: int) -> float:
    """Rows a second in commits of `LIVE_ROWS`, each durable when it returns. A full tail becomes a block meanwhile."""
    later = DAYS * 24 * NS_PER_HOUR
    started = time.perf_counter()
    for at in range(commits):
        part = take_passages(lot, slice(at * LIVE_ROWS, (at + 1) * LIVE_ROWS))
        put(shifted(part, later))
    return commits * LIVE_ROWS / (time.perf_counter() - started)


def shifted(part: Passages, by_ns: int) -> Passages:
    """The same tracks at another time: other keys."""
    return replace(part, start_ns=part.start_ns + by_ns, end_ns=part.end_ns + by_ns)


def measure_peer(peer: PeerRows, rows: int, commits: int, report: Report) -> dict[str, float]:
    """The same rows in somebody else's store, with an index or an order that answers the same questions."""
    spent_s, lot = 0.0, None
    for at, lot in enumerate(make_month(rows)):
        sightings = sightings_of(lot, at)
        started = time.perf_counter()
        peer.put(lot)
        spent_s += time.perf_counter() - started
        peer.put_sightings(sightings)
        report.progress(min((at + 1) * LOT, rows), rows, type(peer).__name__)
    assert lot is not None
    found = {"bulk_rows_per_s": round(rows / spent_s), "bytes_per_row": round(peer.bytes_on_disk() / rows, 2)}
    rng = np.random.default_rng(4)
    journeys = [timed_ms(lambda: peer.journey(f"person-{rng.integers(SUBJECTS)}")) for _ in range(ASKED)]
    found["journey_ms_p95"] = round(float(np.percentile(journeys, 95)), 2)
    found["live_rows_per_s"] = round(live(peer.put, lot, commits))
    peer.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=FULL_ROWS)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    rows = 2_000_000 if arguments.smoke else arguments.rows
    commits = 60 if arguments.smoke else LIVE_COMMITS
    config = {"rows": rows, "cameras": CAMERAS, "days": days_of(rows), "live_commit_rows": LIVE_ROWS}
    report = Report("bench.journeys", smoke=arguments.smoke, config=config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        catalog = sqlite_catalog(path, site_id="bench", clock=ManualClock())
        lot = load(catalog.movements, rows, report)
        report.results["bytes_per_row"] = round(path.stat().st_size / rows, 2)
        ask(catalog.movements, days_of(rows), report)
        report.results["live_rows_per_s"] = round(live(catalog.movements.put_passages, lot, commits))
        catalog.close()
        if arguments.peers:
            for name, peer in (("duckdb", DuckRows(Path(folder))), ("sqlite-rows", PlainRows(Path(folder)))):
                report.peers[name] = measure_peer(peer, min(rows, PEER_ROWS), commits, report)
    report.finish()


if __name__ == "__main__":
    main()
