"""Road traffic: the page with its plots, and the same figures as JSON, CSV and DATEX II."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from custodes.errors import FailedPrecondition, InvalidArgument, NotFound
from custodes.traffic.exports import to_csv, to_datex
from custodes.types.traffic import Incident, Quarter
from custodes.units import NS_PER_S, Ns
from custodes.web.api import known_camera
from custodes.web.deps import deps_of, page, present
from custodes.web.words import INCIDENT_WORDS

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_SPAN_NS = 32 * 24 * 3600 * NS_PER_S
MAX_QUARTERS = 4 * 24 * 32
MAX_INCIDENTS = 2000

_From = Annotated[int, Query(alias="from", ge=0, le=2**63 - 1, description="UTC nanoseconds")]
_To = Annotated[int, Query(alias="to", ge=0, le=2**63 - 1, description="UTC nanoseconds")]


@router.get("/traffic")
async def traffic_page(request: Request) -> Response:
    """Volumes, speeds, movements, queues and incidents of one camera, as plots and tables."""
    deps = deps_of(request)
    rows = deps.visible_cameras(present(request).principal)
    return page(request, "traffic.html", cameras=rows, country=deps.config.traffic.country)


@api_router.get("/cameras/{camera_id}/traffic")
async def traffic(
    request: Request,
    camera_id: str,
    start: _From,
    end: _To,
    form: Annotated[Literal["json", "csv", "datex"], Query(alias="format")] = "json",
) -> Response:
    """Figures by quarters of an hour that began between two moments at most 32 days apart, each with its coverage."""
    deps = deps_of(request)
    camera = known_camera(deps, camera_id)
    if not 0 < end - start <= MAX_SPAN_NS:
        raise InvalidArgument("`from` has to lie before `to`, by at most 32 days.")
    quarters = await deps.catalog.figures(Quarter, camera, Ns(start), Ns(end), MAX_QUARTERS)
    if form == "csv":
        return _file(to_csv(quarters), "text/csv; charset=utf-8", f"traffic-{camera}.csv")
    if form == "datex":
        country = deps.config.traffic.country
        if not country:
            raise FailedPrecondition("DATEX II names the publisher's country: set traffic: country: in site.yaml.")
        if not any(one.lines for one in quarters):
            raise NotFound("No line was counted in this stretch; a DATEX II publication holds a measurement or more.")
        text = to_datex(quarters, site=deps.config.name, country=country, now_ns=deps.clock.now_ns())
        return _file(text, "application/xml", f"traffic-{camera}.xml")
    incidents = await deps.catalog.figures(Incident, camera, Ns(start), Ns(end), MAX_INCIDENTS)
    body = {
        "camera_id": camera,
        "from_ns": start,
        "to_ns": end,
        "now_ns": deps.clock.now_ns(),
        "quarters": [quarter_row(one) for one in quarters],
        "incidents": [incident_row(one) for one in incidents],
    }
    return JSONResponse(body)


def quarter_row(quarter: Quarter) -> dict[str, object]:
    """As JSON: classes by name."""
    row: dict[str, Any] = msgspec.to_builtins(quarter)
    for line, figures in zip(row["lines"], quarter.lines, strict=True):
        line["counts"] = {one.object_class.name.lower(): one.count for one in figures.counts}
        line["vehicles"] = figures.vehicles
    for movement, one in zip(row["movements"], quarter.movements, strict=True):
        movement["object_class"] = one.object_class.name.lower()
    return row


def incident_row(incident: Incident) -> dict[str, object]:
    """As JSON; the track stays inside: a number that leads to one person's way is nobody's outside."""
    row: dict[str, Any] = msgspec.to_builtins(incident)
    del row["track_id"], row["run"]
    return {**row, "object_class": incident.object_class.name.lower(), "words": INCIDENT_WORDS[incident.kind]}


def _file(text: str, media_type: str, name: str) -> Response:
    return Response(text, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
