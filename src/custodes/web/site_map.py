"""The map: floors with their pictures, cameras and what these look at, who is there now as dots without names, flows,
and where people stood. One decision of the warden for all cameras."""

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from custodes.errors import NotFound
from custodes.types.access import Action, CameraScope
from custodes.types.flow import FlowGroup, FlowHour
from custodes.types.place import FloorNow, SiteLayout
from custodes.units import NS_PER_HOUR, Ns
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.map_heat import heat_cells

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_HEAT_HOURS = 168
LATE_S = 4.0
"""A camera that is analysed later than that has no dots here (`app.serving.site_map`): nobody is shown, and somebody
may be there."""


@router.get("/map")
async def map_page(request: Request) -> Response:
    """Floors with cameras, flows and dots."""
    deps = deps_of(request)
    return page(
        request,
        "map.html",
        may_draw=deps.reads.may(present(request).principal, Action.CONFIGURE) and deps.cameras is not None,
        min_group=deps.config.privacy.min_group,
        streets=_streets(deps),
    )


@router.get("/map/tiles/{zoom}/{x}/{y}")
async def street_tile(request: Request, zoom: int, x: int, y: int) -> Response:
    """One picture of streets, as it lies in the file that the configuration names."""
    tiles = deps_of(request).tiles
    if tiles is None:
        raise NotFound("This site names no file of streets.")
    found = await asyncio.to_thread(tiles.tile, zoom, x, y)
    headers = {"cache-control": "private, max-age=86400", "x-content-type-options": "nosniff"}
    return Response(found.content, media_type=found.media_type, headers=headers)


def _streets(deps: WebDeps) -> dict[str, object] | None:
    """Where on Earth the floor is, for the page; None without tiles."""
    if deps.tiles is None:
        return None
    where, zooms = deps.config.map, deps.tiles.zooms
    return {
        "floor": where.floor,
        "latitude": where.latitude,
        "longitude": where.longitude,
        "bearing": where.bearing_deg,
        "low": zooms.min_zoom,
        "high": zooms.max_zoom,
    }


@api_router.get("/map")
async def site_map(request: Request) -> Response:
    """Floors as they are now, of the cameras that this person may see, and what is drawn of these."""
    deps = deps_of(request)
    scope = await _scope(request)
    floors: list[FloorNow] = []
    if scope is not None:
        floors = deps.floors.floors(scope) if deps.floors is not None else []
    plan = within(await _newest(deps), scope)
    return JSONResponse(
        {
            "now_ns": deps.clock.now_ns(),
            "floors": [msgspec.to_builtins(one) for one in floors],
            "late": [
                {"name": row.name, "seconds": round(row.analysis_lag_s)}
                for row in deps.live.camera_rows()
                if scope and scope.covers(row.camera_id) and row.analysis_lag_s > LATE_S
            ],
            "plan": msgspec.to_builtins(plan),
            "names": {
                row.camera_id: row.name for row in deps.live.camera_rows() if scope and scope.covers(row.camera_id)
            },
        }
    )


@api_router.get("/map/heat")
async def heat(
    request: Request,
    group: FlowGroup = FlowGroup.PEOPLE,
    hours: Annotated[int, Query(ge=1, le=MAX_HEAT_HOURS)] = 24,
) -> Response:
    """Where people or vehicles stood in the last whole hours, on the ground of each floor; never about fewer than the
    minimum group."""
    deps = deps_of(request)
    scope = await _scope(request)
    end_ns = deps.clock.now_ns() // NS_PER_HOUR * NS_PER_HOUR
    cells: list[dict[str, object]] = []
    if scope is not None:
        found = await deps.catalog.figures(FlowHour, None, Ns(end_ns - hours * NS_PER_HOUR), Ns(end_ns), 2 * hours)
        cells = heat_cells(await deps.catalog.cameras(), found, group, scope)
    return JSONResponse({"from_ns": end_ns - hours * NS_PER_HOUR, "to_ns": end_ns, "cells": cells})


def within(plan: SiteLayout, scope: CameraScope | None) -> SiteLayout:
    """What of the plan is about these cameras; floors are everybody's."""
    cameras = tuple(one for one in plan.cameras if scope is not None and scope.covers(one.camera_id))
    ways = tuple(
        one for one in plan.ways if scope is not None and scope.covers(one.from_camera) and scope.covers(one.to_camera)
    )
    return SiteLayout(version=plan.version, floors=plan.floors, cameras=cameras, ways=ways)


async def _scope(request: Request) -> CameraScope | None:
    """None at a site without cameras. Raises: PermissionDenied, Unavailable."""
    deps = deps_of(request)
    cameras = tuple(row.camera_id for row in deps.live.camera_rows())
    return (await deps.reads.permit_list(present(request), cameras)).scope if cameras else None


async def _newest(deps: WebDeps) -> SiteLayout:
    found = await deps.catalog.layouts(1)
    return found[0] if found else SiteLayout()
