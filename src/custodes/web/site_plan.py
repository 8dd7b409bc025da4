"""The page on which the plan of the site is drawn: floors with pictures, cameras with what they look at, ways between
them. Saved as a whole, in a new version; the one before is a click away.

A picture of a floor is hostile until another process has decoded it and drawn it anew (`app.prober`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from custodes.errors import InvalidArgument, NotFound
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.flow import FlowGroup, FlowHour
from custodes.types.place import (
    MAX_FLOORS,
    MAX_PLACED,
    MAX_WAYS,
    DrawnWay,
    FloorPlan,
    PlacedCamera,
    SiteLayout,
)
from custodes.units import NS_PER_DAY, CameraId, Ns
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.site_cameras import desk_of

router = APIRouter(include_in_schema=False)

MAX_PLAN_BYTES = 4 << 20
LEARNT_NS = 7 * NS_PER_DAY
MAX_LEARNT_HOURS = 2 * 24 * 7
_Metres = Annotated[float, Field(ge=-100_000, le=100_000)]
_Pixels = Annotated[float, Field(ge=-20_000, le=20_000)]
_Name = Annotated[str, Field(min_length=1, max_length=80)]


class _Drawn(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Floor(_Drawn):
    name: _Name
    plan_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    width_px: Annotated[int, Field(ge=0, le=8000)] = 0
    height_px: Annotated[int, Field(ge=0, le=8000)] = 0
    px_per_m: Annotated[float, Field(ge=0.01, le=2000)] = 20.0
    origin_px: tuple[_Pixels, _Pixels] = (0.0, 0.0)


class _Camera(_Drawn):
    camera_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    floor: _Name
    place_m: tuple[_Metres, _Metres]
    heading_deg: Annotated[float, Field(ge=0, lt=360)]
    view_deg: Annotated[float, Field(gt=0, le=180)]
    range_m: Annotated[float, Field(gt=0, le=1000)]


class _Way(_Drawn):
    from_camera: Annotated[str, Field(max_length=63)]
    to_camera: Annotated[str, Field(max_length=63)]
    seconds: Annotated[float, Field(gt=0, le=3600)]


class Plan(_Drawn):
    """All that is drawn. `version`: of what the page was made from."""

    version: Annotated[int, Field(ge=0)]
    floors: Annotated[list[_Floor], Field(max_length=MAX_FLOORS)]
    cameras: Annotated[list[_Camera], Field(max_length=MAX_PLACED)]
    ways: Annotated[list[_Way], Field(max_length=MAX_WAYS)]


@router.get("/map/edit")
async def plan_page(request: Request) -> Response:
    """Floors, cameras, ways; by mouse, keyboard or numbers."""
    deps = deps_of(request)
    versions = await deps.catalog.layouts(2)
    layout = versions[0] if versions else SiteLayout()
    cameras = [(spec.camera_id, spec.name, spec.scene.floor) for spec in await desk_of(request).cameras()]
    return page(
        request,
        "site_plan.html",
        plan=msgspec.to_builtins(layout),
        before=msgspec.to_builtins(versions[1]) if len(versions) > 1 else None,
        cameras=cameras,
        layout=layout,
        learnt=await _learnt(deps),
    )


async def _learnt(deps: WebDeps) -> list[tuple[str, str, int]]:
    """Usual seconds of ways that the last week's flows showed: how the site hangs together, and not how many went."""
    end_ns = deps.clock.now_ns()
    hours = await deps.catalog.figures(FlowHour, None, Ns(end_ns - LEARNT_NS), end_ns, MAX_LEARNT_HOURS)
    return learnt_ways([hour for hour in hours if hour.group is FlowGroup.PEOPLE])


def learnt_ways(hours: Sequence[FlowHour]) -> list[tuple[str, str, int]]:
    """From, to and seconds, by name: the hours' medians, each weighed by how many went."""
    sums: dict[tuple[CameraId, CameraId], tuple[float, int]] = {}
    for cell in (cell for hour in hours for cell in hour.cells):
        seconds, count = sums.get((cell.from_camera, cell.to_camera), (0.0, 0))
        sums[cell.from_camera, cell.to_camera] = seconds + cell.median_s * cell.count, count + cell.count
    return [(one, other, max(1, round(seconds / count))) for (one, other), (seconds, count) in sorted(sums.items())]


@router.post("/map/edit")
async def save(request: Request, body: dict[str, Any]) -> dict[str, object]:
    """Put it into force as the next version. Errors say which floor, camera or way, and what was expected."""
    deps, who = deps_of(request), present(request).principal
    try:
        plan = Plan.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidArgument(f"{_place(first['loc'])}: {first['msg']}") from error
    known = {spec.camera_id for spec in await desk_of(request).cameras()}
    layout = replace(checked(plan, known), version=plan.version + 1, utc_ns=deps.clock.now_ns(), editor=who.name)
    for floor in layout.floors:
        if floor.plan_sha256 and await deps.catalog.floor_plan(floor.plan_sha256) is None:
            raise InvalidArgument(f"Floor {floor.name}: its picture is not here any more; choose it again.")
    details = {"what": "plan", "version": str(layout.version), "cameras": str(len(layout.cameras))}
    await deps.warden.append(
        AuditRecord(kind=AuditKind.CONFIG_CHANGED, actor=who.name, subject="plan", details=details)
    )
    await deps.catalog.put_layout(layout)
    return {"version": layout.version}


@router.post("/map/edit/picture")
async def picture(request: Request, picture: Annotated[UploadFile | None, File()] = None) -> dict[str, object]:
    """A floor's picture: decoded and drawn anew by a process of its own; what it was before is thrown away."""
    if picture is None:
        raise InvalidArgument("Choose a picture: JPEG or PNG, at most 4 MB.")
    content = await picture.read(MAX_PLAN_BYTES + 1)
    if len(content) > MAX_PLAN_BYTES:
        raise InvalidArgument("The picture has more than 4 MB; save it smaller, or as JPEG.")
    drawn = await desk_of(request).redraw(await deps_of(request).scanned(content))
    if drawn.problem:
        raise InvalidArgument(drawn.problem)
    sha256 = hashlib.sha256(drawn.jpeg).hexdigest()
    await deps_of(request).catalog.put_floor_plan(sha256, drawn.jpeg)
    return {"plan_sha256": sha256, "width_px": drawn.width_px, "height_px": drawn.height_px}


@router.get("/map/plan/{sha256}.jpg")
async def floor_picture(request: Request, sha256: str) -> Response:
    """As it was drawn anew."""
    found = await deps_of(request).catalog.floor_plan(sha256[:64])
    if found is None:
        raise NotFound("There is no such picture of a floor.")
    headers = {"cache-control": "private, max-age=86400", "x-content-type-options": "nosniff"}
    return Response(found, media_type="image/jpeg", headers=headers)


def checked(plan: Plan, known: set[CameraId]) -> SiteLayout:
    """As values, with what a schema does not say. Raises: InvalidArgument."""
    names = [floor.name for floor in plan.floors]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InvalidArgument(f"Floor {twice}: there are two of that name.")
    placed = [camera.camera_id for camera in plan.cameras]
    for camera in plan.cameras:
        if placed.count(camera.camera_id) > 1:
            raise InvalidArgument(f"Camera {camera.camera_id}: it is on the plan twice.")
        if CameraId(camera.camera_id) not in known:
            raise InvalidArgument(f"Camera {camera.camera_id}: there is no such camera on this site.")
        if camera.floor not in names:
            raise InvalidArgument(f"Camera {camera.camera_id}: there is no floor {camera.floor}.")
    pairs = [(way.from_camera, way.to_camera) for way in plan.ways]
    for way in plan.ways:
        if way.from_camera == way.to_camera or not {way.from_camera, way.to_camera} <= known:
            raise InvalidArgument(f"Way {way.from_camera} to {way.to_camera}: two different cameras of this site.")
        if pairs.count((way.from_camera, way.to_camera)) > 1:
            raise InvalidArgument(f"Way {way.from_camera} to {way.to_camera}: it is there twice.")
    return SiteLayout(
        floors=tuple(FloorPlan(**floor.model_dump()) for floor in plan.floors),
        cameras=tuple(
            PlacedCamera(**{**one.model_dump(), "camera_id": CameraId(one.camera_id)}) for one in plan.cameras
        ),
        ways=tuple(
            DrawnWay(from_camera=CameraId(one.from_camera), to_camera=CameraId(one.to_camera), seconds=one.seconds)
            for one in plan.ways
        ),
    )


def _place(loc: tuple[int | str, ...]) -> str:
    """`("cameras", 0, "view_deg")` → `Camera 1, view deg`."""
    words = {"floors": "Floor", "cameras": "Camera", "ways": "Way"}
    parts = [words.get(str(one), str(one).replace("_", " ")) if isinstance(one, str) else str(one + 1) for one in loc]
    return " ".join(parts[:2]) + ("".join(f", {part}" for part in parts[2:])) if parts else "The plan"
