"""Pages of cases: open, staff, note, close; and what a case collected: notes, requests, looks and exports.

The warden keeps the register and decides; these pages only ask and show (`types.cases`).
"""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from custodes.access.cases import is_member, number_key
from custodes.errors import CustodesError, InvalidArgument
from custodes.types.access import Action, Principal, Purpose, PurposeKind
from custodes.types.approval import ReadRequests, RequestTable
from custodes.types.cases import (
    Case,
    CaseFile,
    CaseMember,
    CaseTable,
    ChangeCase,
    CloseCase,
    NoteOnCase,
    OpenCase,
    ReadCase,
    ReadCases,
    ReopenCase,
)
from custodes.units import CameraId, Ns
from custodes.web.asked_names import cameras_of, people_of
from custodes.web.case_deeds import deeds_of
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.moments import utc_ns_of
from custodes.web.requests import request_row

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

_Text = Annotated[str, Form(max_length=600)]
_Note = Annotated[str, Form(max_length=2100)]
_People = Annotated[list[str] | None, Form(max_length=64)]
_LISTED = 500


@router.get("/cases")
async def cases_page(request: Request) -> Response:
    """Those I work on, or all; and a form to open one."""
    return await _list(request)


@router.post("/cases")
async def open_case(
    request: Request, title: _Text = "", reason: _Text = "", number: _Text = "", keep_days: _Text = "90"
) -> Response:
    """Leads to its page."""
    message = OpenCase(
        principal=present(request).principal,
        number=number,
        title=title,
        reason=reason,
        keep_days=int(keep_days) if keep_days.isdigit() and len(keep_days) < 6 else -1,
    )
    try:
        opened = await deps_of(request).warden.about_cases(message)
    except CustodesError as error:
        return await _list(request, error=error)
    assert isinstance(opened, Case)
    return RedirectResponse(f"/cases/{opened.number}", status_code=303)


@router.get("/cases/{number}")
async def one_case(request: Request, number: str, looks: Annotated[str, Query(max_length=1)] = "") -> Response:
    """One case and what it collected; with `looks=1` also what was done for it, from the log."""
    return await _one(request, number, with_looks=bool(looks))


@router.post("/cases/{number}/notes")
async def note(
    request: Request, number: str, text: _Note = "", camera: _Text = "", at: _Text = "", moment_ns: _Text = ""
) -> Response:
    """A note, or a bookmark: `at` as a form has it, or `moment_ns` as the camera's page knows it."""
    try:
        message = _note_message(request, number, text, camera, at=at, moment_ns=moment_ns)
        await deps_of(request).warden.about_cases(message)
    except CustodesError as error:
        return await _one(request, number, error=error)
    return RedirectResponse(f"/cases/{number}", status_code=303)


@api_router.post("/cases/{number}/notes")
async def note_as_data(
    request: Request, number: str, text: _Note = "", camera: _Text = "", moment_ns: _Text = ""
) -> dict[str, object]:
    """A bookmark from the review: the form's fields, answered with data instead of a page."""
    message = _note_message(request, number, text, camera, moment_ns=moment_ns)
    await deps_of(request).warden.about_cases(message)
    return {"number": number, "camera_id": message.camera_id, "moment_ns": message.moment_ns}


def _note_message(
    request: Request, number: str, text: str, camera: str, *, at: str = "", moment_ns: str = ""
) -> NoteOnCase:
    """Raises: InvalidArgument for a camera that is not there, or not theirs to see."""
    who = present(request).principal
    if camera and camera not in {row.camera_id for row in deps_of(request).visible_cameras(who)}:
        raise InvalidArgument("There is no such camera.")
    moment = utc_ns_of(at) if at else Ns(int(moment_ns)) if moment_ns.isdigit() and len(moment_ns) < 20 else Ns(0)
    return NoteOnCase(
        principal=who, number=number, text=text, camera_id=CameraId(camera), moment_ns=moment if camera else Ns(0)
    )


@router.post("/cases/{number}/people")
async def staff(request: Request, number: str, people: _People = None, owner: _Text = "") -> Response:
    """Who works on it from now on."""
    deps = deps_of(request)
    accounts = {one.user_id: one.name for one in await deps.catalog.accounts() if not one.is_disabled}
    try:
        if not {owner, *(people or [])} <= set(accounts):
            raise InvalidArgument("There is no such account.")
        message = ChangeCase(
            principal=present(request).principal,
            number=number,
            owner=CaseMember(user_id=owner, name=accounts[owner]),
            members=tuple(CaseMember(user_id=one, name=accounts[one]) for one in people or []),
        )
        await deps.warden.about_cases(message)
    except CustodesError as error:
        return await _one(request, number, error=error)
    return RedirectResponse(f"/cases/{number}", status_code=303)


@router.post("/cases/{number}/close")
async def close(request: Request, number: str, because: _Text = "") -> Response:
    """No look refers to it any more."""
    return await _step(request, CloseCase(principal=present(request).principal, number=number, because=because))


@router.post("/cases/{number}/reopen")
async def reopen(request: Request, number: str, because: _Text = "") -> Response:
    """Within the days it is kept."""
    return await _step(request, ReopenCase(principal=present(request).principal, number=number, because=because))


@api_router.get("/cases")
async def cases_as_data(request: Request) -> dict[str, object]:
    """Cases that I work on, or all when I oversee them; newest first."""
    return {"cases": [asdict(one) for one in await known_cases(deps_of(request), present(request).principal)]}


@api_router.get("/cases/{number}")
async def case_as_data(request: Request, number: str) -> JSONResponse:
    """One case with its notes."""
    return JSONResponse(asdict(await read_case(deps_of(request), present(request).principal, number)))


async def known_cases(deps: WebDeps, who: Principal) -> tuple[Case, ...]:
    """Newest first. Raises: Unavailable when the warden is down."""
    table = await deps.warden.about_cases(ReadCases(principal=who, limit=_LISTED))
    assert isinstance(table, CaseTable)
    return table.cases


async def read_case(deps: WebDeps, who: Principal, number: str) -> CaseFile:
    """Raises: NotFound, also for one that is not theirs to see; Unavailable."""
    found = await deps.warden.about_cases(ReadCase(principal=who, number=number[:64]))
    assert isinstance(found, CaseFile)
    return found


async def _step(request: Request, message: CloseCase | ReopenCase) -> Response:
    try:
        await deps_of(request).warden.about_cases(message)
    except CustodesError as error:
        return await _one(request, message.number, error=error)
    return RedirectResponse(f"/cases/{message.number}", status_code=303)


async def _list(request: Request, *, error: CustodesError | None = None) -> Response:
    status, _, problem = describe(error) if error else (200, "", "")
    found = await known_cases(deps_of(request), present(request).principal)
    return page(request, "cases.html", status=status, problem=problem, cases=found)


async def _one(
    request: Request, number: str, *, error: CustodesError | None = None, with_looks: bool = False
) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    found = await read_case(deps, who, number)
    case = found.case
    works = is_member(case, who.user_id)
    may_change = case.owner.user_id == who.user_id or deps.reads.may(who, Action.LEAD_CASES)
    accounts = [one for one in await deps.catalog.accounts() if not one.is_disabled] if may_change else []
    return page(
        request,
        "case.html",
        status=status,
        problem=problem,
        case=case,
        notes=found.notes,
        requests=await _requests(deps, who, case),
        deeds=await deeds_of(deps, who, case, may_look=works and case.closed_ns is None) if with_looks else None,
        is_member=works,
        may_trace=deps.reads.may(who, Action.TRACE_LEAK, Purpose(kind=PurposeKind.LEAK_TRACE, reference=case.number)),
        may_change=may_change,
        people=[(one.user_id, one.name, is_member(case, one.user_id)) for one in accounts],
        cameras=[(row.camera_id, row.name) for row in deps.visible_cameras(who)],
    )


async def _requests(deps: WebDeps, who: Principal, case: Case) -> list[dict[str, Any]]:
    """All that were filed for it, whoever filed them: who works on a case knows what is asked for it."""
    table = await deps.warden.about_requests(ReadRequests(limit=200))
    assert isinstance(table, RequestTable)
    now_ns = deps.clock.now_ns()
    records = [
        record
        for record in table.records
        if record.request.purpose.kind is PurposeKind.CASE
        and number_key(record.request.purpose.reference) == number_key(case.number)
    ]
    cameras, people = cameras_of(deps, who), await people_of(deps, who, records)
    return [request_row(record, now_ns, cameras=cameras, people=people) for record in records]
