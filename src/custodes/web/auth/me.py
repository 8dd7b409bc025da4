"""A person's own page: passkeys, the second factor, API tokens; logging in with a passkey; proving oneself again."""

import json
from dataclasses import replace
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from custodes.errors import CustodesError, InvalidArgument, NotFound
from custodes.ports.catalog import Account
from custodes.types.access import AuditKind, AuditRecord, Role
from custodes.web.auth.factors import make_token, new_secret, otp_uri
from custodes.web.auth.joining import first_user_id
from custodes.web.auth.passkeys import Place, parse_credential
from custodes.web.auth.passwords import clean_name
from custodes.web.auth.routes import address_of, set_session
from custodes.web.auth.service import parse_roles
from custodes.web.auth.sessions import own_sessions
from custodes.web.deps import deps_of, page, present
from custodes.web.errors import describe
from custodes.web.gate import cookie_of, is_password_alone
from custodes.web.language.reported import reported
from custodes.web.language.speech import Words, language_of, translated
from custodes.web.shell import host_name
from custodes.web.words import ROLE_WORDS

METHOD_WORDS: Words[str] = Words(
    {"": "password", "password": "password", "password and code": "password and code", "passkey": "passkey"}
)
"""How a session was opened; a provider's name is its own."""

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=200)]
_Secret = Annotated[str, Form(max_length=1024)]
_Body = Annotated[dict[str, Any], Body()]
_LOGIN_KEY = "login"


def place_of(request: Request) -> Place:
    """The page as this browser sees it; the Shell has checked the host."""
    host = request.headers.get("host", "")
    scheme = "https" if cookie_of(request).is_secure else "http"
    return Place(rp_id=host_name(host), origin=f"{scheme}://{host}")


# -- the first account, without a password ---------------------------------------------------------------------


@router.post("/first-boot/passkey/options")
async def first_options(request: Request, body: _Body) -> Response:
    """For whoever holds the token from the terminal: options for the first account's passkey."""
    deps = deps_of(request)
    token = str(body.get("token", ""))[:128]
    deps.joining.check_claim(token, address=address_of(request))
    return _json(
        await deps.passkeys.registration(_first(request, token, str(body.get("name", ""))), place_of(request))
    )


@router.post("/first-boot/passkey")
async def claim_with_passkey(request: Request, body: _Body) -> Response:
    """Make the first account with the passkey and log in."""
    deps, place = deps_of(request), place_of(request)
    token, name = str(body.get("token", ""))[:128], str(body.get("name", ""))[:1024]
    deps.joining.check_claim(token, address=address_of(request))
    roles = body.get("roles")
    wanted = parse_roles([str(one) for one in roles[: len(Role)]] if isinstance(roles, list) else [])
    key = deps.passkeys.checked(
        _first(request, token, name), place, parse_credential(body.get("credential")), "First passkey"
    )

    async def enrol(account: Account) -> None:
        await deps.passkeys.keep(account, key, place)

    logged_in = await deps.joining.claim(
        token=token, name=name, password="", roles=wanted, address=address_of(request), enrol=enrol
    )
    answer = JSONResponse({"to": "/"})
    set_session(request, answer, logged_in)
    return answer


def _first(request: Request, token: str, name: str) -> Account:
    """The account that is about to be made."""
    return Account(
        user_id=first_user_id(token),
        name=clean_name(name[:1024]),
        password_hash="",
        roles=frozenset({Role.ADMINISTRATOR}),
        created_ns=deps_of(request).clock.now_ns(),
    )


# -- log in and prove ------------------------------------------------------------------------------------------


@router.post("/login/passkey/options")
async def login_options(request: Request) -> Response:
    """A challenge for whoever wants to log in from this address."""
    deps = deps_of(request)
    deps.auth.refuse_guessing(address_of(request))
    deps.auth.forgive(address_of(request))
    return _json(deps.passkeys.assertion(place_of(request), f"{_LOGIN_KEY} {address_of(request)}"))


@router.post("/login/passkey")
async def log_in_with_passkey(request: Request, body: _Body) -> Response:
    """Log in with the passkey's answer."""
    deps, address = deps_of(request), address_of(request)
    deps.auth.refuse_guessing(address)
    account = await deps.passkeys.verify(
        place_of(request), f"{_LOGIN_KEY} {address}", parse_credential(body.get("credential"))
    )
    logged_in = await deps.auth.open_session(account, address=address, method="passkey")
    deps.auth.forgive(address)
    answer = JSONResponse({"to": "/"})
    set_session(request, answer, logged_in)
    return answer


@router.get("/prove")
async def prove_page(request: Request) -> Response:
    """The form to confirm who is at the keyboard."""
    return await _prove(request)


@router.post("/prove")
async def prove(request: Request, password: _Text = "", code: _Text = "") -> Response:
    """With the password, and the code where one is used."""
    try:
        proven = await deps_of(request).auth.prove(
            present(request).session, password=password, code=code, address=address_of(request)
        )
    except CustodesError as error:
        return await _prove(request, error=error)
    answer = page(request, "proven.html")
    set_session(request, answer, proven)
    return answer


@router.post("/prove/passkey/options")
async def prove_options(request: Request) -> Response:
    """A challenge for this session."""
    return _json(deps_of(request).passkeys.assertion(place_of(request), _session_key(request)))


@router.post("/prove/passkey")
async def prove_with_passkey(request: Request, body: _Body) -> Response:
    """With a passkey of the same person."""
    deps, visitor = deps_of(request), present(request)
    deps.auth.refuse_guessing(address_of(request))
    account = await deps.passkeys.verify(
        place_of(request), _session_key(request), parse_credential(body.get("credential"))
    )
    if account.user_id != visitor.principal.user_id:
        raise InvalidArgument("That passkey is somebody else's.")
    deps.auth.forgive(address_of(request))
    answer = JSONResponse({"to": "/me"})
    set_session(request, answer, await deps.auth.renew(visitor.session))
    return answer


# -- one's own page --------------------------------------------------------------------------------------------


@router.get("/me")
async def me(request: Request) -> Response:
    """What proves who I am, and my scripts' tokens."""
    return await _me(request)


@router.post("/me/passkeys/options")
async def passkey_options(request: Request) -> Response:
    """To make one more."""
    deps = deps_of(request)
    account = await deps.auth.account_of(present(request).session)
    return _json(await deps.passkeys.registration(account, place_of(request)))


@router.post("/me/passkeys")
async def add_passkey(request: Request, body: _Body) -> Response:
    """Keep what the browser made."""
    deps, place = deps_of(request), place_of(request)
    account = await deps.auth.account_of(present(request).session)
    key = deps.passkeys.checked(account, place, parse_credential(body.get("credential")), str(body.get("name", "")))
    await deps.passkeys.keep(account, key, place)
    return JSONResponse({"to": "/me"})


@router.post("/me/passkeys/{credential_id}/remove")
async def remove_passkey(request: Request, credential_id: str) -> Response:
    """Take one away; the last way in cannot go."""
    deps = deps_of(request)
    account = await deps.auth.account_of(present(request).session)
    own = [key for key in await deps.catalog.passkeys() if key.user_id == account.user_id]
    if not account.password_hash and len(own) < 2:
        raise InvalidArgument("It is your only way in. Add another passkey first.")
    try:
        wanted = base64url_to_bytes(credential_id[:1400])
    except ValueError as error:
        raise NotFound("There is no such passkey of yours.") from error
    await deps.passkeys.remove(account, wanted)
    return RedirectResponse("/me", status_code=303)


@router.post("/me/password")
async def change_password(request: Request, current: _Secret = "", new: _Secret = "", again: _Secret = "") -> Response:
    """A new password; everywhere else I am logged out."""
    if new != again:
        return await _me(request, problem=translated("The two new passwords differ."))
    try:
        logged_in = await deps_of(request).auth.change_password(
            present(request).session, current=current, new=new, address=address_of(request)
        )
    except CustodesError as error:
        return await _me(request, problem=describe(error)[2])
    answer = RedirectResponse("/me", status_code=303)
    set_session(request, answer, logged_in)
    return answer


@router.post("/me/language")
async def set_language(request: Request, language: _Text = "") -> Response:
    """From now on my pages are in that language; empty: in what each browser asks for."""
    deps = deps_of(request)
    if language and language_of(language) is None:
        raise InvalidArgument(f"There is no language {language[:16]!r} here.")
    account = await deps.auth.account_of(present(request).session)
    await deps.catalog.put_account(replace(account, language=language))
    return RedirectResponse("/me", status_code=303)


@router.post("/me/totp")
async def set_totp(request: Request, secret: _Text = "", code: _Text = "") -> Response:
    """First shows a secret; with a code made from it, it counts."""
    deps = deps_of(request)
    account = await deps.auth.account_of(present(request).session)
    if not secret:
        return await _me(request, secret=new_secret())
    if len(secret) != 32 or not secret.isalnum():
        raise InvalidArgument("That is not a secret of ours.")
    sealed, step = await deps.factor.first_step(account, secret, code)
    if step is None:
        return await _me(
            request, secret=secret, problem=translated("The code is not the one of this moment. Is the clock right?")
        )
    await _log_change(request, "code by time", "added")
    await deps.catalog.put_account(replace(account, totp_sealed=sealed, totp_secret="", totp_step=step))
    return RedirectResponse("/me", status_code=303)


@router.post("/me/totp/remove")
async def remove_totp(request: Request) -> Response:
    """Log in without a code from now on."""
    deps = deps_of(request)
    account = await deps.auth.account_of(present(request).session)
    await _log_change(request, "code by time", "removed")
    await deps.catalog.put_account(replace(account, totp_sealed=b"", totp_secret="", totp_step=0))
    return RedirectResponse("/me", status_code=303)


@router.post("/me/tokens")
async def add_token(
    request: Request,
    name: _Text = "",
    days: Annotated[int, Form()] = 30,
    roles: Annotated[list[str] | None, Form(max_length=8)] = None,
) -> Response:
    """Make a token; it is shown once."""
    deps = deps_of(request)
    account = await deps.auth.account_of(present(request).session)
    try:
        text, kept = make_token(
            account, name=name, roles=parse_roles(roles or []), days=days, now_ns=deps.clock.now_ns()
        )
    except InvalidArgument as error:
        return await _me(request, problem=reported(str(error)))
    await _log_change(request, f"API token {kept.name}", "added", roles=", ".join(sorted(kept.roles)))
    await deps.catalog.put_api_token(kept)
    return await _me(request, token=text)


@router.post("/me/tokens/{token_id}/remove")
async def remove_token(request: Request, token_id: str) -> Response:
    """End it at once."""
    deps, visitor = deps_of(request), present(request)
    owned = [one for one in await deps.catalog.api_tokens() if one.user_id == visitor.principal.user_id]
    kept = next((one for one in owned if one.token_id == token_id), None)
    if kept is None:
        raise NotFound("There is no such token of yours.")
    await _log_change(request, f"API token {kept.name}", "removed")
    await deps.catalog.remove_api_token(token_id)
    return RedirectResponse("/me", status_code=303)


async def _me(request: Request, *, secret: str = "", problem: str = "", token: str = "") -> Response:
    deps = deps_of(request)
    account = await deps.auth.account_of(present(request).session)
    picture = ""
    if secret:
        uri = otp_uri(secret, name=account.name, site_name=deps.config.name)
        picture = segno.make(uri).svg_inline(scale=4, border=2, light="white")
    return page(
        request,
        "me.html",
        status=400 if problem else 200,
        account=account,
        problem=problem,
        wants_factor=deps.config.access.second_factor == "required" and is_password_alone(present(request).session),
        provider=deps.provider.label if deps.provider else "",
        secret=secret,
        picture=picture,
        token=token,
        place=place_of(request),
        port=request.headers.get("host", "").rpartition(":")[2],
        is_fresh=deps.auth.is_fresh(present(request).session),
        passkeys=[
            {"id": bytes_to_base64url(key.credential_id), "name": key.name, "rp_id": key.rp_id, "made": key.created_ns}
            for key in await deps.catalog.passkeys()
            if key.user_id == account.user_id
        ],
        tokens=[one for one in await deps.catalog.api_tokens() if one.user_id == account.user_id],
        sessions=await own_sessions(request),
        role_names={role.value: ROLE_WORDS[role][0] for role in Role},
        method_words=METHOD_WORDS,
        own_roles=[(role.value, ROLE_WORDS[role][0]) for role in sorted(account.roles)],
        now_ns=deps.clock.now_ns(),
    )


async def _prove(request: Request, *, error: CustodesError | None = None) -> Response:
    status, _, problem = describe(error) if error else (200, "", "")
    account = await deps_of(request).auth.account_of(present(request).session)
    return page(
        request,
        "prove.html",
        status=status,
        problem=problem,
        has_code=account.has_totp,
        has_password=bool(account.password_hash),
        place=place_of(request),
    )


async def _log_change(request: Request, what: str, change: str, **more: str) -> None:
    who = present(request).principal
    details = {"user_id": who.user_id, "what": what, "change": change, **more}
    await deps_of(request).warden.append(
        AuditRecord(kind=AuditKind.CREDENTIAL_CHANGED, actor=who.name, subject=who.name, details=details)
    )


def _session_key(request: Request) -> str:
    return f"prove {present(request).session.token_hash.hex()}"


def _json(text: str) -> Response:
    return JSONResponse(json.loads(text))
