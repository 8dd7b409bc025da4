"""Journeys of enrolled people: ask others, then see where somebody went as a map, a time line and a list, or take it
along as an exhibit. And where the missing were last confirmed.

Every opening is a question to the warden, with its log entry before the answer; nothing of an answer is kept.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.access import enrolment
from custodes.access import requests as rules
from custodes.access.cases import is_member
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from custodes.ports.journeys import Journeys
from custodes.types.access import Action, Fidelity, Principal, Purpose, PurposeKind
from custodes.types.approval import FileRequest, RequestPhase, RequestRecord
from custodes.types.face_message import EndEnrolment, EnrolmentInvited, InviteEnrolment, Withdrawn
from custodes.types.journey import FollowableTable, LastSeenTable, ReadFollowable, ReadLastSeen
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.asked_names import cameras_of, people_of
from custodes.web.cases import known_cases
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.enrol import base_of
from custodes.web.errors import describe
from custodes.web.faces import face_zones, zone_names
from custodes.web.journey_drawing import MAP_PX, floors_of, steps_of
from custodes.web.moments import form_text, utc_ns_of
from custodes.web.requests import request_row

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=600)]
_Cameras = Annotated[list[str] | None, Form(max_length=rules.MAX_CAMERAS)]
_Zones = Annotated[list[str] | None, Form(max_length=64)]
SOON_S = 3.0
"""A short journey is made while the page is waited for; a longer one says how far it is."""
_LOOK_S = 0.1
MISSING_HOURS = enrolment.MISSING_MAX_NS // (3600 * NS_PER_S)


@router.get("/journeys")
async def journeys_page(request: Request) -> Response:
    """My requests for journeys, those that wait for me, and a form to ask."""
    return await _list(request)


@router.post("/journeys")
async def ask(
    request: Request,
    person: _Text = "",
    reference: _Text = "",
    cameras: _Cameras = None,
    begin: _Text = "",
    end: _Text = "",
    reason: _Text = "",
) -> Response:
    """File the request that others approve."""
    deps, who = deps_of(request), present(request).principal
    try:
        known = {row.camera_id for row in deps.visible_cameras(who)}
        if not set(cameras or ()) <= known:
            raise InvalidArgument("There is no such camera.")
        message = FileRequest(
            principal=who,
            action=Action.FOLLOW,
            purpose=Purpose(kind=PurposeKind.CASE, reference=reference.strip()),
            camera_ids=tuple(CameraId(one) for one in cameras or ()),
            start_ns=utc_ns_of(begin),
            end_ns=utc_ns_of(end),
            fidelity=Fidelity.MASKED,
            reason=reason,
            is_break_glass=False,
            person_id=person.strip(),
        )
        filed = await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _list(request, error=error)
    assert isinstance(filed, RequestRecord)
    return RedirectResponse(f"/journeys/{filed.request.request_id}", status_code=303)


@router.get("/journeys/{request_id}")
async def one_journey(request: Request, request_id: str) -> Response:
    """The request, and the button that opens the journey. Nothing is told by this page alone."""
    return await _one(request, request_id)


@router.post("/journeys/{request_id}")
async def open_journey(request: Request, request_id: str, act: _Text = "") -> Response:
    """The journey: map, time line, list. `act`: "looks" to compare clothes first, "stop" to stop that."""
    deps, who = deps_of(request), present(request).principal
    await _record(deps, who, request_id)
    try:
        if act == "stop":
            await _desk(deps).cancel(who, request_id)
            return RedirectResponse(f"/journeys/{request_id}", status_code=303)
        if act == "looks":
            await _desk(deps).begin(who, request_id)
            if not await _is_soon_done(_desk(deps), who, request_id):
                return RedirectResponse(f"/journeys/{request_id}", status_code=303)
        journey = await _desk(deps).follow(who, request_id)
    except CustodesError as error:
        return await _one(request, request_id, error=error)
    layouts = await deps.catalog.layouts(1)
    return page(
        request,
        "journey.html",
        journey=journey,
        steps=steps_of(journey),
        floors=floors_of(journey, layouts[0].floors if layouts else ()),
        map_px=MAP_PX,
        begin=form_text(journey.start_ns).replace("T", " "),
        end=form_text(journey.end_ns).replace("T", " "),
    )


@router.post("/journeys/{request_id}/exhibit")
async def exhibit(request: Request, request_id: str) -> Response:
    """As a ZIP with proofs; its hash is noted in the case."""
    deps, who = deps_of(request), present(request).principal
    try:
        content = await _desk(deps).exhibit(who, request_id)
    except CustodesError as error:
        return await _one(request, request_id, error=error)
    headers = {"content-disposition": f'attachment; filename="custodes-journey-{request_id[:16]}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


@router.get("/last-seen")
async def last_seen_page(request: Request) -> Response:
    """Where the missing were confirmed last; a form for a guardian's enrolment on the spot."""
    return await _last_seen(request)


@router.post("/last-seen")
async def look_for(
    request: Request, name: _Text = "", purpose: _Text = "", zones: _Zones = None, hours: Annotated[int, Form()] = 24,
    follow: _Text = "",
) -> Response:  # fmt: skip
    """Make the guardian's invitation; its link is shown once, to be opened on the spot."""
    deps = deps_of(request)
    try:
        if not 1 <= hours <= MISSING_HOURS:
            raise InvalidArgument(f"A missing person is looked for during 1 to {MISSING_HOURS} hours.")
        made = await deps.warden.about_requests(
            InviteEnrolment(
                principal=present(request).principal,
                name=name,
                purpose=purpose,
                zone_ids=tuple(zones or ()),
                expires_ns=Ns(deps.clock.now_ns() + hours * 3600 * NS_PER_S),
                may_follow=follow == "yes",
                is_missing=True,
            )
        )
    except CustodesError as error:
        return await _last_seen(request, error=error, typed={"name": name, "purpose": purpose, "hours": hours})
    assert isinstance(made, EnrolmentInvited)
    return await _last_seen(request, link=f"{base_of(request)}/enrol/{made.token}", invited=name)


@router.post("/last-seen/{person_id}/end")
async def found(request: Request, person_id: str) -> Response:
    """The search is over: what is stored is destroyed, and the page shows who is still being looked for."""
    try:
        message = EndEnrolment(principal=present(request).principal, person_id=person_id[:64])
        ended = await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _last_seen(request, error=error)
    assert isinstance(ended, Withdrawn)
    return await _last_seen(request, ended=ended.log_index)


async def _is_soon_done(desk: Journeys, who: Principal, request_id: str) -> bool:
    for _ in range(round(SOON_S / _LOOK_S)):
        making = desk.making(who, request_id)
        if making is None or making.is_done:
            return True
        await asyncio.sleep(_LOOK_S)
    return False


def _desk(deps: WebDeps) -> Journeys:
    if deps.journeys is None:
        raise FailedPrecondition("This server follows nobody.")
    return deps.journeys


async def _record(deps: WebDeps, who: Principal, request_id: str) -> RequestRecord:
    for record in await deps.requests_for(who):
        if record.request.request_id == request_id and record.request.action is Action.FOLLOW:
            return record
    raise NotFound("There is no such request for a journey, or it is not yours to see.")


async def _list(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    records = [one for one in await deps.requests_for(who) if one.request.action is Action.FOLLOW]
    names, known = cameras_of(deps, who), await people_of(deps, who, records)
    rows = [
        request_row(one, now_ns, is_own=one.request.requester_id == who.user_id, cameras=names, people=known)
        for one in records
    ]
    may_ask = deps.reads.may(who, Action.FILE_REQUEST) and deps.reads.may(who, Action.READ_SIGHTINGS)
    people = await deps.warden.about_requests(ReadFollowable(principal=who)) if may_ask else None
    cases = [one for one in await known_cases(deps, who) if one.closed_ns is None and is_member(one, who.user_id)]
    return page(
        request,
        "journeys.html",
        status=status,
        problem=problem,
        rows=rows,
        may_ask=may_ask,
        people=people.people if isinstance(people, FollowableTable) else (),
        cases=[(one.number, one.title) for one in cases],
        cameras=[(row.camera_id, row.name) for row in deps.visible_cameras(who)],
        begin=form_text(now_ns - 2 * 3600 * NS_PER_S),
        end=form_text(now_ns),
        approvals=deps.config.access.approvals,
    )


async def _one(request: Request, request_id: str, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    record = await _record(deps, who, request_id)
    now_ns = deps.clock.now_ns()
    is_own = record.request.requester_id == who.user_id
    making = deps.journeys.making(who, request_id) if deps.journeys is not None else None
    return page(
        request,
        "journey_request.html",
        making=making,
        status=status,
        problem=problem,
        row=request_row(
            record,
            now_ns,
            is_own=is_own,
            cameras=cameras_of(deps, who),
            people=await people_of(deps, who, [record]),
        ),
        record=record,
        may_open=is_own and rules.phase(record, now_ns) is RequestPhase.IN_FORCE,
        waits=rules.phase(record, now_ns) is RequestPhase.WAITING,
    )


async def _blind(deps: WebDeps) -> frozenset[str]:
    """Zones in which the matcher can tell nobody yet (`face.threshold`); none where it does not answer."""
    try:
        loads = (await deps.recogniser.read_loads()).zones if deps.recogniser is not None else ()
    except Unavailable:
        return frozenset()
    return frozenset(one.zone_id for one in loads if one.people and one.threshold >= 1)


async def _last_seen(
    request: Request,
    *,
    error: CustodesError | None = None,
    link: str = "",
    invited: str = "",
    ended: int | None = None,
    typed: Mapping[str, object] | None = None,
) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    may_enrol = deps.reads.may(who, Action.ENROL)
    table = await deps.warden.about_requests(ReadLastSeen(principal=who))
    assert isinstance(table, LastSeenTable)
    return page(
        request,
        "last_seen.html",
        status=status,
        problem=problem,
        people=table.people,
        log_index=table.log_index,
        floors={spec.camera_id: spec.scene.floor for spec in await deps.catalog.cameras()},
        zones=await zone_names(deps),
        active=await face_zones(deps),
        blind=await _blind(deps),
        may_enrol=may_enrol,
        is_enabled=deps.recogniser is not None,
        hours=MISSING_HOURS,
        link=link,
        invited=invited,
        ended=ended,
        typed=typed or {"name": "", "purpose": "", "hours": 24},
    )
