"""Quarters are made once they are over, the running one again and again, also by a server that starts again."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.traffic import SETTLE_NS, TrafficService
from custodes.testing.catalog import make_crossing, make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.media import vouch
from custodes.testing.web import InlineCatalog
from custodes.traffic.quarter import QUARTER_NS
from custodes.types.scene import CameraScene, CountLine
from custodes.types.traffic import Quarter
from custodes.units import NS_PER_S, CameraId, Ns

LINE = CountLine(name="gate", start=(0.0, 0.5), end=(1.0, 0.5))


@pytest.fixture
def site(tmp_path: Path):
    clock = ManualClock()
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=clock)
    spec = replace(make_spec("gate"), scene=CameraScene(lines=(LINE,)))
    catalog.put_cameras([spec, make_spec("yard")], is_exclusive=True)
    yield catalog, clock
    catalog.close()


def analysed(catalog, start_ns, end_ns):
    times = list(range(start_ns, end_ns, NS_PER_S))
    run = f"{start_ns // NS_PER_S:012x}"
    catalog.put_analysis(vouch(times, [[(0.1, 0.1, 0.2, 0.2)]] * len(times), camera_id="gate", run=run), [])


def quarters(catalog, now_ns):
    return catalog.figures(Quarter, None, Ns(0), Ns(now_ns + 1), 99)


def test_quarters_are_made_when_over_and_the_running_one_grows(site):
    catalog, clock = site
    start_ns = clock.now_ns() // QUARTER_NS * QUARTER_NS
    clock.advance(start_ns + QUARTER_NS + 300 * NS_PER_S - clock.now_ns())
    analysed(catalog, start_ns, start_ns + QUARTER_NS // 2)
    crossing = replace(make_crossing(1, 0), line="gate", camera_id=CameraId("gate"))
    catalog.put_crossings([replace(crossing, utc_ns=Ns(start_ns + NS_PER_S))])
    service = TrafficService(catalog=InlineCatalog.over(catalog), clock=clock)
    asyncio.run(service.sweep())
    (done,) = quarters(catalog, clock.now_ns())
    assert (done.start_ns, done.end_ns, done.camera_id) == (start_ns, start_ns + QUARTER_NS, "gate")
    assert abs(done.coverage - 0.5) < 0.01
    assert sum(line.counts[0].count for line in done.lines if line.counts) == 1
    analysed(catalog, start_ns + QUARTER_NS, clock.now_ns())
    asyncio.run(service.sweep())
    running = quarters(catalog, clock.now_ns())[-1]
    assert running.end_ns == clock.now_ns()
    clock.advance(QUARTER_NS + SETTLE_NS)
    asyncio.run(service.sweep())
    ended = quarters(catalog, clock.now_ns())[-1]
    assert (ended.start_ns, ended.end_ns) == (running.start_ns, running.start_ns + QUARTER_NS)
    assert abs(ended.coverage - 1 / 3) < 0.01


def test_a_server_that_starts_again_makes_what_was_missed(site):
    catalog, clock = site
    start_ns = clock.now_ns() // QUARTER_NS * QUARTER_NS
    analysed(catalog, start_ns, start_ns + 3 * QUARTER_NS)
    clock.advance(start_ns + 4 * QUARTER_NS - clock.now_ns())
    asyncio.run(TrafficService(catalog=InlineCatalog.over(catalog), clock=clock).sweep())
    assert [one.start_ns for one in quarters(catalog, clock.now_ns())] == [start_ns + n * QUARTER_NS for n in range(3)]
