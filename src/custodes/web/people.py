"""Pages about accounts: who has one and what it may do, invitations, and why somebody may see something."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from custodes.access.duty import duty_words, parse_duty
from custodes.access.policy import Circumstances
from custodes.errors import CustodesError, InvalidArgument, NotFound, PermissionDenied
from custodes.ports.catalog import Account
from custodes.types.access import ALL_CAMERAS, Action, CameraScope, Fidelity, PurposeKind, Role
from custodes.units import CameraId
from custodes.web.auth.me import place_of
from custodes.web.auth.service import parse_roles
from custodes.web.deps import deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.reported import reported
from custodes.web.words import ROLE_WORDS

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=200)]
_Query = Annotated[str, Query(max_length=200)]
_Roles = Annotated[list[str] | None, Form(max_length=len(Role))]
_Cameras = Annotated[list[str] | None, Form(max_length=1024)]


@router.get("/people")
async def people_page(request: Request) -> Response:
    """All accounts, a form for each, and one to invite."""
    return await _people(request)


@router.post("/people/invite")
async def invite(
    request: Request,
    name: _Text = "",
    roles: _Roles = None,
    scope: _Text = "all",
    cameras: _Cameras = None,
    duty: _Text = "",
) -> Response:
    """Shows the invitation's token, once."""
    deps = deps_of(request)
    try:
        token = await deps.people.invite(
            actor=present(request).principal.name,
            name=name,
            roles=parse_roles(roles or []),
            cameras=_scope(scope, cameras),
            duty=parse_duty(duty),
        )
    except CustodesError as error:
        return await _people(request, error=error)
    return await _people(request, invited=name, token=token)


@router.post("/people/{user_id}")
async def change(
    request: Request,
    user_id: str,
    roles: _Roles = None,
    scope: _Text = "all",
    cameras: _Cameras = None,
    duty: _Text = "",
    disabled: _Text = "",
) -> Response:
    """Replace what one account may do."""
    deps, visitor = deps_of(request), present(request)
    try:
        await deps.people.change(
            await _account(request, user_id),
            actor=visitor.principal.name,
            actor_id=visitor.principal.user_id,
            roles=parse_roles(roles or []),
            cameras=_scope(scope, cameras),
            duty=parse_duty(duty),
            is_disabled=bool(disabled),
        )
    except CustodesError as error:
        return await _people(request, error=error)
    return RedirectResponse("/people", status_code=303)


@router.post("/people/{user_id}/reset")
async def offer_reset(request: Request, user_id: str, code: _Text = "") -> Response:
    """Shows a link for a forgotten password, once."""
    deps, visitor = deps_of(request), present(request)
    try:
        account = await _account(request, user_id)
        token = await deps.joining.offer_reset(
            account,
            actor=visitor.principal.name,
            actor_id=visitor.principal.user_id,
            forgets_code=code == "forget",
        )
    except CustodesError as error:
        return await _people(request, error=error)
    return await _people(request, reset_for=account.name, link=f"{place_of(request).origin}/reset#{token}")


@router.get("/access")
async def explain(
    request: Request,
    person: _Query = "",
    action: _Query = Action.WATCH_LIVE.value,
    camera: _Query = "",
    purpose: _Query = "",
    reference: _Query = "",
    fidelity: _Query = Fidelity.MASKED.value,
) -> Response:
    """Why somebody may do something. Everybody may ask about themselves; about others who manages or audits them."""
    deps, visitor = deps_of(request), present(request)
    asked = person or visitor.principal.name
    if asked != visitor.principal.name and not _may_ask_about_others(request):
        raise PermissionDenied("You may ask about yourself. About others may who manages people or reads the log.")
    rows = deps.visible_cameras(visitor.principal)
    found, problem = None, ""
    try:
        found = await deps.people.explain(
            await deps.people.find(asked),
            action=action,
            camera_id=camera or (str(rows[0].camera_id) if rows else ""),
            purpose=purpose,
            reference=reference,
            fidelity=fidelity,
            policies=deps.policies,
            circumstances=Circumstances(minute_of_day=deps.config.access.minute_of_day(deps.clock.now_ns())),
        )
    except (InvalidArgument, NotFound) as error:
        problem = reported(str(error))
    return page(
        request,
        "access.html",
        found=found,
        problem=problem,
        asked={
            "person": asked,
            "action": action,
            "camera": camera,
            "purpose": purpose,
            "reference": reference,
            "fidelity": fidelity,
        },
        names=[one.name for one in await deps.catalog.accounts()] if _may_ask_about_others(request) else [asked],
        actions=[(one.value, one.value.replace("_", " ")) for one in Action],
        purposes=[(one.value, one.value.replace("_", " ")) for one in PurposeKind],
        cameras=[(row.camera_id, row.name) for row in rows],
    )


def _may_ask_about_others(request: Request) -> bool:
    deps, who = deps_of(request), present(request).principal
    return any(deps.reads.may(who, action) for action in (Action.MANAGE_PEOPLE, Action.READ_LOG))


async def _account(request: Request, user_id: str) -> Account:
    for account in await deps_of(request).catalog.accounts():
        if account.user_id == user_id:
            return account
    raise NotFound("There is no such account.")


def _scope(scope: str, cameras: list[str] | None) -> CameraScope:
    if scope != "some":
        return ALL_CAMERAS
    return CameraScope(is_all=False, camera_ids=frozenset(CameraId(one[:64]) for one in cameras or []))


async def _people(
    request: Request,
    *,
    error: CustodesError | None = None,
    invited: str = "",
    token: str = "",
    reset_for: str = "",
    link: str = "",
) -> Response:
    deps = deps_of(request)
    status, _, problem = describe(error) if error else (200, "", "")
    keys = await deps.catalog.passkeys()
    rows = [
        {
            "account": one,
            "roles": [ROLE_WORDS[role][0] for role in sorted(one.roles)],
            "duty": duty_words(one.duty),
            "passkeys": sum(key.user_id == one.user_id for key in keys),
            "is_self": one.user_id == present(request).principal.user_id,
        }
        for one in await deps.catalog.accounts()
    ]
    return page(
        request,
        "people.html",
        status=status,
        people=rows,
        problem=problem,
        invited=invited,
        token=token,
        reset_for=reset_for,
        link=link,
        all_roles=[(role.value, *ROLE_WORDS[role]) for role in Role],
        all_cameras=[(row.camera_id, row.name) for row in deps.live.camera_rows()],
    )
