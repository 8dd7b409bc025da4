"""Every way around two trained people that we could think of: none leads to a sighting, a zone or a template.

A case begins with somebody enrolled in an active zone, a candidate that waits, and three trained people. It says which
step has to be refused; at the end no sighting is there, neither in the table nor in the log.
"""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.warden.conftest import GATE, Site
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

from custodes.access import candidates, enrolment, zones
from custodes.errors import (
    AlreadyExists,
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ProtocolError,
)
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import AuditKind, Role
from custodes.types.approval import EnrolKey, ForgetKey
from custodes.types.face import BasisKind, CandidatePhase, Impact, LegalBasis
from custodes.types.face_message import (
    BeginSample,
    DecideZone,
    DraftZone,
    EndEnrolment,
    EnrolmentInvited,
    GiveTraining,
    GiveVerdict,
    InviteEnrolment,
    IssueToken,
    OpenFaces,
    ReadCandidates,
    ReadGalleryChanges,
    ReadSightings,
    RenewInvitation,
    ReviewEnrolment,
    SignConsent,
    StopZone,
    TellSighting,
)
from custodes.types.message import Append
from custodes.types.trial import InviteVolunteer, NoteWalk, OpenTrial, SignTrial
from custodes.units import CameraId, Ns


@dataclass(kw_only=True)
class Case:
    """What an attempt finds."""

    office: Office
    one: str
    zone_id: str
    person_id: str
    token: str
    sightings: int = 0
    """How many there are at the end: 1 where two people agreed before the attempt."""

    async def verdict(self, who, assertion: str, *, is_same: bool = True) -> object:
        return await self.office.ask(
            GiveVerdict(principal=who, candidate_id=self.one, is_same=is_same, assertion=assertion)
        )

    async def challenge(self, *, is_same: bool = True) -> bytes:
        records = (await self.office.ask(ReadCandidates(principal=CID))).records
        record = next(one for one in records if one.candidate.candidate_id == self.one)
        return candidates.digest(record.candidate, is_same=is_same)

    async def invited(self) -> str:
        expires = Ns(self.office.site.clock.now_ns() + DAY)
        message = InviteEnrolment(
            principal=BOSS, name="N", purpose=WORDS, zone_ids=(self.zone_id,), expires_ns=expires
        )
        return (await self.office.ask(message)).token


ATTEMPTS: dict[str, Callable[[Case], Awaitable[None]]] = {}
SECTIONS: dict[str, list[str]] = {}
TABLE = Path(__file__).parents[2] / "docs" / "bypasses.md"


def section(name: str) -> None:
    """What follows belongs to it."""
    SECTIONS[name] = []


def attempt(name: str):
    def keep(function):
        assert name not in ATTEMPTS
        ATTEMPTS[name] = function
        SECTIONS[next(reversed(SECTIONS))].append(name)
        return function

    return keep


def table() -> str:
    """The page of all classes, in the order of this file."""
    lines = [
        "# Ways around two people", "",
        f"{len(ATTEMPTS)} classes of attempts against the two-person rule, the zones and the gallery. Each is made"
        " against the warden's real desks; none leads to a sighting, a zone or a template. The test writes this file:"
        " `python -m tests.warden.test_face_bypasses > docs/bypasses.md`.",
    ]  # fmt: skip
    number = 0
    for name, attempts in SECTIONS.items():
        lines += ["", f"## {name.capitalize()}", "", "| | attempt |", "|---|---|"]
        for one in attempts:
            number += 1
            lines.append(f"| {number} | {one} |")
    return "\n".join(lines) + "\n"


async def refused(step: Awaitable[object], *kinds: type[CustodesError]) -> None:
    with pytest.raises(kinds or CustodesError):
        await step


section("who says it")


@attempt("one word alone")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)


@attempt("the same person twice")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.office.say(ANN, case.one), AlreadyExists)


@attempt("the same person under another name")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.office.say(replace(ANN, name="Other"), case.one), AlreadyExists)


@attempt("the same person in another role")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.office.say(replace(ANN, roles=frozenset({Role.INVESTIGATOR})), case.one), AlreadyExists)


@attempt("the same person with a second passkey")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    del case.office.keys[ANN.user_id]
    await refused(case.office.say(ANN, case.one), AlreadyExists)


@attempt("the same person after the warden started again")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    async with case.office.restarted() as again:
        await refused(again.say(ANN, case.one), AlreadyExists)


@attempt("one passkey for two accounts")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    key = case.office.keys[ANN.user_id]
    await refused(case.office.ask(EnrolKey(principal=BEN, key=key.enrolled(BEN.user_id), name="Mine too")))
    await refused(case.verdict(BEN, key.get(await case.challenge())), PermissionDenied)


@attempt("somebody else's passkey")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    case.office.keys[BEN.user_id] = case.office.keys[ANN.user_id]
    await refused(case.office.say(BEN, case.one), PermissionDenied)


@attempt("a passkey enrolled in somebody else's name")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    forged = FakeAuthenticator()
    await refused(case.office.ask(EnrolKey(principal=ANN, key=forged.enrolled(BEN.user_id), name="Ben's")))
    await refused(case.verdict(BEN, forged.get(await case.challenge())), PermissionDenied)


@attempt("a passkey that only the server speaks for, on a candidate")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    forged = await case.office.enrol(BEN, is_vouched=False)
    await refused(case.verdict(BEN, forged.get(await case.challenge())), PermissionDenied)


@attempt("a passkey that only the server speaks for, on a zone")
async def _(case: Case) -> None:
    record = await case.office.ask(DraftZone(principal=ADMIN, draft=draft(name="Yard")))
    case.office.keys.pop(BOSS.user_id)
    await case.office.enrol(BOSS, is_vouched=False)
    await refused(case.office.approve(BOSS, record), PermissionDenied)


@attempt("a passkey that was taken away")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.sign(BEN, bytes(32))
    key = case.office.keys[BEN.user_id]
    await case.office.ask(ForgetKey(principal=BEN, credential_id=key.credential_id))
    await refused(case.verdict(BEN, key.get(await case.challenge())), PermissionDenied)


@attempt("an account named almost like a trained one")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.office.say(replace(BEN, user_id=f"{BEN.user_id} "), case.one), PermissionDenied)


section("what is signed")


@attempt("a word signed for the other verdict")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.office.say(BEN, case.one, is_same=True, signed_as=False), PermissionDenied)


@attempt("a word signed for another candidate")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.verdict(BEN, await case.office.sign(BEN, bytes(32))), PermissionDenied)


@attempt("a signature under a zone")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    signed = await case.office.sign(BEN, zones.digest(draft()))
    await refused(case.verdict(BEN, signed), PermissionDenied)


@attempt("an assertion used again")
async def _(case: Case) -> None:
    record = await case.office.say(ANN, case.one)
    again = record.verdicts[0].assertion
    await refused(case.verdict(ANN, again))
    await refused(case.verdict(BEN, again), PermissionDenied)


@attempt("an empty assertion")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.verdict(BEN, ""), InvalidArgument)


@attempt("an assertion with a foreign signature")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.sign(BEN, bytes(32))
    key, other = case.office.keys[BEN.user_id], FakeAuthenticator()
    other.credential_id, other.sign_count = key.credential_id, 50
    await refused(case.verdict(BEN, other.get(await case.challenge())), PermissionDenied)


@attempt("a passkey that did not ask who holds it")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.sign(BEN, bytes(32))
    case.office.keys[BEN.user_id].is_user_verified = False
    await refused(case.office.say(BEN, case.one), PermissionDenied)


@attempt("a passkey's copy with a counter that fell behind")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    for _ in range(3):
        await case.office.sign(BEN, bytes(32))
    key = case.office.keys[BEN.user_id]
    await refused(case.verdict(BEN, key.get(bytes(32))), PermissionDenied)
    await case.office.say(CID, case.one, is_same=False)
    key.sign_count = -1
    await refused(case.verdict(BEN, key.get(await case.challenge())))


@attempt("an assertion made on another page")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.sign(BEN, bytes(32))
    case.office.keys[BEN.user_id].origin = "https://phish.example"
    await refused(case.office.say(BEN, case.one), PermissionDenied)


@attempt("the challenge changed in what the browser signed")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    tree = json.loads(await case.office.sign(BEN, bytes(32)))
    client = json.loads(urlsafe_b64decode(tree["response"]["clientDataJSON"] + "=="))
    client["challenge"] = urlsafe_b64encode(await case.challenge()).decode().rstrip("=")
    encoded = urlsafe_b64encode(json.dumps(client).encode()).decode().rstrip("=")
    tree["response"]["clientDataJSON"] = encoded
    await refused(case.verdict(BEN, json.dumps(tree)), PermissionDenied)


section("training and role")


@attempt("without a training")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.train(BEN, days=0)
    await refused(case.office.say(BEN, case.one), PermissionDenied)


@attempt("after the training ended")
async def _(case: Case) -> None:
    await case.office.train(BEN, days=1)
    case.office.site.clock.advance(2 * DAY)
    case.one = await case.office.filed(case.zone_id, case.person_id, track_id=8)
    await case.office.say(ANN, case.one)
    await refused(case.office.say(BEN, case.one), PermissionDenied)


@attempt("at the moment the training ends")
async def _(case: Case) -> None:
    clock = case.office.site.clock
    await case.office.train(BEN, days=1)
    clock.advance(DAY - 1000)
    case.one = await case.office.filed(case.zone_id, case.person_id, track_id=8)
    await case.office.say(ANN, case.one)
    signed = await case.office.sign(BEN, await case.challenge())
    clock.advance(1000)
    await refused(case.verdict(BEN, signed), PermissionDenied)


@attempt("with a training of one's own making")
async def _(case: Case) -> None:
    both = replace(OFFICER, roles=frozenset({Role.PRIVACY_OFFICER, Role.OPERATOR}))
    await case.office.say(ANN, case.one)
    own = GiveTraining(principal=both, user_id=both.user_id, name="P2", days=9)
    await refused(case.office.ask(own), PermissionDenied)
    await refused(case.office.say(both, case.one), PermissionDenied)


@attempt("with a training from who may give none")
async def _(case: Case) -> None:
    new = person(9, Role.OPERATOR)
    await case.office.say(ANN, case.one)
    for who in (BOSS, ADMIN, ANN):
        given = GiveTraining(principal=who, user_id=new.user_id, name=new.name, days=9)
        await refused(case.office.ask(given), PermissionDenied)
    await refused(case.office.say(new, case.one), PermissionDenied)


@attempt("with a training of a negative or endless length")
async def _(case: Case) -> None:
    new = person(9, Role.OPERATOR)
    for days in (-1, 10**6):
        given = GiveTraining(principal=OFFICER, user_id=new.user_id, name=new.name, days=days)
        await refused(case.office.ask(given), InvalidArgument)
    await case.office.say(ANN, case.one)
    await refused(case.office.say(new, case.one), PermissionDenied)


@attempt("with a training that the matcher's door gives")
async def _(case: Case) -> None:
    given = GiveTraining(principal=OFFICER, user_id="u9", name="P9", days=9)
    await refused(case.office.process(given), ProtocolError)


@attempt("with a role that may not")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.train(BOSS)
    await refused(case.office.say(BOSS, case.one), PermissionDenied)


@attempt("with no role")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await refused(case.office.say(replace(BEN, roles=frozenset()), case.one), PermissionDenied)


@attempt("after the role was taken away between signing and saying")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    signed = await case.office.sign(BEN, await case.challenge())
    await refused(case.verdict(replace(BEN, roles=frozenset({Role.AUDITOR})), signed), PermissionDenied)


@attempt("by who can read the first word in the log")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    reads = replace(BEN, roles=frozenset({Role.OPERATOR, Role.AUDITOR}))
    await refused(case.office.say(reads, case.one), PermissionDenied)
    await refused(case.office.ask(OpenFaces(principal=reads, candidate_id=case.one)), PermissionDenied)


@attempt("looking at the pictures without a training")
async def _(case: Case) -> None:
    await refused(
        case.office.ask(OpenFaces(principal=person(9, Role.OPERATOR), candidate_id=case.one)), PermissionDenied
    )


@attempt("reading sightings without the right")
async def _(case: Case) -> None:
    for who in (ANN, ADMIN, OFFICER):
        await refused(case.office.ask(ReadSightings(principal=who)), PermissionDenied)


@attempt("learning the first word or the name before saying one's own")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    for who in (BEN, CID):
        shown = (await case.office.ask(ReadCandidates(principal=who))).records[0]
        assert (shown.verdicts, shown.candidate.person_id) == ((), "")


section("disagreement, time, races")


@attempt("they disagree")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.say(BEN, case.one, is_same=False)
    assert await case.office.phase(case.one) is CandidatePhase.DISPUTED


@attempt("they disagree and a third decides")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.say(BEN, case.one, is_same=False)
    await refused(case.office.say(CID, case.one), FailedPrecondition)


@attempt("they disagree and one thinks better of it")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.say(BEN, case.one, is_same=False)
    await refused(case.office.say(BEN, case.one))


@attempt("they disagree and the same track is filed again")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.say(BEN, case.one, is_same=False)
    await refused(case.office.filed(case.zone_id, case.person_id), AlreadyExists)


@attempt("both say that it is somebody else")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one, is_same=False)
    await case.office.say(BEN, case.one, is_same=False)
    assert await case.office.phase(case.one) is CandidatePhase.REJECTED


@attempt("too late")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    case.office.site.clock.advance(candidates.DECIDE_WITHIN_NS)
    await refused(case.office.say(BEN, case.one), FailedPrecondition)


@attempt("with the clock set back")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    case.office.site.clock.jump(-2 * DAY)
    await refused(case.office.say(BEN, case.one))


@attempt("a third word after the decision")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.say(BEN, case.one)
    await refused(case.office.say(CID, case.one), FailedPrecondition)
    case.sightings = 1


@attempt("a race of two words of one person")
async def _(case: Case) -> None:
    await case.office.sign(ANN, bytes(32))
    done = await asyncio.gather(*(case.office.say(ANN, case.one) for _ in range(2)), return_exceptions=True)
    assert sum(isinstance(one, CustodesError) for one in done) == 1


@attempt("a race of three people")
async def _(case: Case) -> None:
    for who in (ANN, BEN, CID):
        await case.office.sign(who, bytes(32))
    done = await asyncio.gather(*(case.office.say(who, case.one) for who in (ANN, BEN, CID)), return_exceptions=True)
    assert sum(isinstance(one, CustodesError) for one in done) == 1
    case.sightings = 1


@attempt("a race of a word and a withdrawal")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    signed = await case.office.sign(BEN, await case.challenge())
    done = await asyncio.gather(
        case.office.ask(EndEnrolment(principal=BOSS, person_id=case.person_id)),
        case.verdict(BEN, signed),
        return_exceptions=True,
    )
    assert isinstance(done[1], CustodesError)


@attempt("a word that was broken off before it was written down")
async def _(case: Case) -> None:
    signed = await case.office.sign(ANN, await case.challenge())
    task = asyncio.ensure_future(case.verdict(ANN, signed))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await refused(case.verdict(ANN, signed))


@attempt("the first word, then the person takes their consent back")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.ask(EndEnrolment(principal=BOSS, person_id=case.person_id))
    await refused(case.office.say(BEN, case.one), FailedPrecondition)


@attempt("the first word, then the stop button")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    await case.office.ask(StopZone(principal=BEN, zone_id=case.zone_id))
    await refused(case.office.say(BEN, case.one), FailedPrecondition)


@attempt("the first word, then the enrolment expires")
async def _(case: Case) -> None:
    clock = case.office.site.clock
    clock.advance(100 * DAY - 1000)
    await case.office.train(ANN, BEN)
    case.one = await case.office.filed(case.zone_id, case.person_id, track_id=8)
    await case.office.say(ANN, case.one)
    signed = await case.office.sign(BEN, await case.challenge())
    clock.advance(2000)
    await refused(case.verdict(BEN, signed), FailedPrecondition)


section("candidates that are none")


@attempt("the server appends a sighting")
async def _(case: Case) -> None:
    entry = case.office.site.entries()[0].record
    await refused(case.office.ask(Append(record=replace(entry, kind=AuditKind.SIGHTING))))


@attempt("the server appends verdicts, candidates or trainings")
async def _(case: Case) -> None:
    entry = case.office.site.entries()[0].record
    for kind in (AuditKind.VERDICT_GIVEN, AuditKind.CANDIDATE_FILED, AuditKind.TRAINING_CHANGED):
        await refused(case.office.ask(Append(record=replace(entry, kind=kind))))


@attempt("the server files a candidate")
async def _(case: Case) -> None:
    await refused(case.office.ask(filing(case.zone_id, case.person_id)))


@attempt("the server says what a volunteer's walk scored")
async def _(case: Case) -> None:
    note = NoteWalk(
        walk_id="w", zone_id=case.zone_id, camera_id=GATE, start_ns=Ns(1), person_id=case.person_id, score=9.0,
        threshold=3.0,
    )  # fmt: skip
    await refused(case.office.ask(note))


@attempt("a volunteer's link used as an invitation to be enrolled")
async def _(case: Case) -> None:
    await case.office.ask(OpenTrial(principal=BOSS, zone_id=case.zone_id, days=1))
    message = InviteVolunteer(principal=BOSS, zone_id=case.zone_id, name="Vera", person_id="")
    link = (await case.office.ask(message)).token
    await case.office.ask(SignTrial(token=link, signature="Vera Visitor", text_sha256="a" * 64))
    await refused(case.office.process(template(link, face(9))), PermissionDenied)


@attempt("a verdict at the matcher's door")
async def _(case: Case) -> None:
    await case.office.say(ANN, case.one)
    signed = await case.office.sign(BEN, await case.challenge())
    message = GiveVerdict(principal=BEN, candidate_id=case.one, is_same=True, assertion=signed)
    await refused(case.office.process(message), ProtocolError)


@attempt("a verdict on a candidate that is none")
async def _(case: Case) -> None:
    case.one, known = "0" * 16, case.one
    signed = await case.office.sign(ANN, bytes(32))
    await refused(case.verdict(ANN, signed), NotFound)
    case.one = known


@attempt("a candidate of somebody not in the zone")
async def _(case: Case) -> None:
    other = await case.office.zone()
    await refused(case.office.process(filing(other, case.person_id)), FailedPrecondition)


@attempt("a candidate of a withdrawn person")
async def _(case: Case) -> None:
    await case.office.ask(EndEnrolment(principal=BOSS, person_id=case.person_id))
    await refused(case.office.process(filing(case.zone_id, case.person_id)), FailedPrecondition)


@attempt("a candidate in a stopped zone")
async def _(case: Case) -> None:
    await case.office.ask(StopZone(principal=BOSS, zone_id=case.zone_id))
    await refused(case.office.process(filing(case.zone_id, case.person_id)), FailedPrecondition)


@attempt("a candidate of another camera")
async def _(case: Case) -> None:
    message = replace(filing(case.zone_id, case.person_id), camera_id=CameraId("vault"))
    await refused(case.office.process(message), InvalidArgument)


@attempt("a candidate below its threshold")
async def _(case: Case) -> None:
    for score, threshold in ((2.9, 3.0), (float("nan"), 3.0), (9.0, float("nan")), (9.0, float("-inf"))):
        message = replace(filing(case.zone_id, case.person_id), score=score, threshold=threshold)
        await refused(case.office.process(message), InvalidArgument)


@attempt("a candidate without a picture to judge")
async def _(case: Case) -> None:
    for picture in (b"", bytes(300 * 1024)):
        message = replace(filing(case.zone_id, case.person_id), picture=picture)
        await refused(case.office.process(message), InvalidArgument)


@attempt("a candidate of a person whose yearly review is overdue")
async def _(case: Case) -> None:
    expires = Ns(case.office.site.clock.now_ns() + 900 * DAY)
    person_id, *_ = await case.office.enrolled(3, (case.zone_id,), expires_ns=expires)
    case.office.site.clock.advance(enrolment.REVIEW_EVERY_NS + 1)
    await refused(case.office.process(filing(case.zone_id, person_id)), FailedPrecondition)


@attempt("the webhook's notice before two people agreed, or after they did not")
async def _(case: Case) -> None:
    tell = TellSighting(candidate_id=case.one)
    await refused(case.office.ask(tell), FailedPrecondition)
    await case.office.say(ANN, case.one)
    await refused(case.office.ask(tell), FailedPrecondition)
    await case.office.say(BEN, case.one, is_same=False)
    await refused(case.office.ask(tell), FailedPrecondition)


section("zones and templates")


@attempt("the author approves the zone")
async def _(case: Case) -> None:
    author = replace(ADMIN, roles=frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR}))
    record = await case.office.ask(DraftZone(principal=author, draft=draft()))
    await refused(case.office.approve(author, record), PermissionDenied)


@attempt("one person approves the zone twice")
async def _(case: Case) -> None:
    record = await case.office.ask(DraftZone(principal=ADMIN, draft=draft()))
    await case.office.approve(BOSS, record)
    await refused(case.office.approve(BOSS, record), AlreadyExists)


@attempt("an approval that was signed for another zone")
async def _(case: Case) -> None:
    first = await case.office.ask(DraftZone(principal=ADMIN, draft=draft()))
    second = await case.office.ask(DraftZone(principal=ADMIN, draft=draft(fpir=0.05)))
    signed = await case.office.sign(BOSS, zones.digest(first.draft))
    message = DecideZone(principal=BOSS, zone_id=second.draft.zone_id, is_yes=True, note="", assertion=signed)
    await refused(case.office.ask(message), PermissionDenied)


@attempt("a zone after a refusal")
async def _(case: Case) -> None:
    record = await case.office.ask(DraftZone(principal=ADMIN, draft=draft()))
    no = DecideZone(principal=BOSS, zone_id=record.draft.zone_id, is_yes=False, note="", assertion="")
    await case.office.ask(no)
    await refused(case.office.approve(OFFICER, record), FailedPrecondition)


@attempt("a zone without an assessment or a basis")
async def _(case: Case) -> None:
    bare = Impact(necessity="", risks=WORDS, measures=WORDS, consulted=WORDS)
    for wrong in (draft(impact=bare), draft(basis=LegalBasis(kind=BasisKind.EXPLICIT_CONSENT, reference=""))):
        await refused(case.office.ask(DraftZone(principal=ADMIN, draft=wrong)), InvalidArgument)


@attempt("the server puts a template")
async def _(case: Case) -> None:
    await refused(case.office.ask(template(case.token, face(9))))


@attempt("the server reads the gallery")
async def _(case: Case) -> None:
    await refused(case.office.ask(ReadGalleryChanges(version=0, limit=9)))


@attempt("a template without a signature")
async def _(case: Case) -> None:
    token = await case.invited()
    await refused(case.office.process(template(token, face(8))), PermissionDenied)
    await refused(case.office.process(BeginSample(token=token)), PermissionDenied)


@attempt("a template under a guessed invitation")
async def _(case: Case) -> None:
    await refused(case.office.process(template("x" * 43, face(8))), PermissionDenied)


@attempt("a template under a consent that was signed by an invitation that ran out")
async def _(case: Case) -> None:
    token = await case.invited()
    case.office.site.clock.advance(enrolment.INVITATION_LASTS_NS)
    signed = SignConsent(token=token, signature="Name", text_sha256="a" * 64)
    await refused(case.office.ask(signed))
    await refused(case.office.process(template(token, face(8))))


@attempt("a template after expiry")
async def _(case: Case) -> None:
    case.office.site.clock.advance(101 * DAY)
    await refused(case.office.process(template(case.token, face(8))), PermissionDenied)


@attempt("a card for somebody who is compared in a zone")
async def _(case: Case) -> None:
    await refused(case.office.ask(IssueToken(token=case.token)), FailedPrecondition)


async def _imported(case: Case) -> EnrolmentInvited:
    """Somebody whose basis BOSS wrote down, with enough pictures."""
    message = InviteEnrolment(
        principal=BOSS,
        name="N",
        purpose=WORDS,
        zone_ids=(case.zone_id,),
        expires_ns=Ns(case.office.site.clock.now_ns() + DAY),
        basis=LegalBasis(kind=BasisKind.EMPLOYMENT_LAW, reference="agreement of 3 March, file 7"),
    )
    made = await case.office.ask(message)
    for look in range(3):
        await case.office.process(template(made.token, face(5, look)))
    return made


@attempt("who imported somebody reviews the basis themselves")
async def _(case: Case) -> None:
    made = await _imported(case)
    again = replace(BOSS, name="Somebody Else")
    for who in (BOSS, again):
        review = ReviewEnrolment(principal=who, person_id=made.enrolment.person_id)
        await refused(case.office.ask(review), PermissionDenied)


@attempt("a candidate of somebody whose basis nobody else looked at")
async def _(case: Case) -> None:
    made = await _imported(case)
    await refused(case.office.process(filing(case.zone_id, made.enrolment.person_id)))


@attempt("a link renewed by who may not enrol")
async def _(case: Case) -> None:
    for who in (ADMIN, ANN, CID):
        await refused(case.office.ask(RenewInvitation(principal=who, person_id=case.person_id)), PermissionDenied)


@attempt("a picture with a link that was renewed")
async def _(case: Case) -> None:
    await case.office.ask(RenewInvitation(principal=BOSS, person_id=case.person_id))
    await refused(case.office.process(template(case.token, face(8))), PermissionDenied)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_sighting_and_nothing_else_when(site: Site, name: str) -> None:
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        person_id, token, _ = await office.enrolled(1, (zone_id,))
        await office.train(ANN, BEN, CID)
        one = await office.filed(zone_id, person_id)
        case = Case(office=office, one=one, zone_id=zone_id, person_id=person_id, token=token)
        await ATTEMPTS[name](case)
        assert len((await office.ask(ReadSightings(principal=CID))).sightings) == case.sightings
        assert site.kinds().count(AuditKind.SIGHTING) == case.sightings

    through(site, main)


def test_there_are_at_least_fifty_classes_of_bypasses_and_a_page_lists_them() -> None:
    assert len(ATTEMPTS) >= 50
    assert all(SECTIONS.values())
    assert TABLE.read_text() == table(), "renew it: python -m tests.warden.test_face_bypasses > docs/bypasses.md"


if __name__ == "__main__":
    print(table(), end="")
