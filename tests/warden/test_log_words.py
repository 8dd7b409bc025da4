"""What the warden's log says of each act, word for word: an auditor's evidence, so none of it changes unseen.

`log_words.txt` is this module's own output (`python -m tests.warden.test_log_words > tests/warden/log_words.txt`): a
walk through what people do with recognition, requests and footage. Random ids are numbered as they come (#1, #2), so
that the same id is the same number everywhere; times are since the walk began.
"""

import contextlib
import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.warden.conftest import GATE, HOUR, Site
from tests.warden.office import (
    ADMIN,
    ANN,
    BEN,
    BOSS,
    CID,
    DAY,
    OFFICER,
    WORDS,
    Office,
    draft,
    face,
    filing,
    person,
    template,
    through,
)

from custodes.access import keys as key_rules
from custodes.access import requests, trials
from custodes.errors import CustodesError
from custodes.testing.cases import opening
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Action, AuditRecord, Fidelity, Purpose, PurposeKind, Role
from custodes.types.approval import (
    CastVote,
    EnrolKey,
    FileRequest,
    ForgetKey,
    ReviewBreakGlass,
    VouchForKey,
    WithdrawRequest,
)
from custodes.types.face import ZoneKind
from custodes.types.face_message import (
    DecideZone,
    DraftZone,
    EndEnrolment,
    InviteEnrolment,
    OpenFaces,
    ReadCandidates,
    RekeyGallery,
    RenewInvitation,
    ReviewEnrolment,
    SignConsent,
    StopZone,
)
from custodes.types.journey import ReadLastSeen
from custodes.types.message import DestroyKeys, EndGrant, EraseSegments, ReleaseKeys
from custodes.types.plate import AskPlate, EndListing, ListVehicle
from custodes.types.trial import BeginWalk, EndTrial, InviteVolunteer, LeaveTrial, OpenTrial, ReadTrial, SignTrial
from custodes.units import NS_PER_S, Ns

GOLDEN = Path(__file__).with_name("log_words.txt")
_ID = re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]{32,})(?![0-9a-zA-Z])|[A-Za-z0-9_-]{43}")
_TIME = re.compile(r"(?<!\d)\d{19}(?!\d)")


def words_of(records: list[AuditRecord], began_ns: int) -> str:
    """A line an entry: kind, actor, subject, then its details."""
    numbers: dict[str, str] = {}

    def named(text: str) -> str:
        text = _TIME.sub(lambda found: _since(int(found[0]) - began_ns), text)
        return _ID.sub(lambda found: numbers.setdefault(found[0], f"#{len(numbers) + 1}"), text)

    def told(key: str, value: str) -> str:
        if key.startswith("assertion_"):
            return "a signature" if json.loads(value) else "none"
        return named(value)

    lines = []
    for one in records:
        details = "; ".join(f"{key} {told(key, value)}" for key, value in one.details.items())
        lines.append(f"{one.kind.value} | {one.actor} | {named(one.subject)} | {details}")
    return "\n".join(lines) + "\n"


def _since(passed_ns: int) -> str:
    seconds, rest_ns = divmod(passed_ns, NS_PER_S)
    return f"{seconds} s" + (f" {rest_ns} ns" if rest_ns else "")


async def recognition(office: Office) -> None:
    """Zones, people, candidates, sightings, their ends."""
    ask, clock = office.ask, office.site.clock
    refused = await ask(DraftZone(principal=ADMIN, draft=draft(name="Yard")))
    no = DecideZone(principal=BOSS, zone_id=refused.draft.zone_id, is_yes=False, note="not needed", assertion="")
    await ask(no)
    door = await office.zone()
    made = InviteEnrolment(
        principal=BOSS, name="Nora", purpose=f" {WORDS} ", zone_ids=(door,), expires_ns=Ns(clock.now_ns() + 100 * DAY)
    )
    unsigned = await ask(made)
    clock.advance(NS_PER_S)
    await ask(RenewInvitation(principal=BOSS, person_id=unsigned.enrolment.person_id))
    follow = await ask(replace(made, may_follow=True))
    await ask(SignConsent(token=follow.token, signature="Nora", text_sha256="a" * 64))
    for look in range(3):
        await office.process(template(follow.token, face(1, look)))
    nora = follow.enrolment.person_id
    await office.gate.faces.zones.publish()
    await office.train(ANN, BEN)
    await office.process(filing(door, nora))
    first = (await ask(ReadCandidates(principal=CID))).records[0].candidate.candidate_id
    await ask(OpenFaces(principal=ANN, candidate_id=first))
    await office.say(ANN, first)
    await office.say(BEN, first)
    second = await office.filed(door, nora, track_id=2)
    await office.say(ANN, second, is_same=False)
    lost = await office.enrolled(2, (door,), samples=1, expires_ns=Ns(clock.now_ns() + DAY), is_missing=True)
    await ask(ReadLastSeen(principal=ANN))
    await ask(RekeyGallery(principal=BOSS))
    clock.advance(70 * DAY)
    await office.gate.faces.people.sweep()
    await ask(ReviewEnrolment(principal=person(30, Role.SUPERVISOR), person_id=nora))
    await ask(EndEnrolment(principal=BOSS, person_id=nora))
    await ask(StopZone(principal=ANN, zone_id=door))
    assert lost


async def trial_and_vehicles(office: Office) -> None:
    """A trial with two volunteers, one of whom leaves; a van that passes."""
    ask, clock = office.ask, office.site.clock
    door = await office.zone(fpir=0.05)
    people = [await office.enrolled(number, (door,)) for number in range(4)]
    await ask(OpenTrial(principal=BOSS, zone_id=door, days=30))
    tokens = []
    for name, person_id in (("", people[0][0]), ("Vera Visitor", "")):
        invited = await ask(InviteVolunteer(principal=BOSS, zone_id=door, name=name, person_id=person_id))
        await ask(SignTrial(token=invited.token, signature="Wim Walker", text_sha256="b" * 64))
        tokens.append(invited.token)
    await ask(BeginWalk(token=tokens[0]))
    clock.advance(trials.LEAD_NS + trials.WALK_NS + trials.SETTLE_NS)
    await office.gate.faces.trials.sweep()
    await ask(ReadTrial(principal=OFFICER, zone_id=door, is_export=True))
    await ask(LeaveTrial(token=tokens[1]))
    await ask(EndTrial(principal=BOSS, zone_id=door))
    plates = await office.zone(kind=ZoneKind.PLATES)
    listed = await ask(
        ListVehicle(
            principal=BOSS,
            plate="KA RL 4711",
            label="Van 3",
            zone_ids=(plates,),
            agreement="signed 2026-11-01, folder 7",
            expires_ns=Ns(clock.now_ns() + 100 * DAY),
        )
    )
    seen = AskPlate(zone_id=plates, camera_id=GATE, utc_ns=clock.now_ns(), since_ns=clock.now_ns(),
                    texts=("KARL4711",))  # fmt: skip
    assert (await office.gate.faces.plates.answer_analyser(seen)).is_listed
    await ask(EndListing(principal=BOSS, vehicle_id=listed.vehicle_id))


async def looks(office: Office) -> None:
    """Requests and what they open, a break-glass and its review, passkeys, an erasure, keys destroyed."""
    ask, site, gate = office.ask, office.site, office.gate
    new = FakeAuthenticator()
    enrolled = new.enrolled(OFFICER.user_id)
    await ask(EnrolKey(principal=OFFICER, key=enrolled, name="Telephone"))
    vouched = await office.sign(BOSS, key_rules.digest(enrolled))
    await ask(VouchForKey(principal=BOSS, credential_id=new.credential_id, assertion=vouched))
    await ask(opening(CID, "7"))
    now = site.clock.now_ns()
    asked = FileRequest(
        principal=CID,
        action=Action.PLAY_BACK,
        purpose=Purpose(kind=PurposeKind.CASE, reference=" 7 "),
        camera_ids=(GATE,),
        start_ns=Ns(now - HOUR),
        end_ns=Ns(now + HOUR),
        fidelity=Fidelity.UNMASKED,
        reason=" somebody was hurt at the gate ",
        is_break_glass=False,
    )

    async def approved(message: FileRequest, note: str = "") -> str:
        record = await ask(message)
        signed = new.get(requests.digest(record.request))
        request_id = record.request.request_id
        vote = CastVote(principal=OFFICER, request_id=request_id, is_yes=True, note=note, assertion=signed)
        await ask(vote)
        return request_id

    request_id = await approved(asked, "only the gate")
    look = site.request(Action.PLAY_BACK, role=Role.INVESTIGATOR, fidelity=Fidelity.UNMASKED, lasts_ns=0)
    look = replace(look, principal=CID)
    assert (await gate.authorise(look)).grant is None
    grant = (await gate.authorise(replace(look, request_id=request_id))).grant
    headers = [site.segment()[0] for _ in range(2)]
    opens = ReleaseKeys(grant_token=grant.token, headers=tuple(headers))
    await gate.answer_job(opens)
    await ask(WithdrawRequest(principal=CID, request_id=request_id))
    with pytest.raises(CustodesError):
        await gate.answer_job(opens)
    await gate.end_grant(EndGrant(grant_id=grant.grant_id, frames_shown=25))
    refused = await ask(replace(asked, shown=(("0" * 12, 3),)))
    no = CastVote(
        principal=OFFICER, request_id=refused.request.request_id, is_yes=False, note="too wide", assertion=""
    )
    await ask(no)
    glass = await ask(replace(asked, is_break_glass=True))
    review = ReviewBreakGlass(
        principal=OFFICER, request_id=glass.request.request_id, is_justified=True, note="a fire, as he said"
    )
    await ask(review)
    both = replace(CID, roles=CID.roles | {Role.PRIVACY_OFFICER}, user_id="u31", name="P31")
    erasing = replace(
        asked,
        principal=both,
        action=Action.ERASE,
        purpose=Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference="SAR-9"),
        fidelity=Fidelity.MASKED,
    )
    request_id = await approved(erasing)
    erase = replace(
        look,
        principal=both,
        action=Action.ERASE,
        purpose=erasing.purpose,
        fidelity=Fidelity.MASKED,
        request_id=request_id,
        start_ns=erasing.start_ns,
        end_ns=erasing.end_ns,
    )
    grant = (await gate.authorise(erase)).grant
    await ask(EraseSegments(grant_token=grant.token, segment_ids=tuple(one.segment_id for one in headers)))
    await approved(asked)
    await ask(ForgetKey(principal=OFFICER, credential_id=new.credential_id))
    site.clock.advance(3 * DAY)
    day = headers[0].key_id
    await ask(DestroyKeys(camera_id=GATE, day=day.rpartition("/")[2]))


def walked(site: Site) -> str:
    """The log of all of it."""
    began = site.clock.now_ns()

    async def main(office: Office) -> None:
        for part in (recognition, trial_and_vehicles, looks):
            await part(office)

    through(site, main)
    return words_of([entry.record for entry in site.entries()], began)


def test_log_says_of_each_act_what_it_always_said(site: Site) -> None:
    assert walked(site).splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()
    site.verify()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(sys.stderr):  # what the warden says for who runs it
            told = walked(Site(Path(folder)))
        sys.stdout.write(told)
