"""Protected persons over the warden's real desks: what opens only after a check, who reads what, and what a requester
can tell."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from tests.warden.conftest import GATE, HOUR, VAULT, Site
from tests.warden.office import CONTRACT, DAY, WORDS, Office, face, person, template

from custodes.access import keys, requests
from custodes.access.protection import as_requester
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, PermissionDenied, Unavailable
from custodes.testing.cases import opening
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Action, AuditKind, AuditRecord, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import CastVote, EnrolKey, FileRequest, RequestPhase, VouchForKey
from custodes.types.codec import encode
from custodes.types.face_message import (
    InviteEnrolment,
    ReadEnrolments,
    ReadGalleryChanges,
    SignConsent,
    WithdrawConsent,
)
from custodes.types.message import Append, Ok, ReleaseKeys
from custodes.types.protection import (
    BeginCheck,
    CompareProtected,
    PermitLooks,
    ReadChecks,
    ReadOwnTouches,
    ReadProtected,
    TrackProbe,
)
from custodes.units import Ns, RunId

ANN = person(11, Role.INVESTIGATOR)
BEN, EVA = person(12, Role.SUPERVISOR), person(13, Role.SUPERVISOR)
OFFICER = person(14, Role.PRIVACY_OFFICER)
RUN = RunId("0123456789ab")


class Protecting(Office):
    """A site that protects people."""

    def __init__(self, site: Site, gate) -> None:
        super().__init__(site)
        self.gate = gate

    has_case = False
    first: Principal | None = None

    async def protect(self, number: int, samples: int = 3):
        expires = Ns(self.site.clock.now_ns() + 100 * DAY)
        made = await self.ask(
            InviteEnrolment(
                principal=OFFICER, name=f"N{number}", purpose=WORDS, zone_ids=(), expires_ns=expires, protects=True
            )
        )
        signed = await self.ask(SignConsent(token=made.token, signature=f"Name {number}", text_sha256="a" * 64))
        for look in range(samples):
            await self.process(template(made.token, face(number, look)))
        return made.enrolment.person_id, signed.withdraw_token

    async def file(self, **changes):
        now = self.site.clock.now_ns()
        if not self.has_case:
            await self.ask(opening(ANN, "7"))
            self.has_case = True
        message = FileRequest(
            principal=ANN,
            action=Action.PLAY_BACK,
            purpose=Purpose(kind=PurposeKind.CASE, reference="7"),
            camera_ids=(GATE,),
            start_ns=Ns(now - HOUR),
            end_ns=Ns(now - 60 * 10**9),
            fidelity=Fidelity.UNMASKED,
            reason="somebody was hurt at the gate",
            is_break_glass=False,
        )
        return await self.ask(replace(message, **changes))

    async def key_of(self, who):
        """Of each their own; the first vouches for the others."""
        if who.user_id not in self.keys:
            key = self.keys[who.user_id] = FakeAuthenticator()
            enrolled = key.enrolled(who.user_id)
            await self.ask(EnrolKey(principal=who, key=enrolled, name="Key"))
            if self.first is None:
                self.first = who
            else:
                signed = self.keys[self.first.user_id].get(keys.digest(enrolled))
                vouching = VouchForKey(principal=self.first, credential_id=key.credential_id, assertion=signed)
                await self.ask(vouching)
        return self.keys[who.user_id]

    async def vote(self, who, record, *, is_yes: bool = True):
        assertion = (await self.key_of(who)).get(requests.digest(record.request))
        return await self.ask(
            CastVote(principal=who, request_id=record.request.request_id, is_yes=is_yes, note="", assertion=assertion)
        )

    async def check(self, *probes: TrackProbe) -> None:
        """As the job does it, for all that waits; the tracks are in each piece."""
        for piece in (await self.ask(ReadChecks())).pieces:
            token = (await self.ask(BeginCheck(piece=piece))).grant.token
            await self.gate.answer_job(PermitLooks(grant_token=token))
            for batch, is_last in ((probes, False), ((), True)):
                message = CompareProtected(grant_token=token, contract=CONTRACT, probes=batch, is_last=is_last)
                assert await self.gate.answer_job(message) == Ok()

    def look(self, record, **changes):
        asked = record.request
        request = self.site.request(Action.PLAY_BACK, role=Role.INVESTIGATOR, fidelity=Fidelity.UNMASKED)
        return replace(
            request, principal=ANN, purpose=asked.purpose, start_ns=asked.start_ns, end_ns=asked.end_ns,
            request_id=asked.request_id, **changes,
        )  # fmt: skip

    async def released(self, record):
        answer = await self.gate.authorise(self.look(record))
        assert answer.grant is not None, answer.decision.reasons
        header, _ = self.site.segment(start_ns=record.request.start_ns)
        return await self.gate.answer_job(ReleaseKeys(grant_token=answer.grant.token, headers=(header,)))


def probe(number: int, track_id: int = 1) -> TrackProbe:
    """Somebody seen by a camera: another look of the same synthetic face."""
    return TrackProbe(
        run=RUN, track_id=track_id, start_ns=Ns(5), end_ns=Ns(9), vector=face(number, 50), quality=0.6, samples=1
    )


async def _ready(office: Protecting, *probes: TrackProbe):
    """A request that two others approved, compared."""
    record = await office.file()
    office.site.clock.advance(30 * 10**9)
    await office.check(*probes)
    await office.vote(BEN, record)
    return await office.vote(OFFICER, record)


def test_request_when_nobody_is_protected_needs_what_the_site_asks_for(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            record = await office.file()
            return record, await office.ask(ReadChecks())

    record, wanted = site.run(scenario())
    assert (record.request.needed, record.needs_officer, wanted.pieces) == (1, False, ())


def test_request_when_somebody_is_protected_needs_two_with_an_officer(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            record = await office.file()
            await office.vote(BEN, record)
            two = await office.vote(EVA, record)
            three = await office.vote(OFFICER, record)
            return record, two, three, site.clock.now_ns()

    record, two, three, now_ns = site.run(scenario())
    assert record.request.needed == 2
    assert requests.phase(two, now_ns) is RequestPhase.WAITING
    assert requests.phase(three, now_ns) is RequestPhase.IN_FORCE


def test_release_when_not_compared_yet_is_refused_in_neutral_words(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            record = await office.file()
            await office.vote(BEN, record)
            await office.vote(OFFICER, record)
            with pytest.raises(Unavailable, match="being prepared") as told:
                await gate.authorise(office.look(record))
            return str(told.value)

    assert "protect" not in site.run(scenario())


@pytest.mark.parametrize("present", [True, False], ids=["present", "absent"])
def test_release_covers_the_protected_and_nobody_else(site: Site, present: bool) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            record = await _ready(office, probe(1 if present else 8, track_id=4), probe(9, track_id=5))
            return await office.released(record)

    released = site.run(scenario())
    assert released.hides
    assert released.covered == (((RUN, 4),) if present else ())


def test_requester_can_tell_nothing_from_what_a_check_found(site: Site, tmp_path) -> None:
    """Whether they are there or not: the same answers, the same entries of the log, as much in the file."""

    async def scenario(where: Site, number: int):
        async with where.warden() as gate:
            office = Protecting(where, gate)
            await office.protect(1)
            await office.protect(2)
            record = await office.file()
            where.clock.advance(30 * 10**9)
            await office.check(probe(number))
            seen = as_requester(await office.vote(BEN, record), RequestPhase.WAITING)
            entries = [(entry.record.kind, sorted(entry.record.details)) for entry in where.entries()]
            (file,) = where.paths.data_dir.rglob("faces.db")
            with sqlite3.connect(file) as stored:
                rows = stored.execute("SELECT count(*), sum(length(sealed)) FROM touch").fetchall()
            return seen, (entries, rows)

    for name in ("there", "absent"):
        (tmp_path / name).mkdir()
    there, absent = (Site(tmp_path / name) for name in ("there", "absent"))
    first, second = (where.run(scenario(where, number)) for where, number in ((there, 1), (absent, 8)))
    assert first[1] == second[1]
    assert (first[0].votes, first[0].needs_officer) == (second[0].votes, second[0].needs_officer) == ((), True)


@pytest.mark.parametrize("step", ["not compared yet", "refused", "approved"])
def test_every_answer_to_who_asks_is_the_same_to_the_byte_whoever_is_in_the_pictures(tmp_path, step: str) -> None:
    """The request as its page reads it, and what the gate says to a look: words, lengths and how often it writes."""

    async def scenario(where: Site, number: int):
        async with where.warden() as gate:
            office = Protecting(where, gate)
            await office.protect(1)
            record = await office.file()
            where.clock.advance(30 * 10**9)
            if step != "not compared yet":
                await office.check(probe(number))
                record = await office.vote(BEN, record)
            if step in ("refused", "approved"):
                record = await office.vote(OFFICER, record, is_yes=step == "approved")
            phase = requests.phase(record, where.clock.now_ns())
            before = len(list(where.entries()))
            answer = await gate.authorise(office.look(record))
            seen = as_requester(record, phase)
            # An ECDSA signature's length is random.
            votes = [(vote.approver_id, vote.is_yes, vote.note) for vote in seen.votes]
            told = (phase, len(encode(replace(seen, votes=()))), votes, answer.decision, answer.grant is not None)
            return told, len(list(where.entries())) - before, len(encode(answer))

    for name in ("there", "absent"):
        (tmp_path / name).mkdir()
    there, absent = (Site(tmp_path / name) for name in ("there", "absent"))
    first, second = (where.run(scenario(where, number)) for where, number in ((there, 1), (absent, 8)))
    assert first == second
    assert first[0][-1] == (step == "approved")


def test_touches_are_read_by_the_person_and_the_officer_alone(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            _, link = await office.protect(1)
            await _ready(office, probe(1))
            own = await office.ask(ReadOwnTouches(token=link))
            table = await office.ask(ReadProtected(principal=OFFICER))
            with pytest.raises(PermissionDenied):
                await office.ask(ReadProtected(principal=ANN))
            both = replace(ANN, roles=ANN.roles | {Role.PRIVACY_OFFICER})
            return own, table, await office.ask(ReadProtected(principal=both))

    own, table, of_requester = site.run(scenario())
    assert [(row.requester, row.camera_id, row.phase) for row in own.touches] == [("P11", GATE, RequestPhase.IN_FORCE)]
    assert table.touches == own.touches
    assert of_requester.touches == ()  # who asks is not told, whatever else they are
    assert [row.touches for row in of_requester.people] == [0]


def test_check_when_a_stranger_passes_leaves_nothing_of_their_face(site: Site) -> None:
    stranger = probe(9)
    raw = stranger.vector.tobytes()

    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            await _ready(office, stranger)

    site.run(scenario())
    assert all(raw not in path.read_bytes() for path in site.paths.data_dir.rglob("*") if path.is_file())


def test_another_protected_person_later_has_everything_compared_anew(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            record = await _ready(office, probe(2))
            before = (await office.released(record)).covered
            await office.protect(2)
            with pytest.raises(Unavailable):
                await office.released(record)
            await office.check(probe(2))
            return before, (await office.released(record)).covered

    before, after = site.run(scenario())
    assert (before, after) == ((), ((RUN, 1),))


def test_analysis_that_was_replaced_has_everything_compared_anew(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            record = await _ready(office)
            replaced = AuditRecord(kind=AuditKind.ANALYSIS_REPLACED, actor="a", subject=GATE, details={})
            await office.ask(Append(record=replace(replaced, subject=VAULT)))
            await office.released(record)
            await office.ask(Append(record=replaced))
            with pytest.raises(Unavailable):
                await office.released(record)

    site.run(scenario())


def test_break_glass_waits_for_the_check_and_covers_too(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            record = await office.file(is_break_glass=True)
            with pytest.raises(Unavailable):
                await office.released(record)
            site.clock.advance(30 * 10**9)
            await office.check(probe(1))
            return await office.released(record)

    assert site.run(scenario()).covered == ((RUN, 1),)


def test_withdrawal_ends_protection_and_shreds_who_asked(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            _, link = await office.protect(1)
            record = await _ready(office, probe(1))
            await office.ask(WithdrawConsent(token=link))
            own = await office.ask(ReadOwnTouches(token=link))
            return own, await office.released(record)

    own, released = site.run(scenario())
    assert (own.is_protected, own.touches, own.name) == (False, (), "")
    assert (released.hides, released.covered) == (False, ())


def test_protected_are_no_gallery_of_cameras_and_no_row_of_the_enrolled(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            changes = await office.process(ReadGalleryChanges(version=0, limit=100))
            return changes, await office.ask(ReadEnrolments(principal=OFFICER))

    changes, table = site.run(scenario())
    assert (changes.templates, changes.members, table.enrolments) == ((), (), ())


def test_supervisor_cannot_invite_to_protection_and_officer_not_to_zones(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            asked = InviteEnrolment(
                principal=BEN, name="N", purpose=WORDS, zone_ids=(), expires_ns=Ns(site.clock.now_ns() + DAY),
                protects=True,
            )  # fmt: skip
            for refused in (asked, replace(asked, principal=OFFICER, protects=False)):
                with pytest.raises(PermissionDenied):
                    await office.ask(refused)
            with pytest.raises(InvalidArgument, match="no zone"):
                await office.ask(replace(asked, principal=OFFICER, zone_ids=("z",)))

    site.run(scenario())


def test_check_that_nobody_asked_for_is_refused(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            await office.file()
            site.clock.advance(30 * 10**9)
            (piece,) = (await office.ask(ReadChecks())).pieces
            with pytest.raises(FailedPrecondition):
                await office.ask(BeginCheck(piece=replace(piece, camera_id=VAULT)))
            grant = (await office.ask(BeginCheck(piece=piece))).grant
            answer = await gate.authorise(replace(site.request(), principal=ANN, session_id=grant.request.session_id))
            other = "x" * 43 if answer.grant is None else answer.grant.token
            for token in (other, "y" * 43):
                with pytest.raises(PermissionDenied):
                    await gate.answer_job(PermitLooks(grant_token=token))

    site.run(scenario())


def test_vectors_of_a_network_that_nobody_measured_leave_the_piece_unchecked(site: Site) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            await office.file()
            site.clock.advance(30 * 10**9)
            (piece,) = (await office.ask(ReadChecks())).pieces
            token = (await office.ask(BeginCheck(piece=piece))).grant.token
            for contract, vector in (("other:1", face(1)), (CONTRACT, np.zeros(128, np.float32))):
                bad = replace(probe(1), vector=vector)
                with pytest.raises(CustodesError):
                    await gate.answer_job(
                        CompareProtected(grant_token=token, contract=contract, probes=(bad,), is_last=True)
                    )
            return (await office.ask(ReadChecks())).pieces, piece

    left, piece = site.run(scenario())
    assert left == (piece,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"end_ns": Ns(1 << 62)}, "future|31 days"), ({"camera_ids": tuple(f"c{n}" for n in range(30))}, "24 hours")],
    ids=["future", "too-much"],
)
def test_request_that_cannot_be_compared_is_refused(site: Site, changes, words: str) -> None:
    async def scenario():
        async with site.warden() as gate:
            office = Protecting(site, gate)
            await office.protect(1)
            with pytest.raises(InvalidArgument, match=words):
                await office.file(**changes)

    site.run(scenario())
