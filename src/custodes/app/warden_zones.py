"""The warden's desk for recognition zones: drafts, approvals by two others, the stop button, and signed permits.

`publish` writes the permits of the zones that are on; analysers compute vectors under these alone. They last two
minutes and are renewed while the warden runs.
"""

import secrets
from collections import Counter
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.access import candidates, enrolment, zones
from custodes.access.plates import counts
from custodes.app.warden_office import Office
from custodes.config.durable import replace_file
from custodes.errors import FailedPrecondition, NotFound, ResourceExhausted, StorageFailed
from custodes.face.lawful import encode_permits, sign_permit
from custodes.types.access import Action, AuditKind
from custodes.types.approval import Vote
from custodes.types.face import (
    CandidatePhase,
    CandidateRecord,
    FaceEnrolment,
    SignedPermit,
    ZoneKind,
    ZonePermit,
    ZonePhase,
    ZoneRecord,
)
from custodes.types.face_message import (
    DecideZone,
    DraftZone,
    ReadZones,
    StopZone,
    ZoneRow,
    ZoneRule,
    ZoneTable,
)
from custodes.types.plate import PlateListing
from custodes.types.trial import WalkWindow
from custodes.units import Ns

MAX_ZONES = 256
RENEW_S = 20.0
"""How often permits are renewed: a sixth of how long they last, and what a schedule may be late by."""


class ZoneDesk:
    """State: which zones were on at the last look, so that the log says when each use began and ended."""

    def __init__(self, office: Office, signer: Ed25519PrivateKey, path: Path, timezone: str) -> None:
        self._office = office
        self._signer = signer
        self._path = path
        self._timezone = ZoneInfo(timezone)
        self._on: set[str] = set()
        self.walks: dict[str, WalkWindow] = {}
        """By zone: a volunteer of a trial walks there."""

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about zones. One step at a time: no two approvals race."""
        match message:
            case DraftZone():
                async with self._office.lock:
                    return await self._draft(message)
            case DecideZone():
                async with self._office.lock:
                    return await self._decide(message)
            case StopZone():
                async with self._office.lock:
                    return await self._stop(message)
            case ReadZones():
                return self._table()
        return None

    async def _draft(self, message: DraftZone) -> ZoneRecord:
        office, who = self._office, message.principal
        await office.require(who, Action.CONFIGURE_FACES)
        draft = replace(
            message.draft,
            zone_id=secrets.token_hex(6),
            author_id=who.user_id,
            author=who.name,
            drafted_ns=office.now_ns(),
        )
        zones.check_draft(draft)
        if len(office.store.all(ZoneRecord)) >= MAX_ZONES:
            raise ResourceExhausted(f"A site keeps at most {MAX_ZONES} zones.")
        record = ZoneRecord(draft=draft)
        await office.log(AuditKind.ZONE_DRAFTED, who, draft.zone_id, _words(record))
        office.store.put(draft.zone_id, record)
        return record

    async def _decide(self, message: DecideZone) -> ZoneRecord:
        office, who = self._office, message.principal
        await office.require(who, Action.APPROVE)
        record = self.find(message.zone_id)
        vote = Vote(
            approver_id=who.user_id,
            approver=who.name,
            is_yes=message.is_yes,
            utc_ns=office.now_ns(),
            note=message.note[:500],
            credential_id=b"",
            assertion="",
        )
        details = {"note": message.note} if message.note else {}
        if message.is_yes:
            credential_id, pieces = office.signed(who, message.assertion, zones.digest(record.draft))
            vote = replace(vote, credential_id=credential_id, assertion=message.assertion)
            details |= pieces
        changed = zones.cast(record, vote, office.now_ns())
        kind = AuditKind.ZONE_APPROVED if message.is_yes else AuditKind.ZONE_REFUSED
        await office.log(kind, who, record.draft.zone_id, _words(changed) | details)
        office.store.put(record.draft.zone_id, changed)
        await self.publish()
        return changed

    async def _stop(self, message: StopZone) -> ZoneRecord:
        """Stopped first and logged after: of all acts this one fails towards not recognising anybody."""
        office, who = self._office, message.principal
        await office.require(who, Action.APPROVE, Action.CONFIGURE_FACES, Action.VERIFY_FACES, Action.ENROL)
        changed = zones.stop(self.find(message.zone_id), who.user_id, office.now_ns())
        office.store.put(changed.draft.zone_id, changed)
        await self.publish()
        await office.log(AuditKind.ZONE_STOPPED, who, changed.draft.zone_id, _words(changed))
        return changed

    def find(self, zone_id: str) -> ZoneRecord:
        """Raises: NotFound."""
        record = self._office.store.get(ZoneRecord, zone_id)
        if record is None:
            raise NotFound("There is no such zone.")
        return record

    def require_active(self, zone_id: str, kind: ZoneKind = ZoneKind.FACES) -> ZoneRecord:
        """Raises: NotFound, FailedPrecondition."""
        record = self.find(zone_id)
        if record.draft.kind is not kind:
            raise FailedPrecondition(f"The zone is for {record.draft.kind.value}, not for {kind.value}.")
        if zones.phase(record, self._office.now_ns()) is not ZonePhase.ACTIVE:
            raise FailedPrecondition("The zone is not active.")
        return record

    def phase(self, record: ZoneRecord) -> ZonePhase:
        """By the warden's clock."""
        return zones.phase(record, self._office.now_ns())

    def is_on(self, record: ZoneRecord, now_ns: Ns) -> bool:
        """Active, and its schedule says now."""
        is_active = zones.phase(record, now_ns) is ZonePhase.ACTIVE
        return is_active and zones.window(record.draft.schedule, now_ns, self._timezone) is not None

    def rules(self) -> tuple[ZoneRule, ...]:
        """Of all zones for faces that are on."""
        now_ns = self._office.now_ns()
        return tuple(
            ZoneRule(
                zone_id=one.draft.zone_id,
                camera_id=one.draft.camera_id,
                fpir=one.draft.fpir,
                samples=one.draft.samples,
                walk=self.walks.get(one.draft.zone_id),
            )
            for one in self._office.store.all(ZoneRecord)
            if one.draft.kind is ZoneKind.FACES and self.is_on(one, now_ns)
        )

    def _table(self) -> ZoneTable:
        now_ns = self._office.now_ns()
        compared = [
            one.zone_ids for one in self._office.store.all(FaceEnrolment) if enrolment.is_compared(one, now_ns)
        ]
        vehicles = [one.zone_ids for one in self._office.store.all(PlateListing) if counts(one, now_ns)]
        said = Counter(
            (one.candidate.zone_id, candidates.phase(one, now_ns)) for one in self._office.store.all(CandidateRecord)
        )
        doubts = (CandidatePhase.REJECTED, CandidatePhase.DISPUTED)
        rows = [
            ZoneRow(
                record=record,
                phase=zones.phase(record, now_ns),
                is_on=self.is_on(record, now_ns),
                people=sum(record.draft.zone_id in ids for ids in (vehicles if is_plates(record) else compared)),
                confirmed=said[record.draft.zone_id, CandidatePhase.CONFIRMED],
                doubted=sum(said[record.draft.zone_id, one] for one in doubts),
            )
            for record in self._office.store.all(ZoneRecord)
        ]
        return ZoneTable(zones=tuple(rows[::-1]))

    async def publish(self) -> None:
        """Write the permits of what is on now, and log what began and ended. Raises: StorageFailed; log errors.

        A use that cannot be logged gets no permit.
        """
        office = self._office
        now_ns = office.now_ns()
        on = {one.draft.zone_id: one for one in office.store.all(ZoneRecord) if self.is_on(one, now_ns)}
        for zone_id in sorted(on.keys() - self._on):
            await office.log(AuditKind.ZONE_USED, "process:warden", zone_id, _words(on[zone_id]) | {"use": "begins"})
        ended = self._on - on.keys()
        self._on = set(on)
        self._write([self._permit(record, now_ns) for _, record in sorted(on.items())])
        for zone_id in sorted(ended):
            await office.log(AuditKind.ZONE_USED, "process:warden", zone_id, {"use": "ends"})

    def _permit(self, record: ZoneRecord, now_ns: Ns) -> SignedPermit:
        draft = record.draft
        hours = zones.window(draft.schedule, now_ns, self._timezone)
        assert hours is not None
        permit = ZonePermit(
            site_id=self._office.site_id,
            zone_id=draft.zone_id,
            camera_id=draft.camera_id,
            polygon=draft.polygon,
            samples=draft.samples,
            digest=zones.digest(draft),
            # Pictures are some seconds old when they are looked at.
            from_ns=Ns(max(hours[0], max(vote.utc_ns for vote in record.votes))),
            until_ns=Ns(min(hours[1], now_ns + zones.PERMIT_LASTS_NS)),
            kind=draft.kind,
        )
        return sign_permit(self._signer, permit)

    def _write(self, permits: list[SignedPermit]) -> None:
        if not permits and not self._path.exists():
            return
        try:
            # Signed, and no secret from the group: with a user of its own the warden writes for the analysers' user.
            replace_file(self._path, encode_permits(permits), mode=0o640)
        except OSError as error:
            raise StorageFailed(f"{self._path} cannot be written: {error.strerror}") from error


def is_plates(record: ZoneRecord) -> bool:
    """Whether it is a zone for plates."""
    return record.draft.kind is ZoneKind.PLATES


def _words(record: ZoneRecord) -> dict[str, str]:
    draft = record.draft
    return {
        "hash": zones.digest(draft).hex(),
        "name": draft.name,
        "camera": draft.camera_id,
        "kind": draft.kind.value,
        "basis": draft.basis.kind.value,
        "reference": draft.basis.reference,
        "purpose": draft.purpose,
        "fpir": str(draft.fpir),
        "approvals": f"{sum(vote.is_yes for vote in record.votes)} of {zones.APPROVALS}",
    }
