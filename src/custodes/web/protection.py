"""Pages of protected persons: the officer's, and the person's own, which says who asked for their pictures."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.access import enrolment as rules
from custodes.errors import CustodesError, InvalidArgument, PermissionDenied
from custodes.types.access import Action, Fidelity, Principal
from custodes.types.approval import RequestPhase
from custodes.types.face_message import EndEnrolment, EnrolmentInvited, InviteEnrolment, ReviewEnrolment
from custodes.types.protection import OwnTouches, ProtectedTable, ReadOwnTouches, ReadProtected, TouchShown
from custodes.units import NS_PER_S, Ns
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.enrol import PHASE_WORDS, base_of
from custodes.web.errors import describe
from custodes.web.words import purpose_words

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=600)]
_OUTCOME = {
    RequestPhase.WAITING: "Not decided yet",
    RequestPhase.IN_FORCE: "Approved",
    RequestPhase.REFUSED: "Refused",
    RequestPhase.WITHDRAWN: "Taken back by who asked",
    RequestPhase.LAPSED: "Lapsed: nobody approved it",
    RequestPhase.OVER: "Approved; it is over",
}


@router.get("/protection")
async def protection_page(request: Request) -> Response:
    """Whom the site protects, who asked for their pictures; a form to invite."""
    return await _page(request)


@router.post("/protection/invite")
async def invite(
    request: Request, name: _Text = "", reason: _Text = "", days: Annotated[int, Form()] = 365
) -> Response:
    """Shows the invitation's link, once."""
    deps = deps_of(request)
    try:
        if not 1 <= days <= 1098:
            raise InvalidArgument("A protection lasts 1 to 1098 days, and can be asked for again.")
        message = InviteEnrolment(
            principal=present(request).principal,
            name=name,
            purpose=reason,
            zone_ids=(),
            expires_ns=Ns(deps.clock.now_ns() + days * 24 * 3600 * NS_PER_S),
            protects=True,
        )
        made = await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _page(request, error=error)
    assert isinstance(made, EnrolmentInvited)
    return await _page(request, link=f"{base_of(request)}/enrol/{made.token}", invited=name)


@router.post("/protection/{person_id}/end")
async def end(request: Request, person_id: str) -> Response:
    """At the person's word."""
    return await _step(request, EndEnrolment(principal=present(request).principal, person_id=person_id[:64]))


@router.post("/protection/{person_id}/review")
async def review(request: Request, person_id: str) -> Response:
    """Still wanted."""
    return await _step(request, ReviewEnrolment(principal=present(request).principal, person_id=person_id[:64]))


@router.get("/protected/{token}")
async def own_page(request: Request, token: str) -> Response:
    """Public, for whoever has the link that a protected person got when they signed."""
    own = await deps_of(request).warden.about_requests(ReadOwnTouches(token=token[:128]))
    assert isinstance(own, OwnTouches)
    return page(
        request,
        "protected.html",
        own=own,
        words=PHASE_WORDS,
        rows=[touch_row(one) for one in own.touches],
        token=token[:128],
        samples_wanted=rules.SAMPLES_WANTED,
    )


def touch_row(one: TouchShown) -> dict[str, Any]:
    """One line, in plain words."""
    wanted = "to see you unmasked" if one.fidelity is Fidelity.UNMASKED else "to have a masked copy"
    if one.action is Action.FOLLOW:
        wanted = "where somebody went, in pictures that you are in"
    if one.action is Action.READ_SIGHTINGS:
        wanted = "to have it known that somebody they took you for was there"
    return {
        "asked_ns": one.asked_ns,
        "person": one.person,
        "requester": one.requester,
        "what": f"{wanted}{', as a copy' if one.action is Action.EXPORT and 'copy' not in wanted else ''}",
        "is_request": one.action is not Action.READ_SIGHTINGS,
        "purpose": purpose_words(one.purpose),
        "camera": one.camera_id,
        "from": _minute(one.start_ns),
        "to": _minute(one.end_ns),
        "outcome": _OUTCOME[one.phase],
        "request_id": one.request_id,
    }


def _minute(utc_ns: Ns) -> str:
    """For a page without scripts."""
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def touched_by(deps: WebDeps, who: Principal, request_id: str) -> list[dict[str, Any]]:
    """Whom of the protected a request touches, for who looks after them; nothing for everybody else."""
    if not deps.reads.may(who, Action.PROTECT):
        return []
    table = await deps.warden.about_requests(ReadProtected(principal=who))
    assert isinstance(table, ProtectedTable)
    return [touch_row(one) for one in table.touches if one.request_id == request_id]


async def _step(request: Request, message: object) -> Response:
    try:
        await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/protection", status_code=303)


async def _page(
    request: Request, *, error: CustodesError | None = None, link: str = "", invited: str = ""
) -> Response:
    deps, who = deps_of(request), present(request).principal
    if isinstance(error, PermissionDenied) and not deps.reads.may(who, Action.PROTECT):
        raise error
    table = await deps.warden.about_requests(ReadProtected(principal=who))
    assert isinstance(table, ProtectedTable)
    status, _, problem = describe(error) if error else (200, "", "")
    return page(
        request,
        "protection.html",
        status=status,
        problem=problem,
        link=link,
        invited=invited,
        people=table.people,
        rows=[touch_row(one) for one in table.touches],
        words=PHASE_WORDS,
        is_enabled=deps.recogniser is not None,
    )
