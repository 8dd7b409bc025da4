"""Flows of people and vehicles over the site: the page with its plots, and the same figures as data.

One decision of the warden for all cameras of an answer; what it allows is what is told. Hours are released as they
were made, so that no choice of stretch or camera tells more than the hours do.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from custodes.errors import InvalidArgument
from custodes.traffic.exports import cell_text
from custodes.types.access import Action, CameraScope
from custodes.types.flow import FlowHour, PlaceFigures, QueueFigures
from custodes.units import NS_PER_S, Ns
from custodes.web.deps import deps_of, page, present
from custodes.web.words import utc_text

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_SPAN_NS = 32 * 24 * 3600 * NS_PER_S
MAX_HOURS = 2 * 24 * 32

_From = Annotated[int, Query(alias="from", ge=0, le=2**63 - 1, description="UTC nanoseconds")]
_To = Annotated[int, Query(alias="to", ge=0, le=2**63 - 1, description="UTC nanoseconds")]


@router.get("/flows")
async def flows_page(request: Request) -> Response:
    """From where to where, how many at once, how long: never about fewer than the minimum group."""
    deps = deps_of(request)
    who = present(request).principal
    return page(
        request,
        "flows.html",
        cameras=deps.visible_cameras(who),
        min_group=deps.config.privacy.min_group,
        may_watch=deps.reads.may(who, Action.WATCH_LIVE),
    )


@api_router.get("/flows")
async def flows(
    request: Request,
    start: _From,
    end: _To,
    form: Annotated[Literal["json", "csv", "csv-times", "csv-places", "csv-queues"], Query(alias="format")] = "json",
) -> Response:
    """Hours that began between two moments at most 32 days apart, of the cameras that this person may see."""
    deps, visitor = deps_of(request), present(request)
    if not 0 < end - start <= MAX_SPAN_NS:
        raise InvalidArgument("`from` has to lie before `to`, by at most 32 days.")
    cameras = tuple(row.camera_id for row in deps.live.camera_rows())
    hours: list[FlowHour] = []
    if cameras:
        granted = await deps.reads.permit_list(visitor, cameras)
        found = await deps.catalog.figures(FlowHour, None, Ns(start), Ns(end), MAX_HOURS)
        hours = [within(one, granted.scope) for one in found]
    if form != "json":
        name, make = _FILES[form]
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(make(hours), media_type="text/csv; charset=utf-8", headers=headers)
    body: dict[str, Any] = {
        "from_ns": start,
        "to_ns": end,
        "now_ns": deps.clock.now_ns(),
        "hours": [msgspec.to_builtins(one) for one in hours],
    }
    return JSONResponse(body)


def within(hour: FlowHour, scope: CameraScope) -> FlowHour:
    """What of an hour is about these cameras alone. Its numbers are cells of one partition: leaving some out tells
    nothing."""
    return replace(
        hour,
        cells=tuple(one for one in hour.cells if scope.covers(one.from_camera) and scope.covers(one.to_camera)),
        places=tuple(one for one in hour.places if scope.covers(one.camera_id)),
        queues=tuple(one for one in hour.queues if scope.covers(one.camera_id)),
    )


def to_csv(hours: list[FlowHour]) -> str:
    """One row per cell and hour; times UTC. Camera ids cannot be formulas. `linked` is of the hour; empty where looks
    took no part."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    figures = ("count", "median_s", "coverage", "min_group", "by_links", "linked")
    writer.writerow(("start", "group", "from_camera", "to_camera", *figures))
    for hour in hours:
        for cell in hour.cells:
            head = (utc_text(hour.start_ns), hour.group.value, cell.from_camera, cell.to_camera)
            writer.writerow(
                (*head, cell.count, cell.median_s, cell.coverage, hour.min_group, cell.by_links, hour.linked)
            )
    return text.getvalue()


def times_csv(hours: list[FlowHour]) -> str:
    """One row per way, hour and band of times; an empty end is none: so long or longer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("start", "group", "from_camera", "to_camera", "from_s", "to_s", "count", "coverage", "min_group"))
    for hour in hours:
        for cell in hour.cells:
            head = (utc_text(hour.start_ns), hour.group.value, cell.from_camera, cell.to_camera)
            for band in cell.times:
                writer.writerow((*head, band.from_s, band.to_s, band.count, cell.coverage, hour.min_group))
    return text.getvalue()


_PLACE = ("mean_present", "peak_present", "dwell_median_s", "dwell_p90_s")
_QUEUE = ("mean_length", "peak_length", "wait_median_s", "wait_p90_s")


def places_csv(hours: list[FlowHour]) -> str:
    """One row per camera, group and hour; empty is what was about fewer than the minimum group."""
    rows = ((hour, hour.group.value, one.camera_id, one) for hour in hours for one in hour.places)
    return _figures_csv("group", "camera", _PLACE, rows)


def queues_csv(hours: list[FlowHour]) -> str:
    """One row per drawn queue and hour; empty is what was about fewer than the minimum group."""
    rows = ((hour, one.camera_id, cell_text(one.name), one) for hour in hours for one in hour.queues)
    return _figures_csv("camera", "queue", _QUEUE, rows)


def _figures_csv(
    first: str,
    second: str,
    names: tuple[str, ...],
    rows: Iterable[tuple[FlowHour, str, str, PlaceFigures | QueueFigures]],
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("start", first, second, *names, "coverage", "min_group"))
    for hour, one, other, figures in rows:
        values = (getattr(figures, name) for name in names)
        writer.writerow((utc_text(hour.start_ns), one, other, *values, figures.coverage, hour.min_group))
    return text.getvalue()


_FILES = {
    "csv": ("flows.csv", to_csv),
    "csv-times": ("times.csv", times_csv),
    "csv-places": ("places.csv", places_csv),
    "csv-queues": ("queues.csv", queues_csv),
}
