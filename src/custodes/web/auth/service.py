"""Login, logout and sessions. Every step is logged by the warden before it counts (fail closed).

HTTP is not here; the routes are in `web.auth.routes`. How somebody comes to an account is in `web.auth.joining`.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace

import structlog

from custodes.errors import (
    InvalidArgument,
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
from custodes.web.auth.factors import token_hash
from custodes.web.auth.limits import FailureLimits
from custodes.web.auth.passwords import Passwords, check_password, name_key
from custodes.web.auth.people import principal_of
from custodes.web.auth.second_factor import SecondFactor

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

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        clock: Clock,
        passwords: Passwords,
        factor: SecondFactor,
        site_name: str,
    ) -> None:
        self._site_name = site_name
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._passwords = passwords
        self._factor = factor
        self._limits = FailureLimits(clock)

    # -- login and logout ---------------------------------------------------------------------------------

    async def log_in(self, *, name: str, password: str, address: str, code: str = "") -> LoggedIn:
        """Raises: Unauthenticated (always the same sentence, after the same time), ResourceExhausted, Unavailable."""
        key = name_key(name)[:256]
        self._refuse_guessing(address, key)
        # counted before the slow part, so that parallel guesses do not slip through together
        self._limits.failed(address=address, name=key)
        account = next((one for one in await self._catalog.accounts() if name_key(one.name) == key), None)
        is_right = await self._passwords.verify(account.password_hash if account else None, password)
        step = await self._step(account, code)
        is_coded = account is None or not account.has_totp or step is not None
        if account is None or account.is_disabled or not is_right or not is_coded:
            # an unknown name is not logged as typed: people type passwords into the wrong field
            known = account.name if account else "(unknown name)"
            await self.log(AuditKind.LOGIN_FAILED, known, known, {"address": address})
            raise Unauthenticated(WRONG)
        if step is not None:
            await self._factor.use(account, step)
        method = "password and code" if account.has_totp else "password"
        logged_in = await self.open_session(account, address=address, method=method)
        self._limits.succeeded(address=address, name=key)
        return logged_in

    async def prove(self, session: LoginSession, *, password: str, code: str, address: str) -> LoggedIn:
        """Prove again who is at the keyboard, before a sensitive act: `renew`.

        Raises: Unauthenticated, ResourceExhausted, Unavailable.
        """
        account = await self.account_of(session)
        key = name_key(account.name)[:256]
        self._refuse_guessing(address, key)
        self._limits.failed(address=address, name=key)
        is_right = await self._passwords.verify(account.password_hash or None, password)
        step = await self._step(account, code)
        if not is_right or (account.has_totp and step is None):
            await self.log(AuditKind.LOGIN_FAILED, account.name, account.name, {"address": address, "how": "prove"})
            raise Unauthenticated(WRONG)
        if step is not None:
            await self._factor.use(account, step)
        self._limits.succeeded(address=address, name=key)
        return await self.renew(session)

    async def _step(self, account: Account | None, code: str) -> int | None:
        try:
            return await self._factor.step(account, code)
        except Unavailable as error:
            raise Unavailable(LOG_IS_DOWN) from error

    async def check_password(self, password: str, *, name: str) -> None:
        """Raises: InvalidArgument in words; made of the names of the place it is easy to guess."""
        names = [self._site_name, *(spec.name for spec in await self._catalog.cameras())]
        pieces = [piece for one in names for piece in one.split() if len(piece) > 2]
        check_password(password, name=name, words=("custodes", *names, *pieces))

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
        await self.check_password(new, name=account.name)
        changed = replace(account, password_hash=await self._passwords.hash(new))
        details = {"user_id": account.user_id, "what": "password", "change": "changed"}
        await self.log(AuditKind.CREDENTIAL_CHANGED, account.name, account.name, details)
        await self._catalog.put_account(changed)
        await self._catalog.end_sessions(account.user_id)
        return await self.open_session(changed, address=address, method=session.method)

    async def renew(self, session: LoginSession) -> LoggedIn:
        """The person proved themselves just now, by whatever means: the session goes on under a new cookie.

        The old cookie is worth nothing from here on; pictures that run under it go on, and so do forms of other tabs.
        Raises: Unauthenticated when the session has ended meanwhile.
        """
        cookie = secrets.token_urlsafe(_TOKEN_BYTES)
        renewed = replace(session, token_hash=_sha256(cookie), proven_ns=self._clock.now_ns())
        if not await self._catalog.renew_session(session.token_hash, renewed):
            raise Unauthenticated("Your session has ended. Log in again.")
        return LoggedIn(cookie=cookie, session=renewed)

    def is_fresh(self, session: LoginSession) -> bool:
        """Whether the proof is recent enough for a sensitive act."""
        return 0 <= self._clock.now_ns() - session.proven_ns < FRESH_NS

    async def account_of(self, session: LoginSession) -> Account:
        """Whose session it is. Raises: Unauthenticated when the account is gone."""
        for account in await self._catalog.accounts():
            if account.user_id == session.user_id and not account.is_disabled:
                return account
        raise Unauthenticated("This account is not there any more.")

    def refuse_guessing(self, address: str, what: str = "passkey") -> None:
        """Raises: ResourceExhausted when this address failed too often; counts one try."""
        self._refuse_guessing(address, what)
        self._limits.failed(address=address, name=what)

    def forgive(self, address: str, what: str = "passkey") -> None:
        """The try that `refuse_guessing` counted was a good one."""
        self._limits.succeeded(address=address, name=what)

    async def log_out(self, visitor: Principal, session: LoginSession) -> None:
        """End the session in any case; the entry follows if the warden is there."""
        await self._catalog.end_session(session.token_hash)
        try:
            await self.log(AuditKind.LOGOUT, visitor.name, visitor.name, {})
        except Unavailable:
            structlog.get_logger().warning("logout_not_logged", why="the warden is down")

    async def from_token(self, text: str) -> tuple[Principal, LoginSession] | None:
        """Whose API token this is, narrowed to the token's roles; None when unknown, expired or its owner is gone."""
        hashed, now_ns = token_hash(text), self._clock.now_ns()
        kept = next((one for one in await self._catalog.api_tokens() if one.token_hash == hashed), None)
        if kept is None or not kept.created_ns <= now_ns < kept.expires_ns:
            return None
        owner = await self._catalog.account(kept.user_id)
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

    async def resume(self, cookie: str, *, is_active: bool) -> tuple[Principal, LoginSession, str] | None:
        """Whose cookie this is and the language of their pages, or None.

        `is_active`: a person did something, so the idle time starts again.
        """
        session = await self._catalog.session(_sha256(cookie))
        now_ns = self._clock.now_ns()
        if session is None or not session.created_ns <= now_ns < session.expires_ns:
            return None
        account = await self._catalog.account(session.user_id)
        if account is None or account.is_disabled:
            return None
        if is_active and now_ns - session.last_seen_ns > _TOUCH_NS:
            touched = replace(session, last_seen_ns=now_ns, expires_ns=_expiry(session.created_ns, now_ns))
            try:
                if not await self._catalog.renew_session(session.token_hash, touched):
                    return None  # it ended while this request was on its way
            except ResourceExhausted as error:
                # On a full disk people must still see that it is full; the session ends a little earlier at worst.
                structlog.get_logger().warning("session_not_prolonged", why=str(error))
            else:
                session = touched
        return principal_of(account), session, account.language

    async def is_alive(self, session: LoginSession) -> bool:
        """Whether a session that opened a long-lived connection still counts, under whatever cookie it goes on.

        Proven again it has another cookie and the same form token, whichever server was asked to.
        """
        kept = await self._catalog.session(session.token_hash)
        if kept is None:
            going_on = await self._catalog.sessions(session.user_id)
            kept = next((one for one in going_on if one.csrf_token == session.csrf_token), None)
        return kept is not None and self._clock.now_ns() < kept.expires_ns

    async def open_session(self, account: Account, *, address: str, method: str = "password") -> LoggedIn:
        """For somebody whose proof has been checked: log, then a session. Raises: Unavailable."""
        await self.log(AuditKind.LOGIN, account.name, account.name, {"address": address, "how": method})
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

    async def log(self, kind: AuditKind, actor: str, subject: str, details: dict[str, str]) -> None:
        """Durable when it returns. Raises: Unavailable, in words for who wants to log in."""
        try:
            await self._warden.append(AuditRecord(kind=kind, actor=actor, subject=subject, details=details))
        except Unavailable as error:
            raise Unavailable(LOG_IS_DOWN) from error

    def _refuse_guessing(self, address: str, name: str) -> None:
        wait_s = self._limits.wait_s(address=address, name=name)
        if wait_s > 0:
            wait = _in_words(wait_s)
            raise ResourceExhausted(f"Too many wrong tries. Wait {wait} and try again.")


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


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"
