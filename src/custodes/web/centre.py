"""The centre's page: all sites on a list and a map, one site's last day, and questions (`centre_questions`).

By HTTP's own login: an account that reads what sites tell of themselves, compared in equal time, and the people of
the centre, who may ask, too. Behind a TLS proxy unless it is read on this machine alone.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.staticfiles import StaticFiles

from custodes.config.centre import CentreConfig, CentreSiteConfig
from custodes.errors import CustodesError
from custodes.federation.sites import SiteSummary, SiteView
from custodes.types.federation import REMOVED
from custodes.units import NS_PER_S
from custodes.web.centre_questions import QuestionDesk, question_routes
from custodes.web.language.pages import Pages
from custodes.web.language.reported import reported
from custodes.web.language.speech import number_text, say, translated
from custodes.web.shell import LOOPBACK_NAMES, Shell
from custodes.web.words import STATE_WORDS, span_words

_STATIC = Path(__file__).parent / "static"
_CHALLENGE = {"www-authenticate": 'Basic realm="custodes centre", charset="UTF-8"'}
_MAX_LOGIN_CHARS = 4096
MAP_WIDTH, MAP_HEIGHT, MAP_EDGE = 640, 360, 28


def centre_app(
    config: CentreConfig,
    *,
    password: str,
    summaries: Callable[[], Awaitable[list[SiteSummary]]],
    view: Callable[[CentreSiteConfig], Awaitable[SiteView]],
    now_ns: Callable[[], int],
    desk: QuestionDesk,
) -> FastAPI:
    """The ASGI application. Args: desk: of questions, and who may ask."""
    assert config.page is not None
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    pages = Pages(_STATIC, {"size": _size, "ago": _ago, "camera_state": _camera_state})
    named, expected = config.page.user, hashlib.sha256(password.encode()).digest()
    sites = {one.id: one for one in config.sites}

    async def login(request: Request) -> tuple[str, bool]:
        """Who reads, and whether it is somebody who may ask."""
        user, given = _basic(request)
        is_word = secrets.compare_digest(hashlib.sha256(given.encode()).digest(), expected)
        if secrets.compare_digest(user.encode(), named.encode()) and is_word:
            return user, False
        if user and given and await desk.is_person(user, given):
            return user, True
        raise HTTPException(401, say("This is not the account of the centre."), _CHALLENGE)

    async def reader(request: Request) -> str:
        return (await login(request))[0]

    async def person(request: Request) -> str:
        user, is_person = await login(request)
        if not is_person:
            raise HTTPException(
                401, say("Questions are for people of the centre; log in with your own name."), _CHALLENGE
            )
        return user

    app.include_router(question_routes(config, desk, pages, person=person, now_ns=now_ns))

    @app.get("/", dependencies=[Depends(reader)])
    async def front(request: Request) -> Response:
        found = await summaries()
        now = now_ns()
        context = {
            "centre_name": config.name,
            "rows": [(one, reported(one.trouble(now))) for one in sorted(found, key=lambda one: _order(one, now))],
            "dots": [(x, y, one, reported(trouble)) for x, y, one, trouble in map_dots(found, now)],
            "width": MAP_WIDTH,
            "height": MAP_HEIGHT,
            "now_ns": now,
        }
        return pages.spoken().TemplateResponse(request, "centre.html", context)

    @app.get("/sites/{site_id}", dependencies=[Depends(reader)])
    async def one_site(request: Request, site_id: str) -> Response:
        site = sites.get(site_id)
        if site is None:
            raise HTTPException(404, say("There is no such site in the configuration."))
        found, now = await view(site), now_ns()
        context = {
            "centre_name": config.name,
            "view": found,
            "site": site,
            "row": found.summary.row,
            "health": found.summary.health,
            "trouble": reported(found.summary.trouble(now)),
            "now_ns": now,
        }
        return pages.spoken().TemplateResponse(request, "centre_site.html", context)

    @app.exception_handler(CustodesError)
    async def failed(_: Request, error: CustodesError) -> Response:
        return PlainTextResponse(f"{reported(str(error))}\n", status_code=503)

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    own = frozenset({config.page.host.lower()}) - {"0.0.0.0", "::"}  # nosec B104  # noqa: S104 - compared, not bound
    app.add_middleware(Shell, hosts=LOOPBACK_NAMES | own | frozenset(name.lower() for name in config.page.hosts))
    return app


def _basic(request: Request) -> tuple[str, str]:
    """Name and password (RFC 7617, UTF-8); empty for none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or len(given) > _MAX_LOGIN_CHARS:
        return "", ""
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _order(one: SiteSummary, now_ns: int) -> tuple[bool, bool, str]:
    return (not one.row.alarm, not one.trouble(now_ns), one.site.name)


def map_dots(found: list[SiteSummary], now_ns: int) -> list[tuple[float, float, SiteSummary, str]]:
    """Places on a plane of `MAP_WIDTH` by `MAP_HEIGHT`, north up, degrees alike near the middle of all sites; x, y,
    site, its trouble. Sites without a place are not on it."""
    placed = [
        (one, one.site.longitude, one.site.latitude)
        for one in found
        if one.site.longitude is not None and one.site.latitude is not None
    ]
    if not placed:
        return []
    west, east = min(x for _, x, _ in placed), max(x for _, x, _ in placed)
    south, north = min(y for _, _, y in placed), max(y for _, _, y in placed)
    wide, high = MAP_WIDTH - 2 * MAP_EDGE, MAP_HEIGHT - 2 * MAP_EDGE
    scale = min(wide / max(east - west, 1e-6), high / max(north - south, 1e-6))
    left = (MAP_WIDTH - (east - west) * scale) / 2
    top = (MAP_HEIGHT - (north - south) * scale) / 2
    return [(left + (x - west) * scale, top + (north - y) * scale, one, one.trouble(now_ns)) for one, x, y in placed]


def _ago(span_ns: int) -> str:
    return span_words(span_ns / NS_PER_S)


def _camera_state(state: str) -> str:
    """`stalled` in words; what a site calls otherwise, as it is."""
    return translated("Removed") if state == REMOVED else STATE_WORDS.get(state, state)


def _size(count: int) -> str:
    if count >= 10**12:
        return say("{count} TB", count=number_text(count / 1e12, 2))
    return say("{count} GB", count=number_text(count / 1e9, 1))
