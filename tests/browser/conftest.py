"""The web application on a real loopback port, with a real catalog and log, and views that encode real video."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from argon2 import PasswordHasher
from playwright.sync_api import Browser, expect, sync_playwright

from custodes.adapters.sql import SqlCatalog, sqlite_catalog
from custodes.app.serving.holds import HoldService
from custodes.app.serving.journey_exhibit import ExhibitMaker
from custodes.app.serving.journeys import JourneyService
from custodes.app.serving.proofs import ProofDesk
from custodes.app.serving.rule_desk import SiteRules
from custodes.app.serving.rules import RuleService
from custodes.config import SiteConfig, SitePaths
from custodes.ports.clock import Clock
from custodes.runtime.clock import SystemClock
from custodes.testing.history import fill_history
from custodes.testing.recogniser import WrittenRecogniser
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
from custodes.types.access import CameraScope
from custodes.types.face import Signal, Speaks
from custodes.types.face_message import HolderVerified
from custodes.types.message import ProcessStatus
from custodes.types.place import FloorNow
from custodes.web.app import create_app

CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=60_000)  # what comes is seen at once; a busy machine brings it late
SIGNALS = (Signal(speaks=Speaks.NOTHING, words="the head hardly turned"), Signal(speaks=Speaks.FACE, words="a nose"))
CAMERA_SHOWS = (40, 210)
"""Luma of both halves of what the made-up camera shows."""

CAMERAS = (("gate", "Main gate"), ("yard", "Yard"), ("road", "Road, north"), ("hall", "Hall"))


class WrittenFloors:
    """`ports.views.Floors` that says what it was told."""

    def __init__(self) -> None:
        self.now: list[FloorNow] = []

    def floors(self, scope: CameraScope) -> list[FloorNow]:
        """Those of which this person may see every camera."""
        return [one for one in self.now if all(scope.covers(camera.camera_id) for camera in one.cameras)]


@dataclass
class Site:
    """A served application and the doors behind it."""

    address: str
    token: str
    warden: LoggingWarden
    views: DrawnViews
    live: FixedLive
    recogniser: WrittenRecogniser
    folder: Path
    catalog: SqlCatalog
    clock: Clock
    floors: WrittenFloors


def _processes() -> tuple[ProcessStatus, ...]:
    kinds = ("supervisor", "recorder", "analyser", "warden", "matcher", "server", "job")
    return tuple(
        ProcessStatus(
            name=f"{kind}-0" if kind in ("analyser", "job", "recorder") else kind,
            kind=kind,
            state="running",
            pid=1000 + number,
            restarts=1 if kind == "analyser" else 0,
            cpu_s=12.5 * (number + 1),
            rss_mb=64.0 + 30 * number,
            uptime_s=1800.0,
            last_exit="killed by signal 9" if kind == "analyser" else "",
        )
        for number, kind in enumerate(kinds)
    )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serves until the test is over."""
    clock = SystemClock()
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=clock)
    for camera_id, _ in CAMERAS[:3]:
        fill_history(catalog, camera_id, now_ns=clock.now_ns())
    warden = LoggingWarden(tmp_path, clock)
    views = DrawnViews(warden, clock)
    rows = [camera_row(camera_id, name) for camera_id, name in CAMERAS[:3]]
    rows.append(camera_row(*CAMERAS[3], state="unreachable", detail="nothing answers at 10.0.0.9"))
    live = FixedLive(rows, _processes())
    tokens: list[str] = []
    floors = WrittenFloors()
    same = HolderVerified(is_same=True, likelihood=4.2, problem="", quality=None, signals=SIGNALS)
    recogniser = WrittenRecogniser(same)

    async def announce(token: str) -> None:
        tokens.append(token)

    config = SiteConfig(name="Harbour site", data_dir=tmp_path)
    paths, site_id = SitePaths(tmp_path), "ab" * 8
    proofs = ProofDesk(warden=warden, witnesses=[], paths=paths, config=config)
    exhibits = ExhibitMaker(warden=warden, proofs=proofs, clock=clock, paths=paths, config=config, site_id=site_id)
    app = create_app(
        catalog=InlineCatalog.over(catalog),
        views=views,
        live=live,
        warden=warden,
        exports=WrittenExports(tmp_path, warden),
        erasures=WrittenErasures(tmp_path, warden),
        holds=HoldService(catalog=InlineCatalog.over(catalog), warden=warden, clock=clock),
        config=config,
        clock=clock,
        announce=announce,
        recogniser=recogniser,
        floors=floors,
        journeys=JourneyService(catalog=InlineCatalog.over(catalog), warden=warden, clock=clock, exhibits=exhibits),
        rules=SiteRules(
            service=RuleService(site=config.name, watched=(), catalog=InlineCatalog.over(catalog), clock=clock),
            configured=config.rules,
            catalog=InlineCatalog.over(catalog),
            warden=warden,
            clock=clock,
            environ={},
            push=None,
        ),
        cameras=setting_up(tmp_path, InlineCatalog.over(catalog), warden, live, clock),
        hasher=PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    started = threading.Event()
    while not server.started and thread.is_alive():
        started.wait(0.02)
    yield Site(
        f"http://127.0.0.1:{listener.getsockname()[1]}", tokens[0], warden, views, live, recogniser, tmp_path,
        catalog, clock, floors,
    )  # fmt: skip
    server.should_exit = True
    thread.join(10)
    listener.close()
    catalog.close()
    warden.log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from chromium()


@pytest.fixture
def browser_with_camera(tmp_path: Path) -> Iterator[Browser]:
    """Chromium before a camera that shows `CAMERA_SHOWS`: left half dark, right half bright."""
    film = tmp_path / "camera.y4m"
    row = bytes([CAMERA_SHOWS[0]] * 160 + [CAMERA_SHOWS[1]] * 160)
    picture = b"FRAME\n" + row * 240 + bytes([128]) * (2 * 160 * 120)
    film.write_bytes(b"YUV4MPEG2 W320 H240 F10:1 Ip A1:1 C420jpeg\n" + picture * 10)
    yield from chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )


def chromium(*more: str) -> Iterator[Browser]:
    """With these further arguments, until the generator is closed; skips where it is not installed."""
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                *more,
            ],
        )
        yield launched
        launched.close()
