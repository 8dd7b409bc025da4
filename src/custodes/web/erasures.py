"""Erasures on a page: what others approved, carried out after a fresh proof; certificates to take along.

Whether somebody may is the warden's decision (`ports.erasures`).
"""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, Response

from custodes.access import requests as rules
from custodes.errors import CustodesError, InvalidArgument, NotFound
from custodes.types.access import Action
from custodes.types.approval import RequestPhase, RequestRecord
from custodes.types.message import ErasureDone
from custodes.units import NS_PER_S
from custodes.web.deps import deps_of, page, present
from custodes.web.errors import describe
from custodes.web.moments import form_text
from custodes.web.requests import request_row

router = APIRouter(include_in_schema=False)

MAX_SHOWN = 200
_Text = Annotated[str, Form(max_length=200)]


@router.get("/erasures")
async def erasures_page(request: Request) -> Response:
    """What I may erase now, a form to ask, and certificates that I may see."""
    return await _page(request)


@router.post("/erasures")
async def erase(request: Request, request_id: _Text = "", confirm: _Text = "") -> Response:
    """Everything that the request names, at once; `confirm` is the camera, typed."""
    deps, who = deps_of(request), present(request).principal
    try:
        record = next((one for one in await _usable(request) if one.request.request_id == request_id), None)
        if record is None:
            raise NotFound("There is no such request in force. An erasure needs the approval of others first.")
        asked = record.request
        if confirm.strip() != asked.camera_ids[0]:
            raise InvalidArgument(f"Type the camera's id, {asked.camera_ids[0]}, to say that you mean it.")
        done = await deps.erasures.erase(
            principal=who,
            camera_id=asked.camera_ids[0],
            start_ns=asked.start_ns,
            end_ns=asked.end_ns,
            reference=asked.purpose.reference,
            request_id=asked.request_id,
        )
    except CustodesError as error:
        return await _page(request, error=error)
    return await _page(request, done=done)


@router.get("/erasures/{erasure_id}/certificate")
async def certificate(request: Request, erasure_id: str) -> Response:
    """For who asked for the erasure, and for who looks after privacy."""
    if erasure_id not in await _visible(request):
        return await _page(request, error=NotFound("There is no such certificate, or it is not yours to see."))
    path = deps_of(request).erasures.path_of(erasure_id)
    return FileResponse(path, media_type="application/zip", filename=f"erasure-{erasure_id}.zip")


async def _usable(request: Request) -> list[RequestRecord]:
    deps, who = deps_of(request), present(request).principal
    return [
        one
        for one in await deps.requests_for(who)
        if one.request.requester_id == who.user_id
        and one.request.action is Action.ERASE
        and rules.phase(one, deps.clock.now_ns()) is RequestPhase.IN_FORCE
    ]


async def _visible(request: Request) -> list[str]:
    deps, who = deps_of(request), present(request).principal
    kept = deps.erasures.certificates()
    if deps.reads.may(who, Action.READ_PRIVACY):
        return kept[:MAX_SHOWN]
    own = {one.request.request_id for one in await deps.requests_for(who) if one.request.requester_id == who.user_id}
    return [one for one in kept if one.partition("-")[0] in own][:MAX_SHOWN]


async def _page(request: Request, *, error: CustodesError | None = None, done: ErasureDone | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    usable: list[dict[str, Any]] = [request_row(one, now_ns) for one in await _usable(request)]
    return page(
        request,
        "erasures.html",
        status=status,
        problem=problem,
        done=done,
        usable=usable,
        certificates=await _visible(request),
        begin=form_text(now_ns - 3600 * NS_PER_S),
        end=form_text(now_ns - 120 * NS_PER_S),
        cameras=[(row.camera_id, row.name) for row in deps.visible_cameras(who)],
        approvals=deps.config.access.approvals,
        is_fresh=deps.auth.is_fresh(present(request).session),
    )
