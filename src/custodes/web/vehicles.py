"""The operator's own list of vehicles: who is on it, listing one, ending a listing. The warden keeps hashes, no plate.

What is typed as a plate goes from the form to the warden; no page, address, log line or error repeats it.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.access import plates as rules
from custodes.errors import CustodesError
from custodes.types.access import Action
from custodes.types.face import ZoneKind, ZonePhase
from custodes.types.plate import EndListing, ListingTable, ListVehicle, ReadListings
from custodes.units import NS_PER_DAY, Ns
from custodes.web.deps import deps_of, page, present
from custodes.web.errors import describe
from custodes.web.faces import zone_rows

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=600)]
_Zones = Annotated[list[str] | None, Form(max_length=16)]


@router.get("/vehicles")
async def vehicles_page(request: Request) -> Response:
    """The list, newest first, and a form for who may list."""
    return await _page(request)


@router.post("/vehicles")
async def list_vehicle(
    request: Request,
    plate: Annotated[str, Form(max_length=40)] = "",
    label: _Text = "",
    agreement: _Text = "",
    zones: _Zones = None,
    days: Annotated[int, Form(ge=1, le=366)] = 365,
) -> Response:
    """List one vehicle, for at most a year, with what its keeper signed."""
    deps = deps_of(request)
    message = ListVehicle(
        principal=present(request).principal,
        plate=plate,
        label=label,
        zone_ids=tuple(zones or ()),
        agreement=agreement,
        expires_ns=Ns(deps.clock.now_ns() + days * NS_PER_DAY),
    )
    return await _step(request, message)


@router.post("/vehicles/{vehicle_id}/end")
async def end_listing(request: Request, vehicle_id: str) -> Response:
    """At once; its hash is overwritten."""
    return await _step(request, EndListing(principal=present(request).principal, vehicle_id=vehicle_id))


async def _step(request: Request, message: object) -> Response:
    try:
        await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/vehicles", status_code=303)


async def _page(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    table = await deps.warden.about_requests(ReadListings(principal=who))
    assert isinstance(table, ListingTable)
    zones = [row for row in await zone_rows(deps) if row.record.draft.kind is ZoneKind.PLATES]
    status, _, problem = describe(error) if error else (200, "", "")
    now_ns = deps.clock.now_ns()
    return page(
        request,
        "vehicles.html",
        status=status,
        problem=problem,
        rows=[(one, rules.counts(one, now_ns)) for one in table.listings],
        zone_names={row.record.draft.zone_id: row.record.draft.name for row in zones},
        zones=[row.record.draft for row in zones if row.phase is ZonePhase.ACTIVE],
        plates_masked=deps.config.redaction.plates,
        may_list=deps.reads.may(who, Action.ENROL),
    )
