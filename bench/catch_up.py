"""How long a centre and a site need for what a cut of 24 hours held up: a part of `bench.scale`.

The facts are those of a thousand cameras: a quarter of an hour of four counts each, an hour of flows of two groups in
three parts, health and changed cameras by the minute. They wait in the outbox of a catalog in a file; then the NATS
server is there, and the clock runs until the centre has confirmed the last and the site has forgotten it. Site and
centre share one process here, and with the server this machine's cores: what two machines and a line take is less of
the one and more of the other.
"""

import asyncio
import functools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.adapters.nats import NatsLink
from custodes.adapters.sql import sqlite_catalog
from custodes.app.centre import Centre, KnownSite, centre_store, follow
from custodes.app.serving.federation import Sender
from custodes.app.witness import make_witness, read_receipt_key, read_witness
from custodes.audit.note import NoteVerifier
from custodes.audit.witness import Witness
from custodes.federation.parcel import encode_fact
from custodes.runtime.clock import SystemClock
from custodes.testing.nats import running_nats
from custodes.types.federation import (
    MAX_ROWS,
    CameraNow,
    CamerasChanged,
    CountsOfQuarter,
    FlowBetween,
    FlowsOfHour,
    LineCount,
    Shared,
    SiteHealth,
)
from custodes.units import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from eval.report import Report

SITE = "ab" * 8
START_NS = 1_767_225_600 * NS_PER_S
QUARTER_NS = 900 * NS_PER_S
HOURS = 24
FLOW_PARTS = 3
CHANGED = 5
"""Cameras whose state is another one, a minute."""
GIVE_UP_S = 1800.0


def facts_of(cameras: int) -> Iterator[Shared]:
    """In the order in which a site would make them."""
    for minute in range(HOURS * 60):
        now_ns = START_NS + minute * NS_PER_MINUTE
        yield SiteHealth(
            utc_ns=now_ns,
            version="0",
            cameras=cameras,
            recording=cameras,
            recorded_bytes=10**12,
            free_bytes=10**11,
            facts_dropped=0,
        )
        some = tuple(
            CameraNow(camera_id=f"camera-{(minute * CHANGED + n) % cameras}", state="recording", is_recording=True)
            for n in range(min(CHANGED, cameras))
        )
        yield CamerasChanged(utc_ns=now_ns, cameras=some)
        if minute % 15 == 14:
            yield from (_quarter(now_ns, camera) for camera in range(cameras))
        if minute % 60 == 59:
            yield from (_flows(now_ns, group, part) for group in ("people", "vehicles") for part in range(FLOW_PARTS))


def _quarter(end_ns: int, camera: int) -> CountsOfQuarter:
    counts = tuple(
        LineCount(line="gate", is_forward=is_forward, object_class=name, count=20)
        for is_forward in (True, False)
        for name in ("person", "car")
    )
    return CountsOfQuarter(
        camera_id=f"camera-{camera}",
        start_ns=end_ns - QUARTER_NS,
        end_ns=end_ns,
        coverage=1.0,
        min_group=10,
        counts=counts,
    )


def _flows(end_ns: int, group: str, part: int) -> FlowsOfHour:
    cells = tuple(
        FlowBetween(from_camera=f"camera-{n}", to_camera=f"camera-{n + 1}", count=25, median_s=40.0)
        for n in range(MAX_ROWS)
    )
    return FlowsOfHour(start_ns=end_ns - NS_PER_HOUR, end_ns=end_ns, group=group, part=part, min_group=10, cells=cells)


def catch_up(report: Report, *, cameras: int) -> None:
    """Adds `catch_up_24h_s` and what it rests on. Raises: Unavailable without a NATS server."""
    with running_nats() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalog = sqlite_catalog(folder / "catalog.db", site_id=SITE, clock=SystemClock())
        begun, lot, total, size = time.perf_counter(), list[bytes](), 0, 0
        for fact in facts_of(cameras):
            lot.append(encode_fact(fact))
            total, size = total + 1, size + len(lot[-1])
            if len(lot) == 1000:
                catalog.outbox.put(lot)
                lot = []
        catalog.outbox.put(lot)
        put_s = time.perf_counter() - begun
        key = Ed25519PrivateKey.generate()
        make_witness(folder / "centre", "bench.example/centre")
        receipt_key, receipts = read_receipt_key(folder / "centre")
        store = centre_store(folder / "centre")
        witness = Witness.open(folder / "centre/witness.db", read_witness(folder / "centre"), {})
        verifier = NoteVerifier(name=SITE, public_key=key.public_key().public_bytes_raw())
        centre = Centre(
            store=store, witness=witness, key=receipt_key, sites={SITE: KnownSite(key=verifier)}, clock=SystemClock()
        )
        connect = functools.partial(NatsLink.connected, server.target())
        sender = Sender(
            site_id=SITE, key=key, centre=receipts, outbox=catalog.outbox, connect=connect, clock=SystemClock()
        )

        async def whole() -> float:
            started = time.perf_counter()
            tasks = [
                asyncio.create_task(follow(centre, store, connect)),
                asyncio.create_task(sender.run()),
            ]
            while catalog.outbox.state().floor < total:
                assert time.perf_counter() - started < GIVE_UP_S, store.site(SITE)
                await asyncio.sleep(0.05)
            spent_s = time.perf_counter() - started
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return spent_s

        cpu = time.process_time()
        spent_s = asyncio.run(whole())
        cpu_s = time.process_time() - cpu
        row = store.site(SITE)
        assert (row.seq, row.lost, row.refused) == (total, 0, 0), row
        store.close()
        witness.close()
        catalog.close()
    report.config["catch_up"] = {"hours": HOURS, "cameras": cameras, "facts": total, "mb": round(size / 1e6, 1)}
    report.results["catch_up_24h_s"] = round(spent_s, 2)
    report.results["catch_up_facts_per_s"] = round(total / spent_s)
    report.results["catch_up_cpu_s"] = round(cpu_s, 2)
    report.results["outbox_facts_per_s"] = round(total / put_s)
