"""The warden's desk for candidates: filed by the matcher, judged by two trained people blind to each other.

The server can neither make a candidate nor a verdict: each verdict is a passkey's signature over candidate and word.
"""

import hashlib
import json
import math
import secrets
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.access import candidates as rules
from custodes.access import enrolment
from custodes.app.warden_enrolment import EnrolmentDesk
from custodes.app.warden_office import Office
from custodes.app.warden_zones import ZoneDesk
from custodes.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from custodes.types.access import Action, AuditKind, Principal
from custodes.types.face import (
    Candidate,
    CandidatePhase,
    CandidateRecord,
    FaceEnrolment,
    Training,
    Verdict,
    ZoneRecord,
)
from custodes.types.face_message import (
    CandidateTable,
    ConfirmedSighting,
    FacesOpened,
    FileCandidate,
    GiveTraining,
    GiveVerdict,
    OpenFaces,
    ReadCandidates,
    ReadSightings,
    ReadTraining,
    SightingNotice,
    SightingTable,
    TellSighting,
    TrainingTable,
)
from custodes.types.message import Appended
from custodes.units import NS_PER_DAY, Ns

NOTICE_DOMAIN = b"custodes.sighting-notice.v1\n"
MAX_WAITING = 500
MAX_READ = 200
MAX_KEPT = 5000
MAX_PICTURE_BYTES = 256 * 1024


class CandidateDesk:
    """Answers everything about candidates, trainings and sightings."""

    def __init__(
        self,
        office: Office,
        zones: ZoneDesk,
        people: EnrolmentDesk,
        signer: Ed25519PrivateKey,
        may_tell: Callable[[Candidate], bool],
    ) -> None:
        """Args: may_tell: whether a confirmed one was compared with protected people, and is nobody of them."""
        self._office = office
        self._may_tell = may_tell
        self._signer = signer
        self._zones = zones
        self._people = people

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about candidates."""
        match message:
            case ReadCandidates():
                return await self._table(message.principal)
            case ReadSightings():
                return await self._sightings(message.principal)
            case TellSighting():
                return self._tell(message)
            case ReadTraining():
                await self._office.require(message.principal, Action.TRAIN, Action.READ_PRIVACY)
                return self._trained()
        if not isinstance(message, GiveTraining | GiveVerdict | OpenFaces):
            return None  # what is not ours waits for nobody here
        async with self._office.lock:
            return await self._step(message)

    async def _step(self, message: object) -> object:
        match message:
            case GiveTraining():
                return await self._train(message)
            case GiveVerdict():
                return await self._give(message)
            case OpenFaces():
                return await self._open(message)
        return None

    async def file(self, message: FileCandidate) -> Appended:
        """From the matcher. Raises: FailedPrecondition when the person or the zone does not count any more."""
        async with self._office.lock:
            return await self._file(message)

    async def _file(self, message: FileCandidate) -> Appended:
        office, now_ns = self._office, self._office.now_ns()
        zone = self._require_compared(message.zone_id, message.person_id, now_ns)
        if not (math.isfinite(message.score) and message.score >= message.threshold > -math.inf):
            raise InvalidArgument(f"a score of {message.score} at a threshold of {message.threshold} is no candidate")
        if message.camera_id != zone.draft.camera_id or not 0 < len(message.picture) <= MAX_PICTURE_BYTES:
            raise InvalidArgument("A candidate is of its zone's camera and comes with a picture.")
        records = office.store.all(CandidateRecord)
        if any(_is_of_track(one.candidate, message) for one in records):
            # Once a track: people who disagreed are not asked again until two agree.
            raise AlreadyExists("A candidate of that track was filed.")
        waiting = [one for one in records if rules.phase(one, now_ns) is CandidatePhase.WAITING]
        if len(waiting) >= MAX_WAITING:
            raise ResourceExhausted(f"{MAX_WAITING} candidates wait for people already")
        candidate = Candidate(
            candidate_id=secrets.token_hex(8),
            zone_id=message.zone_id,
            camera_id=message.camera_id,
            run=message.run,
            track_id=message.track_id,
            start_ns=message.start_ns,
            end_ns=message.end_ns,
            person_id=message.person_id,
            score=message.score,
            threshold=message.threshold,
            likelihood=message.likelihood,
            quality=message.quality,
            samples=message.samples,
            gallery_size=message.gallery_size,
            gallery_version=message.gallery_version,
            contract=message.contract,
            probe_sha256=hashlib.sha256(message.picture).hexdigest(),
            filed_ns=now_ns,
            decide_by_ns=Ns(now_ns + rules.DECIDE_WITHIN_NS),
        )
        record = CandidateRecord(candidate=candidate)
        index = await office.log(
            AuditKind.CANDIDATE_FILED, "process:matcher", candidate.candidate_id, _input(candidate)
        )
        office.store.put_probe(candidate.candidate_id, candidate.person_id, message.picture)
        office.store.put(candidate.candidate_id, record)
        return Appended(index=index)

    def _require_compared(self, zone_id: str, person_id: str, now_ns: Ns) -> ZoneRecord:
        """The zone, when it is active and the person is compared in it. Raises: NotFound, FailedPrecondition."""
        zone = self._zones.require_active(zone_id)
        found = self._office.store.get(FaceEnrolment, person_id)
        if found is None or not enrolment.is_compared(found, now_ns) or zone_id not in found.zone_ids:
            raise FailedPrecondition("That person is not compared in this zone.")
        return zone

    async def sweep(self) -> None:
        """Pictures of what lapsed go, and the oldest records; called every few seconds."""
        office, now_ns = self._office, self._office.now_ns()
        records = office.store.all(CandidateRecord)
        for one in records:
            if rules.phase(one, now_ns) is CandidatePhase.LAPSED:
                office.store.drop_probe(one.candidate.candidate_id)
        for one in records[: max(0, len(records) - MAX_KEPT)]:
            office.store.forget_candidate(one.candidate.candidate_id)

    # -- people ----------------------------------------------------------------------------------------------

    async def _train(self, message: GiveTraining) -> TrainingTable:
        office, who = self._office, message.principal
        await office.require(who, Action.TRAIN)
        if message.user_id == who.user_id:
            raise PermissionDenied("Nobody records their own training.")
        if not 0 <= message.days <= rules.TRAINING_MAX_DAYS or not message.user_id:
            raise InvalidArgument(f"A training lasts at most {rules.TRAINING_MAX_DAYS} days.")
        now_ns = office.now_ns()
        given = Training(
            user_id=message.user_id[:64],
            name=message.name[:120],
            given_by=who.name,
            given_ns=now_ns,
            until_ns=Ns(now_ns + message.days * NS_PER_DAY),
        )
        details = {"person": given.name, "until_ns": str(given.until_ns), "days": str(message.days)}
        await office.log(AuditKind.TRAINING_CHANGED, who, given.user_id, details)
        office.store.put(given.user_id, given)
        return self._trained()

    def _trained(self) -> TrainingTable:
        return TrainingTable(training=tuple(sorted(self._office.store.all(Training), key=lambda one: one.name)))

    async def _require_verifier(self, who: Principal) -> None:
        await self._office.require(who, Action.VERIFY_FACES)
        hindrance = self._hindrance(who)
        if hindrance:
            raise PermissionDenied(hindrance)

    def _hindrance(self, who: Principal) -> str:
        """Why this person may say no word on any candidate, as far as it is not their roles; empty if they may."""
        if self._office.may(who, Action.READ_LOG):
            # The log has every word before the second one is said.
            return "Who may read the log verifies nobody: verdicts are given blind."
        if not rules.is_trained(self._office.store.all(Training), who.user_id, self._office.now_ns()):
            return "Candidates are verified by people with a training that has not expired."
        return ""

    # -- judging ---------------------------------------------------------------------------------------------

    async def _table(self, who: Principal) -> CandidateTable:
        await self._office.require(who, Action.VERIFY_FACES, Action.READ_SIGHTINGS)
        now_ns = self._office.now_ns()
        records = self._office.store.all(CandidateRecord)[::-1][:MAX_READ]
        # What may not be told is left out, not shown without a name: that would say of whom it is.
        shown = tuple(self._shown(one, who, now_ns, is_told=True) for one in records if self._is_told(one, now_ns))
        return CandidateTable(records=shown, hindrance=self._hindrance(who))

    def _is_told(self, record: CandidateRecord, now_ns: Ns) -> bool:
        return rules.phase(record, now_ns) is not CandidatePhase.CONFIRMED or self._may_tell(record.candidate)

    def _shown(self, record: CandidateRecord, who: Principal, now_ns: Ns, *, is_told: bool) -> CandidateRecord:
        shown = rules.blind(record, who.user_id, now_ns)
        if is_told and rules.phase(record, now_ns) is CandidatePhase.CONFIRMED:
            return shown
        # Who it is thought to be is nobody's business before two people agree.
        return replace(shown, candidate=replace(shown.candidate, person_id=""))

    async def _open(self, message: OpenFaces) -> FacesOpened:
        office, who = self._office, message.principal
        await self._require_verifier(who)
        record = self._find(message.candidate_id)
        if rules.phase(record, office.now_ns()) is not CandidatePhase.WAITING:
            raise FailedPrecondition("The candidate is decided; its pictures were deleted.")
        index = await office.log(AuditKind.FACES_OPENED, who, message.candidate_id, {"zone": record.candidate.zone_id})
        return FacesOpened(
            probe=office.store.probe(message.candidate_id),
            enrolled=office.store.picture(record.candidate.person_id),
            log_index=index,
        )

    async def _give(self, message: GiveVerdict) -> CandidateRecord:
        office, who = self._office, message.principal
        await self._require_verifier(who)
        record = self._find(message.candidate_id)
        challenge = rules.digest(record.candidate, is_same=message.is_same)
        credential_id, pieces = office.signed(who, message.assertion, challenge)
        now_ns = office.now_ns()
        # Between two words people take their consent back, and somebody presses the stop button.
        self._require_compared(record.candidate.zone_id, record.candidate.person_id, now_ns)
        verdict = Verdict(
            user_id=who.user_id,
            user=who.name,
            is_same=message.is_same,
            utc_ns=now_ns,
            credential_id=credential_id,
            assertion=message.assertion,
        )
        changed = rules.give(record, verdict, office.store.all(Training), now_ns)
        said = {"verdict": "same" if message.is_same else "different", "hash": challenge.hex()}
        await office.log(AuditKind.VERDICT_GIVEN, who, message.candidate_id, said | pieces)
        after = rules.phase(changed, now_ns)
        if after is CandidatePhase.CONFIRMED:
            verified = {
                f"verified_by_{n}": f"{one.user} ({one.user_id})" for n, one in enumerate(changed.verdicts, start=1)
            }
            details = _input(changed.candidate) | verified
            await office.log(AuditKind.SIGHTING, "process:warden", message.candidate_id, details)
        office.store.put(message.candidate_id, changed)
        if after is not CandidatePhase.WAITING:
            office.store.drop_probe(message.candidate_id)
        return self._shown(changed, who, now_ns, is_told=self._is_told(changed, now_ns))

    async def _sightings(self, who: Principal) -> SightingTable:
        office = self._office
        await office.require(who, Action.READ_SIGHTINGS)
        now_ns = office.now_ns()
        found: list[ConfirmedSighting] = []
        for record in office.store.all(CandidateRecord)[::-1]:
            one = record.candidate
            person = office.store.get(FaceEnrolment, one.person_id)
            if rules.phase(record, now_ns) is not CandidatePhase.CONFIRMED or person is None:
                continue
            if len(found) == MAX_READ:
                break
            if not self._may_tell(one):
                continue
            found.append(
                ConfirmedSighting(
                    candidate_id=one.candidate_id,
                    zone_id=one.zone_id,
                    camera_id=one.camera_id,
                    run=one.run,
                    track_id=one.track_id,
                    person_id=one.person_id,
                    name=self._people.name_of(person),
                    start_ns=one.start_ns,
                    end_ns=one.end_ns,
                    verified_by=tuple(verdict.user for verdict in record.verdicts),
                )
            )
        return SightingTable(sightings=tuple(found[:MAX_READ]))

    def _tell(self, message: TellSighting) -> SightingNotice:
        """Signed here, so that no other process can tell of a sighting that two people did not confirm."""
        record = self._find(message.candidate_id)
        if rules.phase(record, self._office.now_ns()) is not CandidatePhase.CONFIRMED:
            raise FailedPrecondition("Nobody is told of a candidate that two people did not confirm.")
        one = record.candidate
        if not self._may_tell(one):
            raise Unavailable("The sighting is being prepared. Try again in a minute.")
        notice = json.dumps(
            {
                "site": self._office.site_id,
                "candidate": one.candidate_id,
                "zone": one.zone_id,
                "camera": one.camera_id,
                "person": one.person_id,
                "start_ns": one.start_ns,
                "end_ns": one.end_ns,
                "confirmed_ns": max(verdict.utc_ns for verdict in record.verdicts),
                "confirmed_by": len(record.verdicts),
            }
        )
        return SightingNotice(notice=notice, signature=self._signer.sign(NOTICE_DOMAIN + notice.encode()))

    def _find(self, candidate_id: str) -> CandidateRecord:
        record = self._office.store.get(CandidateRecord, candidate_id)
        if record is None:
            raise NotFound("There is no such candidate.")
        return record


def _is_of_track(one: Candidate, message: FileCandidate) -> bool:
    if (one.zone_id, one.run, one.track_id) != (message.zone_id, message.run, message.track_id):
        return False
    # Faces without a body have no track in common; then it is the same one if it was seen at the same time.
    return message.track_id >= 0 or (one.start_ns <= message.end_ns and message.start_ns <= one.end_ns)


def _input(one: Candidate) -> dict[str, str]:
    """The fields of AI Act art. 12(3): period of use, reference database, input data; who verified is added later."""
    return {
        "zone": one.zone_id,
        "camera": one.camera_id,
        "run": one.run,
        "track": str(one.track_id),
        "start_ns": str(one.start_ns),
        "end_ns": str(one.end_ns),
        "person": one.person_id,
        "reference_database": f"gallery version {one.gallery_version}, {one.gallery_size} templates, {one.contract}",
        "input_sha256": one.probe_sha256,
        "score": f"{one.score:.3f}",
        "threshold": f"{one.threshold:.3f}",
        "likelihood_log10": f"{one.likelihood:.1f}",
        "quality": f"{one.quality:.2f}",
        "samples": str(one.samples),
    }
