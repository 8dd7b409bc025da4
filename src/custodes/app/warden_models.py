"""The warden's desk for a change of networks: who gave pictures to which, new links for who did, the former's end.

A change needs no state of its own: which network is in force and which is being prepared, the site's configuration
says (`faces.embedder`, `faces.next_embedder`); who is ready for it, the templates say.
"""

import asyncio
import secrets
from dataclasses import replace

from custodes.access import enrolment as rules
from custodes.app.warden_enrolment import EnrolmentDesk, counted, looked_after_by
from custodes.app.warden_office import Office
from custodes.errors import FailedPrecondition, InvalidArgument
from custodes.types.access import Action, AuditKind
from custodes.types.face import EnrolmentPhase, FaceEnrolment
from custodes.types.face_message import (
    EnrolmentInvited,
    ForgetNetwork,
    ModelRow,
    ModelTable,
    NetworkForgotten,
    ReadModels,
    RenewInvitation,
)

_LIVING = (EnrolmentPhase.CONSENTED, EnrolmentPhase.ACTIVE, EnrolmentPhase.REVIEW_OVERDUE)


class ModelDesk:
    """Answers what is about networks."""

    def __init__(self, office: Office, people: EnrolmentDesk) -> None:
        self._office = office
        self._people = people

    async def answer(self, message: object) -> object:
        """The answer, or None for what is not about them."""
        match message:
            case ReadModels():
                return await self._table(message)
            case RenewInvitation():
                async with self._office.lock:
                    return await self._renew(message)
            case ForgetNetwork():
                async with self._office.lock:
                    return await self._forget(message)
        return None

    async def _table(self, message: ReadModels) -> ModelTable:
        office = self._office
        await office.require(message.principal, Action.ENROL, Action.PROTECT)
        counts = office.store.contract_counts()
        rows = []
        for one in self._living():
            may_read = office.may(message.principal, looked_after_by(one))
            rows.append(
                ModelRow(
                    person_id=one.person_id if may_read else "",
                    name=self._people.name_of(one) if may_read else "",
                    is_protected=one.protects,
                    counts=counted(counts.get(one.person_id, {})),
                    wanted=rules.samples_wanted(one),
                )
            )
        return ModelTable(people=tuple(rows))

    def _living(self) -> list[FaceEnrolment]:
        now_ns = self._office.now_ns()
        return [one for one in self._office.store.all(FaceEnrolment) if rules.phase(one, now_ns) in _LIVING]

    async def _renew(self, message: RenewInvitation) -> EnrolmentInvited:
        """The text that was signed stays in force: it speaks of templates of the person's face, not of a network."""
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL, Action.PROTECT)
        found = self._people.find(message.person_id)
        await office.require(who, looked_after_by(found))
        if rules.phase(found, office.now_ns()) not in (*_LIVING, EnrolmentPhase.INVITED):
            raise FailedPrecondition("This enrolment is over; invite the person anew.")
        token = secrets.token_urlsafe(32)
        await office.log(AuditKind.INVITATION_RENEWED, who, found.person_id, {"purpose": found.purpose})
        renewed = replace(found, invite_hash=rules.token_hash(token))
        office.store.put(found.person_id, renewed)
        return EnrolmentInvited(enrolment=renewed, token=token)

    async def _forget(self, message: ForgetNetwork) -> NetworkForgotten:
        """Nobody may be lost by it, whoever asks. Then all templates are turned anew, so that every copy is stale."""
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL)
        if not message.network or message.network == message.kept:
            raise InvalidArgument("Name the network that goes, and another one that stays.")
        counts = office.store.contract_counts()
        lost = [one for one in self._living() if not self._is_ready(one, counts.get(one.person_id, {}), message.kept)]
        if lost:
            raise FailedPrecondition(
                f"{len(lost)} people have too few pictures for {message.kept}; they would be lost."
            )
        gone = sorted({one for own in counts.values() for one in own if _network(one) == message.network})
        if not gone:
            raise FailedPrecondition(f"Nobody has a template of {message.network}.")
        details = {"network": message.network, "kept": message.kept, "epoch": str(office.store.epoch + 1)}
        index = await office.log(AuditKind.NETWORK_FORGOTTEN, who, "", details)
        templates = sum(office.store.forget_contract(one) for one in gone)
        for _ in office.store.rekeying():
            await asyncio.sleep(0)
        for one in self._living():
            left = office.store.counts_of(one.person_id)
            office.store.put(one.person_id, replace(one, templates=max(left.values(), default=0)))
        return NetworkForgotten(templates=templates, log_index=index)

    @staticmethod
    def _is_ready(one: FaceEnrolment, counts: dict[str, int], network: str) -> bool:
        """Whoever has too few of anything loses nothing."""
        has = max((count for contract, count in counts.items() if _network(contract) == network), default=0)
        return has >= min(rules.samples_wanted(one), one.templates)


def _network(contract: str) -> str:
    return contract.partition(":")[0]
