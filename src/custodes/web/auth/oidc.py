"""Logging in through an identity provider (OpenID Connect, code flow with PKCE), for accounts that linked it before.

The provider says who somebody is; what they may do stays here. An unknown subject gets no account. One login is one
`state`, bound to the browser by a cookie, used once within ten minutes. authlib does the flow, joserfc the ID token.
"""

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from custodes.config import OidcConfig
from custodes.errors import PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable
from custodes.ports.catalog import Account
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S

STATE_NS = 10 * 60 * NS_PER_S
MAX_STATES = 1024
_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 256 * 1024
_SKEW_S = 60
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
"""Never `none`, never a shared secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    browser: str
    nonce: str
    verifier: str
    redirect_uri: str
    link_user_id: str
    """Empty for a login; else whose account is to be linked."""
    made_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where the browser goes, and the secret that it keeps meanwhile."""

    address: str
    browser: str


class IdentityProvider:
    """One configured provider."""

    def __init__(self, *, config: OidcConfig, secret: str, catalog: AsyncCatalog, clock: Clock) -> None:
        self._config = config
        self._secret = secret
        self._catalog = catalog
        self._clock = clock
        self._pending: OrderedDict[str, _Pending] = OrderedDict()

    @property
    def label(self) -> str:
        """What people call it."""
        return self._config.label

    async def depart(self, *, redirect_uri: str, link_user_id: str = "") -> Departure:
        """Begin. Raises: Unavailable when the provider does not answer."""
        metadata = await self._metadata()
        state, browser = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        pending = _Pending(
            browser=browser,
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=redirect_uri,
            link_user_id=link_user_id,
            made_ns=self._clock.monotonic_ns(),
        )
        self._pending[state] = pending
        while len(self._pending) > MAX_STATES:
            self._pending.popitem(last=False)
        async with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=pending.nonce, code_verifier=pending.verifier
            )
        return Departure(address=str(address), browser=browser)

    async def arrive(self, *, state: str, code: str, browser: str) -> Account:
        """Whose account it is, linked just now or before.

        Raises: Unauthenticated for a forged, used or late answer and for a subject without an account; Unavailable.
        """
        pending = self._pending.pop(state, None)
        if (
            pending is None
            or self._clock.monotonic_ns() - pending.made_ns > STATE_NS
            or not hmac.compare_digest(pending.browser.encode(), browser.encode())
        ):
            raise Unauthenticated("That login was not begun here, took too long, or was used already. Begin again.")
        subject = await self._subject(pending, code)
        accounts = await self._catalog.accounts()
        owner = next((one for one in accounts if one.oidc_subject == subject), None)
        if pending.link_user_id:
            return await self._link(pending.link_user_id, subject, accounts, owner)
        if owner is None or owner.is_disabled:
            raise Unauthenticated(
                f"{self.label} knows you, but no account here is linked with it. Log in otherwise and link it first."
            )
        return owner

    async def _link(self, user_id: str, subject: str, accounts: list[Account], owner: Account | None) -> Account:
        if owner is not None and owner.user_id != user_id:
            raise PermissionDenied("That identity is linked with somebody else's account.")
        account = next((one for one in accounts if one.user_id == user_id and not one.is_disabled), None)
        if account is None:
            raise Unauthenticated("This account is not there any more.")
        return replace(account, oidc_subject=subject)

    async def _subject(self, pending: _Pending, code: str) -> str:
        """`issuer subject` of a verified ID token (OpenID Connect Core 3.1.3.7)."""
        metadata = await self._metadata()
        try:
            async with self._client(pending.redirect_uri) as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    code=code,
                    code_verifier=pending.verifier,
                    grant_type="authorization_code",
                )
            keys = KeySet.import_key_set(await self._get(metadata["jwks_uri"]))  # type: ignore[arg-type] # checked there
            claims = jwt.decode(str(token["id_token"]), keys, algorithms=_ALGORITHMS).claims
            now_s = self._clock.now_ns() // NS_PER_S
            wanted = jwt.JWTClaimsRegistry(
                now=now_s,
                leeway=_SKEW_S,
                iss={"essential": True, "value": self._config.issuer},
                sub={"essential": True},
                exp={"essential": True},
                aud={"essential": True, "value": self._config.client_id},
                nonce={"essential": True, "value": pending.nonce},
            )
            wanted.validate(claims)
        except (JoseError, KeyError, ValueError, TypeError) as error:
            raise Unauthenticated(f"What {self.label} said does not hold.") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.label} does not answer.") from error
        except AuthlibBaseError as error:
            raise Unauthenticated(f"{self.label} did not confirm the login.") from error
        return f"{self._config.issuer} {claims['sub']}"

    async def _metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery; the issuer has to be the one we were told."""
        found = await self._get(self._config.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self._config.issuer:
            raise Unavailable(f"{self.label} calls itself {str(found.get('issuer'))[:200]!r}, not as configured.")
        return found

    async def _get(self, address: str) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client:
                answer = await client.get(address)
            answer.raise_for_status()
            if len(answer.content) > _MAX_ANSWER_BYTES:
                raise ResourceExhausted(f"{self.label} answered with {len(answer.content)} bytes.")
            tree = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"{self.label} does not answer.") from error
        if not isinstance(tree, dict):
            raise Unavailable(f"{self.label} does not answer as a provider does.")
        return tree

    def _client(self, redirect_uri: str) -> Any:
        return AsyncOAuth2Client(
            client_id=self._config.client_id,
            client_secret=self._secret,
            redirect_uri=redirect_uri,
            scope="openid",
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )
