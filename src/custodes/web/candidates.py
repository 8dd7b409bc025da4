"""Pages of candidates: two pictures side by side, one word each, signed with a passkey. The warden keeps it blind."""

import base64
import html
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response

from custodes.access import candidates as rules
from custodes.errors import InvalidArgument, NotFound
from custodes.types.face import CandidatePhase, CandidateRecord
from custodes.types.face_message import CandidateTable, FacesOpened, GiveVerdict, OpenFaces, ReadCandidates
from custodes.web.auth.passkeys import parse_credential
from custodes.web.deps import deps_of, page, present
from custodes.web.faces import zone_names
from custodes.web.language.speech import Words
from custodes.web.signing import sign_with_passkey

router = APIRouter(include_in_schema=False)

PHASE_WORDS: Words[CandidatePhase] = Words(
    {
        CandidatePhase.WAITING: "waits for two people",
        CandidatePhase.CONFIRMED: "confirmed by two people",
        CandidatePhase.REJECTED: "not the same person",
        CandidatePhase.DISPUTED: "they disagree: nothing follows",
        CandidatePhase.LAPSED: "nobody looked in time",
    }
)
_VERDICTS = {"same": True, "different": False}


@router.get("/faces/candidates")
async def candidates_page(request: Request) -> Response:
    """What waits and what was decided."""
    deps = deps_of(request)
    now_ns = deps.clock.now_ns()
    table = await _table(request)
    rows = [(one, rules.phase(one, now_ns)) for one in table.records]
    zones = await zone_names(deps)
    return page(request, "candidates.html", rows=rows, words=PHASE_WORDS, zones=zones, hindrance=table.hindrance)


@router.get("/faces/candidates/{candidate_id}")
async def candidate_page(request: Request, candidate_id: str) -> Response:
    """Side by side, with quality and likelihood, and without a name."""
    deps, who = deps_of(request), present(request).principal
    table = await _table(request)
    record = _found(table, candidate_id)
    return page(
        request,
        "candidate.html",
        record=record,
        hindrance=table.hindrance,
        one=record.candidate,
        phase=rules.phase(record, deps.clock.now_ns()),
        words=PHASE_WORDS,
        zones=await zone_names(deps),
        own=next((verdict for verdict in record.verdicts if verdict.user_id == who.user_id), None),
    )


@router.get("/faces/candidates/{candidate_id}/{which}.svg")
async def picture(request: Request, candidate_id: str, which: str) -> Response:
    """One of the two pictures, logged before its first byte, and with the viewer's name across it."""
    if which not in ("probe", "enrolled"):
        raise NotFound("There are two pictures: probe and enrolled.")
    deps, who = deps_of(request), present(request).principal
    opened = await deps.warden.about_requests(OpenFaces(principal=who, candidate_id=candidate_id[:64]))
    assert isinstance(opened, FacesOpened)
    content = opened.probe if which == "probe" else opened.enrolled
    return Response(_named(content, f"{who.name} · log {opened.log_index}"), media_type="image/svg+xml")


@router.post("/faces/candidates/{candidate_id}/options/{verdict}")
async def verdict_options(request: Request, candidate_id: str, verdict: str) -> Response:
    """What my passkey is to sign: the hash of candidate and word."""
    record = await _record(request, candidate_id)
    return await sign_with_passkey(request, rules.digest(record.candidate, is_same=_is_same(verdict)))


@router.post("/faces/candidates/{candidate_id}/say/{verdict}")
async def say(request: Request, candidate_id: str, verdict: str, body: Annotated[dict[str, Any], Body()]) -> Response:
    """My word, with the signature."""
    message = GiveVerdict(
        principal=present(request).principal,
        candidate_id=candidate_id[:64],
        is_same=_is_same(verdict),
        assertion=parse_credential(body.get("credential")),
    )
    deps = deps_of(request)
    await deps.warden.about_requests(message)
    if deps.on_verdict is not None:
        deps.on_verdict(message.candidate_id)
    return JSONResponse({"to": "/faces/candidates"})


def _is_same(verdict: str) -> bool:
    if verdict not in _VERDICTS:
        raise InvalidArgument("The word is same or different.")
    return _VERDICTS[verdict]


async def _table(request: Request) -> CandidateTable:
    table = await deps_of(request).warden.about_requests(ReadCandidates(principal=present(request).principal))
    assert isinstance(table, CandidateTable)
    return table


async def _record(request: Request, candidate_id: str) -> CandidateRecord:
    return _found(await _table(request), candidate_id)


def _found(table: CandidateTable, candidate_id: str) -> CandidateRecord:
    for record in table.records:
        if record.candidate.candidate_id == candidate_id:
            return record
    raise NotFound("There is no such candidate.")


def _named(jpeg: bytes, name: str) -> str:
    """An SVG with the picture in it and a name across: what is copied from the screen says who looked."""

    data = base64.b64encode(jpeg).decode()
    shown = html.escape(name)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160" width="320" height="320">'
        f'<image width="160" height="160" href="data:image/jpeg;base64,{data}"/>'
        f'<text x="4" y="156" font-size="7" fill="white" stroke="black" stroke-width=".3">{shown}</text></svg>'
    )
