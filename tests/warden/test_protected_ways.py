"""Following at a site that protects somebody: journeys and sightings are compared first, without the protected."""

from dataclasses import replace

import pytest
from tests.warden.conftest import GATE, Site
from tests.warden.office import ANN, BEN, BOSS, CID, OFFICER, filing
from tests.warden.test_journeys import asking, prepared, service
from tests.warden.test_protection import Protecting, probe

from custodes.access import requests
from custodes.errors import CustodesError, InvalidArgument, PermissionDenied, Unavailable
from custodes.testing.cases import opening
from custodes.types.access import Action, AuditKind
from custodes.types.approval import RequestPhase
from custodes.types.face_message import ReadCandidates, ReadSightings, TellSighting
from custodes.types.journey import ReadLastSeen
from custodes.types.protection import ReadChecks, ReadOwnTouches, ReadProtected
from custodes.units import NS_PER_S, Ns, RunId
from eval.pinhole import RUN

PROTECTED, STRANGER = 41, 48


class Guarding(Protecting):
    """Everybody's passkeys are vouched for."""

    async def sign(self, who, challenge):
        return (await self.key_of(who)).get(challenge)


async def _confirmed(office: Protecting, zone_id: str, person_id: str, track_id: int, at_ns: int) -> str:
    seen = Ns(at_ns)
    await office.process(
        replace(
            filing(zone_id, person_id), run=RunId(RUN), track_id=track_id, start_ns=seen, end_ns=Ns(seen + NS_PER_S)
        )
    )
    candidate_id = (await office.ask(ReadCandidates(principal=CID))).records[0].candidate.candidate_id
    await office.train(ANN, BEN)
    for one in (ANN, BEN):
        await office.say(one, candidate_id)
    return candidate_id


def _seen(number: int, track_id: int):
    return replace(probe(number, track_id), run=RunId(RUN))


@pytest.mark.parametrize("who", ["nobody", "the-others-track", "the-followed-track"])
def test_journey_is_compared_first_and_leaves_out_whoever_is_protected(site: Site, tmp_path, who: str) -> None:
    catalog, owners = prepared(site, tmp_path)
    own = {camera: track for (camera, track), whose in owners.items() if whose == {1}}

    async def scenario():
        async with site.warden() as gate:
            office = Guarding(site, gate)
            await office.protect(PROTECTED)
            zone_id = await office.zone()
            person_id, _, _ = await office.enrolled(1, (zone_id,), may_follow=True)
            await _confirmed(office, zone_id, person_id, own["gate"], asking("").start_ns + 64 * NS_PER_S)
            await office.ask(opening(CID, "2026-1"))
            desk = service(office, catalog)
            record = await office.ask(asking(person_id))
            assert (record.request.needed, record.needs_officer) == (2, True)
            with pytest.raises(PermissionDenied, match="approval"):
                await desk.follow(CID, record.request.request_id)
            await office.vote(BOSS, record)
            two = await office.vote(OFFICER, record)
            assert requests.phase(two, site.clock.now_ns()) is RequestPhase.IN_FORCE
            with pytest.raises(Unavailable, match="being prepared") as told:
                await desk.follow(CID, record.request.request_id)
            assert "protect" not in str(told.value)
            track = {"nobody": 999, "the-others-track": own["vault"], "the-followed-track": own["gate"]}[who]
            await office.check(_seen(STRANGER if who == "nobody" else PROTECTED, track))
            return await desk.follow(CID, record.request.request_id)

    journey = site.run(scenario())
    told = {(step.camera_id, step.track_id) for step in journey.steps}
    if who == "nobody":
        assert {camera for camera, _ in told} == {"gate", "roof", "vault"}
    elif who == "the-others-track":
        assert ("gate", own["gate"]) in told
        assert ("vault", own["vault"]) not in told
    else:
        assert told == set()  # as where nobody confirmed anybody
    assert site.kinds().count(AuditKind.JOURNEY_OPENED) == 1


def test_journey_that_opened_closes_when_somebody_becomes_protected(site: Site, tmp_path) -> None:
    catalog, _ = prepared(site, tmp_path)

    async def scenario():
        async with site.warden() as gate:
            office = Guarding(site, gate)
            zone_id = await office.zone()
            person_id, _, _ = await office.enrolled(1, (zone_id,), may_follow=True)
            await office.ask(opening(CID, "2026-1"))
            desk = service(office, catalog)
            record = await office.ask(asking(person_id))
            await office.vote(OFFICER, record)
            request_id = record.request.request_id
            await desk.follow(CID, request_id)  # one approval was enough
            await office.protect(PROTECTED)
            for opened in (desk.follow, desk.exhibit):
                with pytest.raises(PermissionDenied, match="2 approvals by now"):
                    await opened(CID, request_id)
            many = tuple(f"c{number}" for number in range(30))
            with pytest.raises((InvalidArgument, PermissionDenied)):
                await office.ask(asking(person_id, camera_ids=many, start_ns=Ns(asking("").end_ns - 3600 * NS_PER_S)))

    site.run(scenario())


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "absent"])
def test_sighting_is_told_only_after_it_was_compared_and_never_of_the_protected(site: Site, is_there: bool) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Guarding(site, gate)
            _, link = await office.protect(PROTECTED)
            zone_id = await office.zone()
            person_id, _, _ = await office.enrolled(1, (zone_id,))
            until = Ns(site.clock.now_ns() + 24 * 3600 * NS_PER_S)
            child, _, _ = await office.enrolled(2, (zone_id,), samples=1, expires_ns=until, is_missing=True)
            at_ns = site.clock.now_ns()
            told = [
                await _confirmed(office, zone_id, one, track, at_ns) for one, track in ((person_id, 4), (child, 5))
            ]
            site.clock.advance(60 * NS_PER_S)
            assert (await office.ask(ReadSightings(principal=CID))).sightings == ()
            assert (await office.ask(ReadCandidates(principal=CID))).records == ()
            for one in told:
                with pytest.raises(Unavailable) as refused:
                    await office.ask(TellSighting(candidate_id=one))
                assert "protect" not in str(refused.value)
            number = PROTECTED if is_there else STRANGER
            await office.check(_seen(number, 4), _seen(number, 5))
            assert (await office.ask(ReadChecks())).pieces == ()
            return (
                told,
                {one.candidate_id for one in (await office.ask(ReadSightings(principal=CID))).sightings},
                {one.candidate.candidate_id for one in (await office.ask(ReadCandidates(principal=CID))).records},
                (await office.ask(ReadLastSeen(principal=ANN))).people[0].sighting,
                await _notices(office, told),
                await office.ask(ReadOwnTouches(token=link)),
                await office.ask(ReadProtected(principal=OFFICER)),
            )

    told, sightings, candidates, last, notices, own, table = site.run(scenario())
    assert sightings == candidates == (set() if is_there else set(told))
    assert (last is None, notices) == (is_there, 0 if is_there else 2)
    assert len(own.touches) == len(table.touches) == (2 if is_there else 0)
    for row in own.touches:
        assert (row.requester, row.action, row.camera_id) == ("P4 and P5", Action.READ_SIGHTINGS, GATE)


async def _notices(office: Protecting, candidate_ids) -> int:
    told = 0
    for one in candidate_ids:
        try:
            await office.ask(TellSighting(candidate_id=one))
            told += 1
        except CustodesError as error:
            assert "protect" not in str(error)
    return told


def test_sighting_stays_hidden_when_its_footage_is_gone_and_others_become_protected(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Guarding(site, gate)
            await office.protect(PROTECTED)
            zone_id = await office.zone()
            person_id, _, _ = await office.enrolled(1, (zone_id,))
            await _confirmed(office, zone_id, person_id, 4, site.clock.now_ns())
            site.clock.advance(60 * NS_PER_S)
            await office.ask(ReadSightings(principal=CID))
            await office.check(_seen(PROTECTED, 4))
            await office.protect(PROTECTED + 1)
            await office.ask(ReadSightings(principal=CID))
            await office.check()  # no footage: nobody is found
            return await office.ask(ReadSightings(principal=CID))

    assert site.run(scenario()).sightings == ()
