"""Login, logout, the first account and sessions. Every step is logged by the warden before it counts (fail closed).

HTTP is not here; the routes are in `web.auth.routes`.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from custodes.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from custodes.ports.catalog import Account, LoginSession
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord, Principal, Role
from custodes.units import NS_PER_S, Ns
from custodes.web.auth.factors import code_step, token_hash
from custodes.web.auth.limits import FailureLimits
from custodes.web.auth.passwords import Passwords, check_password, clean_name, name_key
from custodes.web.auth.people import invitation_hash, principal_of

IDLE_NS = 15 * 60 * NS_PER_S
FRESH_NS = 15 * 60 * NS_PER_S
ABSOLUTE_NS = 8 * 3600 * NS_PER_S
_TOUCH_NS = 20 * NS_PER_S
"""A session's last use is written at most this often."""
_TOKEN_BYTES = 32

LOG_IS_DOWN = (
    "Nobody can log in right now: the warden, which writes the audit log, is not running, and nothing happens here "
    "without a log entry. Recording goes on. Try again in a few seconds."
)
WRONG = "Name or password is wrong."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A fresh session and the cookie's value, which exists only in the browser."""

    cookie: str
    session: LoginSession


class AuthService:
    """All that changes who is logged in."""

    def __init__(self, *, catalog: AsyncCatalog, warden: Warden, clock: Clock, passwords: Passwords) -> None:
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._passwords = passwords
        self._limits = FailureLimits(clock)
        self._claim_hash: bytes | None = None

    # -- the first account ------------------------------------------------------------------------------

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
        self._refuse_guessing(address, "first-boot")
        if self._claim_hash is None:
            raise FailedPrecondition("This site has its first account already. Log in with it.")
        if not hmac.compare_digest(_sha256(token.strip()), self._claim_hash):
            self._limits.failed(address=address, name="first-boot")
            raise PermissionDenied(
                "That is not the token of this start. It is printed in the terminal where the site was started, and "
                "each start makes a new one."
            )

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
            check_password(password, name=name)
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
            await self._log(
                AuditKind.USER_CREATED, name, name, {"roles": _role_list(account.roles), "how": "first-boot token"}
            )
            if enrol is not None:
                await enrol(account)
            await self._catalog.put_account(account)
        except (Unavailable, AlreadyExists):
            self._claim_hash = claim_hash
            raise
        return await self._open_session(account, address=address)

    async def accept(self, *, token: str, password: str, address: str) -> LoggedIn:
        """Make the account that an invitation promised and log in.

        Raises: PermissionDenied for an unknown, used or expired token; InvalidArgument in words; ResourceExhausted;
        AlreadyExists if the name was taken meanwhile; Unavailable.
        """
        self._refuse_guessing(address, "invitation")
        check_password(password, name="")
        password_hash = await self._passwords.hash(password)
        now_ns = self._clock.now_ns()
        invitation = await self._catalog.take_invitation(invitation_hash(token), now_ns)
        if invitation is None:
            self._limits.failed(address=address, name="invitation")
            raise PermissionDenied("That invitation is unknown, used or expired. Ask for a new one.")
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
            await self._log(AuditKind.USER_CREATED, account.name, account.name, details)
            await self._catalog.put_account(account)
        except Unavailable:
            await self._catalog.put_invitation(invitation)
            raise
        return await self._open_session(account, address=address)

    # -- login and logout ---------------------------------------------------------------------------------

    async def log_in(self, *, name: str, password: str, address: str, code: str = "") -> LoggedIn:
        """Raises: Unauthenticated (always the same sentence, after the same time), ResourceExhausted, Unavailable."""
        key = name_key(name)[:256]
        self._refuse_guessing(address, key)
        # counted before the slow part, so that parallel guesses do not slip through together
        self._limits.failed(address=address, name=key)
        account = next((one for one in await self._catalog.accounts() if name_key(one.name) == key), None)
        is_right = await self._passwords.verify(account.password_hash if account else None, password)
        step = (
            code_step(account.totp_secret, code, self._clock.now_ns(), after_step=account.totp_step) if account else 0
        )
        is_coded = account is None or not account.totp_secret or step is not None
        if account is None or account.is_disabled or not is_right or not is_coded:
            # an unknown name is not logged as typed: people type passwords into the wrong field
            known = account.name if account else "(unknown name)"
            await self._log(AuditKind.LOGIN_FAILED, known, known, {"address": address})
            raise Unauthenticated(WRONG)
        if account.totp_secret and step is not None:
            await self._catalog.put_account(replace(account, totp_step=step))
        method = "password and code" if account.totp_secret else "password"
        logged_in = await self._open_session(account, address=address, method=method)
        self._limits.succeeded(address=address, name=key)
        return logged_in

    async def log_in_proven(self, account: Account, *, address: str, method: str) -> LoggedIn:
        """For somebody whose passkey or identity provider has been checked. Raises: Unavailable."""
        return await self._open_session(account, address=address, method=method)

    async def prove(self, session: LoginSession, *, password: str, code: str, address: str) -> None:
        """Prove again who is at the keyboard, before a sensitive act. Raises: Unauthenticated, ResourceExhausted."""
        account = await self.account_of(session)
        key = name_key(account.name)[:256]
        self._refuse_guessing(address, key)
        self._limits.failed(address=address, name=key)
        is_right = await self._passwords.verify(account.password_hash or None, password)
        step = self._step(account, code)
        if not is_right or (account.totp_secret and step is None):
            await self._log(AuditKind.LOGIN_FAILED, account.name, account.name, {"address": address, "how": "prove"})
            raise Unauthenticated(WRONG)
        if step is not None:
            await self._catalog.put_account(replace(account, totp_step=step))
        self._limits.succeeded(address=address, name=key)
        await self.note_proof(session)

    def _step(self, account: Account, code: str) -> int | None:
        return code_step(account.totp_secret, code, self._clock.now_ns(), after_step=account.totp_step)

    async def change_password(self, session: LoginSession, *, current: str, new: str, address: str) -> LoggedIn:
        """A new one; all sessions end, and this browser gets a new one.

        Raises: Unauthenticated when the current one is wrong, InvalidArgument, ResourceExhausted, Unavailable.
        """
        account = await self.account_of(session)
        key = name_key(account.name)[:256]
        self._refuse_guessing(address, key)
        self._limits.failed(address=address, name=key)
        if account.password_hash and not await self._passwords.verify(account.password_hash, current):
            raise Unauthenticated("The current password is wrong.")
        self._limits.succeeded(address=address, name=key)
        check_password(new, name=account.name)
        changed = replace(account, password_hash=await self._passwords.hash(new))
        details = {"user_id": account.user_id, "what": "password", "change": "changed"}
        await self._log(AuditKind.CREDENTIAL_CHANGED, account.name, account.name, details)
        await self._catalog.put_account(changed)
        await self._catalog.end_sessions(account.user_id)
        return await self._open_session(changed, address=address, method=session.method)

    async def note_proof(self, session: LoginSession) -> None:
        """The person proved themselves just now, by whatever means."""
        await self._catalog.put_session(replace(session, proven_ns=self._clock.now_ns()))

    def is_fresh(self, session: LoginSession) -> bool:
        """Whether the proof is recent enough for a sensitive act."""
        return 0 <= self._clock.now_ns() - session.proven_ns < FRESH_NS

    async def account_of(self, session: LoginSession) -> Account:
        """Whose session it is. Raises: Unauthenticated when the account is gone."""
        for account in await self._catalog.accounts():
            if account.user_id == session.user_id and not account.is_disabled:
                return account
        raise Unauthenticated("This account is not there any more.")

    def refuse_guessing(self, address: str) -> None:
        """Raises: ResourceExhausted when this address failed too often; counts one try."""
        self._refuse_guessing(address, "passkey")
        self._limits.failed(address=address, name="passkey")

    def forgive(self, address: str) -> None:
        """The try that `refuse_guessing` counted was a good one."""
        self._limits.succeeded(address=address, name="passkey")

    async def log_out(self, visitor: Principal, session: LoginSession) -> None:
        """End the session in any case; the entry follows if the warden is there."""
        await self._catalog.end_session(session.token_hash)
        try:
            await self._log(AuditKind.LOGOUT, visitor.name, visitor.name, {})
        except Unavailable:
            structlog.get_logger().warning("logout_not_logged", why="the warden is down")

    async def from_token(self, text: str) -> tuple[Principal, LoginSession] | None:
        """Whose API token this is, narrowed to the token's roles; None when unknown, expired or its owner is gone."""
        hashed, now_ns = token_hash(text), self._clock.now_ns()
        kept = next((one for one in await self._catalog.api_tokens() if one.token_hash == hashed), None)
        if kept is None or not kept.created_ns <= now_ns < kept.expires_ns:
            return None
        owner = next((one for one in await self._catalog.accounts() if one.user_id == kept.user_id), None)
        if owner is None or owner.is_disabled:
            return None
        session = LoginSession(
            token_hash=hashed,
            user_id=owner.user_id,
            csrf_token="",
            created_ns=kept.created_ns,
            last_seen_ns=now_ns,
            expires_ns=kept.expires_ns,
            method="API token",
        )
        return replace(principal_of(owner), roles=owner.roles & kept.roles), session

    # -- sessions -----------------------------------------------------------------------------------------

    async def resume(self, cookie: str, *, is_active: bool) -> tuple[Principal, LoginSession] | None:
        """Whose cookie this is, or None. `is_active`: a person did something, so the idle time starts again."""
        session = await self._catalog.session(_sha256(cookie))
        now_ns = self._clock.now_ns()
        if session is None or not session.created_ns <= now_ns < session.expires_ns:
            return None
        account = next((one for one in await self._catalog.accounts() if one.user_id == session.user_id), None)
        if account is None or account.is_disabled:
            return None
        if is_active and now_ns - session.last_seen_ns > _TOUCH_NS:
            touched = replace(session, last_seen_ns=now_ns, expires_ns=_expiry(session.created_ns, now_ns))
            try:
                await self._catalog.put_session(touched)
            except ResourceExhausted as error:
                # On a full disk people must still see that it is full; the session ends a little earlier at worst.
                structlog.get_logger().warning("session_not_prolonged", why=str(error))
            else:
                session = touched
        return principal_of(account), session

    async def is_alive(self, token_hash: bytes) -> bool:
        """Whether a session that opened a long-lived connection still counts."""
        session = await self._catalog.session(token_hash)
        return session is not None and self._clock.now_ns() < session.expires_ns

    async def _open_session(self, account: Account, *, address: str, method: str = "password") -> LoggedIn:
        await self._log(AuditKind.LOGIN, account.name, account.name, {"address": address, "how": method})
        now_ns = self._clock.now_ns()
        cookie = secrets.token_urlsafe(_TOKEN_BYTES)
        session = LoginSession(
            token_hash=_sha256(cookie),
            user_id=account.user_id,
            csrf_token=secrets.token_urlsafe(_TOKEN_BYTES),
            created_ns=now_ns,
            last_seen_ns=now_ns,
            expires_ns=_expiry(now_ns, now_ns),
            proven_ns=now_ns,
            method=method,
        )
        await self._catalog.put_session(session)
        return LoggedIn(cookie=cookie, session=session)

    async def _log(self, kind: AuditKind, actor: str, subject: str, details: dict[str, str]) -> None:
        try:
            await self._warden.append(AuditRecord(kind=kind, actor=actor, subject=subject, details=details))
        except Unavailable as error:
            raise Unavailable(LOG_IS_DOWN) from error

    def _refuse_guessing(self, address: str, name: str) -> None:
        wait_s = self._limits.wait_s(address=address, name=name)
        if wait_s > 0:
            raise ResourceExhausted(f"Too many wrong tries. Wait {_in_words(wait_s)} and try again.")


def first_user_id(token: str) -> str:
    """Id of the account that a first-boot token makes: known before it exists, for its passkey."""
    return hashlib.sha256(b"first account\n" + token.strip().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def parse_roles(names: list[str]) -> frozenset[Role]:
    """Roles ticked on the form. Raises: InvalidArgument."""
    try:
        return frozenset(Role(name) for name in names)
    except ValueError as error:
        raise InvalidArgument("There is no such role.") from error


def _expiry(created_ns: Ns, seen_ns: Ns) -> Ns:
    return Ns(min(seen_ns + IDLE_NS, created_ns + ABSOLUTE_NS))


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _role_list(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(role.value for role in roles))


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"
