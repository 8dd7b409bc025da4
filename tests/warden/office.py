"""The warden's recognition desks driven through their own doors, with everybody's passkeys. For tests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import numpy as np
from tests.warden.conftest import GATE, Site

from custodes.access import candidates, zones
from custodes.access import keys as key_rules
from custodes.face.calibration import KNOWN
from custodes.face.filling import GalleryFiller
from custodes.face.matching import Matching
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Principal, Role
from custodes.types.approval import EnrolKey, VouchForKey
from custodes.types.face import BasisKind, CandidatePhase, Impact, LegalBasis, Schedule, ZoneDraft
from custodes.types.face_message import (
    DecideZone,
    DraftZone,
    FileCandidate,
    GiveTraining,
    GiveVerdict,
    InviteEnrolment,
    Probe,
    PutTemplate,
    ReadCandidates,
    ReadGalleryChanges,
    SignConsent,
)
from custodes.units import Ns, RunId

DAY = 24 * 3600 * 10**9
CONTRACT = "dlib-face-resnet:0011223344556677"
WORDS = "as long as it has to be"


def person(number: int, role: Role) -> Principal:
    return Principal(user_id=f"u{number}", name=f"P{number}", roles=frozenset({role}))


ADMIN, OFFICER, BOSS = person(1, Role.ADMINISTRATOR), person(2, Role.PRIVACY_OFFICER), person(3, Role.SUPERVISOR)
ANN, BEN, CID = person(4, Role.OPERATOR), person(5, Role.OPERATOR), person(6, Role.INVESTIGATOR)


def draft(**changes) -> ZoneDraft:
    made = ZoneDraft(
        zone_id="",
        name="Door",
        camera_id=GATE,
        polygon=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)),
        schedule=Schedule(),
        basis=LegalBasis(kind=BasisKind.EXPLICIT_CONSENT, reference=WORDS),
        purpose=WORDS,
        notice=WORDS,
        alternative=WORDS,
        impact=Impact(necessity=WORDS, risks=WORDS, measures=WORDS, consulted=WORDS),
        px_per_m=400.0,
        is_px_measured=False,
        fpir=0.01,
        samples=4,
        tracks_per_day=1000,
        author_id="",
        author="",
        drafted_ns=Ns(0),
    )
    return replace(made, **changes)


def face(number: int, look: int = 0) -> np.ndarray:
    """A synthetic template with the packaged network's statistics: common, person, look."""
    model = KNOWN["dlib-face-resnet"]
    parts = (model.other_mean, model.same_mean - model.other_mean, 1 - model.same_mean)
    seeds = (0, 1000 + number, 100_000 + 100 * number + look)
    units = []
    for seed in seeds:
        drawn = np.random.default_rng(seed).normal(size=128)
        units.append(drawn / np.linalg.norm(drawn))
    return sum(share**0.5 * unit for share, unit in zip(parts, units, strict=True)).astype(np.float32)


class Office:
    """A site with everybody's passkeys, driven through the warden's own doors."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gate = None
        self.keys = {}
        self._stack = AsyncExitStack()

    async def ask(self, message):
        return await self.gate.answer_server(message)

    async def process(self, message):
        return await self.gate.faces.answer_process(message)

    async def sign(self, who: Principal, challenge: bytes) -> str:
        if who.user_id not in self.keys:
            await self.enrol(who)
        return self.keys[who.user_id].get(challenge)

    async def enrol(self, who: Principal, *, is_vouched: bool = True) -> FakeAuthenticator:
        """A passkey for them; the first one counts by itself, its owner vouches for the others."""
        first = next(iter(self.keys.items()), None)
        key = self.keys[who.user_id] = FakeAuthenticator()
        enrolled = key.enrolled(who.user_id)
        await self.ask(EnrolKey(principal=who, key=enrolled, name="Key"))
        if first is not None and is_vouched:
            owner = Principal(user_id=first[0], name="First", roles=frozenset({Role.SUPERVISOR}))
            signed = first[1].get(key_rules.digest(enrolled))
            await self.ask(VouchForKey(principal=owner, credential_id=key.credential_id, assertion=signed))
        return key

    async def approve(self, who: Principal, record):
        signed = await self.sign(who, zones.digest(record.draft))
        return await self.ask(
            DecideZone(principal=who, zone_id=record.draft.zone_id, is_yes=True, note="", assertion=signed)
        )

    async def zone(self, **changes) -> str:
        record = await self.ask(DraftZone(principal=ADMIN, draft=draft(**changes)))
        await self.approve(OFFICER, record)
        return (await self.approve(BOSS, record)).draft.zone_id

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator["Office"]:
        """The same site after its warden ended and began again; this one is of no use any more."""
        await self._stack.aclose()
        again = Office(self.site)
        again.keys = self.keys
        async with again:
            yield again

    async def __aenter__(self) -> "Office":
        self.gate = await self._stack.enter_async_context(self.site.warden())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def enrolled(
        self, number: int, zone_ids: tuple[str, ...], samples: int = 3, expires_ns: Ns | None = None, **changes: bool
    ):
        expires = expires_ns or Ns(self.site.clock.now_ns() + 100 * DAY)
        invited = InviteEnrolment(
            principal=BOSS, name=f"N{number}", purpose=WORDS, zone_ids=zone_ids, expires_ns=expires
        )
        made = await self.ask(replace(invited, **changes))
        signed = await self.ask(SignConsent(token=made.token, signature=f"Name {number}", text_sha256="a" * 64))
        for look in range(samples):
            await self.process(template(made.token, face(number, look)))
        return made.enrolment.person_id, made.token, signed.withdraw_token

    async def matcher(self) -> Matching:
        matching = Matching()
        filler = GalleryFiller(matching)
        changes = await self.process(ReadGalleryChanges(version=0, limit=2000))
        assert filler.take(changes)
        return matching

    async def candidate(self, zone_id: str, number: int = 1, track_id: int = 7) -> str:
        found = (await self.matcher()).compare(probe(zone_id, number, track_id=track_id))
        assert found is not None
        await self.process(found)
        return (await self.ask(ReadCandidates(principal=CID))).records[0].candidate.candidate_id

    async def filed(self, zone_id: str, person_id: str, track_id: int = 7, *, seen_ns: int = 1) -> str:
        """A candidate as the matcher files it, seen for a nanosecond."""
        seen = {"start_ns": Ns(seen_ns), "end_ns": Ns(seen_ns + 1)}
        await self.process(replace(filing(zone_id, person_id), track_id=track_id, **seen))
        return (await self.ask(ReadCandidates(principal=CID))).records[0].candidate.candidate_id

    async def train(self, *people: Principal, days: int = 30) -> None:
        for one in people:
            await self.ask(GiveTraining(principal=OFFICER, user_id=one.user_id, name=one.name, days=days))

    async def say(self, who: Principal, candidate_id: str, *, is_same: bool = True, signed_as: bool | None = None):
        records = (await self.ask(ReadCandidates(principal=CID))).records
        one = next(record.candidate for record in records if record.candidate.candidate_id == candidate_id)
        word = is_same if signed_as is None else signed_as
        assertion = await self.sign(who, candidates.digest(one, is_same=word))
        message = GiveVerdict(principal=who, candidate_id=candidate_id, is_same=is_same, assertion=assertion)
        return await self.ask(message)

    async def phase(self, candidate_id: str) -> CandidatePhase:
        records = (await self.ask(ReadCandidates(principal=CID))).records
        record = next(one for one in records if one.candidate.candidate_id == candidate_id)
        return candidates.phase(record, self.site.clock.now_ns())


def template(token: str, vector: np.ndarray) -> PutTemplate:
    return PutTemplate(token=token, contract=CONTRACT, vector=vector, quality=0.8, picture=b"\xff\xd8enrolled")


def probe(zone_id: str, number: int, **changes) -> Probe:
    fused = np.mean([face(number, look) for look in range(50, 54)], axis=0).astype(np.float32)
    made = Probe(
        zone_id=zone_id,
        camera_id=GATE,
        run=RunId("r"),
        track_id=7,
        start_ns=Ns(1),
        end_ns=Ns(2),
        contract=CONTRACT,
        vector=fused,
        quality=0.7,
        samples=4,
        picture=b"\xff\xd8probe",
    )
    return replace(made, **changes)


def through(site: Site, main) -> None:
    async def run() -> None:
        async with Office(site) as office:
            await main(office)

    site.run(run())


def filing(zone_id: str, person_id: str) -> FileCandidate:
    return FileCandidate(
        zone_id=zone_id,
        camera_id=GATE,
        run=RunId("r"),
        track_id=1,
        start_ns=Ns(1),
        end_ns=Ns(2),
        person_id=person_id,
        score=9.0,
        threshold=3.0,
        likelihood=4.0,
        quality=0.5,
        samples=4,
        gallery_size=3,
        gallery_version=1,
        contract=CONTRACT,
        picture=b"\xff\xd8x",
    )
