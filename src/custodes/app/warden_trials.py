"""The warden's desk for trials: volunteers, their signatures, their walks, and the end of it all.

What a walk scored is sealed under the volunteer's key for this trial. Scores of tracks in a walk's window wait in
memory; were there several, they are forgotten.
"""

import json
import math
import secrets
from dataclasses import replace

from custodes.access import enrolment, trials
from custodes.app.warden_enrolment import EnrolmentDesk
from custodes.app.warden_office import Office
from custodes.app.warden_zones import ZoneDesk
from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from custodes.types.access import Action, AuditKind, Principal
from custodes.types.face import Consent, FaceEnrolment, ZonePhase, ZoneRecord
from custodes.types.message import Ok
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
    Trial,
    TrialLeft,
    TrialShown,
    TrialWalk,
    Volunteer,
    VolunteerInvited,
    VolunteerRow,
    VolunteerShown,
    WalkPhase,
    WalkRow,
    WalkWindow,
)
from custodes.units import NS_PER_S, Ns

_RESULT = "walk"
_STEPS = (OpenTrial, EndTrial, InviteVolunteer, SignTrial, BeginWalk, LeaveTrial)


class TrialDesk:
    """Answers everything about trials. State: what was noted of walks that go on, and how the latest ended."""

    def __init__(self, office: Office, zones: ZoneDesk, people: EnrolmentDesk) -> None:
        self._office = office
        self._zones = zones
        self._people = people
        self._noted: dict[str, list[NoteWalk]] = {}
        self._ended: dict[str, WalkPhase] = {}

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about trials."""
        match message:
            case ReadTrial():
                return await self._read(message)
            case ReadVolunteer():
                return self._page(self._by_token(message.token))
        if not isinstance(message, _STEPS):
            return None
        async with self._office.lock:
            return await self._step(message)

    async def _step(self, message: object) -> object:
        match message:
            case OpenTrial():
                return await self._open(message)
            case EndTrial():
                await self._office.require(message.principal, Action.ENROL)
                await self._end(self._running(message.zone_id), message.principal)
                return TrialShown(trial=None)
            case InviteVolunteer():
                return await self._invite(message)
            case SignTrial():
                return await self._sign(message)
            case BeginWalk():
                return self._begin(message)
            case LeaveTrial():
                found = self._by_token(message.token)
                return TrialLeft(log_index=await self._forget(found, "person:volunteer", "left"))
        return None

    def note(self, message: NoteWalk) -> Ok:
        """From the matcher. What belongs to no walk that goes on is dropped, in silence: it may have just ended."""
        walk = self._office.store.get(TrialWalk, message.walk_id)
        if walk is None or message.walk_id not in self._noted:
            return Ok()
        trial = self._office.store.get(Trial, walk.trial_id)
        fits = trial is not None and trial.zone_id == message.zone_id
        if not fits or not (math.isfinite(message.score) and math.isfinite(message.threshold)):
            raise InvalidArgument("That is no score of this walk's zone.")
        if walk.from_ns <= message.start_ns < walk.until_ns and len(self._noted[walk.walk_id]) < 2:
            self._noted[walk.walk_id].append(message)
        return Ok()

    async def sweep(self) -> None:
        """Walks are settled; what is over, or whose person left, is destroyed; called every few seconds."""
        office, now_ns = self._office, self._office.now_ns()
        for walk in office.store.all(TrialWalk):
            if not walk.sealed_result and trials.is_settled(walk, now_ns):
                async with office.lock:
                    self._settle(walk)
        for one in office.store.all(Volunteer):
            if one.person_id and not office.store.has_key(one.person_id):
                async with office.lock:
                    await self._forget(one, "process:warden", "the enrolment ended")
        for trial in office.store.all(Trial):
            if trials.is_over(trial, now_ns) or not self._is_active(trial.zone_id):
                async with office.lock:
                    await self._end(trial, "process:warden")

    async def heed(self, gone: frozenset[str]) -> int:
        """Forget again who left: the file was put back from a copy of before. Returns: how many."""
        again = [one for one in self._office.store.all(Volunteer) if one.volunteer_id in gone]
        for one in again:
            async with self._office.lock:
                await self._forget(one, "process:warden", "the gallery was put back from before they left")
        return len(again)

    # -- a trial ---------------------------------------------------------------------------------------------

    async def _open(self, message: OpenTrial) -> TrialShown:
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL)
        self._zones.require_active(message.zone_id)
        if self._trial(message.zone_id) is not None:
            raise AlreadyExists("A trial of this zone runs already.")
        now_ns = office.now_ns()
        trial = Trial(
            trial_id=secrets.token_hex(8), zone_id=message.zone_id, created_by=who.name, created_ns=now_ns,
            ends_ns=trials.ends(now_ns, message.days),
        )  # fmt: skip
        details = {"zone": trial.zone_id, "ends_ns": str(trial.ends_ns)}
        await office.log(AuditKind.TRIAL_OPENED, who, trial.trial_id, details)
        office.store.put(trial.trial_id, trial)
        return self._shown(trial)

    async def _end(self, trial: Trial, who: Principal | str) -> None:
        """The log keeps how often what happened, of all together."""
        rows = self._shown(trial).walks
        for one in self._volunteers(trial):
            await self._forget(one, who, "the trial ended")
        mated = [one for one in rows if one.is_enrolled]
        other = [one for one in rows if not one.is_enrolled]
        details = {
            "zone": trial.zone_id,
            "enrolled_walks": str(len(mated)),
            "enrolled_missed": str(sum(one.found != "self" or one.score < one.threshold for one in mated)),
            "other_walks": str(len(other)),
            "other_candidates": str(sum(one.score >= one.threshold for one in other if one.found)),
            "no_face": str(sum(not one.found for one in rows)),
            "void": str(trial.voided),
        }
        await self._office.log(AuditKind.TRIAL_ENDED, who, trial.trial_id, details)
        self._office.store.forget(Trial, trial.trial_id)
        self._office.store.purge()

    async def _read(self, message: ReadTrial) -> TrialShown:
        await self._office.require(message.principal, Action.ENROL, Action.READ_PRIVACY)
        self._zones.find(message.zone_id)
        trial = self._trial(message.zone_id)
        if trial is None:
            return TrialShown(trial=None)
        if message.is_export:
            await self._office.log(AuditKind.TRIAL_READ, message.principal, trial.trial_id, {"zone": trial.zone_id})
        return self._shown(trial)

    def _shown(self, trial: Trial) -> TrialShown:
        people, walks = self._volunteers(trial), self._walks(trial)
        enrolled = {one.volunteer_id for one in people if one.person_id}
        rows = []
        for walk in walks:
            if walk.sealed_result:
                result = self._result(walk)
                rows.append(
                    WalkRow(
                        walk_id=walk.walk_id, volunteer_id=walk.volunteer_id,
                        is_enrolled=walk.volunteer_id in enrolled, found=result.found, score=result.score,
                        threshold=result.threshold,
                    )
                )  # fmt: skip
        volunteers = tuple(
            VolunteerRow(
                volunteer_id=one.volunteer_id, name=self._name(one), is_enrolled=bool(one.person_id),
                has_signed=one.consent is not None,
                walks=sum(row.volunteer_id == one.volunteer_id for row in rows),
            )
            for one in people
        )  # fmt: skip
        return TrialShown(trial=trial, volunteers=volunteers, walks=tuple(rows))

    # -- a volunteer -----------------------------------------------------------------------------------------

    async def _invite(self, message: InviteVolunteer) -> VolunteerInvited:
        office, who, name = self._office, message.principal, message.name.strip()
        await office.require(who, Action.ENROL)
        trial = self._running(message.zone_id)
        people = self._volunteers(trial)
        if message.person_id:
            found = office.store.get(FaceEnrolment, message.person_id)
            if (
                found is None
                or trial.zone_id not in found.zone_ids
                or not enrolment.is_compared(found, office.now_ns())
            ):
                raise InvalidArgument("That person is not enrolled in this zone.")
            if any(one.person_id == message.person_id for one in people):
                raise AlreadyExists("That person has a link for this trial already.")
            name = self._people.name_of(found)
        if not 1 <= len(name) <= 120:
            raise InvalidArgument("Name the volunteer in at most 120 characters, or choose somebody who is enrolled.")
        if len(people) >= trials.MAX_VOLUNTEERS:
            raise ResourceExhausted(f"A trial has at most {trials.MAX_VOLUNTEERS} volunteers.")
        token, volunteer_id = secrets.token_urlsafe(32), secrets.token_hex(8)
        details = {"trial": trial.trial_id, "enrolled": "yes" if message.person_id else "no"}
        await office.log(AuditKind.VOLUNTEER_INVITED, who, volunteer_id, details)
        office.store.make_key(volunteer_id)
        made = Volunteer(
            volunteer_id=volunteer_id, trial_id=trial.trial_id, person_id=message.person_id,
            sealed_name=office.store.seal(volunteer_id, "name", name.encode()),
            invite_hash=enrolment.token_hash(token), created_ns=office.now_ns(),
        )  # fmt: skip
        office.store.put(volunteer_id, made)
        return VolunteerInvited(volunteer_id=volunteer_id, token=token)

    async def _sign(self, message: SignTrial) -> VolunteerShown:
        office, found = self._office, self._by_token(message.token)
        if found.consent is not None:
            raise FailedPrecondition("You signed already.")
        if not 3 <= len(message.signature.strip()) <= 120 or len(message.text_sha256) != 64:
            raise InvalidArgument("Sign with your full name.")
        sealed = office.store.seal(found.volunteer_id, "signature", message.signature.strip().encode())
        consent = Consent(
            version=trials.TEXT_VERSION, text_sha256=message.text_sha256, signed_ns=office.now_ns(),
            sealed_signature=sealed,
        )  # fmt: skip
        details = {"trial": found.trial_id, "version": consent.version, "text": consent.text_sha256}
        await office.log(AuditKind.TRIAL_SIGNED, "person:volunteer", found.volunteer_id, details)
        signed = replace(found, consent=consent)
        office.store.put(found.volunteer_id, signed)
        return self._page(signed)

    def _begin(self, message: BeginWalk) -> VolunteerShown:
        office, found = self._office, self._by_token(message.token)
        if found.consent is None:
            raise FailedPrecondition("Sign first.")
        trial = office.store.get(Trial, found.trial_id)
        assert trial is not None, "its volunteers go before it"
        walks = self._walks(trial)
        if any(not one.sealed_result for one in walks):
            raise FailedPrecondition("Somebody walks there just now. Wait until it has been read, about a minute.")
        if len(walks) >= trials.MAX_WALKS:
            raise ResourceExhausted(f"A trial has at most {trials.MAX_WALKS} walks.")
        record = self._zones.require_active(trial.zone_id)
        if not self._zones.is_on(record, office.now_ns()):
            raise FailedPrecondition("The zone is off at this hour; nobody is compared there now.")
        begin_ns, until_ns = trials.window(office.now_ns())
        walk = TrialWalk(
            walk_id=secrets.token_hex(8), trial_id=trial.trial_id, volunteer_id=found.volunteer_id,
            from_ns=begin_ns, until_ns=until_ns,
        )  # fmt: skip
        office.store.put(walk.walk_id, walk)
        self._noted[walk.walk_id] = []
        self._zones.walks[trial.zone_id] = WalkWindow(walk_id=walk.walk_id, from_ns=begin_ns, until_ns=until_ns)
        return self._page(found)

    def _settle(self, walk: TrialWalk) -> None:
        """Keep what it says, or forget it."""
        store = self._office.store
        notes, found = self._noted.pop(walk.walk_id, None), store.get(Volunteer, walk.volunteer_id)
        trial = store.get(Trial, walk.trial_id)
        if trial is not None:
            self._zones.walks.pop(trial.zone_id, None)
        result = None if notes is None or found is None else trials.result_of(notes, found.person_id)
        if result is None or found is None:
            store.forget(TrialWalk, walk.walk_id)
            self._ended[walk.volunteer_id] = WalkPhase.VOID
            if trial is not None:
                store.put(trial.trial_id, replace(trial, voided=trial.voided + 1))
            return
        plain = json.dumps([result.found, None if math.isnan(result.score) else result.score, result.threshold])
        sealed = store.seal(found.volunteer_id, f"{_RESULT}\n{walk.walk_id}", plain.encode())
        store.put(walk.walk_id, replace(walk, sealed_result=sealed))
        self._ended[walk.volunteer_id] = WalkPhase.COUNTED if result.found else WalkPhase.NO_FACE

    async def _forget(self, one: Volunteer, who: Principal | str, reason: str) -> int:
        """Key first, so that whatever stays cannot be read; then the entry, then what is left."""
        store = self._office.store
        store.destroy(one.volunteer_id)
        details = {"trial": one.trial_id, "reason": reason}
        index = await self._office.log(AuditKind.VOLUNTEER_LEFT, who, one.volunteer_id, details)
        for walk in [walk for walk in store.all(TrialWalk) if walk.volunteer_id == one.volunteer_id]:
            if self._noted.pop(walk.walk_id, None) is not None:
                self._zones.walks = {zone: held for zone, held in self._zones.walks.items()
                                     if held.walk_id != walk.walk_id}  # fmt: skip
            store.forget(TrialWalk, walk.walk_id)
        store.forget(Volunteer, one.volunteer_id)
        self._ended.pop(one.volunteer_id, None)
        store.purge()
        return index

    # -- parts -----------------------------------------------------------------------------------------------

    def _page(self, one: Volunteer) -> VolunteerShown:
        trial = self._office.store.get(Trial, one.trial_id)
        record = self._office.store.get(ZoneRecord, trial.zone_id) if trial else None
        if trial is None or record is None:
            raise NotFound("This trial is over; nothing of it is kept.")
        own = [walk for walk in self._walks(trial) if walk.volunteer_id == one.volunteer_id]
        phase, seconds = self._phase(one, [walk for walk in own if not walk.sealed_result])
        return VolunteerShown(
            name=self._name(one), zone=record.draft.name, is_enrolled=bool(one.person_id),
            has_signed=one.consent is not None, ends_ns=trial.ends_ns,
            walks=sum(bool(walk.sealed_result) for walk in own), phase=phase, seconds=seconds,
        )  # fmt: skip

    def _phase(self, one: Volunteer, waiting: list[TrialWalk]) -> tuple[WalkPhase, int]:
        if not waiting:
            return self._ended.get(one.volunteer_id, WalkPhase.NONE), 0
        walk, now_ns = waiting[0], self._office.now_ns()
        for phase, until_ns in (
            (WalkPhase.SOON, walk.from_ns),
            (WalkPhase.NOW, walk.until_ns),
            (WalkPhase.READING, Ns(walk.until_ns + trials.SETTLE_NS)),
        ):
            if now_ns < until_ns:
                return phase, -(-(until_ns - now_ns) // NS_PER_S)
        return WalkPhase.READING, 1

    def _by_token(self, token: str) -> Volunteer:
        hashed = enrolment.token_hash(token[:128])
        for one in self._office.store.all(Volunteer):
            if secrets.compare_digest(one.invite_hash, hashed):
                return one
        raise NotFound("This link is not known. If the trial is over, nothing of it is kept.")

    def _running(self, zone_id: str) -> Trial:
        found = self._trial(zone_id)
        if found is None:
            raise FailedPrecondition("No trial of this zone runs.")
        return found

    def _trial(self, zone_id: str) -> Trial | None:
        return next((one for one in self._office.store.all(Trial) if one.zone_id == zone_id), None)

    def _is_active(self, zone_id: str) -> bool:
        record = self._office.store.get(ZoneRecord, zone_id)
        return record is not None and self._zones.phase(record) is ZonePhase.ACTIVE

    def _volunteers(self, trial: Trial) -> list[Volunteer]:
        return [one for one in self._office.store.all(Volunteer) if one.trial_id == trial.trial_id]

    def _walks(self, trial: Trial) -> list[TrialWalk]:
        return [one for one in self._office.store.all(TrialWalk) if one.trial_id == trial.trial_id]

    def _result(self, walk: TrialWalk) -> trials.Result:
        plain = self._office.store.open(walk.volunteer_id, f"{_RESULT}\n{walk.walk_id}", walk.sealed_result)
        found, score, threshold = json.loads(plain)
        return trials.Result(found=found, score=math.nan if score is None else score, threshold=threshold)

    def _name(self, one: Volunteer) -> str:
        return self._office.store.open(one.volunteer_id, "name", one.sealed_name).decode()
