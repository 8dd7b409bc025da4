"""Review of several cameras: the page, and its lanes as data. One decision of the warden for the lanes; every
camera's pictures are a look of their own, through `live.review`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from custodes.errors import InvalidArgument, NotFound
from custodes.ports.catalog import Hold, Lane
from custodes.types.event import LineCrossed
from custodes.types.vision import Tracklet
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web import timeline
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.pages import open_cases

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_CAMERAS = 64
"""Lanes of 34 pixels: twice the height of a high screen. More would be chosen by nobody on purpose."""
FIRST_CAMERAS = 4
"""Shown when the address names none."""
MAX_SPAN_NS = 31 * 24 * 3600 * NS_PER_S
MAX_BINS = 720
"""Two pixels each of the widest lane on a full-HD screen."""
MAX_TRACKS = 3000
"""Of all lanes together: some 100 KiB. What is older is still told by the bins in which tracks began."""
MAX_CROSSINGS = 500
"""Of each lane."""

_Cameras = Annotated[list[str] | None, Query(max_length=MAX_CAMERAS)]
_LANE_CODES = {"people": 0, "vehicles": 1, "other": 2}


@router.get("/review")
async def review_page(request: Request, camera: _Cameras = None) -> Response:
    """The recordings of several cameras beside each other; `camera` as often as wanted."""
    rows = deps_of(request).visible_cameras(present(request).principal)
    known = {row.camera_id for row in rows}
    for one in camera or ():
        if one not in known:
            raise NotFound(f"There is no camera {one[:64]!r} on this site.")
    # those that record are looked at first; a camera that is down is one choice away
    first = sorted(rows, key=lambda row: not row.is_recording)[:FIRST_CAMERAS]
    chosen = list(dict.fromkeys(camera or [row.camera_id for row in first]))
    names = {row.camera_id: row.name for row in rows}
    return page(
        request,
        "review.html",
        cameras=rows,
        chosen=[(one, names[CameraId(one)]) for one in chosen],
        cases=await open_cases(request),
    )


@api_router.get("/review")
async def lanes(
    request: Request,
    camera: Annotated[list[str], Query(min_length=1, max_length=MAX_CAMERAS)],
    start: Annotated[int, Query(alias="from", ge=0, le=2**62, description="UTC nanoseconds")],
    end: Annotated[int, Query(alias="to", ge=0, le=2**62, description="UTC nanoseconds")],
    bins: Annotated[int, Query(ge=1, le=MAX_BINS)] = 360,
) -> dict[str, object]:
    """A lane for each camera that this person may see: recorded, missed, analysed, held, and where tracks began.

    `recorded`, `analysed` and `seen` are exact to a bin (`width_ns`). Up to 25 hours also the newest tracks, as start,
    end and 0 for people, 1 for vehicles, 2 for others, and crossings as moment, line and whether it was forward.
    """
    deps = deps_of(request)
    wanted = known_cameras(deps, camera)
    check_span(start, end)
    granted = await deps.reads.permit_list(present(request), tuple(sorted(wanted)))
    scope = granted.scope
    found = await deps.catalog.lanes(scope, Ns(start), Ns(end), bins)
    is_close = end - start <= timeline.MAX_SPAN_NS
    tracks = await deps.catalog.tracks_within(scope, Ns(start), Ns(end), MAX_TRACKS) if is_close else []
    now_ns = deps.clock.now_ns()
    holds = await deps.catalog.holds(now_ns)
    names = {row.camera_id: row.name for row in deps.live.camera_rows()}
    by_camera = {lane.camera_id: lane for lane in found}
    rows = []
    for camera_id in (one for one in wanted if one in by_camera):
        crossed = await deps.catalog.crossings(camera_id, Ns(start), Ns(end), MAX_CROSSINGS) if is_close else []
        row = _lane_row(by_camera[camera_id], holds, start, end, now_ns)
        rows.append({"name": names[camera_id], **row, **_marks(camera_id, tracks, crossed)})
    return {
        "from_ns": start,
        "to_ns": end,
        "now_ns": now_ns,
        "width_ns": found[0].width_ns if found else 0,
        "lanes": rows,
        "not_shown": [one for one in wanted if one not in by_camera],
        "is_close": is_close,
        "is_truncated": len(tracks) == MAX_TRACKS,
    }


def known_cameras(deps: WebDeps, cameras: Sequence[str]) -> tuple[CameraId, ...]:
    """Those cameras, each once, in that order. Raises: NotFound when one is not configured."""
    known = {row.camera_id for row in deps.live.camera_rows()}
    for one in cameras:
        if one not in known:
            raise NotFound(f"There is no camera {one[:64]!r} on this site.")
    return tuple(CameraId(one) for one in dict.fromkeys(cameras))


def check_span(start: int, end: int) -> None:
    """Raises: InvalidArgument for an interval without length, or of more than `MAX_SPAN_NS`."""
    if not start < end:
        raise InvalidArgument("`from` has to lie before `to`.")
    if end - start > MAX_SPAN_NS:
        raise InvalidArgument(f"At most {MAX_SPAN_NS // (24 * 3600 * NS_PER_S)} days are shown at once.")


def _lane_row(lane: Lane, holds: Sequence[Hold], start: int, end: int, now_ns: int) -> dict[str, object]:
    last = min(end, now_ns)

    def stretches(bins: Sequence[int], until_ns: int) -> list[list[int]]:
        ends = [(start + first * lane.width_ns, start + after * lane.width_ns) for first, after in _runs(bins)]
        return [[low, min(high, until_ns)] for low, high in ends if low < until_ns]

    return {
        "camera_id": lane.camera_id,
        "newest_ns": lane.newest_ns,
        "recorded": stretches(lane.recorded, min(last, lane.newest_ns)),
        "analysed": stretches(lane.analysed, last),
        "seen": stretches(lane.seen, last),
        "gaps": timeline.gap_rows(lane.gaps),
        "holds": timeline.hold_rows(holds, lane.camera_id, Ns(start), Ns(end)),
    }


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as [first, after the last) of those that follow each other."""
    runs: list[tuple[int, int]] = []
    first = before = -2
    for number in numbers:
        if number != before + 1:
            if first >= 0:
                runs.append((first, before + 1))
            first = number
        before = number
    if first >= 0:
        runs.append((first, before + 1))
    return runs


def _marks(camera_id: CameraId, tracks: Sequence[Tracklet], crossed: Sequence[LineCrossed]) -> dict[str, object]:
    mine = [one for one in tracks if one.camera_id == camera_id]
    return {
        "tracks": [[one.start_ns, one.end_ns, _LANE_CODES[timeline.lane_of(one.object_class)]] for one in mine[::-1]],
        "crossings": [[one.utc_ns, one.line, one.is_forward] for one in crossed],
    }
