"""The page that enrols a list of people, each with a basis of their own: a plan first, then row by row, then a report.

The browser holds the list and the pictures and hands over one person and one picture at a time; the recogniser's
process decodes pictures, this one never does.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response

from custodes.access.bulk import COLUMNS, MAX_ROWS, BulkRefusal, BulkRow, read_bulk
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.types.access import Action
from custodes.types.face import LegalBasis
from custodes.types.face_message import EnrolmentInvited, InviteEnrolment
from custodes.units import NS_PER_DAY, Ns
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.enrol import base_of
from custodes.web.faces import face_zones

router = APIRouter(include_in_schema=False)


@router.get("/faces/people/import")
async def import_page(request: Request) -> Response:
    """What a list looks like, and a place for it."""
    deps = deps_of(request)
    _require(request)
    return page(
        request,
        "bulk.html",
        columns=COLUMNS,
        most=MAX_ROWS,
        zones=sorted(await _zones(deps)),
        is_enabled=deps.recogniser is not None,
    )


@router.post("/faces/people/import/plan")
async def plan(request: Request, body: Annotated[dict[str, Any], Body()]) -> Response:
    """What would be done, and what would be refused; nothing is."""
    rows, refused = await _read(request, body)
    return JSONResponse(
        {
            "rows": [
                {
                    "line": row.line,
                    "name": row.name,
                    "basis": row.basis.value if row.basis else "",
                    "pictures": list(row.pictures),
                }
                for row in rows
            ],
            "refused": [{"line": one.line, "words": one.words} for one in refused],
        }
    )


@router.post("/faces/people/import/row")
async def import_row(request: Request, body: Annotated[dict[str, Any], Body()]) -> Response:
    """One person of the list: the link to sign behind; or a token to give pictures with, and the link that ends it."""
    deps, line = deps_of(request), body.get("line")
    rows, _ = await _read(request, body)
    row = next((one for one in rows if one.line == line), None)
    if row is None:
        raise InvalidArgument("The list has no such line that could be taken.")
    message = InviteEnrolment(
        principal=present(request).principal,
        name=row.name,
        purpose=row.purpose,
        zone_ids=row.zone_ids,
        expires_ns=Ns(deps.clock.now_ns() + row.days * NS_PER_DAY),
        basis=LegalBasis(kind=row.basis, reference=row.reference) if row.basis else None,
    )
    made = await deps.warden.about_requests(message)
    assert isinstance(made, EnrolmentInvited)
    base = base_of(request)
    return JSONResponse(
        {
            "token": made.token,
            "link": f"{base}/withdraw/{made.withdraw_token}" if row.basis else f"{base}/enrol/{made.token}",
        }
    )


async def _zones(deps: WebDeps) -> dict[str, str]:
    return {draft.name: draft.zone_id for draft in await face_zones(deps)}


def _require(request: Request) -> None:
    if not deps_of(request).reads.may(present(request).principal, Action.ENROL):
        raise PermissionDenied("Only who enrols people imports a list of them.")


async def _read(request: Request, body: dict[str, Any]) -> tuple[list[BulkRow], list[BulkRefusal]]:
    _require(request)
    text = body.get("csv")
    if not isinstance(text, str):
        raise InvalidArgument("The list is missing.")
    return read_bulk(text, await _zones(deps_of(request)))
