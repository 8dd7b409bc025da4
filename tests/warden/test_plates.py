"""The list of vehicles: two others approve the zone, a keeper agreed, a no leaves nothing, a yes is logged."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pipeline.test_plates import frame, tracked
from tests.warden.conftest import GATE, Site
from tests.warden.office import ADMIN, ANN, BOSS, DAY, OFFICER, WORDS, Office, draft, through

from custodes.adapters.ipc.framing import answer_requests, serve
from custodes.app.analyser_plates import AnalyserPlates
from custodes.app.analyser_zones import AnalyserZones
from custodes.app.warden_plates import AGAIN_NS, ASKS_PER_MINUTE
from custodes.config import SiteConfig
from custodes.config.tree import FacesConfig
from custodes.errors import CustodesError
from custodes.types.access import AuditKind
from custodes.types.face import ZoneKind
from custodes.types.face_message import DraftZone, InviteEnrolment, ReadZones
from custodes.types.plate import AskPlate, EndListing, ListVehicle, ReadListings, ReadPassages
from custodes.units import NS_PER_S, CameraId, Ns

PLATE = "KA RL 4711"
FACES_ON = SiteConfig(faces=FacesConfig(enabled=True))


async def zone_of(office: Office) -> str:
    return await office.zone(kind=ZoneKind.PLATES)


def listing(office: Office, zone_id: str, **changes):
    made = ListVehicle(
        principal=BOSS, plate=PLATE, label="Van 3", zone_ids=(zone_id,), agreement="signed 2026-11-01, folder 7",
        expires_ns=Ns(office.site.clock.now_ns() + 100 * DAY),
    )  # fmt: skip
    return replace(made, **changes)


async def ask(
    office: Office, zone_id: str, *texts: str, camera_id: CameraId = GATE, since_ns: Ns | None = None
) -> bool:
    now_ns = office.site.clock.now_ns()
    question = AskPlate(
        zone_id=zone_id,
        camera_id=camera_id,
        utc_ns=now_ns,
        texts=texts,
        since_ns=now_ns if since_ns is None else since_ns,
    )
    return (await office.gate.faces.plates.answer_analyser(question)).is_listed


def test_each_coming_of_a_vehicle_is_a_passage_and_standing_before_the_gate_is_none(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await zone_of(office)
        await office.ask(listing(office, zone_id))

        async def passages() -> int:
            return len((await office.ask(ReadPassages(after=0))).passages)

        came_ns = site.clock.now_ns()
        told = []
        for wait_s, is_anew in ((1, True), (5, False), (600, False), (2, True), (20, True), (25, True), (70, True)):
            site.clock.advance(wait_s * NS_PER_S)
            came_ns = site.clock.now_ns() if is_anew else came_ns
            assert await ask(office, zone_id, "KARL4711", since_ns=came_ns)
            told.append(await passages())
        # Stands for ten minutes while its track breaks; is gone for two seconds (a new analyser), then for longer.
        assert told == [1, 1, 1, 1, 2, 3, 4]

    through(site, main)
    kinds = [entry.record.kind for entry in site.entries()]
    assert kinds.count(AuditKind.VEHICLE_PASSED) == 4


def test_a_listed_vehicle_is_known_and_a_stranger_leaves_nothing(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await zone_of(office)
        made = await office.ask(listing(office, zone_id))
        assert made.plate_hash == b"", "no hash leaves the warden"
        before = len(site.entries())
        assert not await ask(office, zone_id, "MA XY 99", "B 1234")
        assert len(site.entries()) == before, "a no is in no log"
        assert await ask(office, zone_id, "X 123", "KARL4711")
        assert await ask(office, zone_id, "KA R1 4711") is False
        site.clock.advance(AGAIN_NS // 2)
        assert await ask(office, zone_id, "KARL4711")
        news = await office.ask(ReadPassages(after=0))
        assert [(one.label, one.camera_id) for one in news.passages] == [("Van 3", GATE)]
        site.clock.advance(AGAIN_NS)
        assert await ask(office, zone_id, "KARL4711")
        assert [one.number for one in (await office.ask(ReadPassages(after=1))).passages] == [2]

    through(site, main)
    kinds = [entry.record.kind for entry in site.entries()]
    assert kinds.count(AuditKind.VEHICLE_PASSED) == 2
    assert kinds.count(AuditKind.VEHICLE_LISTED) == 1
    for path in filter(Path.is_file, site.paths.data_dir.rglob("*")):
        content = path.read_bytes()
        for trace in (b"KARL4711", b"KA RL", b"MAXY99", b"B1234", b"81234"):
            assert trace not in content, "a plate is in no file"


def test_nothing_is_compared_before_two_others_approved_and_after_the_stop(site: Site) -> None:
    async def main(office: Office) -> None:
        record = await office.ask(DraftZone(principal=ADMIN, draft=draft(kind=ZoneKind.PLATES)))
        with pytest.raises(CustodesError, match="not active"):
            await office.ask(listing(office, record.draft.zone_id))
        await office.approve(OFFICER, record)
        with pytest.raises(CustodesError, match="not on"):
            await ask(office, record.draft.zone_id, "KARL4711")
        await office.approve(BOSS, record)
        await office.ask(listing(office, record.draft.zone_id))
        assert await ask(office, record.draft.zone_id, "KARL4711")
        (row,) = (await office.ask(ReadZones())).zones
        assert row.people == 1

    through(site, main)


def test_zones_for_faces_take_no_plates_and_the_reverse(site: Site) -> None:
    async def main(office: Office) -> None:
        faces, plates = await office.zone(), await zone_of(office)
        with pytest.raises(CustodesError, match="for faces, not for plates"):
            await office.ask(listing(office, faces))
        with pytest.raises(CustodesError, match="No plates are read there"):
            await ask(office, faces, "KARL4711")
        with pytest.raises(CustodesError, match="No plates are read there"):
            await ask(office, plates, "KARL4711", camera_id=CameraId("yard"))
        expires = Ns(site.clock.now_ns() + DAY)
        with pytest.raises(CustodesError, match="for plates, not for faces"):
            await office.ask(
                InviteEnrolment(principal=BOSS, name="N", purpose=WORDS, zone_ids=(plates,), expires_ns=expires)
            )
        assert [one.zone_id for one in office.gate.faces.zones.rules()] == [faces]

    through(site, main)


def test_a_listing_ends_at_a_word_or_by_itself_and_its_hash_goes(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await zone_of(office)
        first = await office.ask(listing(office, zone_id))
        with pytest.raises(CustodesError, match="listed already"):
            await office.ask(listing(office, zone_id, label="Another"))
        await office.ask(EndListing(principal=BOSS, vehicle_id=first.vehicle_id))
        assert not await ask(office, zone_id, "KARL4711")
        await office.ask(listing(office, zone_id))
        assert await ask(office, zone_id, "KARL4711")
        site.clock.advance(Ns(101 * DAY))
        await office.gate.faces.plates.sweep()
        rows = (await office.ask(ReadListings(principal=OFFICER))).listings
        assert all(one.ended_ns is not None for one in rows)
        assert not await ask(office, zone_id, "KARL4711")

    through(site, main)


def test_who_may_not_enrol_lists_nothing_and_nobody_tries_plates_out(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await zone_of(office)
        with pytest.raises(CustodesError):
            await office.ask(listing(office, zone_id, principal=ANN))
        with pytest.raises(CustodesError):
            await office.ask(ReadListings(principal=ANN))
        for number in range(ASKS_PER_MINUTE):
            await ask(office, zone_id, f"KA {number:04d}")
        with pytest.raises(CustodesError, match="than vehicles can pass"):
            await ask(office, zone_id, "KARL4711")
        with pytest.raises(CustodesError):
            await office.gate.faces.plates.answer_analyser(listing(office, zone_id))

    through(site, main)


def test_an_analyser_reads_under_the_wardens_permit_and_is_answered_over_its_socket(site: Site) -> None:
    """From the vehicle in the picture to the passage in the log, with the real networks."""
    site.paths.run_dir.mkdir(parents=True, exist_ok=True)

    async def main(office: Office) -> None:
        zone_id = await zone_of(office)
        await office.ask(listing(office, zone_id, plate="KA RL 471"))
        server = await serve(
            site.paths.socket("warden-plates"),
            lambda channel: answer_requests(channel, office.gate.faces.plates.answer_analyser),
        )
        plates, faces = AnalyserPlates(site.paths, site.clock), AnalyserZones(site.paths, FACES_ON, site.clock)

        def watch() -> None:
            for _ in range(3):
                site.clock.advance(Ns(NS_PER_S))
                plates.refresh()
                now_ns = site.clock.now_ns()
                plates.look(frame(now_ns), tracked(now_ns))

        await asyncio.to_thread(watch)
        faces.refresh()
        assert faces.watcher(GATE) is None, "a permit for plates opens no way to a face"
        (one,) = (await office.ask(ReadPassages(after=0))).passages
        assert one.label == "Van 3"
        plates.close()
        server.close()

    through(site, main)
