"""The pages: thin shells that the modules in static/js fill from the API."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from custodes.access.cases import carries
from custodes.errors import NotFound, Unavailable
from custodes.types.access import Action, AuditKind, Purpose, PurposeKind
from custodes.types.cases import Case
from custodes.web.cases import known_cases
from custodes.web.deps import deps_of, page, present
from custodes.web.event_words import OF_THE_DISK, device_words, loss_words, scene_words, site_event_words

router = APIRouter(include_in_schema=False)

MAX_EVENTS = 2000
"""As many as the catalog keeps."""
EVENTS_SHOWN = 20
_A_CASE = Purpose(kind=PurposeKind.CASE, reference="any")
_KIND_WORDS = {kind: kind.value.replace("_", " ").capitalize() for kind in AuditKind}


@router.get("/")
async def wall(request: Request) -> Response:
    """Live masked pictures of all cameras."""
    return page(request, "wall.html")


@router.get("/cameras/{camera_id}")
async def camera(request: Request, camera_id: str) -> Response:
    """One camera's past: timeline, stills, playback, tracks."""
    rows = deps_of(request).visible_cameras(present(request).principal)
    row = next((one for one in rows if one.camera_id == camera_id), None)
    if row is None:
        raise NotFound(f"There is no camera {camera_id[:64]!r} on this site.")
    deps, who = deps_of(request), present(request).principal
    return page(
        request,
        "camera.html",
        camera=row,
        scene=scene_words(row),
        device=device_words(row),
        losses=loss_words(row),
        events=[
            (one, site_event_words(one, {row.camera_id: row.name}))
            for one in await deps.catalog.site_events(MAX_EVENTS)
            if one.camera_ids == (row.camera_id,) and one.kind not in OF_THE_DISK
        ][:EVENTS_SHOWN],
        cases=await open_cases(request),
        may_hold=deps.reads.may(who, Action.PLACE_HOLD, _A_CASE, row.camera_id),
        may_release=deps.reads.may(who, Action.RELEASE_HOLD, _A_CASE, row.camera_id),
    )


async def open_cases(request: Request) -> list[Case]:
    """Cases that this person's look may refer to; none while the warden is down, which refuses looks by itself."""
    who = present(request).principal
    try:
        found = await known_cases(deps_of(request), who)
    except Unavailable:
        return []
    return [one for one in found if carries(one, who.user_id)]


@router.get("/log")
async def log(request: Request) -> Response:
    """The audit log."""
    cameras = [(row.camera_id, row.name) for row in deps_of(request).live.camera_rows()]
    return page(request, "log.html", kinds=sorted(_KIND_WORDS.items()), cameras=cameras)


@router.get("/system")
async def system(request: Request) -> Response:
    """Processes, cameras, storage, warnings."""
    return page(request, "system.html")
