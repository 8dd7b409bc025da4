"""The way to the identity provider and back."""

import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from custodes.config import OidcConfig
from custodes.errors import ConfigError, CustodesError, NotFound
from custodes.types.access import AuditKind, AuditRecord
from custodes.units import NS_PER_S
from custodes.web.auth.me import place_of
from custodes.web.auth.oidc import STATE_NS, IdentityProvider
from custodes.web.auth.routes import address_of, set_session
from custodes.web.deps import deps_of, page, present, visitor_of
from custodes.web.errors import describe
from custodes.web.gate import cookie_of
from custodes.web.language.speech import say, translated

router = APIRouter(include_in_schema=False)

_COOKIE = "custodes_oidc"
_CALLBACK = "/login/oidc/callback"
_Short = Annotated[str, Query(max_length=4096)]


def read_secret(config: OidcConfig) -> str:
    """The client's secret, from where the configuration says. Raises: ConfigError."""
    kind, _, where = config.client_secret.partition(":")
    if not kind:
        return ""
    try:
        return os.environ[where] if kind == "env" else Path(where).read_text(encoding="utf-8").strip()
    except (KeyError, OSError) as error:
        raise ConfigError(f"oidc.client_secret: nothing at {config.client_secret}") from error


@router.get("/login/oidc")
async def depart(request: Request) -> Response:
    """To the provider, to log in."""
    return await _depart(request, "")


@router.post("/me/oidc")
async def link(request: Request) -> Response:
    """To the provider, to link my account with it."""
    return await _depart(request, present(request).principal.user_id)


@router.get(_CALLBACK)
async def arrive(request: Request, state: _Short = "", code: _Short = "") -> Response:
    """Back again: log in."""
    deps = deps_of(request)
    try:
        account = await _provider(request).arrive(
            state=state, code=code, browser=request.cookies.get(_COOKIE, "")[:128]
        )
        known = await deps.catalog.account(account.user_id)
        if known is not None and known.oidc_subject != account.oidc_subject:
            details = {"user_id": account.user_id, "what": "identity provider", "change": "added"}
            await deps.warden.append(
                AuditRecord(
                    kind=AuditKind.CREDENTIAL_CHANGED, actor=account.name, subject=account.name, details=details
                )
            )
            await deps.catalog.put_account(account)
        logged_in = await deps.auth.open_session(account, address=address_of(request), method="identity provider")
    except CustodesError as error:
        status, _, problem = describe(error)
        return page(request, "login.html", status=status, problem=problem, name="", provider=_label(request))
    # a page of ours, not a redirect: our Strict cookie goes along only with what our own page asks for
    answer = page(request, "continue.html", to="/", words=translated("Logged in"))
    set_session(request, answer, logged_in)
    answer.delete_cookie(_COOKIE, path=_CALLBACK)
    return answer


async def _depart(request: Request, user_id: str) -> Response:
    departure = await _provider(request).depart(
        redirect_uri=place_of(request).origin + _CALLBACK, link_user_id=user_id
    )
    # a page of ours: browsers hold `form-action 'self'` against redirects that follow a form
    answer = page(
        request,
        "continue.html",
        to=departure.address,
        words=say("On to {provider}", provider=_provider(request).label),
    )
    answer.set_cookie(
        _COOKIE,
        departure.browser,
        max_age=STATE_NS // NS_PER_S,
        path=_CALLBACK,
        secure=cookie_of(request).is_secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def _provider(request: Request) -> IdentityProvider:
    provider = deps_of(request).provider
    if provider is None:
        raise NotFound("No identity provider is configured.")
    return provider


def _label(request: Request) -> str:
    provider = deps_of(request).provider
    return provider.label if provider is not None and visitor_of(request) is None else ""
