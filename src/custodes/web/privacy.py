"""Pages for those who are filmed and for those who answer them: notices, who saw whom, the record of processing."""

from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from typing import Annotated
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from custodes.access import privacy
from custodes.access.insider import NoticeKind
from custodes.access.privacy import CameraFacts, SiteFacts
from custodes.config import SiteConfig
from custodes.errors import InvalidArgument, NotFound, Unavailable
from custodes.journey.wanted import cameras_with_looks
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.warden import Warden
from custodes.types.face import ZonePhase
from custodes.types.face_message import ReadZones, ZoneTable
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S, Ns
from custodes.web.auth.people import person_rows
from custodes.web.deps import WebDeps, deps_of, page
from custodes.web.faces import zone_rows
from custodes.web.gate import cookie_of
from custodes.web.language.reported import reported
from custodes.web.language.speech import Words
from custodes.web.moments import utc_ns_of
from custodes.web.shell import LOOPBACK_NAMES

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_ANSWER_NS = Ns(31 * 24 * 3600 * NS_PER_S)


@router.get("/notice/{camera_id}")
async def notice(request: Request, camera_id: str) -> Response:
    """For passers-by: who films here, why, how long, and whom to ask. Public, and says nothing else."""
    deps = deps_of(request)
    spec, config = await _camera(deps, camera_id), deps.config
    try:
        zones = [row.record.draft for row in await zone_rows(deps) if row.phase is ZonePhase.ACTIVE]
    except Unavailable:
        zones = None  # saying that nobody is recognised could be untrue
    return page(
        request,
        "notice.html",
        camera=spec,
        privacy=config.privacy,
        hours=spec.kept_h(config.retention.max_age_h),
        masking=config.redaction.level,
        zones=zones if zones is None else [draft for draft in zones if draft.camera_id == spec.camera_id],
        has_looks=spec.camera_id in cameras_with_looks(await deps.catalog.cameras(), config.privacy.looks),
    )


@router.get("/notice/{camera_id}/qr.svg")
async def notice_code(request: Request, camera_id: str) -> Response:
    """The code for the sign at the camera: leads to its notice."""
    spec = await _camera(deps_of(request), camera_id)
    base = deps_of(request).config.privacy.notice_url
    if not base:
        scheme = "https" if cookie_of(request).is_secure else "http"
        base = f"{scheme}://{request.headers['host']}"
    picture = BytesIO()
    segno.make(f"{base.rstrip('/')}/notice/{spec.camera_id}", micro=False, error="q").save(
        picture, kind="svg", scale=8, border=4, light="white"
    )
    return Response(picture.getvalue(), media_type="image/svg+xml")


NOTICE_WORDS: Words[NoticeKind] = Words(
    {
        NoticeKind.WITHOUT_PURPOSE: "nothing on file",
        NoticeKind.VOLUME: "more than usual",
        NoticeKind.OFF_HOURS: "at odd hours",
        NoticeKind.SAME_PLACE: "one place again and again",
    }
)


@router.get("/notices")
async def unusual(request: Request) -> Response:
    """Unusual looking: whom an auditor should ask what."""
    found = await deps_of(request).looks.notices()
    return page(request, "notices.html", notices=found[:200], kind_words=NOTICE_WORDS)


@router.get("/subject-access")
async def subject_access(
    request: Request,
    camera: Annotated[str, Query(max_length=64)] = "",
    begin: Annotated[str, Query(max_length=32)] = "",
    end: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Who saw this camera's pictures of a time: what a person who was there may ask (GDPR art. 15)."""
    deps = deps_of(request)
    rows, problem = None, ""
    if camera and begin and end:
        try:
            rows = await _who_saw(deps, camera, utc_ns_of(begin), utc_ns_of(end))
        except (InvalidArgument, NotFound) as error:
            problem = reported(str(error))
    return page(
        request,
        "subject_access.html",
        rows=rows,
        problem=problem,
        asked={"camera": camera, "begin": begin, "end": end},
        cameras=[(row.camera_id, row.name) for row in deps.live.camera_rows()],
    )


@router.get("/privacy")
async def record(request: Request) -> Response:
    """The record of processing and the material for an impact assessment, from the live settings."""
    return page(request, "privacy.html", sections=privacy.report(await _facts(request)))


@api_router.get("/privacy")
async def record_as_data(request: Request) -> dict[str, object]:
    """The same as data."""
    return {"sections": [asdict(one) for one in privacy.report(await _facts(request))]}


@api_router.get("/notices")
async def unusual_as_data(request: Request) -> dict[str, object]:
    """Unusual looking, newest first."""
    return {"notices": [asdict(one) for one in (await deps_of(request).looks.notices())[:1000]]}


@api_router.get("/subject-access")
async def subject_access_as_data(
    request: Request,
    camera: Annotated[str, Query(max_length=64)],
    start: Annotated[int, Query(alias="from", ge=0, le=2**63 - 1)],
    end: Annotated[int, Query(alias="to", ge=0, le=2**63 - 1)],
) -> dict[str, object]:
    """Who saw this camera's pictures of that time, as the log tells."""
    found = await _who_saw(deps_of(request), camera, Ns(start), Ns(end))
    return {"viewings": found}


async def _who_saw(deps: WebDeps, camera: str, start_ns: Ns, end_ns: Ns) -> list[dict[str, object]]:
    if not 0 < end_ns - start_ns <= MAX_ANSWER_NS:
        raise InvalidArgument("The time has to have a length, of at most 31 days.")
    await _camera(deps, camera)
    return [asdict(one) for one in await deps.looks.who_saw(camera, start_ns, end_ns)]


async def _camera(deps: WebDeps, camera_id: str) -> CameraSpec:
    for spec in await deps.catalog.cameras():
        if spec.camera_id == camera_id:
            return spec
    raise NotFound("There is no such camera on this site.")


async def _facts(request: Request) -> SiteFacts:
    deps = deps_of(request)
    return await facts_of(deps.catalog, deps.warden, deps.config)


async def facts_of(catalog: AsyncCatalog, warden: Warden, config: SiteConfig) -> SiteFacts:
    """What the report is made from: the settings, the catalog and the warden's zones of now. Raises: Unavailable."""
    cameras, book = await catalog.cameras(), await catalog.rules()
    table = await warden.about_requests(ReadZones())
    assert isinstance(table, ZoneTable)
    names = {spec.camera_id: spec.name for spec in cameras}
    drafts = [row.record.draft for row in table.zones if row.phase is ZonePhase.ACTIVE]
    return SiteFacts(
        name=config.name,
        controller=config.privacy.controller,
        contact=config.privacy.contact,
        purpose=config.privacy.purpose,
        legal_basis=config.privacy.legal_basis,
        max_age_h=config.retention.max_age_h,
        max_gb=config.retention.max_gb,
        masking=config.redaction.level,
        approvals=config.access.approvals,
        cameras=tuple(
            CameraFacts(
                camera_id=spec.camera_id,
                name=spec.name,
                is_enabled=spec.is_enabled,
                retention_h=spec.kept_h(config.retention.max_age_h),
            )
            for spec in cameras
        ),
        people=await person_rows(catalog),
        is_behind_tls=config.server.behind_tls,
        is_loopback=config.server.host in LOOPBACK_NAMES or config.server.host == "::1",
        log_size=(await warden.read_checkpoint()).size,
        is_recognition_on=config.faces.enabled,
        zones=tuple(
            f"{one.name} ({names.get(one.camera_id, one.camera_id)}): {one.basis.kind.value.replace('_', ' ')}, "
            f"{one.basis.reference}"
            for one in drafts
        ),
        outside=tuple(_outside(config, has_rules=bool(book is not None and book.rules))),
        looks=config.privacy.looks,
        looked=len(cameras_with_looks(cameras, config.privacy.looks)),
    )


def _outside(config: SiteConfig, *, has_rules: bool) -> Iterator[str]:
    """Who is told what by these settings, in the order of `site.yaml`. No pictures but sealed copies leave by them.
    `has_rules`: the page holds rules, too."""
    if has_rules or any(rule.webhook or rule.email or rule.mqtt for rule in config.rules):
        yield "numbers and incidents, without pictures, go where the rules say"
    if config.faces.enabled and config.faces.webhook is not None:
        yield f"confirmed sightings, without a name, go to {_host(config.faces.webhook.url)}"
    if config.siem is not None:
        told = "with names" if config.siem.names else "without names"
        yield f"the audit log, {told}, goes to {_host(config.siem.server)}"
    if config.home is not None:
        yield f"states of cameras and counts go to {_host(config.home.server)}"
    if config.tiers.offsite is not None:
        store = _host(config.tiers.offsite.endpoint)
        yield f"sealed copies of recordings, which cannot be opened there, lie at {store}"
    if config.catalog is not None:
        yield f"times, counts, tracks and accounts lie in a database at {config.catalog.host}"
    if config.federation is not None:
        yield f"what a centre shares ({', '.join(config.federation.share)}), without pictures, goes to it"


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
