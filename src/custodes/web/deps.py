"""What the routes are given, and how they reach it. No module-level state: everything hangs on the app."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from custodes.access.policy import Policies
from custodes.access.protection import as_requester
from custodes.access.requests import phase
from custodes.config import SiteConfig
from custodes.fleet.audit import FleetReport
from custodes.fleet.health import HealthReport
from custodes.ports.backfills import BackfillDesk
from custodes.ports.camera_desk import CameraDesk
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.centre_desk import CentreDesk
from custodes.ports.clock import Clock
from custodes.ports.erasures import ErasureDesk
from custodes.ports.exports import ExportDesk
from custodes.ports.holds import HoldDesk
from custodes.ports.journeys import Journeys
from custodes.ports.leaks import LeakTraces
from custodes.ports.posts import PostBook
from custodes.ports.push import PushDesk
from custodes.ports.recogniser import Recogniser
from custodes.ports.rule_desk import RuleDesk
from custodes.ports.scanner import FileScanner
from custodes.ports.tiles import Tiles
from custodes.ports.views import Floors, LiveState, ViewBroker
from custodes.ports.warden import Warden
from custodes.types.access import Action, Principal
from custodes.types.approval import ReadRequests, RequestRecord, RequestTable
from custodes.types.event import Unreached
from custodes.types.looks import Drops
from custodes.types.message import CameraRow
from custodes.types.recorders import RecorderTable
from custodes.types.servers import Standing
from custodes.units import CameraId
from custodes.web.auth.joining import Joining
from custodes.web.auth.oidc import IdentityProvider
from custodes.web.auth.passkeys import Passkeys
from custodes.web.auth.people import People
from custodes.web.auth.second_factor import SecondFactor
from custodes.web.auth.service import AuthService
from custodes.web.camera_names import CameraNames
from custodes.web.language.pages import Pages
from custodes.web.language.speech import LANGUAGES, spoken
from custodes.web.looks import LookBook
from custodes.web.navigation import DECIDES, offered
from custodes.web.reads import ReadPermits, Visitor
from custodes.web.storage import StorageMeter
from custodes.web.upkeep_log import BackupBook
from custodes.web.words import ROLE_WORDS

HealthReader = Callable[[], Awaitable[HealthReport]]
"""Cameras and store over the last day. Raises: Unavailable."""

FleetReader = Callable[[], Awaitable[FleetReport]]
"""The newest audit of the cameras, judged by the rules at hand. Raises: InvalidArgument, StorageFailed."""

RecordersReader = Callable[[], Awaitable[RecorderTable]]
"""Who records what. Raises what the catalog raises."""

Announcer = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDeps:
    """Ports of the server as the routes use them."""

    catalog: AsyncCatalog
    views: ViewBroker
    live: LiveState
    warden: Warden
    holds: HoldDesk
    exports: ExportDesk
    erasures: ErasureDesk
    config: SiteConfig
    clock: Clock
    auth: AuthService
    joining: Joining
    factor: SecondFactor
    templates: Pages
    storage: StorageMeter
    reads: ReadPermits
    people: People
    passkeys: Passkeys
    fleet: FleetReader
    looks: LookBook
    backups: BackupBook
    provider: IdentityProvider | None
    policies: Policies
    leaks: LeakTraces | None = None
    """None where the server has no desk for leaks."""
    posts: PostBook | None = None
    """None where the server keeps no posts of leaks."""
    floors: Floors | None = None
    tiles: Tiles | None = None
    """None where no file of streets is named."""
    journeys: Journeys | None = None
    """None where the server follows nobody."""
    health: HealthReader | None = None
    """None where nothing is measured."""
    backfills: BackfillDesk | None = None
    """None where nothing can be analysed again."""
    cameras: CameraDesk | None = None
    """None where nobody can set cameras up."""
    push: PushDesk | None = None
    """None where no devices are told."""
    recogniser: Recogniser | None = None
    """None where recognition is switched off."""
    recorders: RecordersReader | None = None
    """None where nobody is asked: one recorder has everything."""
    unreached: Callable[[], Sequence[Unreached]] = tuple
    """Other systems that do not take what they are told."""
    drops: Callable[[], Drops] = Drops
    """What map and links had no room for."""
    on_verdict: Callable[[str], None] | None = None
    """Told the candidate on which somebody said their word; None where nobody else is told of sightings."""
    centre: Callable[[], CentreDesk | None] = lambda: None
    """Gives None where no centre may ask for anything."""
    standing: Callable[[], Awaitable[Standing]] | None = None
    """None where one server does everything, without replicas."""
    rules: RuleDesk | None = None
    """None where nobody writes rules."""
    scanner: FileScanner | None = None
    """None where no virus scanner is named."""

    async def scanned(self, content: bytes) -> bytes:
        """An uploaded file, once the scanner found nothing in it. Raises: InvalidArgument, Unavailable."""
        if self.scanner is not None and content:
            await self.scanner.check(content)
        return content

    async def requests_for(self, who: Principal) -> list[RequestRecord]:
        """The newest requests of which this person may know: their own, or all for who decides or audits."""
        table = await self.warden.about_requests(ReadRequests(limit=200))
        assert isinstance(table, RequestTable)
        records = list(table.records)
        if not any(self.reads.may(who, action) for action in (Action.APPROVE, Action.REVIEW, Action.READ_LOG)):
            records = [record for record in records if record.request.requester_id == who.user_id]
        now_ns = self.clock.now_ns()
        return [
            as_requester(record, phase(record, now_ns)) if record.request.requester_id == who.user_id else record
            for record in records
        ]

    def visible_cameras(self, who: Principal) -> list[CameraRow]:
        """Cameras of which this person may know: those in the account's scope, whatever the roles."""
        return [row for row in self.live.camera_rows() if who.cameras.covers(row.camera_id)]


def deps_of(connection: HTTPConnection) -> WebDeps:
    """The app's dependencies."""
    return cast(WebDeps, connection.app.state.deps)


def visitor_of(connection: HTTPConnection) -> Visitor | None:
    """Who is logged in, as the gate found out; None on public routes without a session."""
    return cast("Visitor | None", getattr(connection.state, "visitor", None))


def present(connection: HTTPConnection) -> Visitor:
    """The visitor of a route that is not public. The gate has run before, so there is one."""
    visitor = visitor_of(connection)
    assert visitor is not None, "a route without the gate"
    return visitor


def is_page(request: HTTPConnection) -> bool:
    """Whether a person's browser asks for a page (and an error should be one), not a script for data."""
    return not request.url.path.startswith(("/api/", "/static/")) and "text/html" in request.headers.get("accept", "")


def _names_for(deps: WebDeps, visitor: Visitor | None) -> dict[CameraId, str]:
    return {row.camera_id: row.name for row in deps.visible_cameras(visitor.principal)} if visitor else {}


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Render a template with what every page needs."""
    deps = deps_of(request)
    visitor = visitor_of(request)
    may = {action: deps.reads.may(visitor.principal, action) for action in DECIDES} if visitor else {}
    context: dict[str, object] = {
        "site_name": deps.config.name,
        "visitor": visitor,
        "may": {action.value: is_so for action, is_so in may.items()},
        "navigation": offered(
            may.__getitem__, is_recognition_on=deps.config.faces.enabled, has_centre=deps.centre() is not None
        )
        if visitor
        else (),
        "roles": [ROLE_WORDS[role][0] for role in sorted(visitor.principal.roles)] if visitor else [],
        "csrf_token": visitor.session.csrf_token if visitor else "",
        "path": request.url.path,
        "language": spoken().tag,
        "now_ns": deps.clock.now_ns(),
        "languages": LANGUAGES,
        "cameras_named": CameraNames(lambda: _names_for(deps, visitor)),
        **values,
    }
    return deps.templates.spoken().TemplateResponse(request, template, context, status_code=status)
