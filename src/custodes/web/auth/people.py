"""Who has an account and what it may do: invite, change, disable. Each change is logged before it counts.

Whether the caller may is decided by the gate (`manage_people`); what nobody may do to themselves is decided here.
"""

import hashlib
import secrets
from dataclasses import replace

from custodes.access.cases import carries
from custodes.access.duty import duty_words
from custodes.access.explain import Explanation, explain
from custodes.access.policy import Circumstances, Policies
from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.ports.catalog import Account, Invitation
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import (
    MINUTES_PER_DAY,
    AccessRequest,
    Action,
    AuditKind,
    AuditRecord,
    CameraScope,
    DutyHours,
    Fidelity,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.types.cases import CaseFile, ReadCase
from custodes.types.people import PersonRow
from custodes.units import NS_PER_S, CameraId, Ns, SessionId
from custodes.web.auth.passwords import clean_name, name_key

INVITATION_NS = 72 * 3600 * NS_PER_S
CLI = "process:cli"
"""Actor of changes made in a terminal of the site's own user."""
_EXPLAIN_SPAN_NS = Ns(60 * NS_PER_S)


async def person_rows(catalog: AsyncCatalog) -> tuple[PersonRow, ...]:
    """All accounts by name, without anything secret."""
    keys = await catalog.passkeys()
    return tuple(
        PersonRow(
            user_id=one.user_id,
            name=one.name,
            roles=one.roles,
            cameras=one.cameras,
            duty=one.duty,
            is_disabled=one.is_disabled,
            passkeys=sum(key.user_id == one.user_id for key in keys),
            has_totp=one.has_totp,
        )
        for one in await catalog.accounts()
    )


def principal_of(account: Account) -> Principal:
    """Who this account is to the policies. A disabled one has no role."""
    return Principal(
        user_id=account.user_id,
        name=account.name,
        roles=frozenset() if account.is_disabled else account.roles,
        cameras=account.cameras,
        duty=account.duty,
    )


class People:
    """All that changes accounts, but their proofs of identity."""

    def __init__(self, *, catalog: AsyncCatalog, warden: Warden, clock: Clock) -> None:
        self._catalog = catalog
        self._warden = warden
        self._clock = clock

    async def find(self, name: str) -> Account:
        """By name, without regard to case. Raises: NotFound."""
        key = name_key(name)
        for account in await self._catalog.accounts():
            if name_key(account.name) == key:
                return account
        raise NotFound(f"There is no account named {name[:64]!r}.")

    async def invite(
        self, *, actor: str, name: str, roles: frozenset[Role], cameras: CameraScope, duty: DutyHours
    ) -> str:
        """A token that makes the account; valid for 72 hours, usable once.

        Raises: InvalidArgument in words, AlreadyExists, Unavailable when the warden cannot log it.
        """
        name = clean_name(name)
        _check(roles, duty)
        if any(name_key(one.name) == name_key(name) for one in await self._catalog.accounts()):
            raise AlreadyExists(f"There is an account named {name!r} already.")
        details = {**_what(roles, cameras, duty), "how": "invited"}
        await self._log(AuditKind.USER_CHANGED, actor, name, details)
        token = secrets.token_urlsafe(32)
        invitation = Invitation(
            token_hash=invitation_hash(token),
            name=name,
            roles=roles,
            cameras=cameras,
            duty=duty,
            invited_by=actor,
            expires_ns=Ns(self._clock.now_ns() + INVITATION_NS),
        )
        await self._catalog.put_invitation(invitation)
        return token

    async def change(
        self,
        account: Account,
        *,
        actor: str,
        actor_id: str,
        roles: frozenset[Role],
        cameras: CameraScope,
        duty: DutyHours,
        is_disabled: bool,
    ) -> None:
        """Replace roles, cameras, hours; the person is logged out everywhere.

        Raises: PermissionDenied when people would change what they themselves may do, although another administrator
        is there; FailedPrecondition when nobody could administer afterwards; InvalidArgument; Unavailable.
        """
        _check(roles, duty)
        others = [
            one
            for one in await self._catalog.accounts()
            if one.user_id != account.user_id and not one.is_disabled and Role.ADMINISTRATOR in one.roles
        ]
        if not others and (is_disabled or Role.ADMINISTRATOR not in roles):
            raise FailedPrecondition(
                "Nobody could administer the site any more. Make somebody else administrator first."
            )
        if actor_id == account.user_id and others:
            raise PermissionDenied("Nobody changes what they themselves may do. Ask another administrator.")
        changed = replace(account, roles=roles, cameras=cameras, duty=duty, is_disabled=is_disabled)
        if changed == account:
            return
        details = {
            **_what(roles, cameras, duty),
            "was": ", ".join(sorted(account.roles)),
            "disabled": "yes" if is_disabled else "no",
        }
        if actor_id == account.user_id:
            details["self"] = "the only administrator changed their own account"
        await self._log(AuditKind.USER_CHANGED, actor, account.name, details)
        await self._catalog.put_account(changed)
        if actor_id != account.user_id:
            # logged out everywhere: what was opened under the old roles ends within seconds
            await self._catalog.end_sessions(account.user_id)

    async def explain(
        self,
        account: Account,
        *,
        action: str,
        camera_id: str,
        purpose: str,
        reference: str,
        fidelity: str,
        policies: Policies,
        circumstances: Circumstances,
    ) -> Explanation:
        """What the gate would answer now, and what would change it. Nothing is asked for and nothing logged.

        Raises: InvalidArgument for an unknown action, purpose or fidelity.
        """
        try:
            wanted = Action(action)
            kind = PurposeKind(purpose) if purpose else _usual_purpose(wanted)
            shown = Fidelity(fidelity)
        except ValueError as error:
            raise InvalidArgument(f"{error}; see `custodes access explain --help`") from error
        now_ns = self._clock.now_ns()
        request = AccessRequest(
            principal=principal_of(account),
            action=wanted,
            purpose=Purpose(kind=kind, reference=reference),
            camera_id=CameraId(camera_id),
            start_ns=Ns(now_ns - _EXPLAIN_SPAN_NS),
            end_ns=now_ns,
            fidelity=shown,
            session_id=SessionId("explain"),
        )
        around = replace(circumstances, is_in_case=await self._is_in_case(request))
        return explain(request, policies, around)

    async def _is_in_case(self, asked: AccessRequest) -> bool:
        """What the warden's register says of a look's reference."""
        if asked.purpose.kind is not PurposeKind.CASE or not asked.purpose.reference.strip():
            return False
        try:
            found = await self._warden.about_cases(ReadCase(principal=asked.principal, number=asked.purpose.reference))
        except NotFound:
            return False
        assert isinstance(found, CaseFile)
        return carries(found.case, asked.principal.user_id)

    async def _log(self, kind: AuditKind, actor: str, subject: str, details: dict[str, str]) -> None:
        await self._warden.append(AuditRecord(kind=kind, actor=actor, subject=subject, details=details))


def invitation_hash(token: str) -> bytes:
    """What is stored of an invitation's token."""
    return hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).digest()


def _check(roles: frozenset[Role], duty: DutyHours) -> None:
    if len(roles) == len(Role):
        raise InvalidArgument("Nobody has every role: then nobody would watch the watcher.")
    if not 0 <= duty.from_minute <= MINUTES_PER_DAY or not 0 <= duty.until_minute <= MINUTES_PER_DAY:
        raise InvalidArgument("Duty hours lie within a day.")


def _what(roles: frozenset[Role], cameras: CameraScope, duty: DutyHours) -> dict[str, str]:
    scope = "all" if cameras.is_all else ",".join(sorted(cameras.camera_ids))
    return {"roles": ", ".join(sorted(roles)), "cameras": scope[:1000], "duty": duty_words(duty) or "all day"}


def _usual_purpose(action: Action) -> PurposeKind:
    return PurposeKind.CASE if action in (Action.PLAY_BACK, Action.EXPORT) else PurposeKind.LIVE_DUTY
