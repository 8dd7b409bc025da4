"""Pages on which an administrator sets cameras up: find, test, add, change, remove, undo. They show no picture.

What a camera's picture looks like is for who may watch it; drawing into it is `scene`'s. A password that is typed here
goes into a file of the data directory (`app.serving.camera_shelf`), and never into a page, an address or the log.
"""

import re
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from custodes.config import CameraConfig, problem_in_words
from custodes.errors import (
    AlreadyExists,
    ConfigError,
    CustodesError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from custodes.ports.camera_desk import CameraDesk
from custodes.types.access import Action, AuditKind, AuditRecord
from custodes.types.message import CameraRow, CameraSpec
from custodes.types.setup import CameraChange, CameraProbed
from custodes.units import NS_PER_S, CameraId
from custodes.web.deps import deps_of, page, present
from custodes.web.errors import describe
from custodes.web.gone_cameras import gone_cameras
from custodes.web.language.reported import reported
from custodes.web.language.speech import Words, decimal_signs, number_text, say, say_count, translated
from custodes.web.words import STATE_WORDS

router = APIRouter(include_in_schema=False)

MAX_PASSWORD_CHARS = 128
MAX_CHANGES_SHOWN = 20
_SECRET_IN_URL = re.compile(r"(?i)(pass(word|wd|phrase)?|pwd|token|secret)=")
_Text = Annotated[str, Form(max_length=1024)]
_Query = Annotated[str, Query(max_length=1024)]
_Password = Annotated[str, Form(max_length=MAX_PASSWORD_CHARS)]

FIELD_WORDS = {"url": "Address", "username": "User name", "password": "Password", "id": "Id", "name": "Name"}
CHANGE_WORDS: Words[str] = Words(
    {
        "url": "address",
        "username": "user name",
        "password_ref": "password",
        "transport": "transport",
        "name": "name",
        "is_enabled": "switched on or off",
        "is_looped": "looping",
        "retention_h": "retention",
        "detect_areas": "detection zones",
        "scene": "lines, ground, roads, queues, privacy zones",
        "second": "second stream",
    }
)


def desk_of(request: Request) -> CameraDesk:
    """Raises: NotFound where this server sets none up."""
    desk = deps_of(request).cameras
    if desk is None:
        raise NotFound("This server sets no cameras up.")
    return desk


def checked_id(request: Request, camera_id: str) -> CameraId:
    """Raises: PermissionDenied for a camera that is not this person's."""
    if not present(request).principal.cameras.covers(CameraId(camera_id)):
        raise PermissionDenied("This camera is not among those you may use.")
    return CameraId(camera_id)


async def known_spec(request: Request, camera_id: str) -> CameraSpec:
    """Raises: PermissionDenied, NotFound."""
    checked = checked_id(request, camera_id)
    found = [one for one in await desk_of(request).cameras() if one.camera_id == checked]
    if not found:
        raise NotFound(f"There is no camera {camera_id[:64]!r} on this site.")
    return found[0]


@router.get("/site/cameras")
async def cameras_page(request: Request, done: _Query = "") -> Response:
    """All cameras with their states, and what was changed last."""
    return await _list(request, done=done)


@router.get("/site/add-camera")
async def add_page(
    request: Request, url: _Query = "", name: _Query = "", first: Annotated[bool, Query()] = False
) -> Response:
    """Find, test, name, add: one page in that order."""
    return _add_page(request, fields={"url": url, "name": name}, is_first=first)


@router.post("/site/add-camera")
async def add(
    request: Request,
    url: _Text = "",
    name: _Text = "",
    camera: _Text = "",
    username: _Text = "",
    password: _Password = "",
    transport: _Text = "tcp",
    retention_h: _Text = "",
) -> Response:
    """Record one more camera; goes on to the page that shows whether it does."""
    fields = {
        "url": url,
        "name": name,
        "camera": camera,
        "username": username,
        "transport": transport,
        "retention_h": retention_h,
    }
    desk = desk_of(request)
    try:
        there = [one.camera_id for one in await desk.cameras()]
        spec = spec_of(fields, camera_id=camera or id_for(name, there))
        checked_id(request, spec.camera_id)
        if spec.camera_id in there:
            raise AlreadyExists(f"Id: there is a camera {spec.camera_id} already; choose another id.")
        await desk.put(spec, password=_checked_password(password), actor=present(request).principal.name)
    except CustodesError as error:
        return _add_page(request, fields=fields, error=error)
    return RedirectResponse(f"/site/cameras/{spec.camera_id}?done=added", status_code=303)


@router.post("/site/test-camera")
async def test_camera(
    request: Request,
    url: _Text = "",
    username: _Text = "",
    password: _Password = "",
    transport: _Text = "tcp",
    camera: _Text = "",
    known: _Text = "",
) -> dict[str, object]:
    """Look at a camera once, as the recorder would.

    `known`: one of the site's, whose password is taken if none is typed. It is in the log, because a login is sent.
    """
    desk = desk_of(request)
    base = await known_spec(request, known) if known else None
    fields = {"url": url, "username": username, "transport": transport, "name": "test"}
    spec = spec_of(fields, camera_id=known or "test", base=base, has_new_password=bool(password))
    await deps_of(request).warden.append(
        AuditRecord(
            kind=AuditKind.CAMERA_TESTED,
            actor=present(request).principal.name,
            subject=spec.camera_id if known else "",
            details={"url": spec.url},
        )
    )
    found = await desk.probe(spec, password=_checked_password(password))
    return {
        "is_well": not found.problem,
        "problem": reported(found.problem),
        "rows": probe_rows(found),
        "found": asdict(found),
    }


@router.post("/site/discover")
async def discover(request: Request, interface: _Text = "") -> dict[str, object]:
    """Ask the network of one address of this machine for ONVIF cameras. Adds nothing."""
    desk = desk_of(request)
    if interface not in desk.networks():
        raise InvalidArgument(f"Network: {interface[:40]!r} is no address of this machine.")
    asked = await desk.discover(interface)
    there = {urlsplit(one.url).hostname for one in await desk.cameras()}
    return {
        "problem": asked.problem,
        "devices": [{**asdict(one), "is_known": one.address in there} for one in asked.devices],
    }


@router.get("/site/cameras/{camera_id}")
async def camera_page(request: Request, camera_id: str, done: _Query = "") -> Response:
    """One camera: what it does now, how it is reached, what was changed, removing it."""
    return await _camera(request, await known_spec(request, camera_id), done=done)


@router.get("/site/cameras/{camera_id}/state")
async def camera_state(request: Request, camera_id: str) -> dict[str, object]:
    """Whether it is recorded, analysed, and since when; for the page that waits for it."""
    spec = await known_spec(request, camera_id)
    row = _row_of(request, spec.camera_id)
    return {
        "analyser": await _analyser_words(request),
        "state": row.state if row else "starting",
        "words": STATE_WORDS.get(row.state, row.state) if row else translated("not started yet"),
        "detail": reported(row.detail) if row else "",
        "is_recording": bool(row and row.is_recording),
        "recorded_s": row.recorded_s if row else 0.0,
        "frames_analysed": row.frames_analysed if row else 0,
        "clock_offset_s": row.camera_offset_s if row else None,
        "width_px": row.width_px if row else 0,
    }


@router.post("/site/cameras/{camera_id}")
async def change(
    request: Request,
    camera_id: str,
    url: _Text = "",
    name: _Text = "",
    username: _Text = "",
    password: _Password = "",
    no_password: _Text = "",
    transport: _Text = "tcp",
    retention_h: _Text = "",
    enabled: _Text = "",
) -> Response:
    """Change how a camera is reached and kept; what is drawn in its picture stays."""
    base = await known_spec(request, camera_id)
    fields = {
        "url": url,
        "name": name,
        "username": username,
        "transport": transport,
        "retention_h": retention_h,
        "enabled": enabled,
    }
    has_new = bool(password or no_password)
    try:
        spec = spec_of(fields, camera_id=camera_id, base=base, has_new_password=has_new)
        typed = _checked_password(password) if has_new else None
        await desk_of(request).put(spec, password=typed, actor=present(request).principal.name)
    except CustodesError as error:
        return await _camera(request, base, fields=fields, error=error)
    return RedirectResponse(f"/site/cameras/{camera_id}?done=changed", status_code=303)


@router.post("/site/cameras/{camera_id}/remove")
async def remove(request: Request, camera_id: str, sure: _Text = "") -> Response:
    """Stop recording and forget the configuration; recordings stay until their retention ends."""
    spec = await known_spec(request, camera_id)
    if sure != camera_id:
        error = InvalidArgument(f"To remove the camera, type its id, {camera_id}.")
        return await _camera(request, spec, error=error)
    await desk_of(request).remove(spec.camera_id, actor=present(request).principal.name)
    return RedirectResponse(f"/site/cameras?done={camera_id}", status_code=303)


@router.post("/site/changes/{change_id}/undo")
async def undo(request: Request, change_id: str) -> Response:
    """Bring back what was before a change."""
    desk = desk_of(request)
    for one in await desk.history():
        if one.change_id == change_id:
            checked_id(request, one.camera_id)
    try:
        camera_id = await desk.undo(change_id, actor=present(request).principal.name)
    except CustodesError as error:
        return await _list(request, error=error)
    is_there = any(one.camera_id == camera_id for one in await desk.cameras())
    return RedirectResponse(f"/site/cameras/{camera_id}?done=undone" if is_there else "/site/cameras", status_code=303)


# -- values -----------------------------------------------------------------------------------------------


def id_for(name: str, there: list[CameraId]) -> str:
    """An id made of a name: `Main gate` → `main-gate`, then `main-gate-2`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "camera"
    number, found = 1, slug
    while found in there:
        number += 1
        found = f"{slug}-{number}"
    return found


def spec_of(
    fields: dict[str, str], *, camera_id: str, base: CameraSpec | None = None, has_new_password: bool = True
) -> CameraSpec:
    """A checked spec of what was typed; of `base` stays what the form does not have.

    Raises: ConfigError, InvalidArgument, both naming the field and what was expected.
    """
    url = fields["url"].strip()
    if _SECRET_IN_URL.search(url):
        raise InvalidArgument("Address: a password does not belong in it; addresses are shown and written to the log.")
    is_file = url.startswith("file:")
    if is_file and (base is None or base.url != url):
        raise InvalidArgument("Address: files of this machine are added at its terminal: custodes watch FILE.")
    if base is not None and base.password_ref and not has_new_password and _host(base.url) != _host(url):
        raise InvalidArgument(
            "Password: the address leads to another host now. "
            "Type the password again, so that the old one is not sent there."
        )
    try:
        retention_h = float(fields.get("retention_h") or 0.0)
    except ValueError as error:
        raise InvalidArgument("Retention: expected a number of hours, or nothing for the site's.") from error
    tree: dict[str, Any] = {
        "id": camera_id,
        "name": fields["name"].strip(),
        "url": url,
        "username": fields["username"].strip() if "username" in fields else "",
        "transport": fields.get("transport") or "tcp",
        "retention_h": retention_h,
        "enabled": bool(fields.get("enabled")) if base is not None and "enabled" in fields else True,
        "loop": base.is_looped if base is not None else False,
    }
    try:
        spec = CameraConfig.model_validate(tree).spec()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        words = problem_in_words(first)
        raise ConfigError(f"{FIELD_WORDS.get(field, field or 'Camera')}: {words}") from error
    if base is None:
        return spec
    return CameraSpec(
        **{
            **{name: getattr(spec, name) for name in CameraSpec.__slots__},
            "password_ref": "" if has_new_password else base.password_ref,
            "detect_areas": base.detect_areas,
            "scene": base.scene,
            "second": base.second,
            "is_analysed": base.is_analysed,
        }
    )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _checked_password(password: str) -> str:
    if any(not char.isprintable() for char in password):
        raise InvalidArgument("Password: it may have printable characters only.")
    return password


def probe_rows(found: CameraProbed) -> list[list[str]]:
    """What the look found, as pairs of words."""
    rows = []
    if found.stream_url:
        rows.append([translated("Answers at"), found.stream_url])
    if found.codec:
        rows.append([translated("Video"), f"{found.codec.upper()}, {found.width_px} × {found.height_px}"])
    if found.fps:
        came = say(
            "{count} pictures a second, {rate} kbit/s", count=number_text(found.fps, 1), rate=f"{found.kbit_per_s:.0f}"
        )
        if found.keyframe_every_s:
            came += ", " + say("a keyframe every {seconds} s", seconds=number_text(found.keyframe_every_s, 1))
        rows.append([translated("Came"), came])
        size = number_text(found.kbit_per_s * 86_400 / 8e6, 1)
        rows.append([translated("Would take"), say("about {size} GB a day at that rate", size=size)])
    for one in found.offered:
        rows.append([translated("Offers"), f"{one.token}: {one.width_px} × {one.height_px}"])
    if found.device_clock_s is not None:
        said = say("by the device: {offset}", offset=_offset_words(found.device_clock_s))
        rows.append([translated("Clock"), said])
    if found.stream_clock_s is not None:
        said = say("by the stream: {offset}", offset=_offset_words(found.stream_clock_s))
        rows.append([translated("Clock"), said])
    if found.codec and found.device_clock_s is None and found.stream_clock_s is None:
        said = translated("it told no time within the look; times will follow this machine's clock until it does")
        rows.append([translated("Clock"), said])
    rows.append([translated("Took"), say("{count} s", count=number_text(found.took_s, 1))])
    return rows


def _offset_words(offset_s: float) -> str:
    if abs(offset_s) < 1.0:
        return say("agrees with ours ({offset} s)", offset=decimal_signs(f"{offset_s:+.2f}"))
    if offset_s > 0:
        return say("{seconds} s ahead of ours", seconds=f"{offset_s:.0f}")
    return say("{seconds} s behind ours", seconds=f"{-offset_s:.0f}")


def change_words(change: CameraChange) -> str:
    """What a change was, in a few words."""
    before, after = change.before, change.after
    if before is None:
        return translated("added")
    if after is None:
        return translated("removed")
    if before.is_enabled != after.is_enabled:
        return translated("switched on" if after.is_enabled else "switched off")
    names = [name for name in CameraSpec.__slots__ if getattr(before, name) != getattr(after, name)]
    return say("changed: {what}", what=", ".join(CHANGE_WORDS.get(name, name) for name in names))


# -- pages ------------------------------------------------------------------------------------------------


async def _analyser_words(request: Request) -> str:
    """Why nothing is analysed, where that is the process's fault; empty while it runs."""
    try:
        processes = (await deps_of(request).live.site_status()).processes
    except Unavailable:
        return ""
    states = [one for one in processes if one.kind == "analyser" and one.state not in ("running", "starting")]
    return say("The analyser does not run: {why}", why=states[0].last_exit or states[0].state) if states else ""


def _row_of(request: Request, camera_id: CameraId) -> CameraRow | None:
    return next((row for row in deps_of(request).live.camera_rows() if row.camera_id == camera_id), None)


async def _changes(request: Request, camera_id: CameraId | None = None) -> list[dict[str, object]]:
    specs = {one.camera_id: one for one in await desk_of(request).cameras()}
    covers = present(request).principal.cameras.covers
    shown = [
        one for one in await desk_of(request).history() if covers(one.camera_id) and camera_id in (None, one.camera_id)
    ]
    return [
        {
            "change": one,
            "words": change_words(one),
            "by": "site.yaml" if one.actor.startswith("process:") else one.actor,
            "can_undo": specs.get(one.camera_id) == one.after,
        }
        for one in shown[:MAX_CHANGES_SHOWN]
    ]


async def _list(request: Request, *, done: str = "", error: CustodesError | None = None) -> Response:
    status, _, problem = describe(error) if error else (200, "", "")
    covers = present(request).principal.cameras.covers
    rows = [
        {"spec": one, "row": _row_of(request, one.camera_id), "drawn": _drawn_words(one)}
        for one in await desk_of(request).cameras()
        if covers(one.camera_id)
    ]
    return page(
        request,
        "site_cameras.html",
        gone=await gone_cameras(request),
        status=status,
        problem=problem,
        done=done,
        rows=rows,
        changes=await _changes(request),
        state_words=STATE_WORDS,
    )


def _add_page(
    request: Request, *, fields: dict[str, str], error: CustodesError | None = None, is_first: bool = False
) -> Response:
    status, _, problem = describe(error) if error else (200, "", "")
    deps = deps_of(request)
    shown = {"url": "", "name": "", "camera": "", "username": "", "transport": "tcp", "retention_h": "", **fields}
    return page(
        request,
        "site_add.html",
        status=status,
        problem=problem,
        fields=shown,
        is_first=is_first,
        networks=desk_of(request).networks(),
        retention_h=deps.config.retention.max_age_h,
    )


async def _camera(
    request: Request,
    spec: CameraSpec,
    *,
    done: str = "",
    fields: dict[str, str] | None = None,
    error: CustodesError | None = None,
) -> Response:
    status, _, problem = describe(error) if error else (200, "", "")
    deps = deps_of(request)
    who = present(request).principal
    now_ns = deps.clock.now_ns()
    shown = {
        "url": spec.url,
        "name": spec.name,
        "username": spec.username,
        "transport": spec.transport,
        "retention_h": f"{spec.retention_h:g}" if spec.retention_h else "",
        "enabled": "yes" if spec.is_enabled else "",
        **(fields or {}),
    }
    configured = next((one for one in deps.config.cameras if one.id == spec.camera_id), None)
    return page(
        request,
        "site_camera.html",
        status=status,
        problem=problem,
        done=done,
        spec=spec,
        fields=shown,
        row=_row_of(request, spec.camera_id),
        password_words=_password_words(spec),
        drawn=_drawn_words(spec),
        has_password=bool(spec.password_ref),
        kept_h=spec.kept_h(deps.config.retention.max_age_h),
        holds=[one for one in await deps.catalog.holds(now_ns) if one.camera_id == spec.camera_id],
        changes=await _changes(request, spec.camera_id),
        is_in_file=configured is not None,
        differs_from_file=configured is not None and configured.spec() != spec,
        may_watch=deps.reads.may(who, Action.WATCH_LIVE, camera_id=spec.camera_id),
        site_h=deps.config.retention.max_age_h,
        day_s=86_400 * NS_PER_S,
    )


def _drawn_words(spec: CameraSpec) -> str:
    """How much is drawn into its picture; empty for nothing. `CameraSpec.drawn_words` is the log's."""
    scene, masks = spec.scene, sum(area.is_mask for area in spec.detect_areas)
    zones = len(spec.detect_areas) - masks
    words = [
        say_count(len(scene.privacy), "{count} privacy zone", "{count} privacy zones") if scene.privacy else "",
        say_count(zones, "{count} zone", "{count} zones") if zones else "",
        say_count(masks, "{count} object mask", "{count} object masks") if masks else "",
        say_count(len(scene.lines), "{count} line", "{count} lines") if scene.lines else "",
        say_count(len(scene.roads), "{count} road", "{count} roads") if scene.roads else "",
        say_count(len(scene.queues), "{count} queue", "{count} queues") if scene.queues else "",
        say_count(len(scene.ground), "{count} ground point", "{count} ground points") if scene.ground else "",
        translated("privacy zones filled before storing") if scene.burns_in else "",
    ]
    return ", ".join(one for one in words if one)


def _password_words(spec: CameraSpec) -> str:
    kind, _, where = spec.password_ref.partition(":")
    if not kind:
        return translated("none is kept")
    if kind == "env":
        return say("from the environment variable {name}", name=where)
    return translated("kept in a file that only this site may read")
