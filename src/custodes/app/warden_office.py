"""What the warden's desks for recognition share: policies, log, clock, people's passkeys and the store."""

import asyncio
from dataclasses import dataclass, replace

from custodes.access.assertion import check_assertion, credential_of
from custodes.access.policy import Policies, decide_anywhere
from custodes.adapters.keys.faces import FaceStore
from custodes.adapters.keys.requests import RequestStore
from custodes.app.warden_keys import pieces, require_vouched
from custodes.app.warden_log import Append
from custodes.errors import PermissionDenied
from custodes.ports.clock import Clock
from custodes.types.access import (
    Action,
    AuditKind,
    AuditRecord,
    Decision,
    Principal,
)
from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One event loop's. `keys` is the store of passkeys that the desk for requests keeps."""

    site_id: str
    store: FaceStore
    keys: RequestStore
    append: Append
    policies: Policies
    clock: Clock
    lock: asyncio.Lock
    """Every step that changes something holds it: nothing races."""

    def now_ns(self) -> Ns:
        """The warden's clock."""
        return self.clock.now_ns()

    def may(self, principal: Principal, action: Action) -> bool:
        """What the policies say."""
        return self._decided(principal, action).is_allowed

    async def require(self, principal: Principal, *actions: Action) -> None:
        """One of the actions; a refusal is logged. Raises: PermissionDenied."""
        decisions = [self._decided(principal, action) for action in actions]
        if any(decision.is_allowed for decision in decisions):
            return
        reasons = " ".join(decisions[0].reasons)
        details = {"user_id": principal.user_id, "action": actions[0].value, "reasons": reasons[:1000]}
        await self.append(AuditRecord(kind=AuditKind.ACCESS_DENIED, actor=principal.name, subject="", details=details))
        raise PermissionDenied(reasons)

    def signed(self, principal: Principal, assertion: str, challenge: bytes) -> tuple[bytes, dict[str, str]]:
        """Check an assertion by a passkey of the person's own that somebody vouched for (ADR 43) and count it; never
        awaits, so nobody comes between.

        Returns: the credential, and the pieces for the log. Raises: PermissionDenied, InvalidArgument.
        """
        key = self.keys.key(credential_of(assertion))
        if key is None or key.user_id != principal.user_id:
            raise PermissionDenied("That passkey is not one of yours that the warden knows.")
        require_vouched(key)
        count = check_assertion(assertion, key, challenge)
        # Before anything else, so that not even a crash lets the same assertion count twice.
        self.keys.put_key(replace(key, sign_count=count))
        return key.credential_id, {"credential": key.credential_id.hex()[:128], **pieces(assertion)}

    async def log(self, kind: AuditKind, actor: Principal | str, subject: str, details: dict[str, str]) -> int:
        """Durable before it returns."""
        name, own = (actor, {}) if isinstance(actor, str) else (actor.name, {"user_id": actor.user_id})
        record = AuditRecord(
            kind=kind,
            actor=name,
            subject=subject,
            details={key: value[:1024] for key, value in (own | details).items()},
        )
        return await self.append(record)

    def _decided(self, principal: Principal, action: Action) -> Decision:
        return decide_anywhere(principal, action, self.policies, self.clock.now_ns())
