"""The application over ASGI with a real catalog, log and policies, and a clock that tests move."""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.testclient import TestClient, WebSocketTestSession

from custodes.adapters.sql import SqlCatalog, sqlite_catalog
from custodes.app.job_posts import _spread
from custodes.app.serving.backfills import Backfills
from custodes.app.serving.holds import HoldService
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.journey_exhibit import ExhibitMaker
from custodes.app.serving.journey_looks import LookDesk
from custodes.app.serving.journeys import JourneyService
from custodes.app.serving.leak_book import LeakBook
from custodes.app.serving.post_book import CasePostBook
from custodes.app.serving.post_exhibit import PostExhibit
from custodes.app.serving.proofs import ProofDesk
from custodes.app.serving.rule_desk import SiteRules
from custodes.app.serving.rules import RuleService
from custodes.config import SiteConfig, SitePaths
from custodes.errors import ResourceExhausted, Unavailable
from custodes.ports.clock import Clock
from custodes.runtime.clock import SystemClock
from custodes.testing.clock import ManualClock
from custodes.testing.web import (
    DrawnViews,
    FixedLive,
    InlineCatalog,
    LoggingWarden,
    WrittenErasures,
    WrittenExports,
    camera_row,
    setting_up,
)
from custodes.types.access import Principal
from custodes.types.cases import Case, CaseMember
from custodes.types.leak import LeakTraced, TraceOrder
from custodes.types.message import SiteStatus
from custodes.types.posts import PostsSpread, SpreadTask
from custodes.units import NS_PER_S
from custodes.web.app import create_app
from custodes.web.deps import FleetReader
from custodes.web.fleet import no_audit

NAME, PASSWORD = "Ada Lovelace", "four words in a row"
BASE = "http://127.0.0.1"


@dataclass
class Site:
    """An application and the doors behind it. `client` keeps cookies and sends our own Origin."""

    app: FastAPI
    client: TestClient
    catalog: SqlCatalog
    warden: LoggingWarden
    views: DrawnViews
    live: FixedLive
    clock: ManualClock
    exports: WrittenExports
    tokens: list[str] = field(default_factory=list)
    traced: list[TraceOrder] = field(default_factory=list)
    """What the leak desk was asked to look for."""

    def claim(
        self, *, roles: tuple[str, ...] = ("operator", "investigator", "auditor"), **changes: str
    ) -> httpx.Response:
        form = {"token": self.tokens[-1], "name": NAME, "password": PASSWORD, "password_again": PASSWORD, **changes}
        return self.client.post("/first-boot", data={**form, "roles": list(roles)})

    def socket(self, path: str, **headers: str) -> WebSocketTestSession:
        # the test client takes another host for WebSockets unless it is told
        return self.client.websocket_connect(f"ws://127.0.0.1{path}", headers=headers)

    def log_in(self, name: str = NAME, password: str = PASSWORD) -> httpx.Response:
        return self.client.post("/login", data={"name": name, "password": password})

    def case(self, number: str, *members: CaseMember) -> None:
        """Put an open case into the register."""
        owner = CaseMember(user_id="owner", name="Owner")
        self.warden.cases.put(
            Case(
                number=number,
                title="Bicycle",
                reason="stolen at the gate",
                owner=owner,
                members=members,
                opened_ns=self.clock.now_ns(),
                keep_days=30,
            )
        )

    def own_case(self, number: str) -> None:
        """One that the first person works on."""
        (me,) = [one for one in self.catalog.accounts() if one.name == NAME]
        self.case(number, CaseMember(user_id=me.user_id, name=me.name))

    @property
    def csrf(self) -> str:
        """What a page would carry; from the session, so that each form of a test does not render a page first."""
        cookies = [one.value for one in self.client.cookies.jar if one.name.endswith("custodes_session")]
        session = self.catalog.session(hashlib.sha256(cookies[-1].encode()).digest())
        assert session is not None, "nobody is logged in"
        return session.csrf_token


class FullyBooked:
    """`ports.supervisor.Supervisor` of a site whose bound of jobs is met."""

    async def read_status(self) -> SiteStatus:
        return SiteStatus(site_id="ab" * 8, data_dir="", address="", processes=())

    async def spawn_job(self, kind: str = "job") -> None:
        raise ResourceExhausted(f"enough of kind {kind}")

    async def announce(self, address: str, first_boot_token: str) -> None:
        raise Unavailable("nobody listens")


def forgo_durability(catalog: SqlCatalog, warden: LoggingWarden) -> None:
    """What is tried over HTTP is who may what, not what a power cut leaves: a third of the time were syncs."""
    for database in (warden.log._db, warden.cases._database, warden.face_store._db, warden.desk._store._database):
        database.execute("PRAGMA synchronous=OFF")
    with catalog._store.writer.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA synchronous=OFF")


@contextmanager
def site_in(
    folder: Path,
    *,
    oidc: object = None,
    clock: str = "manual",
    has_cameras: bool = True,
    fleet: FleetReader = no_audit,
    access: object = None,
    supervisor: object = None,
    **server: object,
) -> Iterator[Site]:
    """A site without an account, with its doors, in `folder`."""
    time: Clock = SystemClock() if clock == "real" else ManualClock()
    catalog = sqlite_catalog(folder / "catalog.db", site_id="ab" * 8, clock=time)
    warden = LoggingWarden(folder, time)
    forgo_durability(catalog, warden)

    async def pace(_: float) -> None:
        await anyio.sleep(0)

    views = DrawnViews(warden, time, pace=pace, frames=6)
    exports = WrittenExports(folder, warden)
    erasures = WrittenErasures(folder, warden)
    live = FixedLive([camera_row("gate", "Main gate"), camera_row("yard", "Yard")])
    tokens: list[str] = []
    traced: list[TraceOrder] = []

    async def found(
        order: TraceOrder, first: Principal, second: Principal, told: Callable[[float], None]
    ) -> LeakTraced:
        traced.append(order)
        told(0.25)
        if order.picture.endswith(b"takes long") and len(traced) == 1:
            await asyncio.Event().wait()
        told = {
            "place": "The picture shows the view of camera Main gate (gate).",
            "sentence": "The picture derives from the copy of camera gate, delivered to session S.",
            "may_not_conclude": "It does not say who made it public.",
            "utc_ns": order.end_ns - 60 * NS_PER_S,
            "earliest_ns": order.end_ns - 90 * NS_PER_S,
            "latest_ns": order.end_ns - 30 * NS_PER_S,
            "traced_by": [first.name, second.name],
        }
        return LeakTraced(finding=json.dumps(told), bundle=b"PK bundle")

    async def compared(task: SpreadTask) -> PostsSpread:
        """What the job does, in this process."""
        return _spread(task, paths)

    async def announce(token: str) -> None:
        tokens.append(token)

    tree = {"name": "Test site", "data_dir": folder, "server": server, "oidc": oidc, "access": access or {}}
    config = SiteConfig.model_validate(tree)
    paths = SitePaths(folder)
    proofs = ProofDesk(warden=warden, witnesses=[], paths=paths, config=config)
    exhibits = ExhibitMaker(warden=warden, proofs=proofs, clock=time, paths=paths, config=config, site_id="ab" * 8)
    app = create_app(
        catalog=InlineCatalog.over(catalog),
        views=views,
        live=live,
        warden=warden,
        exports=exports,
        erasures=erasures,
        posts=CasePostBook(
            folder,
            warden=warden,
            clock=time,
            compare=compared,
            exhibit=PostExhibit(
                warden=warden, proofs=proofs, clock=time, paths=paths, config=config, site_id="ab" * 8
            ),
        ),
        leaks=LeakBook(folder / "leaks", catalog=InlineCatalog.over(catalog), warden=warden, clock=time, trace=found),
        holds=HoldService(catalog=InlineCatalog.over(catalog), warden=warden, clock=time),
        config=config,
        journeys=JourneyService(
            catalog=InlineCatalog.over(catalog),
            warden=warden,
            clock=time,
            exhibits=exhibits,
            looks=LookDesk(
                catalog=InlineCatalog.over(catalog),
                warden=warden,
                jobs=JobPool(supervisor or FullyBooked(), time, spare=0),
                views=views,
                clock=time,
            ),
        ),
        clock=time,
        backfills=Backfills(
            catalog=InlineCatalog.over(catalog),
            warden=warden,
            jobs=JobPool(FullyBooked(), time, spare=0, kind="backfiller"),
            clock=time,
        ),
        announce=announce,
        hasher=PasswordHasher(time_cost=1, memory_cost=64, parallelism=1),
        fleet=fleet,
        rules=SiteRules(
            service=RuleService(site="Test site", watched=(), catalog=InlineCatalog.over(catalog), clock=time),
            configured=config.rules,
            catalog=InlineCatalog.over(catalog),
            warden=warden,
            clock=time,
            environ={"CUSTODES_RULE_HOOK": "secret"},
            push=None,
        ),
        cameras=setting_up(folder, InlineCatalog.over(catalog), warden, live, time) if has_cameras else None,
    )
    client = TestClient(app, base_url=BASE, headers={"origin": BASE}, follow_redirects=False)
    with client:
        yield Site(app, client, catalog, warden, views, live, time, exports, tokens, traced)
    catalog.close()
    warden.log.close()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Builds sites; `config` may differ. Closed after the test."""
    with ExitStack() as stack:

        def make(**server: object) -> Site:
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            return stack.enter_context(site_in(folder, **server))

        yield make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A fresh site without an account."""
    return make_site()


@pytest.fixture
def claimed(site: Site) -> Site:
    """A site whose first person, with the offered roles, is logged in."""
    assert site.claim().status_code == 303
    for number in ("2026-7", "2026-0117"):
        site.own_case(number)
    return site
