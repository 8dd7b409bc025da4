"""Analysing recordings again on a page: choose cameras and a time, see how far it is, pause, resume, cancel.

Whether somebody may is the warden's decision (`ports.backfills`); nobody sees a picture.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.ports.backfills import BackfillDesk
from custodes.types.access import Action, Purpose, PurposeKind
from custodes.types.backfill import ENDED, Backfill
from custodes.types.stream import camera_of, is_second
from custodes.units import NS_PER_S, CameraId
from custodes.web.api import Stream, stream_of
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.moments import form_text, utc_ns_of
from custodes.web.words import JOB_STATE_WORDS

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_SHOWN = 200
_Text = Annotated[str, Form(max_length=200)]


@router.get("/backfills")
async def backfills_page(request: Request) -> Response:
    """What is analysed again, waits, or was; and a form to have more analysed."""
    return await _page(request)


@router.post("/backfills")
async def start_backfill(
    request: Request,
    cameras: Annotated[list[str] | None, Form(max_length=256)] = None,
    begin: _Text = "",
    end: _Text = "",
    purpose: Annotated[Literal["maintenance", "case"], Form()] = "maintenance",
    reference: _Text = "",
    stream: Annotated[Stream, Form()] = "first",
) -> Response:
    """Of all cameras named, one after the other."""
    deps, who = deps_of(request), present(request).principal
    try:
        if not cameras:
            raise InvalidArgument("Choose at least one camera.")
        visible = {row.camera_id for row in deps.visible_cameras(who)}
        for one in cameras:
            if one not in visible:
                raise NotFound(f"There is no camera {one[:64]!r} that you may see.")
        await _desk(deps).start(
            principal=who,
            purpose=Purpose(kind=PurposeKind(purpose), reference=reference.strip()),
            camera_ids=[stream_of(CameraId(one), stream) for one in cameras],
            start_ns=utc_ns_of(begin),
            end_ns=utc_ns_of(end),
        )
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/backfills", status_code=303)


@router.post("/backfills/{version}/resume")
async def resume(request: Request, version: int) -> Response:
    """Go on where it stood; decided and logged anew, for who asks now."""
    deps, who = deps_of(request), present(request).principal
    try:
        await _seen(request, version)
        await _desk(deps).resume(version, who)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/backfills", status_code=303)


@router.post("/backfills/{version}/pause")
async def pause(request: Request, version: int) -> Response:
    """Stop for now; what was analysed so far is kept."""
    return await _stop(request, version, is_cancel=False)


@router.post("/backfills/{version}/cancel")
async def cancel(request: Request, version: int) -> Response:
    """Stop for good; what was replaced so far stays replaced."""
    return await _stop(request, version, is_cancel=True)


@api_router.get("/backfills")
async def backfills_as_data(request: Request) -> dict[str, object]:
    """How far they are, newest first; of cameras that this person may see."""
    deps = deps_of(request)
    return {"backfills": [_row(one, _desk(deps).left_s(one.version)) for one in await _visible(request)]}


async def _stop(request: Request, version: int, *, is_cancel: bool) -> Response:
    try:
        await _seen(request, version)
        await _desk(deps_of(request)).pause(version, is_cancel=is_cancel)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/backfills", status_code=303)


def _desk(deps: WebDeps) -> BackfillDesk:
    if deps.backfills is None:
        raise FailedPrecondition("Nothing can be analysed again here.")
    return deps.backfills


async def _visible(request: Request) -> Sequence[Backfill]:
    """Raises: PermissionDenied for who could not ask for one either."""
    deps, who = deps_of(request), present(request).principal
    if not deps.reads.may(who, Action.ANALYSE):
        raise PermissionDenied("Technicians and investigators have recordings analysed again.")
    table = await _desk(deps).table()
    return [one for one in table.backfills if who.cameras.covers(camera_of(one.camera_id))][:MAX_SHOWN]


async def _seen(request: Request, version: int) -> Backfill:
    """The one of that number, if this person may see it. Raises: NotFound, PermissionDenied."""
    for one in await _visible(request):
        if one.version == version:
            return one
    raise NotFound("There is no such back-fill.")


def _row(one: Backfill, left_s: float | None) -> dict[str, Any]:
    return {
        "version": one.version,
        "camera_id": camera_of(one.camera_id),
        "stream": "second" if is_second(one.camera_id) else "first",
        "start_ns": one.start_ns,
        "end_ns": one.end_ns,
        "state": one.state.value,
        "words": JOB_STATE_WORDS.get(one.state.value, one.state.value),
        "percent": round(100 * one.share),
        "left_s": None if left_s is None else round(left_s),
        "detail": one.detail,
        "model": one.model,
        "person": one.person,
        "purpose": one.purpose.kind.value,
        "reference": one.purpose.reference,
        "is_ended": one.state in ENDED,
    }


async def _page(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    found = await _visible(request)
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    rows = deps.visible_cameras(who)
    return page(
        request,
        "backfills.html",
        status=status,
        problem=problem,
        backfills=[_row(one, _desk(deps).left_s(one.version)) for one in found],
        cameras=[(row.camera_id, row.name) for row in rows],
        has_second=any(row.second for row in rows),
        begin=form_text(now_ns - 7 * 86_400 * NS_PER_S),
        end=form_text(now_ns - 120 * NS_PER_S),
        is_fresh=deps.auth.is_fresh(present(request).session),
    )
