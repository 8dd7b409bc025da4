"""Exports on a page: choose a stretch under an approved request, see it being made, take it away once, check it.

Whether somebody may is the warden's decision (`ports.exports`); a bundle is for who made it alone.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from custodes.access import requests as rules
from custodes.errors import CustodesError, InvalidArgument, NotFound
from custodes.ports.exports import PersonExport
from custodes.types.access import Action
from custodes.types.approval import RequestPhase, RequestRecord
from custodes.types.stream import camera_of, is_second
from custodes.units import CameraId
from custodes.web.api import Stream, stream_of
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.moments import form_text, utc_ns_of
from custodes.web.requests import MAX_SHOWN_CHARS, parse_shown, request_row
from custodes.web.words import JOB_STATE_WORDS

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

_Text = Annotated[str, Form(max_length=200)]
_CHUNK_BYTES = 256 * 1024


@router.get("/exports")
async def exports_page(
    request: Request,
    camera: Annotated[str, Query(max_length=64)] = "",
    reference: Annotated[str, Query(max_length=200)] = "",
    start: Annotated[int, Query(alias="from", ge=0, le=2**63 - 1)] = 0,
    end: Annotated[int, Query(alias="to", ge=0, le=2**63 - 1)] = 0,
    shown: Annotated[str, Query(max_length=MAX_SHOWN_CHARS)] = "",
    stream: Stream = "first",
) -> Response:
    """My exports, the approved requests that allow one, and a form to ask for one."""
    parse_shown(shown)
    wanted = {"camera": camera, "reference": reference, "start": start, "end": end}
    return await _page(request, asked={**wanted, "shown": shown.split(), "stream": stream})


@router.post("/exports")
async def start_export(
    request: Request,
    request_id: _Text = "",
    camera: _Text = "",
    begin: _Text = "",
    end: _Text = "",
    stream: Annotated[Stream, Form()] = "first",
) -> Response:
    """Under an approved request of mine: its purpose and its fidelity, and at most its cameras and its stretch."""
    deps, who = deps_of(request), present(request).principal
    try:
        record = next((one for one in await _usable(deps, request) if one.request.request_id == request_id), None)
        if record is None:
            raise NotFound("There is no such request in force. An export needs the approval of others first.")
        asked = record.request
        await deps.exports.start(
            principal=who,
            purpose=asked.purpose,
            camera_id=stream_of(CameraId(camera), stream),
            start_ns=utc_ns_of(begin) if begin else asked.start_ns,
            end_ns=utc_ns_of(end) if end else asked.end_ns,
            request_id=asked.request_id,
            fidelity=asked.fidelity,
            shown=asked.shown,
        )
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/exports", status_code=303)


@router.post("/exports/{export_id}/download")
async def download(request: Request, export_id: str) -> Response:
    """Once: when the last byte has left, the file is gone from the site."""
    deps, who = deps_of(request), present(request).principal
    try:
        path = await deps.exports.fetch(export_id, who)
    except CustodesError as error:
        return await _page(request, error=error)
    name = f"custodes-{export_id}.zip"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-length": str(path.stat().st_size),
    }
    return StreamingResponse(_sent_once(deps, export_id, path), media_type="application/zip", headers=headers)


@router.post("/exports/{export_id}/hold")
async def hold(request: Request, export_id: str, held: _Text = "") -> Response:
    """Pause it while it is rendered, or let it go on."""
    deps, who = deps_of(request), present(request).principal
    try:
        await deps.exports.hold(export_id, who, is_held=held == "yes")
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/exports", status_code=303)


@router.post("/exports/{export_id}/forget")
async def forget(request: Request, export_id: str) -> Response:
    """Stop it, or throw it away."""
    deps, who = deps_of(request), present(request).principal
    if all(one.state.export_id != export_id for one in deps.exports.of_person(who.user_id)):
        return await _page(request, error=NotFound("There is no such export of yours."))
    await deps.exports.forget(export_id)
    return RedirectResponse("/exports", status_code=303)


@api_router.get("/exports")
async def exports_as_data(request: Request) -> dict[str, object]:
    """My exports and how far they are, newest first."""
    own = deps_of(request).exports.of_person(present(request).principal.user_id)
    return {"exports": [_row(one) for one in own]}


async def _sent_once(deps: WebDeps, export_id: str, path: Path) -> AsyncIterator[bytes]:
    """A broken download ends this early, and then the file stays to be fetched again."""
    async with await anyio.open_file(path, "rb") as stream:
        while piece := await stream.read(_CHUNK_BYTES):
            yield piece
    await deps.exports.forget(export_id)


async def _usable(deps: WebDeps, request: Request) -> list[RequestRecord]:
    """My requests for exports that are in force."""
    who, now_ns = present(request).principal, deps.clock.now_ns()
    return [
        one
        for one in await deps.requests_for(who)
        if one.request.requester_id == who.user_id
        and one.request.action is Action.EXPORT
        and rules.phase(one, now_ns) is RequestPhase.IN_FORCE
    ]


def _row(one: PersonExport) -> dict[str, Any]:
    return {
        "export_id": one.state.export_id,
        "state": one.state.state,
        "words": JOB_STATE_WORDS.get(one.state.state, one.state.state),
        "detail": one.state.detail,
        "percent": round(100 * one.state.share),
        "camera_id": camera_of(one.camera_id),
        "stream": "second" if is_second(one.camera_id) else "first",
        "start_ns": one.start_ns,
        "end_ns": one.end_ns,
        "reference": one.reference,
        "fidelity": one.fidelity.value,
    }


async def _page(
    request: Request, *, error: CustodesError | None = None, asked: dict[str, Any] | None = None
) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    asked = asked or {"camera": "", "reference": "", "start": 0, "end": 0, "shown": [], "stream": "first"}
    if asked["end"] and not asked["start"] < asked["end"]:
        raise InvalidArgument("The stretch has to have a length.")
    until_ns = asked["end"] or now_ns
    return page(
        request,
        "exports.html",
        status=status,
        problem=problem,
        exports=[_row(one) for one in deps.exports.of_person(who.user_id)],
        usable=[
            {
                **request_row(one, now_ns),
                "begin": form_text(one.request.start_ns),
                "end": form_text(one.request.end_ns),
            }
            for one in await _usable(deps, request)
        ],
        asked=asked,
        begin=form_text(asked["start"] or until_ns - 600 * 10**9),
        end=form_text(until_ns),
        cameras=[(row.camera_id, row.name) for row in deps.visible_cameras(who)],
        has_second=any(row.second for row in deps.visible_cameras(who)),
        approvals=deps.config.access.approvals,
        is_fresh=deps.auth.is_fresh(present(request).session),
    )
