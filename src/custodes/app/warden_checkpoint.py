"""The warden's desk for single pictures: permits for samples, tokens that holders carry, checks at a checkpoint."""

from dataclasses import replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.access import enrolment as rules
from custodes.app.warden_enrolment import EnrolmentDesk
from custodes.app.warden_office import Office
from custodes.errors import DataLoss, PermissionDenied
from custodes.face.holder import Held, read_token, write_token
from custodes.face.lawful import sign_permit
from custodes.types.access import AuditKind
from custodes.types.face import EnrolmentPhase, FaceEnrolment, SamplePermit, SignedPermit
from custodes.types.face_message import (
    BeginSample,
    HolderToken,
    IssueToken,
    NoteVerification,
    OpenToken,
    SampleAllowed,
    TokenOpened,
)
from custodes.types.message import Appended
from custodes.units import NS_PER_S, Ns

SAMPLE_LASTS_NS = Ns(30 * NS_PER_S)


class CheckpointDesk:
    """Answers what is about one picture and one person."""

    def __init__(self, office: Office, people: EnrolmentDesk, signer: Ed25519PrivateKey, token_key: bytes) -> None:
        self._office = office
        self._people = people
        self._signer = signer
        self._token_key = token_key

    async def answer_enroller(self, message: object) -> object:
        """Of the process that makes vectors of single pictures; None for what is not about them."""
        match message:
            case BeginSample():
                return self._begin(message)
            case OpenToken():
                return self._open(message)
            case NoteVerification():
                return await self._note(message)
        return None

    async def answer(self, message: object) -> object:
        """Of the server; None for what is not about tokens."""
        if not isinstance(message, IssueToken):
            return None
        async with self._office.lock:
            return await self._issue(message)

    def _begin(self, message: BeginSample) -> SampleAllowed:
        found = self._people.by_token(message.token)
        given = self._office.store.counts_of(found.person_id)
        fewest = min((given.get(one, 0) for one in message.contracts), default=found.templates)
        rules.may_give(found, self._office.now_ns(), fewest)
        return SampleAllowed(
            permit=self._permit(found.person_id),
            subject=found.person_id,
            contracts=tuple(one for one in message.contracts if given.get(one, 0) < rules.SAMPLES_MAX),
        )

    def _permit(self, subject: str) -> SignedPermit:
        until_ns = Ns(self._office.now_ns() + SAMPLE_LASTS_NS)
        permit = SamplePermit(site_id=self._office.site_id, subject=subject, until_ns=until_ns)
        return sign_permit(self._signer, permit)

    async def _issue(self, message: IssueToken) -> HolderToken:
        """Make the token, then destroy what was needed for it."""
        office = self._office
        found = self._people.by_token(message.token)
        issued = rules.issue(found, office.now_ns())
        rows = office.store.own_templates(found.person_id)
        contract = rows[-1][0]
        vectors = [np.frombuffer(raw, "<f4") for own, raw in rows if own == contract]
        if not vectors:
            raise DataLoss("The templates of this enrolment are gone.")
        mean = np.mean([one / np.linalg.norm(one) for one in vectors], axis=0).astype(np.float32)
        held = Held(person_id=found.person_id, contract=contract, expires_ns=found.expires_ns, vector=mean)
        text = write_token(self._token_key, office.site_id, held)
        details = {"reason": "the template went to its holder; none stays here"}
        await office.log(AuditKind.ENROLMENT_ENDED, "person:enrolled", found.person_id, details)
        signature = replace(issued.consent, sealed_signature=b"") if issued.consent else None
        office.store.put(found.person_id, replace(issued, sealed_name=b"", consent=signature))
        office.store.destroy(found.person_id)
        return HolderToken(text=text, expires_ns=found.expires_ns)

    def _open(self, message: OpenToken) -> TokenOpened:
        office = self._office
        held = read_token(self._token_key, office.site_id, message.text, office.now_ns())
        found = office.store.get(FaceEnrolment, held.person_id)
        if found is None or rules.phase(found, office.now_ns()) is not EnrolmentPhase.ISSUED:
            raise PermissionDenied("This token was taken back.")
        return TokenOpened(permit=self._permit(held.person_id), contract=held.contract, vector=held.vector)

    async def _note(self, message: NoteVerification) -> Appended:
        details = {
            "operator": message.operator,
            "outcome": message.problem or ("same" if message.is_same else "different"),
            "likelihood_log10": f"{message.likelihood:.1f}",
            "presentation": message.presentation.value,
        }
        index = await self._office.log(
            AuditKind.CHECKPOINT_VERIFIED, "process:enroller", message.subject[:64], details
        )
        return Appended(index=index)
