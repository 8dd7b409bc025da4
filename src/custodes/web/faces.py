"""Pages of recognition zones, trainings and sightings. The warden decides and keeps everything; these ask and show."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from custodes.access import zones as rules
from custodes.errors import CustodesError, InvalidArgument, NotFound
from custodes.face.calibration import LEAST_PROBES
from custodes.face.trials import Rate
from custodes.geometry.homography import homography_from_points
from custodes.types.access import Action
from custodes.types.face import BasisKind, Impact, LegalBasis, Schedule, ZoneDraft, ZoneKind, ZonePhase
from custodes.types.face_message import (
    DecideZone,
    DraftZone,
    GiveTraining,
    ReadSightings,
    ReadTraining,
    ReadZones,
    ScoreSource,
    StopZone,
    ZoneRow,
    ZoneTable,
)
from custodes.types.message import CameraSpec
from custodes.units import Ns
from custodes.web.auth.passkeys import parse_credential
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.speech import Words, say, translated
from custodes.web.signing import sign_with_passkey

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=2100)]
_Days = Annotated[list[int] | None, Form(max_length=7)]
DAYS: Words[int] = Words({0: "Mon", 1: "Tue", 2: "Wed", 3: "Thu", 4: "Fri", 5: "Sat", 6: "Sun"})
BASIS_WORDS: Words[BasisKind] = Words(
    {
        BasisKind.EXPLICIT_CONSENT: "explicit consent (GDPR 9(2)(a))",
        BasisKind.SUBSTANTIAL_PUBLIC_INTEREST: "substantial public interest, by law (9(2)(g))",
        BasisKind.EMPLOYMENT_LAW: "employment law or agreement (9(2)(b))",
    }
)
SOURCE_WORDS: Words[ScoreSource] = Words(
    {
        ScoreSource.NETWORK: "how the network scored elsewhere; how strangers score here is not known",
        ScoreSource.GALLERY: "the scores of the enrolled among each other",
        ScoreSource.PROBES: "what faces in this zone score with people whom they are not",
    }
)


@router.get("/faces/zones")
async def zones_page(request: Request) -> Response:
    """All zones and what each asks of people; a form for who drafts."""
    return await _zones(request)


@router.post("/faces/zones")
async def draft_zone(
    request: Request,
    name: _Text = "",
    camera: _Text = "",
    polygon: _Text = "",
    days: _Days = None,
    begin: _Text = "00:00",
    end: _Text = "24:00",
    basis: _Text = "",
    reference: _Text = "",
    purpose: _Text = "",
    notice: _Text = "",
    alternative: _Text = "",
    necessity: _Text = "",
    risks: _Text = "",
    measures: _Text = "",
    consulted: _Text = "",
    px_per_m: _Text = "",
    fpir: _Text = "0.001",
    samples: _Text = "4",
    tracks_per_day: _Text = "1000",
    kind: _Text = ZoneKind.FACES.value,
) -> Response:
    """Draft one; two others approve it."""
    deps = deps_of(request)
    try:
        spec = await _camera(deps, camera)
        corners = _corners(polygon)
        width_px = next((row.width_px for row in deps.live.camera_rows() if row.camera_id == spec.camera_id), 0)
        measured = density_px_per_m(spec, corners, width_px)
        draft = ZoneDraft(
            zone_id="",
            name=name.strip(),
            camera_id=spec.camera_id,
            polygon=corners,
            schedule=Schedule(
                weekdays=tuple(sorted(set(days or range(7)))), from_minute=_minute(begin), until_minute=_minute(end)
            ),
            basis=LegalBasis(kind=BasisKind(basis), reference=reference.strip()),
            purpose=purpose.strip(),
            notice=notice.strip(),
            alternative=alternative.strip(),
            impact=Impact(necessity=necessity, risks=risks, measures=measures, consulted=consulted),
            px_per_m=measured or float(px_per_m or "nan"),
            is_px_measured=measured is not None,
            fpir=float(fpir),
            samples=int(samples),
            tracks_per_day=int(tracks_per_day),
            author_id="",
            author="",
            drafted_ns=Ns(0),
            kind=ZoneKind(kind),
        )
        record = await deps.warden.about_requests(DraftZone(principal=present(request).principal, draft=draft))
    except CustodesError as error:
        return await _zones(request, error=error)
    except ValueError:
        return await _zones(request, error=InvalidArgument("A number or a choice in the form cannot be read."))
    return RedirectResponse(f"/faces/zones/{record.draft.zone_id}", status_code=303)  # type: ignore[attr-defined]


@router.get("/faces/zones/{zone_id}")
async def zone_page(request: Request, zone_id: str) -> Response:
    """One zone: all of its draft, who approved, what it costs."""
    return await _zone(request, zone_id)


@router.post("/faces/zones/{zone_id}/options")
async def zone_options(request: Request, zone_id: str) -> Response:
    """What my passkey is to sign: the hash of the draft."""
    row = await zone_row(deps_of(request), zone_id)
    return await sign_with_passkey(request, rules.digest(row.record.draft))


@router.post("/faces/zones/{zone_id}/approve")
async def approve_zone(request: Request, zone_id: str, body: Annotated[dict[str, Any], Body()]) -> Response:
    """With the signature over its hash."""
    message = DecideZone(
        principal=present(request).principal,
        zone_id=zone_id[:64],
        is_yes=True,
        note="",
        assertion=parse_credential(body.get("credential")),
    )
    await deps_of(request).warden.about_requests(message)
    return JSONResponse({"to": f"/faces/zones/{zone_id}"})


@router.post("/faces/zones/{zone_id}/refuse")
async def refuse_zone(request: Request, zone_id: str, note: _Text = "") -> Response:
    """A no ends the draft."""
    who = present(request).principal
    return await _step(
        request, zone_id, DecideZone(principal=who, zone_id=zone_id[:64], is_yes=False, note=note, assertion="")
    )


@router.post("/faces/zones/{zone_id}/stop")
async def stop_zone(request: Request, zone_id: str) -> Response:
    """At once and for good."""
    return await _step(request, zone_id, StopZone(principal=present(request).principal, zone_id=zone_id[:64]))


@router.get("/faces/training")
async def training_page(request: Request) -> Response:
    """Who is trained to verify candidates, and until when."""
    return await _training(request)


@router.post("/faces/training")
async def give_training(request: Request, person: _Text = "", days: Annotated[int, Form()] = 0) -> Response:
    """Record one, or take it away."""
    deps = deps_of(request)
    try:
        account = await deps.people.find(person)
        message = GiveTraining(
            principal=present(request).principal, user_id=account.user_id, name=account.name, days=days
        )
        await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _training(request, error=error)
    return RedirectResponse("/faces/training", status_code=303)


@router.get("/faces/sightings")
async def sightings_page(request: Request) -> Response:
    """What two people confirmed."""
    deps, who = deps_of(request), present(request).principal
    table = await deps.warden.about_requests(ReadSightings(principal=who))
    return page(request, "sightings.html", sightings=table.sightings, zones=await zone_names(deps))  # type: ignore[attr-defined]


async def zone_rows(deps: WebDeps) -> tuple[ZoneRow, ...]:
    """All zones, newest first."""
    table = await deps.warden.about_requests(ReadZones())
    assert isinstance(table, ZoneTable)
    return table.zones


async def zone_names(deps: WebDeps) -> dict[str, str]:
    """By id."""
    return {row.record.draft.zone_id: row.record.draft.name for row in await zone_rows(deps)}


async def face_zones(deps: WebDeps) -> list[ZoneDraft]:
    """In which the enrolled can be compared now: active, and for faces."""
    rows = await zone_rows(deps)
    drafts = [row.record.draft for row in rows if row.phase is ZonePhase.ACTIVE]
    return [draft for draft in drafts if draft.kind is ZoneKind.FACES]


async def zone_row(deps: WebDeps, zone_id: str) -> ZoneRow:
    """Raises: NotFound."""
    for row in await zone_rows(deps):
        if row.record.draft.zone_id == zone_id:
            return row
    raise NotFound("There is no such zone.")


async def _step(request: Request, zone_id: str, message: object) -> Response:
    try:
        await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _zone(request, zone_id, error=error)
    return RedirectResponse(f"/faces/zones/{zone_id}", status_code=303)


async def _zones(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    return page(
        request,
        "faces.html",
        status=status,
        problem=problem,
        rows=[(row, rules.false_alerts_per_day(row.record.draft)) for row in await zone_rows(deps)],
        cameras=[(row.camera_id, row.name) for row in deps.visible_cameras(who)],
        bases=[(kind.value, BASIS_WORDS[kind]) for kind in BASIS_WORDS],
        days=[(one, DAYS[one]) for one in sorted(DAYS)],
        may_draft=deps.reads.may(who, Action.CONFIGURE_FACES),
        is_enabled=deps.config.faces.enabled,
    )


async def _zone(request: Request, zone_id: str, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    row = await zone_row(deps, zone_id)
    status, _, problem = describe(error) if error else (200, "", "")
    draft = row.record.draft
    load = None
    try:
        loads = (await deps.recogniser.read_loads()).zones if deps.recogniser else ()
        load = next((one for one in loads if one.zone_id == zone_id), None)
    except CustodesError:
        pass  # recognition is down: the zone is shown all the same
    may_approve = deps.reads.may(who, Action.APPROVE) and draft.author_id != who.user_id
    return page(
        request,
        "zone.html",
        status=status,
        problem=problem,
        row=row,
        draft=draft,
        load=load,
        source=SOURCE_WORDS[load.source] if load else "",
        least_probes=LEAST_PROBES,
        doubt=Rate(errors=row.doubted, trials=row.confirmed + row.doubted).claim,
        digest=rules.digest(draft).hex(),
        false_alerts=rules.false_alerts_per_day(draft),
        basis=BASIS_WORDS[draft.basis.kind],
        hours=_hours(draft.schedule),
        warn_px=draft.px_per_m < rules.WARN_PX_PER_M,
        aim_px=rules.AIM_PX_PER_M,
        is_plates=draft.kind is ZoneKind.PLATES,
        approvals=rules.APPROVALS,
        may_approve=may_approve and row.phase is ZonePhase.WAITING,
        may_stop=row.phase in (ZonePhase.ACTIVE, ZonePhase.WAITING)
        and any(
            deps.reads.may(who, one)
            for one in (Action.APPROVE, Action.CONFIGURE_FACES, Action.VERIFY_FACES, Action.ENROL)
        ),
    )


async def _training(request: Request, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    table = await deps.warden.about_requests(ReadTraining(principal=who))
    return page(
        request,
        "training.html",
        status=status,
        problem=problem,
        training=table.training,  # type: ignore[attr-defined]
        now_ns=deps.clock.now_ns(),
        names=[one.name for one in await deps.catalog.accounts()],
        may_train=deps.reads.may(who, Action.TRAIN),
    )


async def _camera(deps: WebDeps, camera_id: str) -> CameraSpec:
    for spec in await deps.catalog.cameras():
        if spec.camera_id == camera_id:
            return spec
    raise InvalidArgument("There is no such camera.")


def _corners(text: str) -> tuple[tuple[float, float], ...]:
    """`0.1,0.2 0.9,0.2 0.9,0.9`. Raises: ValueError."""
    corners = []
    for pair in text.split()[: rules.MAX_CORNERS + 1]:
        x, y = pair.split(",")
        corners.append((float(x), float(y)))
    return tuple(corners)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes or "0")


def _hours(schedule: Schedule) -> str:
    is_daily = len(schedule.weekdays) == len(DAYS)
    days = translated("every day") if is_daily else ", ".join(DAYS[one] for one in schedule.weekdays)
    begin, end = schedule.from_minute, schedule.until_minute
    return say(
        "{days}, {begin} to {end}",
        days=days,
        begin=f"{begin // 60:02}:{begin % 60:02}",
        end=f"{end // 60:02}:{end % 60:02}",
    )


def density_px_per_m(spec: CameraSpec, corners: tuple[tuple[float, float], ...], width_px: int) -> float | None:
    """Pixels a metre across the zone's middle, from the camera's calibrated ground and its picture's width.

    None without either: then a person says what they measured.
    """
    if not spec.scene.ground or len(corners) < 3 or width_px <= 0:
        return None
    try:
        ground = homography_from_points(
            [one.at for one in spec.scene.ground], [one.place_m for one in spec.scene.ground]
        )
        x = sum(one[0] for one in corners) / len(corners)
        y = sum(one[1] for one in corners) / len(corners)
        step = 0.01
        left, right = ground.ground_of(np.array([(x - step / 2, y), (x + step / 2, y)]))
        metres = float(np.hypot(*(right - left)))
    except InvalidArgument:
        return None
    return step * width_px / metres if metres > 1e-6 else None
