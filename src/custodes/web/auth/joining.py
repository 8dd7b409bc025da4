"""How somebody comes to an account, or back into it: first-boot token, invitation, link for a forgotten password.

Every step is logged by the warden before it counts (fail closed). Logging in is in `web.auth.service`.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied, Unavailable
from custodes.ports.catalog import Account, PasswordReset
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.access import AuditKind, Role
from custodes.units import NS_PER_S, Ns
from custodes.web.auth.passwords import Passwords, clean_name
from custodes.web.auth.service import AuthService, LoggedIn

RESET_NS = 24 * 3600 * NS_PER_S
"""How long a link for a forgotten password is good: it is handed over, and used the same day."""
FIRST_BOOT, INVITATION, RESET = "first-boot", "invitation", "reset"
"""What tries are counted as, beside the address."""
_TOKEN_BYTES = 32
STALE = "That link is unknown, used or expired. Ask whoever manages people for a new one."


class Joining:
    """All that makes accounts, or lets people back into theirs."""

    def __init__(self, *, catalog: AsyncCatalog, auth: AuthService, clock: Clock, passwords: Passwords) -> None:
        self._catalog = catalog
        self._auth = auth
        self._clock = clock
        self._passwords = passwords
        self._claim_hash: bytes | None = None

    async def offer_first_boot(self) -> str | None:
        """A new token while no account exists; only its hash is kept. None once somebody has an account."""
        if await self._catalog.accounts():
            return None
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._claim_hash = _sha256(token)
        return token

    async def is_claimed(self) -> bool:
        """Whether an account exists."""
        return bool(await self._catalog.accounts())

    def check_claim(self, token: str, *, address: str) -> None:
        """Raises: PermissionDenied if `token` is not the one of this start, ResourceExhausted when guessing."""
        self._auth.refuse_guessing(address, FIRST_BOOT)
        if self._claim_hash is None:
            raise FailedPrecondition("This site has its first account already. Log in with it.")
        if not hmac.compare_digest(_sha256(token.strip()), self._claim_hash):
            raise PermissionDenied(
                "That is not the token of this start. It is printed in the terminal where the site was started, and "
                "each start makes a new one."
            )
        self._auth.forgive(address, FIRST_BOOT)

    async def claim(
        self,
        *,
        token: str,
        name: str,
        password: str,
        roles: frozenset[Role],
        address: str,
        enrol: Callable[[Account], Awaitable[None]] | None = None,
    ) -> LoggedIn:
        """Create the first account and log in. `enrol` keeps its passkey instead of a password.

        Raises: as `check_claim`; InvalidArgument in words; FailedPrecondition if somebody was faster; Unavailable if
        the warden cannot log it.
        """
        self.check_claim(token, address=address)
        name = clean_name(name)
        password_hash = ""
        if enrol is None:
            await self._auth.check_password(password, name=name)
            password_hash = await self._passwords.hash(password)
        # taken before the next await: of two claims at once, one finds no token left
        claim_hash, self._claim_hash = self._claim_hash, None
        if claim_hash is None or await self._catalog.accounts():
            raise FailedPrecondition("Somebody else has just made the first account. Log in with it.")
        account = Account(
            user_id=first_user_id(token),
            name=name,
            password_hash=password_hash,
            roles=roles | {Role.ADMINISTRATOR},
            created_ns=self._clock.now_ns(),
        )
        try:
            await self._auth.log(
                AuditKind.USER_CREATED, name, name, {"roles": _role_list(account.roles), "how": "first-boot token"}
            )
            if enrol is not None:
                await enrol(account)
            await self._catalog.put_account(account)
        except (Unavailable, AlreadyExists):
            self._claim_hash = claim_hash
            raise
        return await self._auth.open_session(account, address=address)

    async def accept(self, *, token: str, password: str, address: str) -> LoggedIn:
        """Make the account that an invitation promised and log in.

        Raises: PermissionDenied for an unknown, used or expired token; InvalidArgument in words; ResourceExhausted;
        AlreadyExists if the name was taken meanwhile; Unavailable.
        """
        await self._auth.check_password(password, name="")
        self._auth.refuse_guessing(address, INVITATION)
        password_hash = await self._passwords.hash(password)
        now_ns = self._clock.now_ns()
        invitation = await self._catalog.take_invitation(_sha256(token.strip()), now_ns)
        if invitation is None:
            raise PermissionDenied("That invitation is unknown, used or expired. Ask for a new one.")
        self._auth.forgive(address, INVITATION)
        account = Account(
            user_id=secrets.token_hex(8),
            name=invitation.name,
            password_hash=password_hash,
            roles=invitation.roles,
            created_ns=now_ns,
            cameras=invitation.cameras,
            duty=invitation.duty,
        )
        try:
            details = {"roles": _role_list(account.roles), "how": "invitation", "by": invitation.invited_by}
            await self._auth.log(AuditKind.USER_CREATED, account.name, account.name, details)
            await self._catalog.put_account(account)
        except Unavailable:
            await self._catalog.put_invitation(invitation)
            raise
        return await self._auth.open_session(account, address=address)

    # -- a forgotten password -----------------------------------------------------------------------------

    async def offer_reset(self, account: Account, *, actor: str, actor_id: str, forgets_code: bool) -> str:
        """A token that sets this account's password anew, once, within a day; an earlier one counts no more.

        Raises: FailedPrecondition for oneself, who knows the password or has another way in, and for a disabled
        account; Unavailable when the warden cannot log it.
        """
        if account.user_id == actor_id:
            raise FailedPrecondition("Change your own password on your own page, or ask another administrator.")
        if account.is_disabled:
            raise FailedPrecondition(f"{account.name} cannot log in at all. Enable the account first.")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        details = {
            "user_id": account.user_id,
            "what": "password",
            "change": "link to set it anew",
            "code": "forgotten, too" if forgets_code else "stays",
        }
        await self._auth.log(AuditKind.CREDENTIAL_CHANGED, actor, account.name, details)
        reset = PasswordReset(
            token_hash=_sha256(token),
            user_id=account.user_id,
            made_by=actor,
            forgets_code=forgets_code,
            expires_ns=Ns(self._clock.now_ns() + RESET_NS),
        )
        await self._catalog.put_reset(reset)
        return token

    async def reset(self, *, token: str, password: str, address: str) -> None:
        """Set the password; every session of the account ends. Who did it logs in with it, and with the code.

        Raises: PermissionDenied, always the same, for whatever is no good link; InvalidArgument in words, and the link
        stays good; ResourceExhausted; Unavailable.
        """
        await self._auth.check_password(password, name="")
        self._auth.refuse_guessing(address, RESET)
        password_hash = await self._passwords.hash(password)
        now_ns = self._clock.now_ns()
        taken = await self._catalog.take_reset(_sha256(token.strip()), now_ns)
        account = None
        if taken is not None:
            account = await self._catalog.account(taken.user_id)
        if taken is None or account is None or account.is_disabled:
            raise PermissionDenied(STALE)
        self._auth.forgive(address, RESET)
        try:
            await self._auth.check_password(password, name=account.name)
            details = {"user_id": account.user_id, "what": "password", "change": "set anew", "link_by": taken.made_by}
            await self._auth.log(
                AuditKind.CREDENTIAL_CHANGED, account.name, account.name, {**details, "address": address}
            )
        except (InvalidArgument, Unavailable):
            await self._catalog.put_reset(taken)
            raise
        changed = replace(account, password_hash=password_hash)
        if taken.forgets_code:
            changed = replace(changed, totp_sealed=b"", totp_secret="", totp_step=0)
        await self._catalog.put_account(changed)
        await self._catalog.end_sessions(account.user_id)


def first_user_id(token: str) -> str:
    """Id of the account that a first-boot token makes: known before it exists, for its passkey."""
    return hashlib.sha256(b"first account\n" + token.strip().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _role_list(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(role.value for role in roles))
