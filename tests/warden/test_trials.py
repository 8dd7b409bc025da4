"""A zone's trial over the warden's real desks, matcher and keys: who walked is counted, whoever else passed is not."""

import math
from dataclasses import replace

import pytest
from tests.warden.conftest import Site
from tests.warden.office import ANN, BOSS, OFFICER, Office, probe, through

from custodes.access import trials
from custodes.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from custodes.types.access import AuditKind
from custodes.types.face_message import StopZone, WithdrawConsent
from custodes.types.trial import (
    BeginWalk,
    EndTrial,
    InviteVolunteer,
    LeaveTrial,
    NoteWalk,
    OpenTrial,
    ReadTrial,
    ReadVolunteer,
    SignTrial,
    TrialShown,
    TrialWalk,
    Volunteer,
    WalkPhase,
)
from custodes.units import NS_PER_DAY, NS_PER_S, Ns


class Trials:
    """A zone with people enrolled and a trial that runs."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.zone_id = ""
        self.people: list[tuple[str, str, str]] = []
        self.matching = None

    async def begin(self) -> None:
        self.zone_id = await self.office.zone(fpir=0.05)
        for number in range(4):
            self.people.append(await self.office.enrolled(number, (self.zone_id,)))
        await self.office.ask(OpenTrial(principal=BOSS, zone_id=self.zone_id, days=30))

    async def volunteer(self, *, name: str = "", person_id: str = "") -> str:
        message = InviteVolunteer(principal=BOSS, zone_id=self.zone_id, name=name, person_id=person_id)
        token = (await self.office.ask(message)).token
        await self.office.ask(SignTrial(token=token, signature="Wim Walker", text_sha256="a" * 64))
        return token

    async def walk(self, token: str, *numbers: int) -> WalkPhase:
        """Press the button, have these faces pass in the window, wait until it is settled."""
        clock = self.office.site.clock
        await self.office.ask(BeginWalk(token=token))
        clock.advance(trials.LEAD_NS)
        matching = await self.office.matcher()
        for number in numbers:
            passing = replace(probe(self.zone_id, number), start_ns=clock.now_ns(), end_ns=clock.now_ns())
            matching.compare(passing)
            note = matching.take_note()
            assert note is not None
            await self.office.process(note)
        assert matching.take_note() is None
        clock.advance(trials.WALK_NS + trials.SETTLE_NS)
        await self.office.gate.faces.trials.sweep()
        return (await self.office.ask(ReadVolunteer(token=token))).phase

    async def shown(self) -> TrialShown:
        return await self.office.ask(ReadTrial(principal=OFFICER, zone_id=self.zone_id))


def on_trial(site: Site, main) -> None:
    async def run(office: Office) -> None:
        one = Trials(office)
        await one.begin()
        await main(one)

    through(site, run)


def test_walks_are_counted_by_who_walked_and_what_passes_beside_them_is_forgotten(site: Site) -> None:
    async def main(one: Trials) -> None:
        enrolled = await one.volunteer(person_id=one.people[1][0])
        other = await one.volunteer(name="Vera Visitor")
        assert await one.walk(enrolled, 1) is WalkPhase.COUNTED
        assert await one.walk(enrolled, 2) is WalkPhase.COUNTED
        assert await one.walk(enrolled) is WalkPhase.NO_FACE
        assert await one.walk(other, 99) is WalkPhase.COUNTED
        assert await one.walk(other, 99, 98) is WalkPhase.VOID
        shown = await one.shown()
        assert [(row.is_enrolled, row.found) for row in shown.walks] == [
            (True, "self"), (True, "other"), (True, ""), (False, "other"),
        ]  # fmt: skip
        assert math.isnan(shown.walks[2].score)
        assert shown.walks[0].score >= shown.walks[0].threshold
        assert shown.trial is not None
        assert shown.trial.voided == 1
        assert {row.name: row.walks for row in shown.volunteers} == {"N1": 3, "Vera Visitor": 1}
        content = b"".join(path.read_bytes() for path in site.paths.warden_dir.glob("faces.db*"))
        assert b"Vera" not in content
        # Whoever passes when nobody walks is no trial's.
        matching = await one.office.matcher()
        matching.compare(probe(one.zone_id, 97))
        assert matching.take_note() is None

    on_trial(site, main)


def test_tracks_outside_the_window_and_notes_of_other_walks_are_nobody_s(site: Site) -> None:
    async def main(one: Trials) -> None:
        token = await one.volunteer(name="Vera Visitor")
        early = replace(probe(one.zone_id, 98), start_ns=site.clock.now_ns())
        await one.office.ask(BeginWalk(token=token))
        matching = await one.office.matcher()
        matching.compare(early)
        assert matching.take_note() is None, "before its window"
        (walk,) = one.office.gate.faces.store.all(TrialWalk)
        note = NoteWalk(
            walk_id=walk.walk_id, zone_id=one.zone_id, camera_id=early.camera_id, start_ns=walk.from_ns, person_id="p",
            score=1.0, threshold=3.0,
        )  # fmt: skip
        await one.office.process(replace(note, start_ns=Ns(walk.until_ns)))
        await one.office.process(replace(note, walk_id="another"))
        for spoilt in (replace(note, zone_id="another"), replace(note, score=math.nan)):
            with pytest.raises(InvalidArgument):
                await one.office.process(spoilt)
        assert await one.office.gate.faces.answer_server(note) is None, "the server makes no scores"
        site.clock.advance(100 * NS_PER_S)
        await one.office.gate.faces.trials.sweep()
        (row,) = (await one.shown()).walks
        assert row.found == ""

    on_trial(site, main)


def test_nobody_walks_unsigned_or_while_somebody_else_does(site: Site) -> None:
    async def main(one: Trials) -> None:
        message = InviteVolunteer(principal=BOSS, zone_id=one.zone_id, name="Una", person_id="")
        unsigned = (await one.office.ask(message)).token
        with pytest.raises(FailedPrecondition, match="Sign"):
            await one.office.ask(BeginWalk(token=unsigned))
        with pytest.raises(InvalidArgument):
            await one.office.ask(SignTrial(token=unsigned, signature="", text_sha256="a" * 64))
        first, second = await one.volunteer(name="Ida"), await one.volunteer(name="Joe")
        with pytest.raises(FailedPrecondition, match="already"):
            await one.office.ask(SignTrial(token=first, signature="Ida Ide", text_sha256="a" * 64))
        await one.office.ask(BeginWalk(token=first))
        for token in (first, second):
            with pytest.raises(FailedPrecondition, match="walks there"):
                await one.office.ask(BeginWalk(token=token))
        with pytest.raises(NotFound):
            await one.office.ask(BeginWalk(token="guessed"))

    on_trial(site, main)


def test_a_trial_is_run_by_who_enrols_and_read_by_the_privacy_officer(site: Site) -> None:
    async def main(one: Trials) -> None:
        for message in (
            OpenTrial(principal=ANN, zone_id=one.zone_id, days=3),
            EndTrial(principal=OFFICER, zone_id=one.zone_id),
            InviteVolunteer(principal=ANN, zone_id=one.zone_id, name="X", person_id=""),
            ReadTrial(principal=ANN, zone_id=one.zone_id),
        ):
            with pytest.raises(PermissionDenied):
                await one.office.ask(message)
        with pytest.raises(AlreadyExists):
            await one.office.ask(OpenTrial(principal=BOSS, zone_id=one.zone_id, days=3))
        for name, person_id in (("", ""), ("x" * 121, ""), ("", "nobody")):
            with pytest.raises(InvalidArgument):
                await one.office.ask(
                    InviteVolunteer(principal=BOSS, zone_id=one.zone_id, name=name, person_id=person_id)
                )
        await one.office.ask(EndTrial(principal=BOSS, zone_id=one.zone_id))
        for days in (0, 91):
            with pytest.raises(InvalidArgument):
                await one.office.ask(OpenTrial(principal=BOSS, zone_id=one.zone_id, days=days))

    on_trial(site, main)


@pytest.mark.parametrize("how", ["leaves", "enrolment ends", "its day", "zone stopped", "ended"])
def test_numbers_are_destroyed_when(site: Site, how: str) -> None:
    async def main(one: Trials) -> None:
        person_id, _, withdraw = one.people[1]
        token = await one.volunteer(person_id=person_id)
        await one.walk(token, 1)
        store = one.office.gate.faces.store
        (volunteer,), (walk,) = store.all(Volunteer), store.all(TrialWalk)
        key = store.key(volunteer.volunteer_id)
        match how:
            case "leaves":
                await one.office.ask(LeaveTrial(token=token))
            case "enrolment ends":
                await one.office.ask(WithdrawConsent(token=withdraw))
            case "its day":
                site.clock.advance(30 * NS_PER_DAY)
            case "zone stopped":
                await one.office.ask(StopZone(principal=ANN, zone_id=one.zone_id))
            case "ended":
                await one.office.ask(EndTrial(principal=BOSS, zone_id=one.zone_id))
        await one.office.gate.faces.trials.sweep()
        assert (store.all(Volunteer), store.all(TrialWalk)) == ([], [])
        assert not store.has_key(volunteer.volunteer_id)
        for path in site.paths.warden_dir.iterdir():
            content = path.read_bytes()
            assert key not in content, path
            assert walk.sealed_result not in content, path
        with pytest.raises(NotFound):
            await one.office.ask(ReadVolunteer(token=token))

    on_trial(site, main)
    ended = [entry.record for entry in site.entries() if entry.record.kind is AuditKind.TRIAL_ENDED]
    assert len(ended) == (how not in ("leaves", "enrolment ends"))
    assert all((one.details["enrolled_walks"], one.details["enrolled_missed"]) == ("1", "0") for one in ended)


def test_a_walk_when_the_warden_starts_again_says_nothing(site: Site) -> None:
    async def main(one: Trials) -> None:
        token = await one.volunteer(name="Ida")
        await one.office.ask(BeginWalk(token=token))
        async with one.office.restarted() as again:
            site.clock.advance(100 * NS_PER_S)
            await again.gate.faces.trials.sweep()
            shown = await again.ask(ReadTrial(principal=BOSS, zone_id=one.zone_id))
            assert shown.walks == ()
            assert shown.trial.voided == 1
            assert (await again.ask(ReadVolunteer(token=token))).phase is WalkPhase.VOID

    on_trial(site, main)
