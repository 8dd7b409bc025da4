"""The map: floors, their cameras, and who is there now as dots without names. One decision of the warden for all
cameras."""

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from custodes.types.place import FloorNow
from custodes.web.deps import deps_of, page, present

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")


@router.get("/map")
async def map_page(request: Request) -> Response:
    """Floors with cameras, flows and dots."""
    return page(request, "map.html")


@api_router.get("/map")
async def site_map(request: Request) -> Response:
    """Floors as they are now, of the cameras that this person may see."""
    deps, visitor = deps_of(request), present(request)
    cameras = tuple(row.camera_id for row in deps.live.camera_rows())
    floors: list[FloorNow] = []
    if cameras:
        granted = await deps.reads.permit_list(visitor, cameras)
        floors = deps.floors.floors(granted.scope) if deps.floors is not None else []
    return JSONResponse({"now_ns": deps.clock.now_ns(), "floors": [msgspec.to_builtins(one) for one in floors]})
