"""The JSON API: status, cameras, timelines, tracks, system. The log is in `api_log`, pictures in `live`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from custodes.access.requests import awaits_review
from custodes.errors import InvalidArgument, NotFound, Unavailable
from custodes.types.access import Action, Principal
from custodes.types.event import Unreached
from custodes.types.message import CameraRow, ProcessStatus
from custodes.types.stream import second_of
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns
from custodes.web import timeline
from custodes.web.deps import WebDeps, deps_of, present
from custodes.web.event_words import OF_THE_DISK, site_event_title, site_event_words
from custodes.web.language.reported import reported
from custodes.web.language.speech import moment_text, say, translated
from custodes.web.shell import LOOPBACK_NAMES
from custodes.web.standing import standing_row
from custodes.web.words import (
    PROCESS_STATE_WORDS,
    PROCESS_WORDS,
    RECORDER_STATE_WORDS,
    ROLE_WORDS,
    STATE_WORDS,
    clock_words,
    gate_change_words,
    gate_words,
    second_words,
    signature_words,
)

router = APIRouter(prefix="/api/v1")

MAX_TRACKS = 5000
MAX_CROSSINGS = 100_000
"""Of a timeline's 25 hours: more than one a second."""
_MAX_SEGMENTS = 20_000
"""25 h in segments of the shortest useful length, several runs."""
_LOW_DISK_SHARE = 0.1
EVENTS_ON_WALL = 4
EVENTS_ON_SYSTEM = 50
EVENTS_LOOKED_THROUGH = 200
"""For those that a person may know of."""

Stream = Literal["first", "second"]
"""Which of a camera's streams. The second shows masks only where it was analysed itself; else it is covered whole."""

_From = Annotated[int, Query(alias="from", ge=0, le=2**63 - 1, description="UTC nanoseconds")]
_To = Annotated[int, Query(alias="to", ge=0, le=2**63 - 1, description="UTC nanoseconds")]


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    """The description of this API."""
    return JSONResponse(request.app.openapi())


@router.get("/session")
async def session(request: Request) -> dict[str, object]:
    """Who is logged in, and until when at the latest."""
    visitor = present(request)
    return {
        "name": visitor.principal.name,
        "roles": [ROLE_WORDS[role][0] for role in sorted(visitor.principal.roles)],
        "expires_ns": visitor.session.expires_ns,
        "now_ns": deps_of(request).clock.now_ns(),
    }


@router.get("/status")
async def status(request: Request) -> dict[str, object]:
    """Cameras, processes and log in the form of `custodes status --json`, with words and warnings."""
    deps = deps_of(request)
    processes, process_warning = await _processes(deps)
    log, log_warning = await _log_head(deps)
    return {
        "now_ns": deps.clock.now_ns(),
        "expires_ns": present(request).session.expires_ns,
        "processes": [asdict(process) for process in processes],
        "cameras": [_camera(row) for row in deps.visible_cameras(present(request).principal)],
        "log": log,
        "warnings": [text for text in (process_warning, log_warning) if text]
        + _process_warnings(processes)
        + await _glass_warnings(deps, present(request).principal),
        "events": await _events(request, EVENTS_ON_WALL),
    }


@router.get("/cameras")
async def cameras(request: Request) -> dict[str, object]:
    """All configured cameras with their newest state."""
    rows = deps_of(request).visible_cameras(present(request).principal)
    return {"cameras": [_camera(row) for row in rows]}


@router.get("/tracks")
async def all_tracks(
    request: Request, start: _From, end: _To, limit: Annotated[int, Query(ge=1, le=MAX_TRACKS)] = 500
) -> dict[str, object]:
    """Finished tracks of all cameras that this person may see, newest first; at most 25 hours at once.

    One decision, one log entry; what it allows is the query's WHERE.
    """
    deps, visitor = deps_of(request), present(request)
    _check_span(start, end)
    cameras = tuple(row.camera_id for row in deps.live.camera_rows())
    if not cameras:
        return {"tracks": [], "is_truncated": False}
    granted = await deps.reads.permit_list(visitor, cameras)
    tracks = await deps.catalog.tracks_within(granted.scope, Ns(start), Ns(end), limit)
    return {
        "tracks": [
            {"camera_id": track.camera_id, **row}
            for track, row in zip(tracks, timeline.track_rows(tracks), strict=True)
        ],
        "is_truncated": len(tracks) == limit,
    }


@router.get("/cameras/{camera_id}/timeline")
async def camera_timeline(
    request: Request, camera_id: str, start: _From, end: _To, stream: Stream = "first"
) -> dict[str, object]:
    """What was recorded, missed, analysed and seen between two moments at most 25 hours apart.

    `recorded`, `gaps` and `coverage` are of the stream that is asked for, the rest of the camera.
    """
    deps = deps_of(request)
    camera, start_ns, end_ns = _interval(deps, camera_id, start, end)
    recorded = stream_of(camera, stream)
    segments = await deps.catalog.segments(recorded, start_ns, end_ns, _MAX_SEGMENTS)
    coverage = await deps.catalog.coverage(recorded, start_ns, end_ns)
    tracks = await deps.catalog.tracks(camera, start_ns, end_ns, MAX_TRACKS)
    gate_hours = await deps.catalog.gate_hours(camera, Ns(max(start_ns - NS_PER_HOUR, 0)), end_ns)
    return {
        "camera_id": camera,
        "from_ns": start_ns,
        "to_ns": end_ns,
        "now_ns": deps.clock.now_ns(),
        "recorded": [[one.start_ns, one.end_ns] for one in timeline.recorded(segments)],
        "stream": stream,
        "gaps": timeline.gap_rows(await deps.catalog.gaps(recorded, start_ns, end_ns)),
        "holds": timeline.hold_rows(await deps.catalog.holds(deps.clock.now_ns()), camera, start_ns, end_ns),
        "coverage": [[one.start_ns, one.end_ns] for one in coverage],
        "tracks": timeline.track_rows(tracks),
        "is_truncated": len(tracks) == MAX_TRACKS or len(segments) == _MAX_SEGMENTS,
        "counts": timeline.counts(tracks, coverage, start_ns=start_ns, end_ns=end_ns),
        "gate": timeline.gate_rows(gate_hours),
        "lines": timeline.line_rows(await deps.catalog.crossings(camera, start_ns, end_ns, MAX_CROSSINGS)),
    }


@router.get("/cameras/{camera_id}/tracks")
async def camera_tracks(
    request: Request, camera_id: str, start: _From, end: _To, limit: Annotated[int, Query(ge=1, le=MAX_TRACKS)] = 500
) -> dict[str, object]:
    """Finished tracks that overlap the interval, by start."""
    deps = deps_of(request)
    camera, start_ns, end_ns = _interval(deps, camera_id, start, end)
    tracks = await deps.catalog.tracks(camera, start_ns, end_ns, limit)
    return {"tracks": timeline.track_rows(tracks), "is_truncated": len(tracks) == limit}


@router.get("/cameras/{camera_id}/boxes")
async def camera_boxes(
    request: Request, camera_id: str, at: Annotated[int, Query(ge=0, le=2**62, description="UTC nanoseconds")]
) -> dict[str, object]:
    """Where tracked people are in the picture of a moment: as much as its masks tell, with run and track."""
    deps = deps_of(request)
    camera = known_camera(deps, camera_id)
    start_ns = max(0, at - timeline.BOX_REACH_NS)
    frames = await deps.catalog.analysed(camera, Ns(start_ns), Ns(at + timeline.BOX_REACH_NS))
    return {"at_ns": at, "boxes": timeline.box_rows(frames, Ns(at))}


@router.get("/system")
async def system(request: Request) -> dict[str, object]:
    """Processes with what they use, storage, cameras, warnings."""
    deps = deps_of(request)
    processes, process_warning = await _processes(deps)
    storage, storage_warning = None, ""
    try:
        storage = await deps.storage.measure()
    except Unavailable as error:
        storage_warning = reported(str(error))
    if storage is not None and storage.free_bytes < _LOW_DISK_SHARE * storage.total_bytes:
        storage_warning = say("Only {size} GB of the disk are free.", size=storage.free_bytes // 10**9)
    _, log_warning = await _log_head(deps)
    rows = deps.visible_cameras(present(request).principal)
    recorders, recorders_warning = await _recorders(deps, rows)
    warnings = [
        text
        for text in (process_warning, recorders_warning, log_warning, storage_warning, _exposure_warning(deps))
        if text
    ]
    warnings += _process_warnings(processes)
    warnings += [
        _unreached_words(one) for one in (deps.unreached() if _may_mend(deps, present(request).principal) else ())
    ]
    warnings += [
        say(
            "Camera {camera}: {state}.",
            camera=row.name,
            state=STATE_WORDS.get(row.state, row.state) + (f" ({reported(row.detail)})" if row.detail else ""),
        )
        for row in rows
        if row.state not in ("recording", "disabled")
    ]
    return {
        "now_ns": deps.clock.now_ns(),
        "processes": [
            {
                **asdict(one),
                "words": PROCESS_WORDS.get(one.kind, ""),
                "state_words": PROCESS_STATE_WORDS.get(one.state, one.state),
            }
            for one in processes
        ],
        "recorders": recorders,
        "standing": await standing_row(deps),
        "cameras": [_camera(row) for row in rows],
        "storage": asdict(storage) if storage else None,
        "events": await _events(request, EVENTS_ON_SYSTEM),
        "warnings": warnings,
    }


def _unreached_words(one: Unreached) -> str:
    since = {"when": moment_text(one.since_ns), "why": reported(one.error)}
    if one.is_rule:
        return say("Rule “{rule}” has not reached anybody since {when}: {why}", rule=one.name, **since)
    if one.name == "siem":
        return say("The SIEM has not been reached since {when}, and entries of the log wait for it: {why}", **since)
    return say("Home automation has not been reached since {when}: {why}", **since)


def _may_mend(deps: WebDeps, who: Principal) -> bool:
    """Whom addresses of the configuration are told."""
    return any(deps.reads.may(who, action) for action in (Action.CONFIGURE, Action.READ_FLEET))


async def _recorders(deps: WebDeps, rows: Sequence[CameraRow]) -> tuple[list[dict[str, object]], str]:
    """Of several: their state, how many cameras each has, and which of those that the visitor may know of."""
    if deps.recorders is None:
        return [], ""
    try:
        table = await deps.recorders()
    except Unavailable as error:
        return [], reported(str(error))
    names = {CameraId(row.camera_id): row.name for row in rows}
    told: list[dict[str, object]] = [
        {
            "name": one.name,
            "state": one.state,
            "words": RECORDER_STATE_WORDS.get(one.state, one.state),
            "is_well": one.state in ("recording", "drained", "draining"),
            "cameras": len(one.cameras),
            "packets_per_s": one.packets_per_s,
            "named": [names[camera_id] for camera_id in one.cameras if camera_id in names],
        }
        for one in table.recorders
    ]
    waiting = [names[camera_id] for camera_id in table.unowned if camera_id in names]
    return told, say("Recorded by nobody: {cameras}.", cameras=", ".join(waiting[:20])) if waiting else ""


def _camera(row: CameraRow) -> dict[str, object]:
    return {
        **asdict(row),
        "second_words": second_words(row),
        "words": STATE_WORDS.get(row.state, row.state),
        "detail_words": reported(row.detail),
        "clock_words": clock_words(row),
        "signature_words": signature_words(row),
        "gate_words": gate_words(row),
        "gate_changes": [{"utc_ns": one.utc_ns, "words": gate_change_words(one)} for one in row.gate_changes],
    }


def _interval(deps: WebDeps, camera_id: str, start: int, end: int) -> tuple[CameraId, Ns, Ns]:
    camera = known_camera(deps, camera_id)
    _check_span(start, end)
    return camera, Ns(start), Ns(end)


def _check_span(start: int, end: int) -> None:
    if not start < end:
        raise InvalidArgument("`from` has to lie before `to`.")
    if end - start > timeline.MAX_SPAN_NS:
        raise InvalidArgument(f"At most {timeline.MAX_SPAN_NS // (3600 * NS_PER_S)} hours are shown at once.")


def known_camera(deps: WebDeps, camera_id: str) -> CameraId:
    """The id, if such a camera is configured. Raises: NotFound."""
    if all(row.camera_id != camera_id for row in deps.live.camera_rows()):
        raise NotFound(f"There is no camera {camera_id[:64]!r} on this site.")
    return CameraId(camera_id)


def stream_of(camera_id: CameraId, stream: str) -> CameraId:
    """What that stream of a camera is recorded as; see `Stream`."""
    return second_of(camera_id) if stream == "second" else camera_id


async def _events(request: Request, limit: int) -> list[dict[str, object]]:
    """What happened to the site and to the cameras that this person may know of, newest first; no person's trace."""
    deps, cameras = deps_of(request), present(request).principal.cameras
    names = {row.camera_id: row.name for row in deps.live.camera_rows()}
    known = [
        event
        for event in await deps.catalog.site_events(EVENTS_LOOKED_THROUGH)
        if event.kind in OF_THE_DISK or all(cameras.covers(one) for one in event.camera_ids)
    ]
    return [
        {
            "kind": event.kind.value,
            "start_ns": event.start_ns,
            "end_ns": event.end_ns,
            "cameras": len(event.camera_ids),
            "title": site_event_title(event, names),
            "words": site_event_words(event, names),
        }
        for event in known[:limit]
    ]


async def _processes(deps: WebDeps) -> tuple[tuple[ProcessStatus, ...], str]:
    try:
        return (await deps.live.site_status()).processes, ""
    except Unavailable:
        return (), translated("The supervisor does not answer: processes that stop will not be started again.")


async def _log_head(deps: WebDeps) -> tuple[dict[str, object] | None, str]:
    try:
        checkpoint = await deps.warden.read_checkpoint()
    except Unavailable:
        return None, translated(
            "The warden does not answer: nobody can look at anything until it is back. Recording goes on."
        )
    return {"size": checkpoint.size, "checkpoint": checkpoint.note}, ""


async def _glass_warnings(deps: WebDeps, who: Principal) -> list[str]:
    """For who reviews: every break-glass that waits, at once and until somebody has judged it."""
    if not deps.reads.may(who, Action.REVIEW):
        return []
    try:
        records = await deps.requests_for(who)
    except Unavailable:
        return []
    return [
        say(
            "{person} broke the glass: {reason} (see Requests).",
            person=record.request.requester,
            reason=record.request.reason[:120],
        )
        for record in records
        if awaits_review(record) and record.request.requester_id != who.user_id
    ][:5]


def _process_warnings(processes: tuple[ProcessStatus, ...]) -> list[str]:
    warnings = []
    for one in processes:
        if one.state in ("backoff", "degraded", "stopped"):
            why = f" ({one.last_exit})" if one.last_exit else ""
            if one.state == "backoff":
                warnings.append(say("Process {name} is being started again{why}.", name=one.name, why=why))
            else:
                warnings.append(say("Process {name} is down{why}.", name=one.name, why=why))
    return warnings


def _exposure_warning(deps: WebDeps) -> str:
    server = deps.config.server
    if server.behind_tls or server.host in LOOPBACK_NAMES or server.host == "::1":
        return ""
    return say(
        "The page is served on {host} without TLS: passwords and pictures can be read on the network. "
        "Put a TLS proxy in front and set server.behind_tls, or serve on 127.0.0.1.",
        host=server.host,
    )
