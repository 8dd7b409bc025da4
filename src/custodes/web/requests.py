"""Pages of requests: ask, see what waits, approve with a passkey, refuse, withdraw, break the glass and review it.

The warden decides and keeps all of it; these pages only ask and show (`types.approval`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Form, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from custodes.access import protection
from custodes.access import requests as rules
from custodes.errors import CustodesError, InvalidArgument, NotFound
from custodes.types.access import Action, Fidelity, Principal, Purpose, PurposeKind
from custodes.types.approval import (
    CastVote,
    FileRequest,
    RequestPhase,
    RequestRecord,
    ReviewBreakGlass,
    WithdrawRequest,
)
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from custodes.web.asked_names import cameras_of, people_of
from custodes.web.auth.me import place_of
from custodes.web.auth.passkeys import parse_credential
from custodes.web.auth.people import principal_of
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.speech import Words, translated
from custodes.web.moments import utc_ns_of
from custodes.web.protection import touched_by
from custodes.web.signing import sign_with_passkey
from custodes.web.vouching import waiting_keys
from custodes.web.words import request_words

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=600)]
_Cameras = Annotated[list[str] | None, Form(max_length=rules.MAX_CAMERAS)]
MAX_SHOWN_CHARS = 32 * rules.MAX_SHOWN
_PHASE_WORDS: Words[RequestPhase] = Words(
    {
        RequestPhase.WAITING: "waits for others",
        RequestPhase.IN_FORCE: "in force",
        RequestPhase.REFUSED: "refused",
        RequestPhase.WITHDRAWN: "withdrawn",
        RequestPhase.LAPSED: "lapsed: nobody approved it in time",
        RequestPhase.OVER: "over",
    }
)


@router.get("/requests")
async def requests_page(
    request: Request, camera: Annotated[str, Query(max_length=64)] = "", at: Annotated[int, Query(ge=0, le=2**62)] = 0
) -> Response:
    """What waits, what is in force, what was; and forms to ask and to break the glass, filled in for a moment."""
    return await _page(request, camera=camera, at_ns=at)


@router.post("/requests")
async def file_request(
    request: Request,
    action: _Text = "play_back",
    purpose: _Text = "case",
    reference: _Text = "",
    cameras: _Cameras = None,
    begin: _Text = "",
    end: _Text = "",
    fidelity: _Text = "unmasked",
    reason: _Text = "",
    shown: Annotated[str, Form(max_length=MAX_SHOWN_CHARS)] = "",
) -> Response:
    """Ask others."""
    form = (action, purpose, reference, cameras, begin, end, fidelity, reason, shown)
    return await _file(request, *form, is_break_glass=False)


@router.post("/requests/break-glass")
async def break_glass(
    request: Request,
    purpose: _Text = "alarm",
    reference: _Text = "",
    cameras: _Cameras = None,
    begin: _Text = "",
    end: _Text = "",
    reason: _Text = "",
) -> Response:
    """Do it now; everybody who reviews is told at once."""
    form = ("play_back", purpose, reference, cameras, begin, end, "unmasked", reason, "")
    return await _file(request, *form, is_break_glass=True)


@router.get("/requests/{request_id}")
async def one_request(request: Request, request_id: str) -> Response:
    """One request, what is asked and what it would cost, and what I may do about it."""
    return await _one(request, await _record(request, request_id))


@router.post("/requests/{request_id}/options")
async def approval_options(request: Request, request_id: str) -> Response:
    """What my passkey is to sign: the hash of the request."""
    return await sign_with_passkey(request, rules.digest((await _record(request, request_id)).request))


@router.post("/requests/{request_id}/approve")
async def approve(request: Request, request_id: str, body: Annotated[dict[str, Any], Body()]) -> Response:
    """With the signature over its hash."""
    message = CastVote(
        principal=present(request).principal,
        request_id=request_id[:64],
        is_yes=True,
        note=str(body.get("note", ""))[: rules.MAX_TEXT_CHARS],
        assertion=parse_credential(body.get("credential")),
    )
    await deps_of(request).warden.about_requests(message)
    return JSONResponse({"to": f"/requests/{request_id}"})


@router.post("/requests/{request_id}/refuse")
async def refuse(request: Request, request_id: str, note: _Text = "") -> Response:
    """A no, also against what is in force already."""
    who = present(request).principal
    return await _step(
        request, CastVote(principal=who, request_id=request_id[:64], is_yes=False, note=note, assertion="")
    )


@router.post("/requests/{request_id}/withdraw")
async def withdraw(request: Request, request_id: str) -> Response:
    """My own."""
    return await _step(request, WithdrawRequest(principal=present(request).principal, request_id=request_id[:64]))


@router.post("/requests/{request_id}/review")
async def review(request: Request, request_id: str, justified: _Text = "", note: _Text = "") -> Response:
    """Somebody's break-glass."""
    message = ReviewBreakGlass(
        principal=present(request).principal,
        request_id=request_id[:64],
        is_justified=justified == "yes",
        note=note,
    )
    return await _step(request, message)


async def _step(request: Request, message: Any) -> Response:
    try:
        await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _one(request, await _record(request, message.request_id), error=error)
    return RedirectResponse(f"/requests/{message.request_id}", status_code=303)


async def _file(
    request: Request,
    action: str,
    purpose: str,
    reference: str,
    cameras: list[str] | None,
    begin: str,
    end: str,
    fidelity: str,
    reason: str,
    shown: str,
    *,
    is_break_glass: bool,
) -> Response:
    deps, who = deps_of(request), present(request).principal
    try:
        message = FileRequest(
            principal=who,
            action=Action(action),
            purpose=Purpose(kind=PurposeKind(purpose), reference=reference),
            camera_ids=_known(deps, cameras or []),
            start_ns=utc_ns_of(begin),
            end_ns=utc_ns_of(end),
            fidelity=Fidelity(fidelity),
            reason=reason,
            is_break_glass=is_break_glass,
            shown=parse_shown(shown),
        )
        record = await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _page(request, error=error)
    except ValueError:
        return await _page(request, error=InvalidArgument("There is no such action, purpose or fidelity."))
    assert isinstance(record, RequestRecord)
    return RedirectResponse(f"/requests/{record.request.request_id}", status_code=303)


def parse_shown(text: str) -> tuple[tuple[RunId, int], ...]:
    """Tracks as `run/track` with blanks between. Raises: InvalidArgument."""
    found = []
    for one in text.split():
        run, _, number = one.partition("/")
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise InvalidArgument("Whom to show is a list of tracks, each its run, a stroke and its number.")
        found.append((RunId(run), int(number)))
    return tuple(found)


def _known(deps: WebDeps, cameras: list[str]) -> tuple[CameraId, ...]:
    known = {row.camera_id for row in deps.live.camera_rows()}
    if not set(cameras) <= known:
        raise InvalidArgument("There is no such camera.")
    return tuple(CameraId(one) for one in cameras)


async def _record(request: Request, request_id: str) -> RequestRecord:
    """A request that this person may know of: their own, or any for who approves or reviews."""
    deps = deps_of(request)
    for record in await deps.requests_for(present(request).principal):
        if record.request.request_id == request_id:
            return record
    raise NotFound("There is no such request, or it is not yours to see.")


async def _page(request: Request, *, error: CustodesError | None = None, camera: str = "", at_ns: int = 0) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    records = await deps.requests_for(who)
    approvers = await approvers_of(deps)
    names, people = cameras_of(deps, who), await people_of(deps, who, records)
    rows = [
        request_row(
            one,
            now_ns,
            is_own=one.request.requester_id == who.user_id,
            approvers=approvers,
            cameras=names,
            people=people,
        )
        for one in records
    ]
    cameras = deps.visible_cameras(who)
    until_s = at_ns // NS_PER_S // 60 * 60 + 120 if at_ns else now_ns // NS_PER_S
    until = datetime.fromtimestamp(min(until_s, now_ns // NS_PER_S), UTC)
    begin = until - timedelta(minutes=3 if at_ns else 30)
    return page(
        request,
        "requests.html",
        status=status,
        problem=problem,
        groups=_grouped(rows, deps, who),
        waiting_keys=await waiting_keys(deps, who),
        place=place_of(request),
        cameras=[(row.camera_id, row.name, row.camera_id == camera) for row in cameras],
        begin=begin.strftime("%Y-%m-%dT%H:%M"),
        is_asking=bool(at_ns),
        end=until.strftime("%Y-%m-%dT%H:%M"),
        approvals=deps.config.access.approvals,
        is_fresh=deps.auth.is_fresh(present(request).session),
    )


async def _one(request: Request, record: RequestRecord, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    now = rules.phase(record, now_ns)
    is_own = record.request.requester_id == who.user_id
    may_decide = deps.reads.may(who, Action.APPROVE) and not is_own
    return page(
        request,
        "request.html",
        status=status,
        problem=problem,
        row=request_row(
            record,
            now_ns,
            is_own=is_own,
            approvers=await approvers_of(deps),
            cameras=cameras_of(deps, who),
            people=await people_of(deps, who, [record]),
        ),
        record=record,
        may_approve=may_decide and now is RequestPhase.WAITING,
        may_refuse=may_decide and now in (RequestPhase.WAITING, RequestPhase.IN_FORCE),
        may_withdraw=is_own and now in (RequestPhase.WAITING, RequestPhase.IN_FORCE),
        may_review=deps.reads.may(who, Action.REVIEW) and not is_own and rules.awaits_review(record),
        touched=await touched_by(deps, who, record.request.request_id),
        is_hidden=is_own and protection.is_hidden(record, now),
        may_use=is_own and now is RequestPhase.IN_FORCE,
        digest=rules.digest(record.request).hex(),
        place=place_of(request),
    )


async def approvers_of(deps: WebDeps) -> dict[str, str]:
    """Who may approve what others ask for, at this hour: names by id of the account."""
    known = [principal_of(one) for one in await deps.catalog.accounts()]
    return {one.user_id: one.name for one in known if deps.reads.may(one, Action.APPROVE)}


def _grouped(rows: list[dict[str, Any]], deps: WebDeps, who: Principal) -> list[tuple[str, list[dict[str, Any]]]]:
    """What waits for this person first, then what waits for others, what is in force, and what was."""
    may_approve, may_review = deps.reads.may(who, Action.APPROVE), deps.reads.may(who, Action.REVIEW)
    mine: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    in_force: list[dict[str, Any]] = []
    was: list[dict[str, Any]] = []
    for row in rows:
        is_own = row["record"].request.requester_id == who.user_id
        if row["awaits_review"]:
            (mine if may_review and not is_own else others).append(row)
        elif row["phase"] == RequestPhase.WAITING.value:
            (mine if may_approve and not is_own else others).append(row)
        else:
            (in_force if row["phase"] == RequestPhase.IN_FORCE.value else was).append(row)
    for row in mine:
        row["is_mine"] = True
    groups = [
        (translated("Waiting for you"), mine),
        (translated("Waiting for others"), others),
        (translated("In force"), in_force),
        (translated("Decided or over"), was),
    ]
    return [(title, group) for title, group in groups if group]


def request_row(
    record: RequestRecord,
    now_ns: Ns,
    *,
    is_own: bool = False,
    approvers: Mapping[str, str] | None = None,
    cameras: Mapping[CameraId, str] | None = None,
    people: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A request as a list shows it.

    Args:
        approvers: who may approve, names by id; whom it waits for is told of these only.
        cameras, people: names that the reader may know, by id; else the id is shown.
    """
    asked = record.request
    now = rules.phase(record, now_ns)
    is_hidden = is_own and protection.is_hidden(record, now)
    # whose word is there is not told while it is hidden: then all who may are named
    voted = set() if is_hidden else {vote.approver_id for vote in record.votes}
    waits_for = [name for user_id, name in (approvers or {}).items() if user_id not in voted | {asked.requester_id}]
    return {
        "id": asked.request_id,
        "phase": now.value,
        "phase_words": _PHASE_WORDS[now],
        "awaits_review": rules.awaits_review(record),
        "words": request_words(asked, cameras, people),
        "cameras": [(one, (cameras or {}).get(one, one)) for one in asked.camera_ids],
        "record": record,
        "is_hidden": is_hidden,
        "is_mine": False,
        "waits_for": sorted(waits_for) if now is RequestPhase.WAITING else [],
        "yes": sum(vote.counts for vote in record.votes),
    }
