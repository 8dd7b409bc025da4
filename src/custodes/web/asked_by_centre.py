"""What a centre asked this site: wishes for footage that people give or refuse, and questions that policies answered.

For who investigates, approves or audits. Giving opens nothing: an export was made under an approved request before.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.errors import CustodesError, FailedPrecondition, PermissionDenied
from custodes.ports.centre_desk import CentreDesk
from custodes.types.access import Action, Principal, Role
from custodes.types.wish import AskedByCentre
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.reported import reported

router = APIRouter(include_in_schema=False)

WHO_READS = (Action.FILE_REQUEST, Action.APPROVE, Action.READ_LOG, Action.READ_PRIVACY)
"""Any of these."""
_WHO_REFUSES = frozenset({Role.INVESTIGATOR, Role.SUPERVISOR, Role.PRIVACY_OFFICER})
_Text = Annotated[str, Form(max_length=200)]


@router.get("/centre")
async def asked_page(request: Request) -> Response:
    """Wishes that wait, and what was answered."""
    return await _page(request)


@router.post("/centre/{question_id}/give")
async def give(request: Request, question_id: str, export_id: _Text = "") -> Response:
    """By who made the export."""
    return await _answer(request, lambda desk, who: desk.give(question_id, export_id, who))


@router.post("/centre/{question_id}/refuse")
async def refuse(request: Request, question_id: str, reason: _Text = "") -> Response:
    """By an investigator, a supervisor or a privacy officer."""
    return await _answer(request, lambda desk, who: desk.refuse(question_id, reason, who))


async def _answer(request: Request, act: Callable[[CentreDesk, Principal], Awaitable[None]]) -> Response:
    who = present(request).principal
    try:
        await act(_desk(deps_of(request), who), who)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/centre", status_code=303)


def _desk(deps: WebDeps, who: Principal) -> CentreDesk:
    if not any(deps.reads.may(who, action) for action in WHO_READS):
        raise PermissionDenied("What a centre asked is for who investigates, approves or audits.")
    found = deps.centre()
    if found is None:
        raise FailedPrecondition("No centre may ask this site for anything.")
    return found


async def _page(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    desk = _desk(deps, who)
    status, _, problem = describe(error) if error else (200, "", "")
    ready = [one for one in deps.exports.of_person(who.user_id) if one.sealed is not None]
    wishes = [
        (
            one,
            [
                export.state.export_id
                for export in ready
                if one.question_id in export.reference and export.camera_id == one.camera_id
            ],
        )
        for one in desk.wishes()
    ]
    return page(
        request,
        "asked_by_centre.html",
        status=status,
        problem=problem,
        wishes=wishes,
        asked=[_row(one) for one in desk.asked()[:200]],
        may_refuse=bool(who.roles & _WHO_REFUSES),
        is_fresh=deps.auth.is_fresh(present(request).session),
    )


def _row(one: AskedByCentre) -> dict[str, Any]:
    return {"asked": one, "said": reported(one.said)}
