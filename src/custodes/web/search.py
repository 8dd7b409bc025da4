"""Search among finished tracks: the page, and its answers as data. One decision of the warden for all cameras asked
for. The pictures of what was found are looks of their own, through `live.review`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from custodes.errors import InvalidArgument
from custodes.geometry.heading import heading
from custodes.types.search import Heading, TrackQuestion, Way
from custodes.types.vision import VEHICLES, ObjectClass, Tracklet
from custodes.units import Ns
from custodes.web.deps import deps_of, page, present
from custodes.web.pages import open_cases
from custodes.web.review import MAX_CAMERAS, check_span, known_cameras
from custodes.web.timeline import track_rows
from custodes.web.words import CLASS_WORDS

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_FOUND = 96
"""Of one answer: a contact sheet that a person looks through; the next answer goes on."""
_CLASSES = tuple(one for one in ObjectClass if one is ObjectClass.PERSON or one in VEHICLES)
ClassName = Literal["person", "bicycle", "car", "motorcycle", "bus", "truck"]
_Share = Annotated[float, Query(ge=0, le=1)]


@router.get("/search")
async def search_page(request: Request) -> Response:
    """What moved, where, when, which way; as masked pictures."""
    deps = deps_of(request)
    rows = deps.visible_cameras(present(request).principal)
    shown = {row.camera_id for row in rows}
    lines = {
        line.name for spec in await deps.catalog.cameras() if spec.camera_id in shown for line in spec.scene.lines
    }
    return page(
        request,
        "search.html",
        cameras=rows,
        classes=[(one.name.lower(), CLASS_WORDS[one]) for one in _CLASSES],
        lines=sorted(lines),
        cases=await open_cases(request),
    )


@api_router.get("/search")
async def search(
    request: Request,
    camera: Annotated[list[str], Query(min_length=1, max_length=MAX_CAMERAS)],
    start: Annotated[int, Query(alias="from", ge=0, le=2**62, description="UTC nanoseconds")],
    end: Annotated[int, Query(alias="to", ge=0, le=2**62, description="UTC nanoseconds")],
    classes: Annotated[list[ClassName] | None, Query(alias="class", max_length=6)] = None,
    line: Annotated[str, Query(max_length=64)] = "",
    way: Way | None = None,
    heading: Annotated[list[Heading] | None, Query(max_length=4)] = None,
    x1: _Share = 0,
    y1: _Share = 0,
    x2: _Share = 1,
    y2: _Share = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_FOUND)] = 48,
) -> dict[str, object]:
    """Finished tracks that began in [from, to) and fit, newest first.

    `class`: any of these, all when none is given. `line`, `way`: crossed a line of that name, that way. `heading`:
    went that way in the picture. `x1 y1 x2 y2`: was there when it came or went, shares of the picture. To go on, ask
    again with `to` = `searched_to_ns`, until that is `from`. Clothing and faces cannot be asked for: nothing of them
    is kept.
    """
    deps = deps_of(request)
    wanted = known_cameras(deps, camera)
    check_span(start, end)
    if way is not None and not line:
        raise InvalidArgument("`way` is a way over a line: name the `line`.")
    if not (x1 < x2 and y1 < y2):
        raise InvalidArgument("The zone has to have a left before its right and a top above its bottom.")
    granted = await deps.reads.permit_list(present(request), tuple(sorted(wanted)))
    question = TrackQuestion(
        start_ns=Ns(start),
        end_ns=Ns(end),
        classes=frozenset(ObjectClass[one.upper()] for one in classes) if classes else frozenset(_CLASSES),
        line=line,
        ways=frozenset({way}) if way is not None else frozenset(Way),
        headings=frozenset(heading or ()),
        zone=(x1, y1, x2, y2),
    )
    found = await deps.catalog.find_tracks(granted.scope, question, limit)
    names = {row.camera_id: row.name for row in deps.live.camera_rows()}
    return {
        "now_ns": deps.clock.now_ns(),
        "from_ns": start,
        "searched_to_ns": found.searched_to_ns,
        "tracks": [
            {"camera_id": track.camera_id, "name": names[track.camera_id], **row, **_place(track)}
            for track, row in zip(found.tracks, track_rows(found.tracks), strict=True)
        ],
        "not_shown": sorted(one for one in wanted if one not in granted.scope.camera_ids),
    }


def _place(track: Tracklet) -> dict[str, object]:
    way = heading(track.first_box_norm, track.last_box_norm)
    return {"heading": way.value if way else ""}
