"""Pages to claim a fresh site, to log in and to log out."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.errors import CustodesError, Unauthenticated
from custodes.types.access import Role
from custodes.units import NS_PER_S
from custodes.web.auth.passwords import MIN_PASSWORD_CHARS
from custodes.web.auth.service import ABSOLUTE_NS, LoggedIn, parse_roles
from custodes.web.deps import deps_of, page, present, visitor_of
from custodes.web.errors import describe
from custodes.web.gate import cookie_of
from custodes.web.language.speech import translated
from custodes.web.shell import host_name
from custodes.web.words import ROLE_WORDS

router = APIRouter()

OFFERED_ROLES = (Role.OPERATOR, Role.INVESTIGATOR, Role.AUDITOR)
"""Ticked by default on the form of the first account: a one-person site needs them all, and each leaves its trace."""

_SmallText = Annotated[str, Form(max_length=1024)]


@router.get("/login", include_in_schema=False)
async def login_page(request: Request) -> Response:
    """The form; a fresh site is sent to its claim page, somebody logged in to the wall."""
    if not await deps_of(request).joining.is_claimed():
        return RedirectResponse("/first-boot", status_code=303)
    if visitor_of(request) is not None:
        return RedirectResponse("/", status_code=303)
    return _page(request, "login.html", name="")


@router.post("/login", include_in_schema=False)
async def log_in(
    request: Request, name: _SmallText = "", password: _SmallText = "", code: _SmallText = ""
) -> Response:
    """Check name and password; the same answer and the same time for a wrong name as for a wrong password."""
    try:
        logged_in = await deps_of(request).auth.log_in(
            name=name, password=password, code=code, address=address_of(request)
        )
    except CustodesError as error:
        return _page(request, "login.html", error=error, name=name)
    return welcome(request, logged_in)


@router.get("/first-boot", include_in_schema=False)
async def first_boot_page(request: Request) -> Response:
    """The form that makes the first account, with the token from the terminal."""
    if await deps_of(request).joining.is_claimed():
        return RedirectResponse("/login", status_code=303)
    return _first_boot(request)


@router.post("/first-boot", include_in_schema=False)
async def claim(
    request: Request,
    token: _SmallText = "",
    name: _SmallText = "",
    password: _SmallText = "",
    password_again: _SmallText = "",
    roles: Annotated[list[str] | None, Form(max_length=len(Role))] = None,
) -> Response:
    """Make the first account and log in."""
    if password != password_again:
        return _first_boot(
            request, problem=translated("The two passwords differ."), name=name, roles=roles or [], token=token
        )
    try:
        logged_in = await deps_of(request).joining.claim(
            token=token, name=name, password=password, roles=parse_roles(roles or []), address=address_of(request)
        )
    except CustodesError as error:
        return _first_boot(request, error=error, name=name, roles=roles or [], token=token)
    return welcome(request, logged_in, to=_first_steps(request))


def _first_steps(request: Request) -> str:
    """To the first camera where there is none and this server can set one up."""
    deps = deps_of(request)
    return "/" if deps.cameras is None or deps.live.camera_rows() else "/site/add-camera?first=true"


@router.get("/invitation", include_in_schema=False)
async def invitation_page(request: Request) -> Response:
    """The form that turns an invitation into an account."""
    return _page(request, "invitation.html", token="", min_chars=MIN_PASSWORD_CHARS)


@router.post("/invitation", include_in_schema=False)
async def accept_invitation(
    request: Request, token: _SmallText = "", password: _SmallText = "", password_again: _SmallText = ""
) -> Response:
    """Make the account and log in."""
    values: dict[str, Any] = {"token": token, "min_chars": MIN_PASSWORD_CHARS}
    if password != password_again:
        return _page(request, "invitation.html", problem=translated("The two passwords differ."), **values)
    try:
        logged_in = await deps_of(request).joining.accept(token=token, password=password, address=address_of(request))
    except CustodesError as error:
        return _page(request, "invitation.html", error=error, **values)
    return welcome(request, logged_in)


@router.get("/reset", include_in_schema=False)
async def reset_page(request: Request) -> Response:
    """The form that sets a forgotten password anew, for whoever has the link."""
    return _page(request, "reset.html", token="", min_chars=MIN_PASSWORD_CHARS)


@router.post("/reset", include_in_schema=False)
async def reset_password(
    request: Request, token: _SmallText = "", password: _SmallText = "", password_again: _SmallText = ""
) -> Response:
    """Set it; then one logs in with it, and with the code where one is wanted."""
    values: dict[str, Any] = {"token": token, "min_chars": MIN_PASSWORD_CHARS}
    if password != password_again:
        return _page(request, "reset.html", problem=translated("The two passwords differ."), **values)
    try:
        await deps_of(request).joining.reset(token=token, password=password, address=address_of(request))
    except CustodesError as error:
        return _page(request, "reset.html", error=error, **values)
    return _page(request, "login.html", name="", said=translated("The password is set. Log in with it."))


@router.post("/logout", include_in_schema=False)
async def log_out(request: Request) -> Response:
    """End the session and clear the cookie."""
    visitor = present(request)
    await deps_of(request).auth.log_out(visitor.principal, visitor.session)
    answer = RedirectResponse("/login", status_code=303)
    cookie = cookie_of(request)
    answer.delete_cookie(cookie.name, path="/", secure=cookie.is_secure, httponly=True, samesite="strict")
    # open pages of this browser lose what they remember, too
    answer.headers["clear-site-data"] = '"storage"'
    return answer


def welcome(request: Request, logged_in: LoggedIn, to: str = "/") -> Response:
    """To the wall, or where else, logged in."""
    answer = RedirectResponse(to, status_code=303)
    set_session(request, answer, logged_in)
    return answer


def set_session(request: Request, answer: Response, logged_in: LoggedIn) -> None:
    """Put the session's cookie into an answer."""
    cookie = cookie_of(request)
    answer.set_cookie(
        cookie.name,
        logged_in.cookie,
        max_age=ABSOLUTE_NS // NS_PER_S,
        path="/",
        secure=cookie.is_secure,
        httponly=True,
        samesite="strict",
    )


def _first_boot(
    request: Request,
    *,
    error: CustodesError | None = None,
    problem: str = "",
    name: str = "",
    token: str = "",
    roles: list[str] | None = None,
) -> Response:
    ticked = [role.value for role in OFFERED_ROLES] if roles is None else roles
    offered = [(role.value, *ROLE_WORDS[role], role.value in ticked) for role in OFFERED_ROLES]
    return _page(
        request,
        "first_boot.html",
        error=error,
        problem=problem,
        name=name,
        token=token,
        offered=offered,
        administrator=ROLE_WORDS[Role.ADMINISTRATOR],
        can_have_passkey=host_name(request.headers.get("host", "")) == "localhost" or cookie_of(request).is_secure,
        min_chars=MIN_PASSWORD_CHARS,
    )


def _page(
    request: Request, template: str, *, error: CustodesError | None = None, problem: str = "", **values: Any
) -> Response:
    status = 400 if problem else 200
    if error is not None:
        status, _, problem = describe(error)
    status = 401 if isinstance(error, Unauthenticated) else status
    provider = deps_of(request).provider
    label = provider.label if provider is not None else ""
    return page(request, template, status=status, problem=problem, provider=label, **values)


def address_of(request: Request) -> str:
    """Where the request comes from, for limits and log."""
    return request.client.host if request.client else "unknown"
