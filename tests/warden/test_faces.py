"""Recognition from a zone to a sighting over the warden's real desks, its log and its keys."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.warden.conftest import GATE, Site
from tests.warden.office import (
    ADMIN,
    ANN,
    BEN,
    BOSS,
    CID,
    OFFICER,
    Office,
    draft,
    face,
    probe,
    template,
    through,
)

from custodes.access import enrolment, zones
from custodes.adapters.keys.faces import FaceStore
from custodes.app.warden_candidates import NOTICE_DOMAIN
from custodes.errors import FailedPrecondition, NotFound, PermissionDenied, Unavailable
from custodes.face.filling import GalleryFiller
from custodes.face.lawful import read_site_key, read_zones
from custodes.face.matching import Matching
from custodes.types.access import AuditKind
from custodes.types.credential import SealSecret
from custodes.types.face_message import (
    DraftZone,
    OpenFaces,
    ReadCandidates,
    ReadEnrolments,
    ReadGalleryChanges,
    ReadSightings,
    ReadWithdrawn,
    RekeyGallery,
    StopZone,
    TellSighting,
    WithdrawConsent,
)
from custodes.units import CameraId, Ns


def test_from_a_zone_to_a_sighting_when_two_trained_people_agree(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        for number in range(4):
            await office.enrolled(number, (zone_id,))
        matching = await office.matcher()
        assert matching.gallery.people == 4
        strangers = [matching.compare(probe(zone_id, number)) for number in range(100, 130)]
        assert sum(found is not None for found in strangers) <= 2
        candidate_id = await office.candidate(zone_id, 1)
        await office.train(ANN, BEN)
        opened = await office.ask(OpenFaces(principal=ANN, candidate_id=candidate_id))
        assert (opened.probe, opened.enrolled) == (b"\xff\xd8probe", b"\xff\xd8enrolled")
        await office.say(ANN, candidate_id)
        blind = (await office.ask(ReadCandidates(principal=BEN))).records[0]
        assert blind.verdicts == ()
        assert blind.candidate.person_id == ""
        assert (await office.ask(ReadSightings(principal=CID))).sightings == ()
        await office.say(BEN, candidate_id)
        (sighting,) = (await office.ask(ReadSightings(principal=CID))).sightings
        assert (sighting.name, sighting.verified_by) == ("N1", ("P4", "P5"))
        told = await office.ask(TellSighting(candidate_id=candidate_id))
        _, key = read_site_key(site.paths.warden_key)
        signed = NOTICE_DOMAIN + told.notice.encode()
        Ed25519PublicKey.from_public_bytes(key).verify(told.signature, signed)
        assert "N1" not in told.notice
        with pytest.raises(FailedPrecondition):
            await office.ask(OpenFaces(principal=BEN, candidate_id=candidate_id))

    through(site, main)
    (entry,) = [one.record for one in site.entries() if one.record.kind is AuditKind.SIGHTING]
    # AI Act art. 12(3): period of use, reference database, input, who verified.
    assert {"start_ns", "end_ns", "reference_database", "input_sha256", "verified_by_1", "verified_by_2"} <= set(
        entry.details
    )
    uses = [one.record.details.get("use") for one in site.entries() if one.record.kind is AuditKind.ZONE_USED]
    assert uses == ["begins"]
    assert site.verify().size == len(site.entries())


def test_permits_when_zone_is_approved_stopped_or_expired(site: Site) -> None:
    async def main(office: Office) -> None:
        def open_zones(at_ns: int):
            site_id, key = read_site_key(site.paths.warden_key)
            return read_zones(site.paths.zones, key, site_id, Ns(at_ns))

        now_ns = site.clock.now_ns()
        record = await office.ask(DraftZone(principal=ADMIN, draft=draft()))
        await office.approve(OFFICER, record)
        assert open_zones(now_ns) == ()
        await office.approve(BOSS, record)
        (one,) = open_zones(now_ns)
        one.lawful.require(now_ns, camera_id=GATE, at=(0.5, 0.5))
        for where in ({"camera_id": CameraId("vault"), "at": (0.5, 0.5)}, {"camera_id": GATE, "at": (0.95, 0.5)}):
            with pytest.raises(PermissionDenied):
                one.lawful.require(now_ns, **where)
        with pytest.raises(PermissionDenied):
            one.lawful.require(Ns(now_ns + zones.PERMIT_LASTS_NS), camera_id=GATE, at=(0.5, 0.5))
        assert open_zones(now_ns + zones.PERMIT_LASTS_NS) == ()
        content = site.paths.zones.read_bytes()
        site_id, key = read_site_key(site.paths.warden_key)
        site.paths.zones.write_bytes(content.replace(b"A", b"B", 1))
        assert read_zones(site.paths.zones, key, site_id, now_ns) == ()
        await office.ask(StopZone(principal=ANN, zone_id=record.draft.zone_id))
        assert open_zones(now_ns) == ()

    through(site, main)


def test_withdrawal_when_taken_back_then_nobody_is_compared_and_no_byte_opens(site: Site) -> None:
    kept: dict[str, bytes] = {}

    async def main(office: Office) -> None:
        zone_id = await office.zone()
        person_id, token, withdraw = await office.enrolled(1, (zone_id,))
        await office.enrolled(2, (zone_id,))
        key = office.gate.faces.people._office.store.key(person_id)
        sealed = (await office.process(ReadGalleryChanges(version=0, limit=9))).templates[0].sealed
        kept.update(key=key, sealed=sealed)
        matching = await office.matcher()
        filler = GalleryFiller(matching)
        await office.ask(WithdrawConsent(token=withdraw))
        matching.clear()
        filler.take(await office.process(ReadGalleryChanges(version=0, limit=2000)))
        assert matching.gallery.people == 1
        assert matching.compare(probe(zone_id, 1)) is None
        with pytest.raises(NotFound):
            office.gate.faces.people._office.store.key(person_id)
        with pytest.raises(PermissionDenied):
            await office.process(template(token, face(1)))
        rows = (await office.ask(ReadEnrolments(principal=BOSS))).enrolments
        assert {row.name for row in rows} == {"", "N2"}

    through(site, main)
    for path in site.paths.warden_dir.iterdir():
        content = path.read_bytes()
        assert kept["sealed"] not in content, path
        assert kept["key"] not in content, path


def test_withdrawal_when_the_warden_died_between_destroying_and_saying_so_is_said_at_the_next_look(site: Site) -> None:
    async def main(office: Office) -> None:
        person_id, _, withdraw = await office.enrolled(1, (await office.zone(),))
        people = office.gate.faces.people
        destroy, store = FaceStore.destroy, people._office.store
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Unavailable):
            patch.setattr(FaceStore, "destroy", lambda *_: (_ for _ in ()).throw(Unavailable("killed")))
            await office.ask(WithdrawConsent(token=withdraw))
        assert FaceStore.destroy is destroy and store.has_key(person_id)
        with pytest.raises(FailedPrecondition):
            await office.ask(ReadWithdrawn(token=withdraw))
        store.destroy(person_id)  # and died again, before its entry
        await people.sweep()
        await people.sweep()
        said = await office.ask(ReadWithdrawn(token=withdraw))
        assert said == await office.ask(WithdrawConsent(token=withdraw))

    through(site, main)
    assert site.kinds().count(AuditKind.TEMPLATES_DESTROYED) == 1


def test_rekey_when_a_copy_was_stolen_then_people_are_found_as_before(site: Site) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone(fpir=0.05)
        for number in range(4):
            await office.enrolled(number, (zone_id,))
        matching = Matching()
        filler = GalleryFiller(matching)
        assert filler.take(await office.process(ReadGalleryChanges(version=0, limit=2000)))
        found = matching.compare(probe(zone_id, 1))
        assert found is not None
        assert (await office.ask(RekeyGallery(principal=BOSS))).templates == 12
        with pytest.raises(PermissionDenied):
            await office.ask(RekeyGallery(principal=ANN))
        changes = await office.process(ReadGalleryChanges(version=matching.version, limit=2000, roster=filler.roster))
        assert not filler.take(changes)
        matching.clear()
        assert GalleryFiller(matching).take(await office.process(ReadGalleryChanges(version=0, limit=2000)))
        again = matching.compare(probe(zone_id, 1))
        assert again is not None
        assert (again.person_id, again.score) == (found.person_id, pytest.approx(found.score, abs=1e-3))

    through(site, main)
    assert AuditKind.GALLERY_REKEYED in site.kinds()


def test_gate_when_the_gallery_is_rekeyed_answers_meanwhile(site: Site, monkeypatch) -> None:
    monkeypatch.setattr("custodes.adapters.keys.faces._REKEYED_AT_ONCE", 1)

    async def main(office: Office) -> None:
        zone_id = await office.zone(fpir=0.05)
        for number in range(4):
            await office.enrolled(number, (zone_id,))
        rekeying = asyncio.create_task(office.ask(RekeyGallery(principal=BOSS)))
        answered = 0
        while office.gate.faces.people._office.lock.locked() or not answered:
            await office.ask(SealSecret(user_id="ann", secret="A" * 32))
            await office.ask(ReadCandidates(principal=BOSS))
            answered += not rekeying.done()
            await asyncio.sleep(0)
        assert (await rekeying).templates == 12
        assert answered > 6, "between the pieces"

    through(site, main)


def test_consent_text_names_everything_that_is_filled_in() -> None:
    fields = dict.fromkeys(("site", "purpose", "zones", "expires", "alternatives", "controller"), "FILLED")
    assert enrolment.CONSENT_TEXT.format(**fields).count("FILLED") == len(fields)
