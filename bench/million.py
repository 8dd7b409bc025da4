"""A centre of a million cameras, simulated with the code that runs: what it takes, what it keeps, what breaks first.

    python -m bench.million [--sites 200] [--cameras 1000] [--smoke]

Sites tell a quarter of an hour (counts of each camera, health by the minute, flows): sealed as they seal them, taken,
checked and stored by `app.centre` in its own database. NATS is not in it; `bench.catch_up` has that. Facts a second,
bytes a fact and milliseconds a page give the shares that 1,000 sites of 1,000 cameras would need of one core, of a
disk and of two seconds of patience. The largest of them breaks first (`docs/million.md`).
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.catch_up import START_NS, facts_of
from custodes.app.centre import Centre, KnownSite, centre_store
from custodes.app.centre_reading import site_summaries, site_view
from custodes.app.witness import make_witness, read_receipt_key, read_witness
from custodes.audit.note import NoteVerifier
from custodes.audit.witness import Witness
from custodes.config.centre import CentreSiteConfig
from custodes.federation.parcel import NO_TIP, cut, encode_fact, link, seal_parcel
from custodes.runtime.clock import SystemClock
from custodes.types.federation import Shared
from custodes.units import NS_PER_HOUR
from eval.report import Report

MINUTES = 15
SITES, CAMERAS = 1000, 1000
KEEP_DAYS = 400
"""`centre.yaml`'s default."""
DISK_TB = 8.0
PATIENCE_S = 2.0


def quarter(cameras: int) -> list[bytes]:
    """What a site tells in its first quarter of an hour, and a quarter of an hour's share of an hour's flows."""
    facts: list[Shared] = []
    for fact in facts_of(cameras):
        if len(facts) >= 2 * MINUTES + cameras:
            break
        facts.append(fact)
    return [encode_fact(one) for one in facts]


def parcels(key: Ed25519PrivateKey, site_id: str, encoded: list[bytes]) -> Iterator[bytes]:
    """Sealed, in order."""
    first, tip = 1, NO_TIP
    while encoded:
        lot, encoded = encoded[: cut(encoded)], encoded[cut(encoded) :]
        yield seal_parcel(key, site_id=site_id, first=first, before=tip, floor=0, encoded=lot)
        for seq, one in enumerate(lot, first):
            tip = link(tip, seq, one)
        first += len(lot)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--cameras", type=int, default=CAMERAS)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    sites, cameras = (5, 20) if arguments.smoke else (arguments.sites, arguments.cameras)
    report = Report("bench.million", smoke=arguments.smoke, config={"sites": sites, "cameras": cameras})
    encoded = quarter(cameras)
    keys = {f"{number:016x}": Ed25519PrivateKey.generate() for number in range(1, sites + 1)}
    known = {
        name: KnownSite(key=NoteVerifier(name=name, public_key=key.public_key().public_bytes_raw()))
        for name, key in keys.items()
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "centre"
        make_witness(folder, "bench.example/centre")
        store, (receipt_key, _) = centre_store(folder), read_receipt_key(folder)
        witness = Witness.open(folder / "witness.db", read_witness(folder), {})
        centre = Centre(store=store, witness=witness, key=receipt_key, sites=known, clock=SystemClock())
        cpu_s = wall_s = bytes_told = 0.0
        for number, (site_id, key) in enumerate(keys.items(), 1):
            sealed = list(parcels(key, site_id, encoded))
            bytes_told += sum(map(len, sealed))
            cpu, wall = time.process_time(), time.perf_counter()
            for one in sealed:
                centre.take(site_id, one)
            cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - wall
            row = store.site(site_id)
            assert (row.seq, row.lost, row.refused) == (len(encoded), 0, 0), row
            report.progress(number, sites, "sites")
        configured = [CentreSiteConfig(id=one, key="-", name=one) for one in keys]
        wall = time.perf_counter()
        site_summaries(store, configured)
        page_s = time.perf_counter() - wall
        wall = time.perf_counter()
        site_view(store, configured[0], START_NS + NS_PER_HOUR)
        view_s = time.perf_counter() - wall
        wall = time.perf_counter()
        for site_id in keys:
            centre.receipt(site_id)
        receipts_s = time.perf_counter() - wall
        stored = sum(path.stat().st_size for path in folder.glob("centre.db*"))
        store.close()
        witness.close()
    facts, results = sites * len(encoded), report.results
    results["facts_per_cpu_s"] = round(facts / cpu_s)
    results["facts_per_s"] = round(facts / wall_s)
    results["bytes_told_a_fact"] = round(bytes_told / facts, 1)
    results["bytes_stored_a_fact"] = round(stored / facts, 1)
    results["page_ms_a_site"] = round(1000 * page_s / sites, 3)
    results["view_of_a_site_ms"] = round(1000 * view_s, 1)
    results["receipt_ms"] = round(1000 * receipts_s / sites, 3)
    scale(results, len(encoded) / (60 * MINUTES) / cameras)
    report.finish()


def scale(results: dict[str, float], facts_a_camera_s: float) -> None:
    """Adds what `SITES` × `CAMERAS` need of what there is, as shares; more than 1 does not work."""
    need = facts_a_camera_s * SITES * CAMERAS
    results["million_facts_per_s"] = round(need)
    results["million_core_share_taking"] = round(need / results["facts_per_cpu_s"], 3)
    results["million_core_share_receipts"] = round(SITES * results["receipt_ms"] / 1000 / 5.0, 3)
    results["million_page_share"] = round(SITES * results["page_ms_a_site"] / 1000 / PATIENCE_S, 3)
    results["million_mbit_s"] = round(need * results["bytes_told_a_fact"] * 8 / 1e6, 2)
    terabytes = need * 86_400 * results["bytes_stored_a_fact"] / 1e12
    results["million_tb_a_day"] = round(terabytes, 3)
    results["million_disk_share"] = round(terabytes * KEEP_DAYS / DISK_TB, 2)
    results["million_days_on_the_disk"] = round(DISK_TB / terabytes, 1)


if __name__ == "__main__":
    main()
