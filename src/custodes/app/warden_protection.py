"""The warden's desk for protected persons: compares who is in what somebody asks for, and remembers it for them alone.

Vectors of strangers come in one message, are compared, and are overwritten before the answer, which is the same
whatever was found. What was found is sealed under the protected person's own key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.access import enrolment, protection, requests
from custodes.access.release import MAX_GRANT_NS, token_hash
from custodes.app.warden_enrolment import EnrolmentDesk
from custodes.app.warden_office import Office
from custodes.errors import (
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
)
from custodes.face.calibration import expected, log10_likelihood, model_of
from custodes.face.lawful import sign_permit
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    Decision,
    Fidelity,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.approval import LookRequest, RequestPhase, RequestRecord
from custodes.types.codec import decode_as, encode
from custodes.types.face import Candidate, CandidateRecord, FaceEnrolment, SignedPermit
from custodes.types.message import Ok
from custodes.types.protection import (
    CheckPermit,
    CheckPiece,
    ChecksWanted,
    CompareProtected,
    OwnTouches,
    PermitLooks,
    ProtectedRow,
    ProtectedTable,
    ProtectedTouch,
    ProtectionCheck,
    ReadChecks,
    ReadOwnTouches,
    ReadProtected,
    TouchedTrack,
    TouchShown,
    TrackProbe,
)
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SessionId

PERMIT_NS = Ns(120 * NS_PER_S)
MAX_PROBES = 256
MAX_TRACKS = 50_000
"""Of one piece: an hour of fourteen new people a second."""
MAX_TOUCHES_SHOWN = 2000
MAX_WANTED = 64
MAX_ASKED = 1000
"""Sightings that were asked for and wait to be compared; of more, the oldest wait until they are read again."""
_ROSTER_NS = NS_PER_S

CHECKER = Principal(user_id="process:protection", name="process:protection", roles=frozenset())
ALLOWED = Decision(
    is_allowed=True,
    reasons=("What somebody asks to see or to follow is first compared with protected people; nobody sees it.",),
    policy_ids=("protection-check",),
)

TrackKey = tuple[RunId, int]


@dataclass(slots=True)
class _Running:
    """A check that a job works on. What it found is in memory until it is done."""

    piece: CheckPiece
    roster: str
    until_ns: Ns
    tracks: int
    found: dict[str, list[TouchedTrack]]


class ProtectionDesk:
    """Answers everything about protected persons. Lives on one event loop."""

    def __init__(self, office: Office, people: EnrolmentDesk, signer: Ed25519PrivateKey) -> None:
        self._office = office
        self._people = people
        self._signer = signer
        self._running: dict[bytes, _Running] = {}
        self._known: tuple[int, Ns, str] = (-1, Ns(0), "")
        self._asked: dict[str, Candidate] = {}

    # -- what the gate and the desk of requests ask --------------------------------------------------------------

    def roster(self) -> str:
        """Names who is protected now; empty when nobody is."""
        revision, now_ns = self._office.store.revision, self._office.now_ns()
        if self._known[0] != revision or not 0 <= now_ns - self._known[1] < _ROSTER_NS:
            roster = protection.roster_of(self._office.store.all(FaceEnrolment), now_ns)
            self._known = (revision, now_ns, roster)
        return self._known[2]

    def is_ready(self, request: LookRequest) -> bool:
        """Whether all of it was compared with everybody who is protected now."""
        roster = self.roster()
        return (
            not roster
            or not protection.is_compared(request.action, request.fidelity)
            or not self._missing(protection.pieces(request), roster)
        )

    def may_tell(self, one: Candidate) -> bool:
        """Whether a confirmed sighting may be told: compared with everybody who is protected now, and none of them.

        What was not compared yet is from now on wanted, and looks for the reader as if it were not there; so does what
        is a protected person's.
        """
        roster = self.roster()
        if not roster:
            return True
        pieces = protection.sighting_pieces(one)
        if self._missing(pieces, roster):
            self._asked[one.candidate_id] = one
            while len(self._asked) > MAX_ASKED:
                del self._asked[next(iter(self._asked))]
            return False
        return not any(_is_own(track, one) for track in self._found_in(pieces))

    def hides_in(self, asked: AccessRequest) -> bool:
        """Whether what leaves under this grant is filled from head to foot wherever somebody stays masked."""
        return protection.is_compared(asked.action, asked.fidelity) and bool(self.roster())

    def covered(self, asked: AccessRequest) -> tuple[TrackKey, ...]:
        """Tracks of protected people in what a request opens of a camera.

        Whom a subject access names, and two others approved by name, is shown: that is who asks for their own data.
        """
        named = set(asked.shown) if asked.purpose.kind is PurposeKind.SUBJECT_ACCESS else set()
        record = self._office.keys.record(asked.request_id)
        pieces = [] if record is None else protection.pieces(record.request)
        return tuple(
            (track.run, track.track_id)
            for track in self._found_in([piece for piece in pieces if piece.camera_id == asked.camera_id])
            if (track.run, track.track_id) not in named
        )

    def _found_in(self, pieces: Sequence[CheckPiece]) -> list[TouchedTrack]:
        """Tracks of whoever is protected now."""
        kept = (
            self._office.store.touch(person.person_id, _id_of(piece))
            for person in self._protected()
            for piece in pieces
        )
        return [track for plain in kept if plain is not None for track in decode_as(ProtectedTouch, plain).tracks]

    def forget_camera(self, camera_id: CameraId) -> None:
        """Its recordings were analysed again, and tracks have other numbers: everything is compared anew.

        But for sightings: they are of tracks by the numbers of then, and stay compared as they were.
        """
        for one in self._office.store.all(ProtectionCheck):
            if one.piece.camera_id == camera_id and not one.piece.request_id.startswith(protection.SIGHTING):
                self._office.store.forget(ProtectionCheck, _id_of(one.piece))

    # -- messages ------------------------------------------------------------------------------------------------

    async def answer_server(self, message: object) -> object:
        """The answer, or None for what is not about protection."""
        match message:
            case ReadChecks():
                return ChecksWanted(pieces=tuple(self._wanted()[:MAX_WANTED]))
            case ReadProtected():
                return await self._table(message.principal)
            case ReadOwnTouches():
                return self._own(message.token)
        return None

    async def answer_job(self, message: object) -> object:
        """The answer, or None for what is not about protection. Raises: PermissionDenied without a check's grant."""
        match message:
            case PermitLooks():
                return self._permit(self._check_of(message.grant_token))
            case CompareProtected():
                running = self._check_of(message.grant_token)
                async with self._office.lock:
                    await self._compare(running, message)
                return Ok()
        return None

    # -- a check -------------------------------------------------------------------------------------------------

    def begin(self, piece: CheckPiece) -> AccessRequest:
        """What the job's grant is for. Raises: FailedPrecondition when that piece is not wanted."""
        if piece not in self._wanted():
            raise FailedPrecondition("that part of a request does not wait to be compared")
        record = self._office.keys.record(piece.request_id)
        purpose = (
            Purpose(kind=PurposeKind.ALARM, reference=piece.request_id) if record is None else record.request.purpose
        )
        return AccessRequest(
            principal=CHECKER,
            action=Action.ANALYSE,
            purpose=purpose,
            camera_id=piece.camera_id,
            start_ns=piece.start_ns,
            end_ns=piece.end_ns,
            fidelity=Fidelity.MASKED,
            session_id=SessionId(f"protection-{piece.request_id}"[:64]),
        )

    def began(self, piece: CheckPiece, hashed: bytes) -> None:
        """The grant was given and logged."""
        now_ns = self._office.now_ns()
        for old in [key for key, one in self._running.items() if one.piece == piece or one.until_ns <= now_ns]:
            del self._running[old]
        until_ns = Ns(now_ns + MAX_GRANT_NS)
        self._running[hashed] = _Running(piece=piece, roster=self.roster(), until_ns=until_ns, tracks=0, found={})

    def _check_of(self, token: str) -> _Running:
        running = self._running.get(token_hash(token))
        if running is None or self._office.now_ns() >= running.until_ns:
            raise PermissionDenied("no such check, or it has ended")
        return running

    def _permit(self, running: _Running) -> SignedPermit:
        permit = CheckPermit(
            site_id=self._office.site_id,
            camera_id=running.piece.camera_id,
            from_ns=running.piece.start_ns,
            to_ns=running.piece.end_ns,
            until_ns=Ns(self._office.now_ns() + PERMIT_NS),
        )
        return sign_permit(self._signer, permit)

    async def _compare(self, running: _Running, message: CompareProtected) -> None:
        if len(message.probes) > MAX_PROBES or running.tracks + len(message.probes) > MAX_TRACKS:
            raise ResourceExhausted(f"{len(message.probes)} tracks more in one check; at most {MAX_TRACKS}")
        vectors = [np.array(one.vector, np.float32) for one in message.probes]
        try:
            if message.probes:
                self._find(running, message, vectors)
        finally:
            for vector in vectors:
                vector[:] = 0
        running.tracks += len(message.probes)
        if message.is_last:
            await self._finish(running)

    def _find(self, running: _Running, message: CompareProtected, vectors: Sequence[npt.NDArray[np.float32]]) -> None:
        """Every track with everybody, without an early end: how long it takes says nothing about what was found."""
        if model_of(message.contract) is None:
            raise FailedPrecondition(f"nobody measured what scores of {message.contract.partition(':')[0]} mean")
        for person in self._protected():
            own = [
                np.frombuffer(raw, "<f4")
                for contract, raw in self._office.store.own_templates(person.person_id)
                if contract == message.contract
            ]
            if not own:
                raise FailedPrecondition("a protected person's pictures are of another network and have to be retaken")
            for probe, vector in zip(message.probes, vectors, strict=True):
                score = _likelihood(vector, own, message.contract, probe)
                if score > protection.LIKELIHOOD:
                    running.found.setdefault(person.person_id, []).append(
                        TouchedTrack(
                            run=probe.run,
                            track_id=probe.track_id,
                            start_ns=probe.start_ns,
                            end_ns=probe.end_ns,
                            likelihood=score,
                        )
                    )

    async def _finish(self, running: _Running) -> None:
        """Log, then keep: of each protected person a record, found or not, so that neither the log nor the file nor
        the time that it takes tells which. The entry commits to them by a hash."""
        office, piece, now_ns = self._office, running.piece, self._office.now_ns()
        sealed = {}
        for person_id in sorted({one.person_id for one in self._protected()} | running.found.keys()):
            if office.store.has_key(person_id):
                tracks = tuple(running.found.get(person_id, ())) or self._found_before(person_id, piece)
                touch = ProtectedTouch(piece=piece, tracks=tracks, found_ns=now_ns)
                sealed[person_id] = office.store.seal_touch(person_id, _id_of(piece), encode(touch))
        salt = hashlib.sha256(piece.request_id.encode() + self._signer.sign(encode(piece))).digest()
        digest = hashlib.sha256(salt + b"".join(sealed.values())).hexdigest()
        details = {
            "request": piece.request_id[:64],
            "start_ns": str(piece.start_ns),
            "end_ns": str(piece.end_ns),
            "findings_sha256": digest,
        }
        await office.log(AuditKind.PROTECTION_CHECKED, "process:warden", piece.camera_id, details)
        office.store.put_touches(_id_of(piece), sealed)
        check = ProtectionCheck(piece=piece, roster=running.roster, done_ns=now_ns, tracks=running.tracks)
        office.store.put(_id_of(piece), check)
        self._running = {key: one for key, one in self._running.items() if one is not running}

    def _found_before(self, person_id: str, piece: CheckPiece) -> tuple[TouchedTrack, ...]:
        """Of a sighting: its footage goes, and what was found in it stays found when others become protected."""
        before = None
        if piece.request_id.startswith(protection.SIGHTING):
            before = self._office.store.touch(person_id, _id_of(piece))
        return () if before is None else decode_as(ProtectedTouch, before).tracks

    # -- what waits ----------------------------------------------------------------------------------------------

    def _wanted(self) -> list[CheckPiece]:
        roster, now_ns = self.roster(), self._office.now_ns()
        if not roster:
            return []
        asked = [
            protection.pieces(record.request)
            for record in self._office.keys.records()
            if protection.is_compared(record.request.action, record.request.fidelity)
            and protection.is_open(requests.phase(record, now_ns))
        ]
        asked += [protection.sighting_pieces(one) for one in self._asked.values()]
        return [
            piece
            for pieces in asked
            for piece in self._missing(pieces, roster)
            if piece.end_ns + protection.SETTLED_NS <= now_ns
        ]

    def _missing(self, pieces: Sequence[CheckPiece], roster: str) -> list[CheckPiece]:
        found = ((piece, self._office.store.get(ProtectionCheck, _id_of(piece))) for piece in pieces)
        return [piece for piece, check in found if check is None or check.roster != roster]

    def _protected(self) -> list[FaceEnrolment]:
        now_ns = self._office.now_ns()
        return [one for one in self._office.store.all(FaceEnrolment) if protection.is_protected(one, now_ns)]

    # -- reading -------------------------------------------------------------------------------------------------

    def _touches_of(self, person: FaceEnrolment) -> list[ProtectedTouch]:
        """In which they were found."""
        every = (decode_as(ProtectedTouch, plain) for plain in self._office.store.touches(person.person_id))
        return [touch for touch in every if touch.tracks]

    async def _table(self, who: Principal) -> ProtectedTable:
        await self._office.require(who, Action.PROTECT)
        now_ns = self._office.now_ns()
        rows, touches = [], []
        for one in self._office.store.all(FaceEnrolment)[::-1]:
            if not one.protects:
                continue
            # Whoever asks is not told, whatever else they are.
            own = [row for row in self._shown(one) if not self._is_of(row, who)]
            touches += own
            rows.append(
                ProtectedRow(
                    enrolment=one,
                    phase=enrolment.phase(one, now_ns),
                    name=self._people.name_of(one),
                    is_protected=protection.is_protected(one, now_ns),
                    touches=len(own),
                )
            )
        return ProtectedTable(people=tuple(rows), touches=_newest(touches))

    def _own(self, token: str) -> OwnTouches:
        person, now_ns = self._people.by_own_link(token), self._office.now_ns()
        if not person.protects:
            raise InvalidArgument("This link takes an enrolment back; it is not a protected person's.")
        return OwnTouches(
            name=self._people.name_of(person),
            phase=enrolment.phase(person, now_ns),
            is_protected=protection.is_protected(person, now_ns),
            expires_ns=person.expires_ns,
            touches=_newest(self._shown(person)),
        )

    def _shown(self, person: FaceEnrolment) -> list[TouchShown]:
        if not self._office.store.has_key(person.person_id):
            return []
        name, now_ns = self._people.name_of(person), self._office.now_ns()
        rows = []
        for touch in self._touches_of(person):
            record = self._office.keys.record(touch.piece.request_id)
            if record is not None:
                rows.append(_row(person.person_id, name, touch, record, now_ns))
            elif (found := self._sighting(touch.piece.request_id)) is not None and _touches(touch, found.candidate):
                rows.append(_sighting_row(person.person_id, name, touch, found))
        return rows

    def _sighting(self, request_id: str) -> CandidateRecord | None:
        return self._office.store.get(CandidateRecord, request_id.removeprefix(protection.SIGHTING))

    def _is_of(self, row: TouchShown, who: Principal) -> bool:
        record = self._office.keys.record(row.request_id)
        if record is not None:
            return record.request.requester_id == who.user_id
        found = self._sighting(row.request_id)
        return found is None or any(one.user_id == who.user_id for one in found.verdicts)


def _touches(touch: ProtectedTouch, one: Candidate) -> bool:
    """Whether it is the sighting's own track: whoever else was in the picture is in no sighting."""
    return any(_is_own(track, one) for track in touch.tracks)


def _is_own(track: TouchedTrack, one: Candidate) -> bool:
    # A sighting without a body (track -1) may be of anybody in the picture: then all count.
    return one.track_id < 0 or (track.run, track.track_id) == (one.run, one.track_id)


def _row(person_id: str, name: str, touch: ProtectedTouch, record: RequestRecord, now_ns: Ns) -> TouchShown:
    asked = record.request
    return TouchShown(
        person_id=person_id,
        person=name,
        request_id=asked.request_id,
        requester=asked.requester,
        action=asked.action,
        fidelity=asked.fidelity,
        purpose=asked.purpose.kind,
        camera_id=touch.piece.camera_id,
        start_ns=min(track.start_ns for track in touch.tracks),
        end_ns=max(track.end_ns for track in touch.tracks),
        asked_ns=asked.filed_ns,
        phase=requests.phase(record, now_ns),
        likelihood=max(track.likelihood for track in touch.tracks),
    )


def _sighting_row(person_id: str, name: str, touch: ProtectedTouch, record: CandidateRecord) -> TouchShown:
    """Who confirmed it, as who asked; it is told to nobody, as if it had been refused."""
    one = record.candidate
    return TouchShown(
        person_id=person_id,
        person=name,
        request_id=touch.piece.request_id,
        requester=" and ".join(verdict.user for verdict in record.verdicts),
        action=Action.READ_SIGHTINGS,
        fidelity=Fidelity.MASKED,
        purpose=PurposeKind.ALARM,
        camera_id=one.camera_id,
        start_ns=one.start_ns,
        end_ns=one.end_ns,
        asked_ns=max((verdict.utc_ns for verdict in record.verdicts), default=one.filed_ns),
        phase=RequestPhase.REFUSED,
        likelihood=max(track.likelihood for track in touch.tracks),
    )


def _newest(rows: list[TouchShown]) -> tuple[TouchShown, ...]:
    return tuple(sorted(rows, key=lambda row: -row.asked_ns)[:MAX_TOUCHES_SHOWN])


def _id_of(piece: CheckPiece) -> str:
    return f"{piece.request_id} {piece.camera_id} {piece.start_ns}"


def _likelihood(
    vector: npt.NDArray[np.float32], own: Sequence[npt.NDArray[np.float32]], contract: str, probe: TrackProbe
) -> float:
    model = model_of(contract)
    assert model is not None, "asked before"
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not np.isfinite(length) or length < 1e-6 or len(vector) != len(own[0]):
        raise InvalidArgument("that is not a vector of this network")
    one = expected(model, max(probe.samples, 1), probe.quality)
    return protection.likelihood_of(
        [
            log10_likelihood(float(vector @ template) / length / max(float(np.linalg.norm(template)), 1e-9), one)
            for template in own
        ]
    )
