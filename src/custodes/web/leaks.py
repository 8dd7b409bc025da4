"""The leak desk: put a found picture on it, have somebody else approve with a passkey, read what was found, together.

Pictures are never decoded here; what may be known to whom is `ports.leaks`' matter.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from custodes.access import requests as rules
from custodes.access.cases import is_member
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument
from custodes.leaks.finding import clock_time
from custodes.ports.leaks import LeakTrace, LeakTraces, TraceState
from custodes.types.access import Action, Principal, Purpose, PurposeKind
from custodes.types.approval import RequestPhase, RequestRecord
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.cases import known_cases
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.speech import translated
from custodes.web.moments import form_text, utc_ns_of
from custodes.web.requests import request_row
from custodes.web.shell import MAX_LEAK_BYTES
from custodes.web.words import span_words

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

_Text = Annotated[str, Form(max_length=600)]
_Cameras = Annotated[list[str] | None, Form(max_length=rules.MAX_CAMERAS)]
_Picture = Annotated[UploadFile | None, File()]
_CHUNK_BYTES = 256 * 1024
_MAX_WHY_CHARS = 400
"""The request's reason holds the picture's SHA-256, too."""

_LINE_PX, _LEFT_PX = 640, 10


@router.get("/leaks")
async def leaks_page(request: Request) -> Response:
    """Traces that I know of, and a form to put a picture on the desk."""
    return await _list(request)


@router.post("/leaks")
async def file_trace(
    request: Request,
    picture: _Picture = None,
    reference: _Text = "",
    cameras: _Cameras = None,
    begin: _Text = "",
    end: _Text = "",
    reason: _Text = "",
) -> Response:
    """Ask a second person. Leads to the trace's page."""
    deps, who = deps_of(request), present(request).principal
    try:
        known = {row.camera_id for row in deps.visible_cameras(who)}
        if not set(cameras or ()) <= known:
            raise InvalidArgument("There is no such camera.")
        if picture is None:
            raise InvalidArgument("Choose the picture.")
        if len(reason) > _MAX_WHY_CHARS:
            raise InvalidArgument(f"Say why in at most {_MAX_WHY_CHARS} characters.")
        filed = await _desk(deps).file(
            who,
            picture=await deps.scanned(await picture.read(MAX_LEAK_BYTES)),
            reference=reference.strip(),
            camera_ids=tuple(CameraId(one) for one in cameras or ()),
            start_ns=utc_ns_of(begin),
            end_ns=utc_ns_of(end),
            reason=reason,
        )
    except CustodesError as error:
        return await _list(request, error=error)
    return RedirectResponse(f"/leaks/{filed.request_id}", status_code=303)


@router.get("/leaks/{request_id}")
async def one_trace(request: Request, request_id: str) -> Response:
    """One trace: what was asked, whether it was approved, what was found."""
    return await _one(request, request_id)


@router.get("/leaks/{request_id}/picture")
async def found_picture(request: Request, request_id: str) -> Response:
    """The picture as it was found."""
    deps, who = deps_of(request), present(request).principal
    trace = await _desk(deps).read(request_id, who)
    return FileResponse(await _desk(deps).picture(request_id, who), media_type=trace.media_type)


@router.post("/leaks/{request_id}/trace")
async def start_trace(request: Request, request_id: str) -> Response:
    """By its owner, once somebody else approved."""
    try:
        await _desk(deps_of(request)).start(request_id, present(request).principal)
    except CustodesError as error:
        return await _one(request, request_id, error=error)
    return RedirectResponse(f"/leaks/{request_id}", status_code=303)


@router.post("/leaks/{request_id}/pause")
async def pause_trace(request: Request, request_id: str) -> Response:
    """By its owner; what was looked through stays looked through."""
    try:
        await _desk(deps_of(request)).pause(request_id, present(request).principal)
    except CustodesError as error:
        return await _one(request, request_id, error=error)
    return RedirectResponse(f"/leaks/{request_id}", status_code=303)


@router.post("/leaks/{request_id}/bundle")
async def take_bundle(request: Request, request_id: str) -> Response:
    """The evidence, for both; logged."""
    try:
        path = await _desk(deps_of(request)).bundle(request_id, present(request).principal)
    except CustodesError as error:
        return await _one(request, request_id, error=error)
    headers = {
        "content-disposition": f'attachment; filename="custodes-leak-{request_id}.zip"',
        "content-length": str(path.stat().st_size),
    }
    return StreamingResponse(_bytes_of(path), media_type="application/zip", headers=headers)


@router.post("/leaks/{request_id}/forget")
async def forget(request: Request, request_id: str) -> Response:
    """Off the desk."""
    try:
        await _desk(deps_of(request)).forget(request_id, present(request).principal)
    except CustodesError as error:
        return await _one(request, request_id, error=error)
    return RedirectResponse("/leaks", status_code=303)


@api_router.get("/leaks")
async def traces_as_data(request: Request) -> dict[str, object]:
    """Traces that I know of and how far they are, newest first; what was found is on their pages."""
    known = await _desk(deps_of(request)).known_to(present(request).principal)
    traces = [{"request_id": one.request_id, "state": one.state.value, "share": round(one.share, 3)} for one in known]
    return {"traces": traces}


async def _bytes_of(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as stream:
        while piece := await stream.read(_CHUNK_BYTES):
            yield piece


def _desk(deps: WebDeps) -> LeakTraces:
    if deps.leaks is None:
        raise FailedPrecondition("This server has no desk for leaks.")
    return deps.leaks


def _may_trace(deps: WebDeps, who: Principal) -> bool:
    return deps.reads.may(who, Action.TRACE_LEAK, Purpose(kind=PurposeKind.LEAK_TRACE, reference="?"))


async def _list(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    records = await _records(deps, who)
    now_ns = deps.clock.now_ns()
    may_trace = _may_trace(deps, who)
    open_cases = [one for one in await known_cases(deps, who) if one.closed_ns is None and is_member(one, who.user_id)]
    return page(
        request,
        "leaks.html",
        status=status,
        problem=problem,
        traces=[_row(one, records.get(one.request_id), now_ns) for one in await _desk(deps).known_to(who)],
        waiting=[
            request_row(one, now_ns)
            for one in records.values()
            if one.request.action is Action.TRACE_LEAK
            and one.request.requester_id != who.user_id
            and rules.phase(one, now_ns) is RequestPhase.WAITING
        ]
        if deps.reads.may(who, Action.APPROVE)
        else [],
        may_trace=may_trace,
        cases=[(one.number, one.title) for one in open_cases],
        cameras=[(row.camera_id, row.name) for row in deps.visible_cameras(who)],
        begin=form_text(now_ns - 24 * 3600 * NS_PER_S),
        end=form_text(now_ns),
        approvals=deps.config.access.approvals,
    )


async def _one(request: Request, request_id: str, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    trace = await _desk(deps).read(request_id, who)
    record = (await _records(deps, who)).get(trace.request_id)
    row = _row(trace, record, deps.clock.now_ns())
    told: dict[str, Any] = json.loads(trace.finding) if trace.finding else {}
    return page(
        request,
        "leak.html",
        status=status,
        problem=problem,
        trace=trace,
        row=row,
        told=told,
        line=_time_line(trace, told),
        sentences=_sentences(told),
        is_own=trace.owner_id == who.user_id,
        is_fresh=deps.auth.is_fresh(present(request).session),
        may_start=trace.owner_id == who.user_id
        and row["phase"] == RequestPhase.IN_FORCE.value
        and trace.state in (TraceState.FILED, TraceState.PAUSED, TraceState.FAILED),
    )


async def _records(deps: WebDeps, who: Principal) -> dict[str, RequestRecord]:
    return {one.request.request_id: one for one in await deps.requests_for(who)}


def _row(trace: LeakTrace, record: RequestRecord | None, now_ns: Ns) -> dict[str, Any]:
    """A trace as a list shows it; nothing of what was found."""
    asked = None if record is None else request_row(record, now_ns)
    words = {
        TraceState.TRACING: translated("being traced"),
        TraceState.PAUSED: translated("paused"),
        TraceState.DONE: translated("traced"),
        TraceState.FAILED: translated("could not be traced"),
    }
    said = words.get(trace.state) or (translated("the request is gone") if asked is None else asked["phase_words"])
    return {
        "trace": trace,
        "said": said,
        "phase": "" if asked is None else asked["phase"],
        "approvers": [vote.approver for vote in record.votes if vote.is_yes] if record is not None else [],
    }


def _sentences(told: dict[str, Any]) -> list[str]:
    """Place first, then what may be said of the copy; never the same twice."""
    return list(dict.fromkeys(str(told[key]) for key in ("place", "sentence") if told.get(key)))


def _time_line(trace: LeakTrace, told: dict[str, Any]) -> dict[str, Any] | None:
    """Where in the time that was looked at the picture fits, as x of a drawing `_LINE_PX` wide."""
    if not told.get("utc_ns"):
        return None
    span = max(trace.end_ns - trace.start_ns, 1)

    def x(utc_ns: int) -> float:
        share = min(max((utc_ns - trace.start_ns) / span, 0.0), 1.0)
        return round(_LEFT_PX + share * (_LINE_PX - 2 * _LEFT_PX), 1)

    first, last = int(told["earliest_ns"]), int(told["latest_ns"])
    return {
        "first": x(first),
        "width": max(round(x(last) - x(first), 1), 3),
        "best": x(int(told["utc_ns"])),
        "words": f"{clock_time(first)} to {clock_time(last)}, {span_words((last - first) / NS_PER_S)}",
    }
