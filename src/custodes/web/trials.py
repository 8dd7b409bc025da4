"""Pages of a zone's trial: who runs it sees rates and the DET curve; volunteers sign, walk and leave by their link."""

import csv
import io
import math
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.access import enrolment as rules
from custodes.access import trials
from custodes.errors import CustodesError
from custodes.face.trials import COLUMNS, NUMBERS, VOLUNTEER, Rate, Trial, det, det_svg, least_proven, rates_of
from custodes.types.access import Action
from custodes.types.face_message import EnrolmentTable, ReadEnrolments
from custodes.types.trial import (
    BeginWalk,
    EndTrial,
    InviteVolunteer,
    LeaveTrial,
    OpenTrial,
    ReadTrial,
    ReadVolunteer,
    SignTrial,
    TrialLeft,
    TrialShown,
    VolunteerInvited,
    VolunteerShown,
    WalkPhase,
    WalkRow,
)
from custodes.units import NS_PER_S
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.enrol import base_of, check_agreed
from custodes.web.errors import describe
from custodes.web.faces import zone_row
from custodes.web.words import paragraphs

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=600)]
_WAITS = (WalkPhase.SOON, WalkPhase.NOW, WalkPhase.READING)


@router.get("/faces/zones/{zone_id}/trial")
async def trial_page(request: Request, zone_id: str) -> Response:
    """What the volunteers' walks prove, and no more."""
    return await _trial(request, zone_id)


@router.post("/faces/zones/{zone_id}/trial")
async def open_trial(request: Request, zone_id: str, days: Annotated[int, Form()] = 30) -> Response:
    """Begin one."""
    who = present(request).principal
    return await _step(request, zone_id, OpenTrial(principal=who, zone_id=zone_id[:64], days=days))


@router.post("/faces/zones/{zone_id}/trial/end")
async def end_trial(request: Request, zone_id: str) -> Response:
    """Destroy all of it now."""
    return await _step(request, zone_id, EndTrial(principal=present(request).principal, zone_id=zone_id[:64]))


@router.post("/faces/zones/{zone_id}/trial/invite")
async def invite(request: Request, zone_id: str, name: _Text = "", person: _Text = "") -> Response:
    """Shows the volunteer's link, once."""
    message = InviteVolunteer(
        principal=present(request).principal, zone_id=zone_id[:64], name=name, person_id=person[:64]
    )
    try:
        made = await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _trial(request, zone_id, error=error)
    assert isinstance(made, VolunteerInvited)
    return await _trial(request, zone_id, link=f"{base_of(request)}/walk/{made.token}")


@router.get("/faces/zones/{zone_id}/trial/walks.csv")
async def walks(request: Request, zone_id: str) -> Response:
    """For `custodes faces evaluate`, beside labels that the volunteers gave on paper."""
    row = await zone_row(deps_of(request), zone_id)
    shown = await _shown(request, zone_id, is_export=True)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow((*COLUMNS, *NUMBERS, VOLUNTEER))
    for one in trials_of(shown.walks, row.record.draft.zone_id):
        score = "" if math.isnan(one.score) else f"{one.score:.4f}"
        lines.writerow((one.trial, one.zone, one.person, one.found, score, f"{one.threshold:.4f}", one.volunteer))
    named = {"content-disposition": f'attachment; filename="walks-{row.record.draft.zone_id}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=named)


# -- public: whoever has the link --------------------------------------------------------------------------------


@router.get("/walk/{token}")
async def walk_page(request: Request, token: str) -> Response:
    """What is asked, a signature, and the button."""
    return await _walk(request, token)


@router.post("/walk/{token}/sign")
async def sign(request: Request, token: str, signature: _Text = "", agree: _Text = "", sha256: _Text = "") -> Response:
    """The volunteer signs the text that they saw."""
    deps = deps_of(request)
    try:
        check_agreed(agree, sha256, _text(deps, await _volunteer(deps, token)))
        await deps.warden.about_requests(SignTrial(token=token[:128], signature=signature, text_sha256=sha256))
    except CustodesError as error:
        return await _walk(request, token, error=error)
    return RedirectResponse(f"/walk/{token[:128]}", status_code=303)


@router.post("/walk/{token}/begin")
async def begin(request: Request, token: str) -> Response:
    """The next face that passes is mine."""
    try:
        await deps_of(request).warden.about_requests(BeginWalk(token=token[:128]))
    except CustodesError as error:
        return await _walk(request, token, error=error)
    return RedirectResponse(f"/walk/{token[:128]}", status_code=303)


@router.post("/walk/{token}/leave")
async def leave(request: Request, token: str) -> Response:
    """Everything of mine is destroyed."""
    try:
        left = await deps_of(request).warden.about_requests(LeaveTrial(token=token[:128]))
    except CustodesError as error:
        return await _walk(request, token, error=error)
    assert isinstance(left, TrialLeft)
    return page(request, "walk.html", shown=None, problem="", log_index=left.log_index, token="", is_waiting=False)


# -- parts -------------------------------------------------------------------------------------------------------


def trials_of(rows: tuple[WalkRow, ...], zone: str) -> list[Trial]:
    """As the evaluation reads them. Whoever else was nearest is nobody's business: "other"."""
    return [
        Trial(
            trial=row.walk_id, zone=zone, person=row.volunteer_id if row.is_enrolled else "",
            found=row.volunteer_id if row.found == "self" else row.found, score=row.score, threshold=row.threshold,
            volunteer=row.volunteer_id,
        )
        for row in rows
    ]  # fmt: skip


async def _shown(request: Request, zone_id: str, *, is_export: bool = False) -> TrialShown:
    message = ReadTrial(principal=present(request).principal, zone_id=zone_id[:64], is_export=is_export)
    shown = await deps_of(request).warden.about_requests(message)
    assert isinstance(shown, TrialShown)
    return shown


async def _step(request: Request, zone_id: str, message: object) -> Response:
    try:
        await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _trial(request, zone_id, error=error)
    return RedirectResponse(f"/faces/zones/{zone_id[:64]}/trial", status_code=303)


async def _trial(request: Request, zone_id: str, *, error: CustodesError | None = None, link: str = "") -> Response:
    deps, who = deps_of(request), present(request).principal
    draft = (await zone_row(deps, zone_id)).record.draft
    shown = await _shown(request, zone_id)
    may_run = deps.reads.may(who, Action.ENROL)
    enrolled: list[tuple[str, str]] = []
    if may_run and shown.trial is not None:
        table = await deps.warden.about_requests(ReadEnrolments(principal=who))
        assert isinstance(table, EnrolmentTable)
        now_ns = deps.clock.now_ns()
        for row in table.enrolments:
            if draft.zone_id in row.enrolment.zone_ids and rules.is_compared(row.enrolment, now_ns):
                enrolled.append((row.enrolment.person_id, row.name))
    status, _, problem = describe(error) if error else (200, "", "")
    found = trials_of(shown.walks, draft.zone_id)
    fnir, fpir, fta = rates_of(found)
    curve = det(found)
    return page(
        request,
        "trial.html",
        status=status,
        problem=problem,
        draft=draft,
        shown=shown,
        link=link,
        enrolled=enrolled,
        may_run=may_run,
        fnir=fnir,
        fpir=fpir,
        fta=fta,
        is_proven=fpir.proves(draft.fpir),
        is_refuted=fpir.errors > 0 and fpir.interval[0] > draft.fpir,
        lacking=_lacking(fpir, draft.fpir),
        curve=det_svg(curve, least_proven(fpir), (fpir.value, fnir.value)) if curve else "",
        max_days=trials.MAX_DAYS,
    )


def _lacking(rate: Rate, wanted: float) -> int:
    """How many more strangers without an error would prove it, at least."""
    return max(math.ceil(3 / wanted - rate.counted), 0)


async def _volunteer(deps: WebDeps, token: str) -> VolunteerShown:
    shown = await deps.warden.about_requests(ReadVolunteer(token=token[:128]))
    assert isinstance(shown, VolunteerShown)
    return shown


def _text(deps: WebDeps, shown: VolunteerShown) -> str:
    return trials.TEXT.format(
        site=deps.config.name,
        zone=shown.zone,
        enrolled=trials.ENROLLED if shown.is_enrolled else trials.NOT_ENROLLED,
        ends=datetime.fromtimestamp(shown.ends_ns // NS_PER_S, UTC).strftime("%Y-%m-%d"),
        controller=deps.config.privacy.controller or deps.config.name,
    )


async def _walk(request: Request, token: str, *, error: CustodesError | None = None) -> Response:
    deps = deps_of(request)
    status, _, problem = describe(error) if error else (200, "", "")
    shown = await _volunteer(deps, token)
    text = _text(deps, shown)
    return page(
        request,
        "walk.html",
        status=status,
        problem=problem,
        token=token[:128],
        shown=shown,
        text=paragraphs(text),
        sha256=rules.text_sha256(text),
        log_index=None,
        is_waiting=shown.phase in _WAITS,
    )
