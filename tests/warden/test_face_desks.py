"""What the desks of recognition tell the matcher and who opens a journey: exactly who, which tracks, and when."""

import itertools
from dataclasses import replace

import pytest
from tests.warden.conftest import GATE, VAULT, Site
from tests.warden.office import BOSS, CID, DAY, OFFICER, Office, through

from custodes.access import requests
from custodes.app import warden_enrolment, warden_journeys
from custodes.testing.cases import opening
from custodes.types.access import Action, AuditKind, Fidelity, Purpose, PurposeKind
from custodes.types.approval import CastVote, FileRequest
from custodes.types.face import Candidate, CandidateRecord, Verdict
from custodes.types.face_message import EndEnrolment, GalleryChanges, ReadGalleryChanges, StopZone
from custodes.types.journey import JourneyOpened, OpenJourney
from custodes.units import NS_PER_S, CameraId, Ns, RunId

HOUR = 3600 * NS_PER_S
_NUMBER = itertools.count(1)


def seen(person_id: str, said: str, **changes) -> CandidateRecord:
    """A candidate as the store keeps it; `said` is a letter a verdict, y or n."""
    number = next(_NUMBER)
    made = Candidate(
        candidate_id=f"{number:016x}",
        zone_id="z",
        camera_id=GATE,
        run=RunId("0" * 12),
        track_id=number,
        start_ns=Ns(0),
        end_ns=Ns(0),
        person_id=person_id,
        score=9.0,
        threshold=3.0,
        likelihood=4.0,
        quality=0.5,
        samples=4,
        gallery_size=3,
        gallery_version=1,
        contract="c",
        probe_sha256="",
        filed_ns=Ns(0),
        decide_by_ns=Ns(1),
    )
    verdicts = tuple(
        Verdict(
            user_id=f"v{at}",
            user=f"V{at}",
            is_same=word == "y",
            utc_ns=Ns(1),
            credential_id=bytes([at]),
            assertion="{}",
        )
        for at, word in enumerate(said, start=1)
    )
    return CandidateRecord(candidate=replace(made, **changes), verdicts=verdicts)


async def journey_request(office: Office, person_id: str, start_ns: int, end_ns: int, cameras=(GATE,)) -> str:
    """Approved."""
    asked = FileRequest(
        principal=CID,
        action=Action.FOLLOW,
        purpose=Purpose(kind=PurposeKind.CASE, reference="7"),
        camera_ids=cameras,
        start_ns=Ns(start_ns),
        end_ns=Ns(end_ns),
        fidelity=Fidelity.MASKED,
        reason="she does not answer her telephone",
        is_break_glass=False,
        person_id=person_id,
    )
    record = await office.ask(asked)
    signed = await office.sign(OFFICER, requests.digest(record.request))
    request_id = record.request.request_id
    await office.ask(CastVote(principal=OFFICER, request_id=request_id, is_yes=True, note="", assertion=signed))
    return request_id


def test_journey_begins_with_what_two_confirmed_in_its_cameras_and_stretch_and_leaves_out_whom_they_rejected(
    site: Site, monkeypatch
) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        person_id, _, _ = await office.enrolled(1, (zone_id,), may_follow=True)
        await office.ask(opening(CID, "7"))
        end = site.clock.now_ns()
        start = end - 2 * HOUR
        inside = {"start_ns": Ns(start + HOUR), "end_ns": Ns(start + HOUR + 5)}

        def kept(said: str, who: str = person_id, **changes) -> int:
            record = seen(who, said, **(inside | changes))
            office.gate.faces.store.put(record.candidate.candidate_id, record)
            return record.candidate.track_id

        late = kept("yy", start_ns=Ns(end), end_ns=Ns(end + 5))
        own = [kept("yy"), kept("yy", start_ns=Ns(start - 5), end_ns=Ns(start))]
        excluded = [kept("nn"), kept("yy", who="another")]
        for said in ("yn", "ny", "y", "n", ""):
            kept(said)
        kept("nn", who="another")
        kept("yy", camera_id=VAULT)
        kept("yy", start_ns=Ns(start - 9), end_ns=Ns(start - 1))
        kept("yy", start_ns=Ns(end + 1), end_ns=Ns(end + 9))
        request_id = await journey_request(office, person_id, start, end)
        opened = await office.ask(OpenJourney(principal=CID, request_id=request_id))
        assert isinstance(opened, JourneyOpened)
        assert [one.track_id for one in opened.verified] == [own[1], own[0], late], "by time"
        assert [one.track_id for one in opened.excluded] == excluded
        assert (opened.person_id, opened.name, opened.camera_ids) == (person_id, "N1", (GATE,))
        assert (opened.start_ns, opened.end_ns, opened.purpose.reference) == (start, end, "7")
        first = opened.verified[0]
        assert (first.camera_id, first.run, first.start_ns, first.end_ns) == (GATE, "0" * 12, start - 5, start)
        monkeypatch.setattr(warden_journeys, "MAX_TOLD", 2)
        fewer = await office.ask(OpenJourney(principal=CID, request_id=request_id))
        assert [one.track_id for one in fewer.verified] == [own[0], late], "the newest"
        entry = site.entries()[opened.log_index].record
        assert (entry.kind, entry.subject, entry.actor) == (AuditKind.JOURNEY_OPENED, person_id, "P6")
        assert entry.details == {
            "user_id": "u6",
            "request": request_id,
            "purpose": "case",
            "reference": "7",
            "cameras": "gate",
            "start_ns": str(start),
            "end_ns": str(end),
            "sightings": "3",
        }

    through(site, main)


def test_matcher_is_told_who_is_compared_where_once_and_again_when_that_changes(site: Site, monkeypatch) -> None:
    async def main(office: Office) -> None:
        async def changes(roster: int = 0, **changed: int) -> GalleryChanges:
            return await office.process(replace(ReadGalleryChanges(version=0, limit=2000), roster=roster, **changed))

        door, yard = await office.zone(), await office.zone(name="Yard", camera_id=VAULT)
        empty = await changes()
        assert (empty.members, empty.templates, empty.is_complete) == ((), (), True)
        one, _, _ = await office.enrolled(1, (door, yard))
        few, _, _ = await office.enrolled(2, (door,), samples=1)
        told = await changes(empty.roster)
        assert told.roster != empty.roster and told.is_complete
        assert {(each.person_id, each.zone_ids) for each in told.members} == {(one, (door, yard))}
        assert few not in {each.person_id for each in told.members}, "too few pictures"
        again = await changes(told.roster)
        assert (again.roster, again.members) == (told.roster, ())
        assert (await changes(told.roster + 1)).members == told.members, "who knows another roster is told all"
        assert len(told.templates) == 4
        for limit, complete, count in ((4, False, 4), (5, True, 4), (1, False, 1), (0, False, 1), (-3, False, 1)):
            page = await changes(limit=limit)
            assert (len(page.templates), page.is_complete) == (count, complete), limit
        rest = await changes(version=(await changes(limit=3)).version)
        assert len(rest.templates) == 1
        monkeypatch.setattr(warden_enrolment, "MAX_PAGE", 2)
        assert len((await changes()).templates) == 2
        monkeypatch.undo()

        await office.ask(StopZone(principal=OFFICER, zone_id=yard))
        stopped = await changes(told.roster)
        assert stopped.roster != told.roster
        assert [(each.person_id, each.zone_ids) for each in stopped.members] == [(one, (door,))]
        site.clock.advance(100 * DAY - 3 * NS_PER_S)
        near = await changes(stopped.roster)
        site.clock.advance(4 * NS_PER_S)  # nobody wrote anything: time alone ends it
        over = await changes(near.roster)
        assert over.roster != stopped.roster and one not in {each.person_id for each in over.members}

    through(site, main)


def test_who_is_ended_is_in_no_roster_from_that_moment_on(site: Site) -> None:
    async def main(office: Office) -> None:
        door = await office.zone()
        people = [(await office.enrolled(number, (door,)))[0] for number in (1, 2)]
        ask = ReadGalleryChanges(version=0, limit=10)
        assert {one.person_id for one in (await office.process(ask)).members} == set(people)
        await office.ask(EndEnrolment(principal=BOSS, person_id=people[0]))
        told = await office.process(ask)
        assert {one.person_id for one in told.members} == {people[1]}

    through(site, main)


@pytest.mark.parametrize("cameras", [(GATE, VAULT), (VAULT, GATE)])
def test_journey_tells_its_cameras_in_the_order_they_were_asked_for(site: Site, cameras) -> None:
    async def main(office: Office) -> None:
        person_id, _, _ = await office.enrolled(1, (await office.zone(),), may_follow=True)
        await office.ask(opening(CID, "7"))
        now = site.clock.now_ns()
        request_id = await journey_request(office, person_id, now - HOUR, now, cameras)
        opened = await office.ask(OpenJourney(principal=CID, request_id=request_id))
        assert opened.camera_ids == tuple(CameraId(one) for one in cameras)

    through(site, main)
