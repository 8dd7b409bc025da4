"""Road traffic: the page with its plots, the same figures as JSON, CSV and DATEX II; what people say of incidents."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from custodes.errors import FailedPrecondition, InvalidArgument, NotFound
from custodes.traffic.alarms import key_of, record_of, verdicts_by
from custodes.traffic.exports import hours_csv, incidents_csv, to_csv, to_datex
from custodes.traffic.hours import hours_of, movement_hours_of, movements_summed, summed
from custodes.types.traffic import AlarmRecord, Incident, IncidentKind, IncidentVerdict, LineSum, MovementSum, Quarter
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.api import known_camera
from custodes.web.deps import deps_of, page, present
from custodes.web.words import INCIDENT_WORDS

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_SPAN_NS = 32 * 24 * 3600 * NS_PER_S
MAX_QUARTERS = 4 * 24 * 32
MAX_INCIDENTS = 2000
_NEAR_NS = 1000
"""A browser's numbers have 53 bits: nanoseconds of today come back within 256 of them."""

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
    form: Annotated[Literal["json", "csv", "csv-hours", "csv-incidents", "datex"], Query(alias="format")] = "json",
) -> Response:
    """Figures by quarters of an hour that began between two moments at most 32 days apart, each with its coverage;
    their sums by hour and over the whole stretch, with speeds, peak hour and its factor, of lines and of
    movements; incidents and how well they were told."""
    deps = deps_of(request)
    camera = known_camera(deps, camera_id)
    if not 0 < end - start <= MAX_SPAN_NS:
        raise InvalidArgument("`from` has to lie before `to`, by at most 32 days.")
    quarters = await deps.catalog.figures(Quarter, camera, Ns(start), Ns(end), MAX_QUARTERS)
    if form == "csv":
        return _file(to_csv(quarters), "text/csv; charset=utf-8", f"traffic-{camera}.csv")
    if form == "csv-hours":
        return _file(
            hours_csv(camera, hours_of(quarters), movement_hours_of(quarters)),
            "text/csv; charset=utf-8",
            f"traffic-hours-{camera}.csv",
        )
    if form == "datex":
        country = deps.config.traffic.country
        if not country:
            raise FailedPrecondition("DATEX II names the publisher's country: set traffic: country: in site.yaml.")
        if not any(one.lines for one in quarters):
            raise NotFound("No line was counted in this stretch; a DATEX II publication holds a measurement or more.")
        text = to_datex(quarters, site=deps.config.name, country=country, now_ns=deps.clock.now_ns())
        return _file(text, "application/xml", f"traffic-{camera}.xml")
    incidents = await deps.catalog.figures(Incident, camera, Ns(start), Ns(end), MAX_INCIDENTS)
    said = verdicts_by(await deps.catalog.figures(IncidentVerdict, camera, Ns(start), Ns(end), MAX_INCIDENTS))
    if form == "csv-incidents":
        return _file(incidents_csv(incidents, said), "text/csv; charset=utf-8", f"incidents-{camera}.csv")
    analysed_s = sum(
        max(0, min(one.end_ns, end) - max(one.start_ns, start)) / NS_PER_S
        for one in await deps.catalog.coverage(camera, Ns(start), Ns(end))
    )
    body = {
        "camera_id": camera,
        "from_ns": start,
        "to_ns": end,
        "now_ns": deps.clock.now_ns(),
        "quarters": [quarter_row(one) for one in quarters],
        "hours": [sum_row(one) for one in hours_of(quarters)],
        "sums": [sum_row(one) for one in summed(quarters, Ns(start), Ns(end))],
        "movements": [sum_row(one) for one in movements_summed(quarters, Ns(start), Ns(end))],
        "incidents": [incident_row(one, said.get(key_of(one))) for one in incidents],
        "alarms": [alarm_row(one) for one in record_of(incidents, said, analysed_s)],
    }
    return JSONResponse(body)


class Said(BaseModel):
    """What somebody says of an incident; its kind, road and begin name it."""

    model_config = ConfigDict(extra="forbid")
    kind: IncidentKind
    road: Annotated[str, Field(max_length=80)]
    start_ns: Annotated[int, Field(ge=0, le=2**63 - 1)]
    is_real: bool | None
    """False: a false alarm. null: taken back."""


class SaidRow(BaseModel):
    """As it is kept."""

    is_real: bool | None
    by: str


@api_router.post("/cameras/{camera_id}/incidents")
async def judge(request: Request, camera_id: str, said: Said) -> SaidRow:
    """Say whether an incident was one, or a false alarm; the newest word counts, and false alarms a day follow."""
    deps = deps_of(request)
    camera = known_camera(deps, camera_id)
    around = Ns(max(said.start_ns - _NEAR_NS, 0)), Ns(min(said.start_ns + _NEAR_NS, 2**63 - 1))
    near = await deps.catalog.figures(Incident, camera, *around, MAX_INCIDENTS)
    found = [one for one in near if (one.kind, one.road) == (said.kind, said.road)]
    if not found:
        raise NotFound("There is no such incident on this camera.")
    verdict = IncidentVerdict(
        camera_id=CameraId(camera),
        kind=said.kind,
        road=said.road,
        start_ns=found[0].start_ns,
        end_ns=deps.clock.now_ns(),
        is_real=said.is_real,
        by=present(request).principal.name,
    )
    await deps.catalog.put_figures([verdict])
    return SaidRow(is_real=verdict.is_real, by=verdict.by)


def sum_row(one: LineSum | MovementSum) -> dict[str, object]:
    """As JSON: classes by name."""
    row: dict[str, Any] = msgspec.to_builtins(one)
    row["counts"] = {each.object_class.name.lower(): each.count for each in one.counts}
    return row


def alarm_row(one: AlarmRecord) -> dict[str, object]:
    """As JSON, with its words."""
    row: dict[str, Any] = msgspec.to_builtins(one)
    return {**row, "words": INCIDENT_WORDS[one.kind]}


def quarter_row(quarter: Quarter) -> dict[str, object]:
    """As JSON: classes by name."""
    row: dict[str, Any] = msgspec.to_builtins(quarter)
    for line, figures in zip(row["lines"], quarter.lines, strict=True):
        line["counts"] = {one.object_class.name.lower(): one.count for one in figures.counts}
        line["vehicles"] = figures.vehicles
    for movement, one in zip(row["movements"], quarter.movements, strict=True):
        movement["object_class"] = one.object_class.name.lower()
    return row


def incident_row(incident: Incident, said: IncidentVerdict | None = None) -> dict[str, object]:
    """As JSON; the track stays inside, and the spot: a number that leads to one person's way is nobody's outside."""
    row: dict[str, Any] = msgspec.to_builtins(incident)
    del row["track_id"], row["run"], row["at"]
    return {
        **row,
        "object_class": incident.object_class.name.lower(),
        "words": INCIDENT_WORDS[incident.kind],
        "is_real": None if said is None else said.is_real,
        "by": "" if said is None else said.by,
    }


def _file(text: str, media_type: str, name: str) -> Response:
    return Response(text, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
