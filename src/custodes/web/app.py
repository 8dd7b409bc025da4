"""Puts the web application together. Called by `app.server`; holds no logic of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from argon2 import PasswordHasher
from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from custodes import __version__
from custodes.access.policy import load_policies
from custodes.config import SiteConfig, SitePaths
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
from custodes.types.event import Unreached
from custodes.types.looks import Drops
from custodes.types.servers import Standing
from custodes.web import (
    api,
    api_log,
    asked_by_centre,
    bulk,
    candidates,
    cases,
    checkpoint,
    enrol,
    errors,
    faces,
    flows,
    install,
    layouts,
    masks,
    metrics,
    networks,
    pages,
    people,
    privacy,
    protection,
    requests,
    review,
    search,
    site_cameras,
    site_drawing,
    site_map,
    site_plan,
    traffic,
    trials,
    upkeep,
    vehicles,
)
from custodes.web import backfills as backfill_routes
from custodes.web import erasures as erasures_page
from custodes.web import fleet as fleet_routes
from custodes.web import holds as hold_routes
from custodes.web import journeys as journeys_page
from custodes.web import live as live_routes
from custodes.web import (
    rules as rule_pages,
)
from custodes.web import vouching as vouching_routes
from custodes.web.api_description import describe
from custodes.web.auth import devices, me, oidc_routes, sessions
from custodes.web.auth import routes as auth_routes
from custodes.web.auth.joining import Joining
from custodes.web.auth.oidc import IdentityProvider
from custodes.web.auth.passkeys import Passkeys
from custodes.web.auth.passwords import Passwords
from custodes.web.auth.people import People
from custodes.web.auth.second_factor import SecondFactor
from custodes.web.auth.service import AuthService
from custodes.web.deps import Announcer, FleetReader, HealthReader, RecordersReader, WebDeps
from custodes.web.exports import api_router as exports_api
from custodes.web.exports import router as exports_router
from custodes.web.fleet import no_audit
from custodes.web.gate import gate
from custodes.web.language.pages import Pages
from custodes.web.leaks import api_router as leaks_api
from custodes.web.leaks import router as leaks_router
from custodes.web.looks import LookBook
from custodes.web.posts import api_router as posts_api
from custodes.web.posts import router as posts_router
from custodes.web.reads import ReadPermits
from custodes.web.shell import LOOPBACK_NAMES, Shell
from custodes.web.spread import Spread
from custodes.web.storage import StorageMeter
from custodes.web.upkeep_log import BackupBook

_STATIC = Path(__file__).parent / "static"


def create_app(
    *,
    catalog: AsyncCatalog,
    views: ViewBroker,
    live: LiveState,
    warden: Warden,
    holds: HoldDesk,
    exports: ExportDesk,
    erasures: ErasureDesk,
    config: SiteConfig,
    clock: Clock,
    announce: Announcer,
    hasher: PasswordHasher | None = None,
    fleet: FleetReader = no_audit,
    leaks: LeakTraces | None = None,
    posts: PostBook | None = None,
    floors: Floors | None = None,
    tiles: Tiles | None = None,
    journeys: Journeys | None = None,
    health: HealthReader | None = None,
    backfills: BackfillDesk | None = None,
    cameras: CameraDesk | None = None,
    push: PushDesk | None = None,
    recogniser: Recogniser | None = None,
    recorders: RecordersReader | None = None,
    on_verdict: Callable[[str], None] | None = None,
    scanner: FileScanner | None = None,
    rules: RuleDesk | None = None,
    standing: Callable[[], Awaitable[Standing]] | None = None,
    unreached: Callable[[], Sequence[Unreached]] = tuple,
    drops: Callable[[], Drops] = Drops,
    leader: Path | None = None,
    centre: Callable[[], CentreDesk | None] = lambda: None,
) -> FastAPI:
    """The whole web application.

    Args:
        announce: told the first-boot token when the application starts and no account exists.
        hasher: argon2id parameters; the default's are RFC 9106's for 64 MiB.
        fleet: reads the newest audit of the cameras.
        tiles: pictures of streets; None where no file is named.
        health: measures cameras and store; None where nobody does.
        backfills: None where nothing can be analysed again.
        cameras: None where nobody can set any up.
        push: None where no devices are told.
        recogniser: None where recognition is switched off.
        centre: gives the desk of what a centre asked; None where none may ask.
        recorders: says who records what; None where one recorder has everything.
        on_verdict: Told the candidate on which somebody said their word.
        unreached: other systems that do not take what they are told.
        drops: what map and links had no room for.
        scanner: sees uploaded files first; None where none is named.
        rules: rules of the page; None where nobody writes any.
        standing: who leads, and how far replicas are.
        leader: of several servers that follow: where the one that leads takes what is not answered here.
    """
    passwords, factor = Passwords(hasher), SecondFactor(catalog=catalog, warden=warden)
    auth = AuthService(
        catalog=catalog, warden=warden, clock=clock, passwords=passwords, factor=factor, site_name=config.name
    )
    joining = Joining(catalog=catalog, auth=auth, clock=clock, passwords=passwords)
    paths = SitePaths(config.data_dir)
    policies = load_policies()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        token = await joining.offer_first_boot()
        if token is not None:
            await announce(token)
        yield

    app = FastAPI(
        title="custodes",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(gate)],
    )
    app.state.deps = WebDeps(
        catalog=catalog,
        views=views,
        live=live,
        warden=warden,
        holds=holds,
        exports=exports,
        erasures=erasures,
        config=config,
        clock=clock,
        auth=auth,
        joining=joining,
        factor=factor,
        templates=Pages(_STATIC),
        storage=StorageMeter(data_dir=paths.data_dir, segments_dir=paths.segments, clock=clock),
        reads=ReadPermits(warden=warden, clock=clock, policies=policies),
        people=People(catalog=catalog, warden=warden, clock=clock),
        passkeys=Passkeys(catalog=catalog, warden=warden, clock=clock, site_name=config.name),
        provider=_provider(config, catalog, clock),
        fleet=fleet,
        backups=BackupBook(warden, clock),
        looks=LookBook(warden=warden, clock=clock, timezone=config.access.timezone),
        policies=policies,
        floors=floors,
        tiles=tiles,
        scanner=scanner,
        rules=rules,
        standing=standing,
        unreached=unreached,
        drops=drops,
        centre=centre,
        journeys=journeys,
        health=health,
        backfills=backfills,
        cameras=cameras,
        leaks=leaks,
        posts=posts,
        push=push,
        recogniser=recogniser,
        recorders=recorders,
        on_verdict=on_verdict,
    )
    errors.install(app)
    for module in (
        auth_routes,
        me,
        devices,
        sessions,
        oidc_routes,
        pages,
        people,
        requests,
        erasures_page,
        cases,
        privacy,
        traffic,
        flows,
        site_map,
        review,
        search,
        api,
        api_log,
        metrics,
        masks,
        live_routes,
        faces,
        enrol,
        trials,
        bulk,
        networks,
        protection,
        candidates,
        journeys_page,
        checkpoint,
        site_cameras,
        site_drawing,
        rule_pages,
        site_plan,
        backfill_routes,
        install,
        upkeep,
        vehicles,
        asked_by_centre,
    ):
        app.include_router(module.router)
    for router in (
        privacy.api_router,
        traffic.api_router,
        flows.api_router,
        site_map.api_router,
        review.api_router,
        search.api_router,
        cases.api_router,
        backfill_routes.api_router,
        hold_routes.router,
        layouts.router,
    ):
        app.include_router(router)
    app.include_router(fleet_routes.router)
    app.include_router(fleet_routes.api_router)
    for router in (
        exports_router,
        exports_api,
        leaks_router,
        leaks_api,
        posts_router,
        posts_api,
        vouching_routes.router,
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    describe(app)
    if leader is not None:
        app.add_middleware(Spread, leader=leader)
    app.add_middleware(Shell, hosts=_hosts(config), is_behind_tls=config.server.behind_tls)
    return app


def _provider(config: SiteConfig, catalog: AsyncCatalog, clock: Clock) -> IdentityProvider | None:
    if config.oidc is None:
        return None
    secret = oidc_routes.read_secret(config.oidc)
    return IdentityProvider(config=config.oidc, secret=secret, catalog=catalog, clock=clock)


def _hosts(config: SiteConfig) -> frozenset[str]:
    own = config.server.host
    named = {own.lower() if ":" not in own else f"[{own.lower()}]"} if own not in ("0.0.0.0", "::") else set()  # nosec B104  # noqa: S104 - compared, not bound
    return LOOPBACK_NAMES | named | {host.lower() for host in config.server.hosts}
