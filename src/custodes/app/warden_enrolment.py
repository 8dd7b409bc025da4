"""The warden's desk for enrolments: invitations, signatures, templates, withdrawal, review; and the gallery's content.

What belongs to a person is sealed under a key of their own. Taking consent back destroys that key; the log says that
it happened, and holds no name that could not be erased.
"""

import asyncio
import secrets
from dataclasses import replace

import numpy as np

from custodes.access import enrolment as rules
from custodes.access import zones
from custodes.app.warden_office import Office
from custodes.app.warden_zones import ZoneDesk
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
from custodes.types.access import Action, AuditKind, Principal
from custodes.types.face import Consent, EnrolmentPhase, FaceEnrolment, LegalBasis, ZonePhase, ZoneRecord
from custodes.types.face_message import (
    ConsentSigned,
    ContractCount,
    EndEnrolment,
    EnrolmentInvited,
    EnrolmentRow,
    EnrolmentTable,
    GalleryChanges,
    GalleryMember,
    InvitationShown,
    InviteEnrolment,
    PutTemplate,
    ReadEnrolments,
    ReadGalleryChanges,
    ReadInvitation,
    ReadWithdrawn,
    Rekeyed,
    RekeyGallery,
    ReviewEnrolment,
    SignConsent,
    TemplateKept,
    WithdrawConsent,
    Withdrawn,
)
from custodes.units import NS_PER_S, Ns

MAX_ENROLMENTS = 200_000
MAX_PAGE = 2000
ROSTER_NS = 2 * NS_PER_S
"""How late an expiry may be noticed; a withdrawal is at once."""
MAX_PICTURE_BYTES = 256 * 1024
_DIMENSIONS = range(16, 4097)
_STEPS = (
    InviteEnrolment,
    SignConsent,
    PutTemplate,
    WithdrawConsent,
    EndEnrolment,
    ReviewEnrolment,
    RekeyGallery,
)
"""What changes something, one at a time. Anything else must not wait for it: all desks are asked in turn."""


class EnrolmentDesk:
    """Answers everything about enrolments."""

    def __init__(self, office: Office, zone_desk: ZoneDesk) -> None:
        self._office = office
        self._zones = zone_desk
        self._roster_at: tuple[int, int] = (-1, 0)
        self._members: tuple[int, tuple[GalleryMember, ...]] = (secrets.randbits(62) + 1, ())

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about enrolments."""
        match message:
            case ReadInvitation():
                return self._shown(self.by_token(message.token))
            case ReadWithdrawn():
                return self._withdrawn(self.by_own_link(message.token))
            case ReadEnrolments():
                return await self._table(message.principal)
            case ReadGalleryChanges():
                return self._changes(message)
        if not isinstance(message, _STEPS):
            return None
        async with self._office.lock:
            return await self._step(message)

    async def _step(self, message: object) -> object:
        match message:
            case InviteEnrolment():
                return await self._invite(message)
            case SignConsent():
                return await self._sign(message)
            case PutTemplate():
                return await self._put(message)
            case WithdrawConsent():
                return await self._withdraw(message)
            case EndEnrolment():
                return await self._end(message)
            case ReviewEnrolment():
                return await self._review(message)
            case RekeyGallery():
                return await self._rekey(message)
        return None

    # -- the way in ------------------------------------------------------------------------------------------

    async def _invite(self, message: InviteEnrolment) -> EnrolmentInvited:
        office, who = self._office, message.principal
        await office.require(who, Action.PROTECT if message.protects else Action.ENROL)
        now_ns = office.now_ns()
        token, person_id = secrets.token_urlsafe(32), secrets.token_hex(8)
        made = FaceEnrolment(
            person_id=person_id,
            purpose=message.purpose.strip(),
            zone_ids=message.zone_ids,
            expires_ns=message.expires_ns,
            created_ns=now_ns,
            created_by=who.name,
            sealed_name=b"",
            invite_hash=rules.token_hash(token),
            protects=message.protects,
            may_follow=message.may_follow,
            is_missing=message.is_missing,
            recorded=message.basis.kind if message.basis else None,
            created_by_id=who.user_id,
        )
        rules.check_invited(made, message.name, now_ns)
        if message.basis is not None:
            rules.check_recorded(made, message.basis)
        for zone_id in message.zone_ids:
            self._zones.require_active(zone_id)
        if len(office.store.all(FaceEnrolment)) >= MAX_ENROLMENTS:
            raise ResourceExhausted(f"A site keeps at most {MAX_ENROLMENTS} enrolments.")
        await office.log(AuditKind.ENROLMENT_INVITED, who, person_id, self._words(made))
        office.store.make_key(person_id)
        made = replace(made, sealed_name=office.store.seal(person_id, "name", message.name.strip().encode()))
        withdraw_token = ""
        if message.basis is not None:
            withdraw_token = secrets.token_urlsafe(32)
            made = self._recorded(made, message.basis, rules.token_hash(withdraw_token))
        office.store.put(person_id, made)
        return EnrolmentInvited(enrolment=made, token=token, withdraw_token=withdraw_token)

    def _recorded(self, made: FaceEnrolment, basis: LegalBasis, withdraw_hash: bytes) -> FaceEnrolment:
        """The basis stands where else the signature does, sealed like it: a reference may name somebody."""
        reference = basis.reference.strip()
        consent = Consent(
            version=f"recorded: {basis.kind.value}",
            text_sha256=rules.text_sha256(reference),
            signed_ns=made.created_ns,
            sealed_signature=self._office.store.seal(made.person_id, "signature", reference.encode()),
        )
        return replace(made, consent=consent, withdraw_hash=withdraw_hash)

    async def _sign(self, message: SignConsent) -> ConsentSigned:
        office = self._office
        found = self.by_token(message.token)
        if not 3 <= len(message.signature.strip()) <= 120:
            raise InvalidArgument("Sign with your full name.")
        if len(message.text_sha256) != 64:
            raise InvalidArgument("The text that was signed is not named.")
        now_ns = office.now_ns()
        withdraw_token = secrets.token_urlsafe(32)
        sealed = office.store.seal(found.person_id, "signature", message.signature.strip().encode())
        consent = Consent(
            version=rules.CONSENT_VERSION,
            text_sha256=message.text_sha256,
            signed_ns=now_ns,
            sealed_signature=sealed,
        )
        signed = rules.sign(found, consent, rules.token_hash(withdraw_token), now_ns)
        details = self._words(signed) | {"version": consent.version, "text": consent.text_sha256}
        await office.log(AuditKind.CONSENT_SIGNED, "person:enrolled", found.person_id, details)
        office.store.put(found.person_id, signed)
        return ConsentSigned(withdraw_token=withdraw_token)

    async def _put(self, message: PutTemplate) -> TemplateKept:
        office = self._office
        found = self.by_token(message.token)
        given = office.store.counts_of(found.person_id)
        rules.may_give(found, office.now_ns(), given.get(message.contract, 0))
        vector = np.asarray(message.vector, np.float32)
        if vector.ndim != 1 or len(vector) not in _DIMENSIONS or not np.isfinite(vector).all() or not vector.any():
            raise InvalidArgument("That is not a template.")
        if not 0 < len(message.picture) <= MAX_PICTURE_BYTES:
            raise InvalidArgument("A template comes with the picture that it was made of.")
        template_id = secrets.token_hex(8)
        details = {"template": template_id, "contract": message.contract, "quality": f"{message.quality:.2f}"}
        await office.log(AuditKind.TEMPLATE_STORED, "person:enrolled", found.person_id, details)
        office.store.put_template(
            template_id, found.person_id, message.contract, vector.astype("<f4").tobytes(), message.picture
        )
        count = given.get(message.contract, 0) + 1
        # While two networks are in use each picture makes two templates, and is one picture.
        kept = replace(found, templates=max(count, *given.values()) if given else count)
        if kept.templates != found.templates == rules.samples_wanted(found) - 1:
            office.store.renumber(found.person_id)  # the matcher skipped them while they were too few
        office.store.put(found.person_id, kept)
        return TemplateKept(templates=count, wanted=rules.samples_wanted(found))

    # -- the way out -----------------------------------------------------------------------------------------

    async def _withdraw(self, message: WithdrawConsent) -> Withdrawn:
        return await self.end(self.by_own_link(message.token), "person:enrolled", "withdrawn by the person")

    async def _end(self, message: EndEnrolment) -> Withdrawn:
        await self._office.require(message.principal, Action.ENROL, Action.PROTECT)
        found = self.find(message.person_id)
        await self._office.require(message.principal, looked_after_by(found))
        return await self.end(found, message.principal, "ended at the person's word")

    async def end(self, found: FaceEnrolment, actor: Principal | str, reason: str) -> Withdrawn:
        """Log, destroy, log that it is destroyed. A crash in between is made good at the next look (`sweep`); asked
        again, the answer is the same."""
        if found.destroyed_index is not None:
            return Withdrawn(log_index=found.destroyed_index)
        office, ended = self._office, rules.withdraw(found, self._office.now_ns())
        office.store.put(found.person_id, ended)  # from here on nobody is compared
        await office.log(AuditKind.ENROLMENT_ENDED, actor, found.person_id, {"reason": reason})
        return await self._destroy(ended)

    async def _destroy(self, ended: FaceEnrolment) -> Withdrawn:
        """The key with all it opens; then the entry that the person's certificate proves, which names nobody."""
        office = self._office
        office.store.destroy(ended.person_id)
        details = {"signed_text": ended.consent.text_sha256 if ended.consent else ""}
        index = await office.log(AuditKind.TEMPLATES_DESTROYED, "process:warden", ended.person_id, details)
        office.store.put(ended.person_id, replace(ended, destroyed_index=index))
        return Withdrawn(log_index=index)

    async def heed(self, person_ids: frozenset[str]) -> int:
        """End again whom the log says were ended: the file was put back from a copy of before. Returns: how many."""
        again = 0
        for person_id in sorted(person_ids):
            found = self._office.store.get(FaceEnrolment, person_id)
            if found is not None and self._office.store.has_key(person_id):
                async with self._office.lock:
                    await self.end(found, "process:warden", "the gallery was put back from before the person's end")
                again += 1
        return again

    def _withdrawn(self, found: FaceEnrolment) -> Withdrawn:
        if found.destroyed_index is None:
            raise FailedPrecondition("This agreement is in force; there is nothing to certify.")
        return Withdrawn(log_index=found.destroyed_index)

    async def sweep(self) -> None:
        """What expired is ended, and what was ended is destroyed; called every few seconds."""
        office, now_ns = self._office, self._office.now_ns()
        for one in office.store.all(FaceEnrolment):
            now = rules.phase(one, now_ns)
            if now is EnrolmentPhase.EXPIRED:
                async with office.lock:
                    await self.end(one, "process:warden", "it expired")
            elif now is EnrolmentPhase.WITHDRAWN and one.destroyed_index is None:
                async with office.lock:
                    latest = office.store.get(FaceEnrolment, one.person_id)
                    if latest is not None and latest.destroyed_index is None:
                        await self._destroy(latest)

    async def _review(self, message: ReviewEnrolment) -> FaceEnrolment:
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL, Action.PROTECT)
        found = self.find(message.person_id)
        await office.require(who, looked_after_by(found))
        rules.may_review(found, who.user_id, office.now_ns())
        reviewed = replace(found, reviewed_ns=office.now_ns())
        await office.log(AuditKind.ENROLMENT_REVIEWED, who, found.person_id, self._words(reviewed))
        office.store.put(found.person_id, reviewed)
        office.store.renumber(found.person_id)
        return reviewed

    async def _rekey(self, message: RekeyGallery) -> Rekeyed:
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL)
        index = await office.log(AuditKind.GALLERY_REKEYED, who, "", {"epoch": str(office.store.epoch + 1)})
        templates = 0
        for turned in office.store.rekeying():
            templates = turned
            await asyncio.sleep(0)  # decisions and keys are answered meanwhile; what changes templates waits
        return Rekeyed(templates=templates, log_index=index)

    # -- reading ---------------------------------------------------------------------------------------------

    def by_token(self, token: str) -> FaceEnrolment:
        """The enrolment of an invitation. Raises: PermissionDenied, with the same words whatever is wrong."""
        hashed = rules.token_hash(token[:128])
        for one in self._office.store.all(FaceEnrolment):
            if secrets.compare_digest(one.invite_hash, hashed) and one.withdrawn_ns is None:
                return one
        raise PermissionDenied("This invitation is not known, or it was ended.")

    def by_own_link(self, token: str) -> FaceEnrolment:
        """Whose link it is that takes the consent back. Raises: NotFound."""
        hashed = rules.token_hash(token[:128])
        for one in self._office.store.all(FaceEnrolment):
            if one.withdraw_hash and secrets.compare_digest(one.withdraw_hash, hashed):
                return one
        raise NotFound("This link is not known.")

    def name_of(self, one: FaceEnrolment) -> str:
        """Empty once it cannot be read any more."""
        try:
            return self._office.store.open(one.person_id, "name", one.sealed_name).decode() if one.sealed_name else ""
        except CustodesError:
            return ""

    def _reference(self, one: FaceEnrolment) -> str:
        """Where the basis of somebody who was imported lies; empty of all others."""
        if one.recorded is None or one.consent is None or not one.consent.sealed_signature:
            return ""
        try:
            return self._office.store.open(one.person_id, "signature", one.consent.sealed_signature).decode()
        except CustodesError:
            return ""

    def find(self, person_id: str) -> FaceEnrolment:
        """Raises: NotFound."""
        found = self._office.store.get(FaceEnrolment, person_id)
        if found is None:
            raise NotFound("There is no such enrolment.")
        return found

    def _shown(self, found: FaceEnrolment) -> InvitationShown:
        drafts = [self._office.store.get(ZoneRecord, zone_id) for zone_id in found.zone_ids]
        return InvitationShown(
            name=self.name_of(found),
            enrolment=found,
            phase=rules.phase(found, self._office.now_ns()),
            zones=tuple(one.draft for one in drafts if one is not None),
            samples_wanted=rules.samples_wanted(found),
            counts=counted(self._office.store.counts_of(found.person_id)),
        )

    async def _table(self, who: Principal) -> EnrolmentTable:
        await self._office.require(who, Action.ENROL, Action.READ_PRIVACY)
        now_ns = self._office.now_ns()
        rows = [
            EnrolmentRow(
                enrolment=one, phase=rules.phase(one, now_ns), name=self.name_of(one), reference=self._reference(one)
            )
            for one in [one for one in self._office.store.all(FaceEnrolment) if not one.protects][::-1][:MAX_PAGE]
        ]
        return EnrolmentTable(enrolments=tuple(rows))

    def _changes(self, message: ReadGalleryChanges) -> GalleryChanges:
        office = self._office
        roster, members = self._roster()
        limit = max(1, min(message.limit, MAX_PAGE))
        found, version = office.store.templates_after(message.version, limit)
        return GalleryChanges(
            version=version,
            is_complete=len(found) < limit,
            # Who is protected is compared by the warden alone, and with nobody who merely passes a zone.
            templates=tuple(one for one in found if not self._protects(one.person_id)),
            members=() if message.roster == roster else members,
            rules=self._zones.rules(),
            roster=roster,
            rotation=office.store.rotation,
        )

    def _roster(self) -> tuple[int, tuple[GalleryMember, ...]]:
        """Who is compared and where, with a number that changes with it; looked at anew after each change and each 2
        s."""
        revision, now_ns = self._office.store.revision, self._office.now_ns()
        if self._roster_at[0] == revision and 0 <= now_ns - self._roster_at[1] < ROSTER_NS:
            return self._members
        active = self._active_zones(now_ns)
        members = tuple(
            GalleryMember(person_id=one.person_id, zone_ids=tuple(zone for zone in one.zone_ids if zone in active))
            for one in self._office.store.all(FaceEnrolment)
            if rules.is_compared(one, now_ns)
        )
        self._roster_at = (revision, now_ns)
        if members != self._members[1]:
            self._members = (secrets.randbits(62) + 1, members)
        return self._members

    def _active_zones(self, now_ns: Ns) -> frozenset[str]:
        records = self._office.store.all(ZoneRecord)
        return frozenset(one.draft.zone_id for one in records if zones.phase(one, now_ns) is ZonePhase.ACTIVE)

    def _protects(self, person_id: str) -> bool:
        found = self._office.store.get(FaceEnrolment, person_id)
        return found is not None and found.protects

    def _words(self, one: FaceEnrolment) -> dict[str, str]:
        return {
            "purpose": one.purpose,
            "zones": ",".join(one.zone_ids),
            "expires_ns": str(one.expires_ns),
            **({"may_follow": "yes"} if one.may_follow else {}),
            **({"missing": "yes"} if one.is_missing else {}),
            **({"recorded_basis": one.recorded.value} if one.recorded else {}),
        }


def counted(counts: dict[str, int]) -> tuple[ContractCount, ...]:
    """By contract."""
    return tuple(ContractCount(contract=contract, templates=count) for contract, count in sorted(counts.items()))


def looked_after_by(one: FaceEnrolment) -> Action:
    """What somebody has to be allowed to do to change it."""
    return Action.PROTECT if one.protects else Action.ENROL
