"""The warden's desk for journeys of enrolled people: who may be followed, what a request in force opens, last seen.

It tells tracks that two people confirmed; where else somebody was is worked out by the server
(`app.serving.journeys`), which gets nothing to begin with before the entry here is durable.
"""

from collections.abc import Callable
from dataclasses import replace

from custodes.access import candidates, enrolment
from custodes.access.policy import decide
from custodes.app.warden_enrolment import EnrolmentDesk
from custodes.app.warden_office import Office
from custodes.app.warden_protection import ProtectionDesk
from custodes.app.warden_records import access_record
from custodes.app.warden_requests import RequestDesk
from custodes.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.access import AccessRequest, Action, AuditKind, Decision, Fidelity, Principal
from custodes.types.approval import FileRequest, LookRequest
from custodes.types.face import Candidate, CandidatePhase, CandidateRecord, FaceEnrolment
from custodes.types.journey import (
    Followable,
    FollowableTable,
    JourneyOpened,
    LastSeen,
    LastSeenTable,
    OpenJourney,
    ReadFollowable,
    ReadLastSeen,
    VerifiedTrack,
)
from custodes.types.journey_job import BeginLooks
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SessionId

MAX_TOLD = 500
MAX_EARLIER = 20
"""Of a missing person's sightings before the newest one: where they come from, and which way."""
LOOKS_NS = Ns(3600 * NS_PER_S)
"""For so long after a journey was opened keys for its looks may be asked for; the job has half of it."""
_NOT_FOLLOWED = "That person did not agree to be followed, or the agreement has ended."


class JourneyDesk:
    """Answers everything about journeys. `requests` is asked when it is needed: both desks know each other."""

    def __init__(
        self, office: Office, people: EnrolmentDesk, requests: Callable[[], RequestDesk], protected: ProtectionDesk
    ) -> None:
        self._office = office
        self._protected = protected
        self._people = people
        self._requests = requests
        self._opened: dict[str, Ns] = {}
        """When journeys were last opened, by request."""

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about journeys. A request to follow is checked and passed on."""
        match message:
            case FileRequest() if message.action is Action.FOLLOW:
                self._followed(message.person_id)
                return None
            case ReadFollowable():
                return await self._followable(message.principal)
            case OpenJourney():
                return await self._open(message)
            case ReadLastSeen():
                return await self._last_seen(message.principal)
        return None

    def _followed(self, person_id: str) -> FaceEnrolment:
        found = self._office.store.get(FaceEnrolment, person_id)
        if found is None or not enrolment.is_followed(found, self._office.now_ns()):
            raise PermissionDenied(_NOT_FOLLOWED)
        return found

    async def _followable(self, who: Principal) -> FollowableTable:
        await self._office.require(who, Action.READ_SIGHTINGS)
        now_ns = self._office.now_ns()
        people = [
            Followable(
                person_id=one.person_id,
                name=self._people.name_of(one),
                purpose=one.purpose,
                expires_ns=one.expires_ns,
                is_missing=one.is_missing,
            )
            for one in self._office.store.all(FaceEnrolment)
            if enrolment.is_followed(one, now_ns)
        ]
        return FollowableTable(people=tuple(sorted(people, key=lambda one: (one.name, one.person_id))[:MAX_TOLD]))

    async def _open(self, message: OpenJourney) -> JourneyOpened:
        """Decide per camera, log, then tell. Raises: NotFound, PermissionDenied; log errors."""
        office, who = self._office, message.principal
        asked = self._requests().asked(message.request_id, who)
        if asked.action is not Action.FOLLOW:
            raise InvalidArgument("That request is not for a journey.")
        person = self._followed(asked.person_id)
        wanted = await self._allowed(asked, who)
        cameras = tuple(one.camera_id for one in wanted)
        verified, excluded = self._said(asked, wanted)
        details = {
            "user_id": who.user_id,
            "request": asked.request_id,
            "purpose": asked.purpose.kind.value,
            "reference": asked.purpose.reference,
            "cameras": ",".join(cameras),
            "start_ns": str(asked.start_ns),
            "end_ns": str(asked.end_ns),
            "sightings": str(len(verified)),
        }
        index = await office.log(AuditKind.JOURNEY_OPENED, who, person.person_id, details)
        self._remember(asked.request_id)
        # While the disk worked, a withdrawal may have come, or somebody may have become protected.
        self._followed(asked.person_id)
        for one in wanted:
            self._requests().check_still(one)
        return JourneyOpened(
            request_id=asked.request_id,
            person_id=person.person_id,
            name=self._people.name_of(person),
            purpose=asked.purpose,
            camera_ids=cameras,
            start_ns=asked.start_ns,
            end_ns=asked.end_ns,
            verified=verified,
            excluded=excluded,
            log_index=index,
        )

    def _remember(self, request_id: str) -> None:
        now_ns = self._office.now_ns()
        self._opened = {one: at for one, at in self._opened.items() if now_ns - at < LOOKS_NS} | {request_id: now_ns}

    def begin_looks(self, message: BeginLooks) -> tuple[AccessRequest, Decision]:
        """What the job's grant would be for: that camera, and no more than the request's stretch.

        Raises: NotFound; InvalidArgument for another request or camera; PermissionDenied where nobody agreed or
        confirmed anything; FailedPrecondition before the journey was opened and logged.
        """
        asked = self._requests().asked(message.request_id, message.principal)
        if asked.action is not Action.FOLLOW or message.camera_id not in asked.camera_ids:
            raise InvalidArgument("That request is not for a journey over this camera.")
        self._followed(asked.person_id)
        opened_ns = self._opened.get(asked.request_id)
        if opened_ns is None or self._office.now_ns() - opened_ns >= LOOKS_NS:
            raise FailedPrecondition("Open the journey first: looks are taken for one that is in the log.")
        wanted = _wanted(asked, message.principal, message.camera_id)
        decision = decide(wanted, self._office.policies, self._requests().around(wanted))
        others = tuple(_wanted(asked, message.principal, one) for one in asked.camera_ids)
        if decision.is_allowed and not self._said(asked, others)[0]:
            raise PermissionDenied("Nobody confirmed that person in that stretch: nothing is looked at.")
        return wanted, decision

    def check_still(self, wanted: AccessRequest) -> None:
        """What can change while the job works: the person's agreement, and whatever the policies look at.

        Raises: NotFound, PermissionDenied.
        """
        asked = self._requests().asked(wanted.request_id, wanted.principal)
        self._followed(asked.person_id)
        decision = decide(wanted, self._office.policies, self._requests().around(wanted))
        if not decision.is_allowed:
            raise PermissionDenied(" ".join(decision.reasons))

    async def _allowed(self, asked: LookRequest, who: Principal) -> tuple[AccessRequest, ...]:
        """A camera each, on which the policies allow it now. Raises: PermissionDenied, logged, when there is none;
        Unavailable before all of it was compared with the protected."""
        allowed, refused = [], None
        for camera_id in asked.camera_ids:
            wanted = _wanted(asked, who, camera_id)
            decision = decide(wanted, self._office.policies, self._requests().around(wanted))
            if decision.is_allowed:
                allowed.append(wanted)
            else:
                refused = refused or (wanted, decision)
        if not allowed and refused is not None:
            await self._office.append(access_record(AuditKind.ACCESS_DENIED, *refused, ""))
            raise PermissionDenied(" ".join(refused[1].reasons))
        return tuple(allowed)

    def _said(
        self, asked: LookRequest, wanted: tuple[AccessRequest, ...]
    ) -> tuple[tuple[VerifiedTrack, ...], tuple[VerifiedTrack, ...]]:
        """Tracks that two people said are this person's; and those that no step may be: they said that these are
        somebody else's, or they are a protected person's, who is taken for nobody then."""
        now_ns = self._office.now_ns()
        cameras = {one.camera_id for one in wanted}
        covered = [_covered(one, *key) for one in wanted for key in self._protected.covered(one)]
        hidden = {(one.camera_id, one.run, one.track_id) for one in covered}
        verified: list[VerifiedTrack] = []
        excluded: list[VerifiedTrack] = []
        for record in self._office.store.all(CandidateRecord):
            one = record.candidate
            if one.camera_id not in cameras or one.end_ns < asked.start_ns or one.start_ns > asked.end_ns:
                continue
            now, is_own = candidates.phase(record, now_ns), one.person_id == asked.person_id
            if (one.camera_id, one.run, one.track_id) in hidden:
                continue
            if now is CandidatePhase.CONFIRMED:
                (verified if is_own else excluded).append(_track(one))
            elif now is CandidatePhase.REJECTED and is_own:
                excluded.append(_track(one))
        told = tuple(sorted(verified, key=lambda one: one.start_ns)[-MAX_TOLD:])
        return told, (*excluded[-MAX_TOLD:], *covered)

    async def _last_seen(self, who: Principal) -> LastSeenTable:
        office = self._office
        await office.require(who, Action.READ_LAST_SEEN)
        now_ns = office.now_ns()
        missing = [
            one
            for one in office.store.all(FaceEnrolment)
            if one.is_missing and one.withdrawn_ns is None and now_ns < one.expires_ns
        ]
        looked_for = {one.person_id for one in missing}
        seen: dict[str, list[CandidateRecord]] = {}
        for record in office.store.all(CandidateRecord):
            person_id = record.candidate.person_id
            is_confirmed = candidates.phase(record, now_ns) is CandidatePhase.CONFIRMED
            if person_id in looked_for and is_confirmed and self._protected.may_tell(record.candidate):
                seen.setdefault(person_id, []).append(record)
        index = await office.log(AuditKind.LAST_SEEN_READ, who, "", {"people": str(len(missing))})
        rows = [self._row(one, seen.get(one.person_id, [])) for one in missing]
        rows.sort(key=lambda one: (-one.sighting.end_ns if one.sighting else 0, -one.created_ns))
        return LastSeenTable(people=tuple(rows[:MAX_TOLD]), log_index=index)

    def _row(self, one: FaceEnrolment, records: list[CandidateRecord]) -> LastSeen:
        row = LastSeen(
            person_id=one.person_id,
            name=self._people.name_of(one),
            purpose=one.purpose,
            created_ns=one.created_ns,
            expires_ns=one.expires_ns,
            is_compared=enrolment.is_compared(one, self._office.now_ns()),
        )
        if not records:
            return row
        newest, *earlier = sorted(records, key=lambda record: -record.candidate.end_ns)[: 1 + MAX_EARLIER]
        seen = newest.candidate
        return replace(
            row,
            sighting=_track(seen),
            zone_id=seen.zone_id,
            verified_by=tuple(verdict.user for verdict in newest.verdicts),
            earlier=tuple(_track(record.candidate) for record in earlier),
        )


def _wanted(asked: LookRequest, who: Principal, camera_id: CameraId) -> AccessRequest:
    return AccessRequest(
        principal=who,
        action=Action.FOLLOW,
        purpose=asked.purpose,
        camera_id=camera_id,
        start_ns=asked.start_ns,
        end_ns=asked.end_ns,
        fidelity=Fidelity.MASKED,
        session_id=SessionId(f"journey-{asked.request_id}"[:64]),
        request_id=asked.request_id,
    )


def _track(one: Candidate) -> VerifiedTrack:
    return VerifiedTrack(
        camera_id=one.camera_id,
        run=one.run,
        track_id=one.track_id,
        start_ns=one.start_ns,
        end_ns=one.end_ns,
        candidate_id=one.candidate_id,
    )


def _covered(asked: AccessRequest, run: RunId, track_id: int) -> VerifiedTrack:
    return VerifiedTrack(
        camera_id=asked.camera_id, run=run, track_id=track_id, start_ns=asked.start_ns, end_ns=asked.end_ns
    )
