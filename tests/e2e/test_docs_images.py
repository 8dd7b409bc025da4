"""The pictures of the manual: a site on the demo's footage, each page as its user meets it. `make shots` writes them.

What is asserted is that the page shows what the picture is for; people are masked in each of them.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import chromium
from tests.browser.test_pages import PLAYING, Person
from tests.browser.test_passkeys import add_passkey, with_authenticator
from tests.e2e.conftest import REPOSITORY
from tests.e2e.test_every_page import log_in, open_case

from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import PASSWORD, Viewer, let_in
from custodes.types.access import Role
from demo.footage import fetch
from demo.prepare import prepare

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.rtsp]

VOUCHED = (
    "() => { const note = document.querySelector('.tile[data-camera=courtyard] .tile-note');"
    " return note && note.hidden; }"
)
COLOURS = 256
"""Of a picture in the manual: half its bytes, and no difference that is seen."""


def keep(page: Page, name: str, *, full: bool = False) -> None:
    """Into the folder that CUSTODES_IMAGES names."""
    folder = os.environ.get("CUSTODES_IMAGES")
    if folder:
        path = Path(folder) / f"{name}.png"
        page.screenshot(path=str(path), full_page=full)
        picture = Image.open(path).convert("RGB")
        # an octree: the few pixels of a red dot count, too
        picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Two cameras of the demo, one that is down; recognition, a floor, a line, a case, and somebody of each role."""
    clips = {
        clip.camera_id: (clip, source)
        for clip, source in fetch(Path(os.environ.get("CUSTODES_FOOTAGE", REPOSITORY / "demo-data")), print)
    }
    folder = tmp_path_factory.mktemp("images")
    for name in ("courtyard", "street"):
        clip, source = clips[name]
        prepare(source, folder / f"{name}.h264", fps=clip.fps, height=432, seconds=None)
    corners = (((0.1, 0.9), (0, 0)), ((0.9, 0.9), (12, 0)), ((0.8, 0.3), (12, 20)), ((0.2, 0.3), (0, 20)))
    ground = [{"at": list(at), "place_m": list(place)} for at, place in corners]
    line = {"name": "Path", "start": [0.2, 0.45], "end": [0.75, 0.45]}
    zone = {"name": "Windows", "polygon": [[0.45, 0], [0.72, 0], [0.72, 0.13], [0.45, 0.13]]}
    with RtspServer({name: folder / f"{name}.h264" for name in ("courtyard", "street")}) as server:
        config = {
            "name": "Harbour terminal",
            "recorder": {"segment_s": 10},
            "faces": {"enabled": True},
            "traffic": {"country": "de"},
            "analyser": {"tampering": {"replays": False}},  # its cameras are films that are played again and again
            "cameras": [
                {"id": "courtyard", "name": "Courtyard", "url": server.url("courtyard"), "floor": "Ground",
                 "ground": ground, "lines": [line], "privacy": [zone]},
                {"id": "street", "name": "Street", "url": server.url("street"),
                 "lines": [{"name": "Crossing", "start": [0.1, 0.7], "end": [0.95, 0.7]}]},
                {"id": "dock", "name": "Loading dock", "url": "rtsp://127.0.0.1:1/main"},
            ],
        }  # fmt: skip
        with RunningSite(folder / "site", config) as running:
            first = Viewer(running.address)
            first.claim(running.token, roles=(Role.ADMINISTRATOR.value,))
            for role in Role:
                let_in(running, f"{role.value} one", role=role.value, password=PASSWORD)
            running.wait_for(lambda: running.camera("courtyard")["tracks"] >= 9, "nine counted tracks", 600)
            open_case(running)
            yield running


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from chromium()


def somebody(chrome: Browser, site: RunningSite, role: Role, *, width: int = 1280, scheme: str = "dark") -> Person:
    """Logged in, at a desk."""
    context = chrome.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, locale="en-GB")
    person = Person(context, site.address)
    log_in(person, f"{role.value} one")
    return person


def say_why(page: Page) -> None:
    """An alarm, where a page asks for the reason to look."""
    page.locator("input[value=alarm]").check()
    page.locator("#reference").fill("A-17")
    page.get_by_role("button", name="Look").click()


def test_pictures_of_who_watches(site: RunningSite, chrome: Browser) -> None:
    person = somebody(chrome, site, Role.OPERATOR)
    person.page.wait_for_function(PLAYING, arg=2)
    person.page.wait_for_function(VOUCHED)
    keep(person.page, "wall")
    person.go("/review?camera=courtyard&camera=street")
    say_why(person.page)
    expect(person.page.locator(".screen-moment").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    person.page.wait_for_timeout(3000)
    keep(person.page, "review")
    person.go("/cameras/courtyard")
    if person.page.locator("#purpose").is_visible():
        say_why(person.page)
    expect(person.page.locator("#still")).to_be_visible()
    person.page.locator("#tracks a, #tracks button").nth(2).click()
    person.page.keyboard.press("w")
    expect(person.page.locator("#reason-list li").first).to_be_visible()
    keep(person.page, "camera")
    person.go("/search")
    if person.page.locator("#purpose").is_visible():
        say_why(person.page)
    person.page.get_by_role("button", name="Search", exact=True).click()
    expect(person.page.locator(".found-card img").first).to_be_visible()
    person.page.wait_for_timeout(5000)
    keep(person.page, "search")
    person.go("/map")
    expect(person.page.locator("#map svg, svg.map").first).to_be_visible()
    person.page.wait_for_timeout(3000)
    keep(person.page, "map")
    assert not person.complaints, "\n".join(person.complaints)


def test_pictures_of_who_investigates_and_approves(site: RunningSite, chrome: Browser) -> None:
    asks = somebody(chrome, site, Role.INVESTIGATOR)
    asks.go("/cases/2026-7")
    asks.page.get_by_label("Note", exact=True).fill("The forklift came from the left; the gate was half open.")
    asks.page.get_by_role("button", name="Write it down").click()
    asks.go("/requests")
    asks.page.locator("#ask summary").click()
    form = asks.page.locator("#ask")
    form.get_by_label("Case, alarm or number").fill("2026-7")
    form.locator("input[value=courtyard]").check()
    form.get_by_label("Reason").fill("Who drove the forklift against the gate cannot be told with masks")
    form.get_by_role("button", name="Ask").click()
    expect(asks.page.locator("#phase")).to_have_text("waits for others")
    path = asks.page.url.removeprefix(asks.address)
    keep(asks.page, "request")
    asks.go("/requests")
    expect(asks.page.get_by_text("Waiting for others")).to_be_visible()
    keep(asks.page, "requests")
    asks.go("/cases/2026-7")
    keep(asks.page, "case")
    asks.go("/leaks")
    keep(asks.page, "leaks")
    phone = chrome.new_context(
        viewport={"width": 390, "height": 844},
        color_scheme="light",
        locale="en-GB",
        device_scale_factor=2,
        is_mobile=True,
    )
    approves = with_authenticator(phone, site.address)
    log_in(approves, f"{Role.SUPERVISOR.value} one")
    approves.go("/me")
    add_passkey(approves.page)
    approves.go(path)
    keep(approves.page, "approve-phone", full=True)
    assert not asks.complaints + approves.complaints


def counted(person: Person, path: str) -> None:
    """The page once a quarter of an hour is over and counted: an empty one says nothing in a manual."""
    until = time.monotonic() + 20 * 60
    answered = person.page.locator("#empty:visible, #volume rect:visible")
    while person.page.locator("#empty").is_visible() or not answered.count():
        assert time.monotonic() < until, "no quarter of an hour was counted"
        person.page.wait_for_timeout(10_000)
        person.go(path)
        expect(answered.first).to_be_visible()


@pytest.mark.parametrize(
    ("role", "path", "name", "shows"),
    [
        (Role.TRAFFIC_ENGINEER, "/traffic?camera=street&hours=6", "traffic", "#figures, .figures, main"),
        (Role.AUDITOR, "/log", "log", "#log tr, .log tr"),
        (Role.ADMINISTRATOR, "/site/cameras", "cameras", "table"),
        (Role.ADMINISTRATOR, "/site/cameras/courtyard/drawing", "drawing", ".canvas svg text"),
        (Role.ADMINISTRATOR, "/site/add-camera", "add-camera", ".steps, .step-head"),
        (Role.ADMINISTRATOR, "/people", "people", ".person"),
        (Role.ADMINISTRATOR, "/system", "system", "#processes tr"),
    ],
    ids=lambda one: one if isinstance(one, str) and one.isalpha() else "",
)
def test_pictures_of_who_runs_the_site(
    site: RunningSite, chrome: Browser, role: Role, path: str, name: str, shows: str
) -> None:
    person = somebody(chrome, site, role)
    person.go(path)
    expect(person.page.locator(shows).first).to_be_visible()
    if name == "traffic" and "CUSTODES_IMAGES" in os.environ:
        counted(person, path)
    person.page.wait_for_timeout(3000)
    keep(person.page, name)
    assert not person.complaints, "\n".join(person.complaints)


def test_picture_of_the_fleet(site: RunningSite, chrome: Browser) -> None:
    audited = site.cli("fleet", "audit")
    assert audited.returncode in (0, 1), audited.stderr
    person = somebody(chrome, site, Role.TECHNICIAN)
    person.go("/fleet")
    expect(person.page.get_by_role("heading", name="Fleet", exact=True)).to_be_visible()
    keep(person.page, "fleet")
    assert not person.complaints
