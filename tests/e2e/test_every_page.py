"""Every page that a role finds, in Chromium, on a running site with real footage: nothing serious, nothing broken.

Whoever logs in follows the rail, and from each page its links, once for each shape of address. Each page is looked at
dark and wide, light and narrow: `make pages`, and with SHOTS=FOLDER the pictures are kept.
"""

import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from tests.browser.conftest import chromium

from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import PASSWORD, Viewer
from custodes.types.access import Role

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.rtsp]

SERIOUS = ("serious", "critical")
HTML = {"accept": "text/html"}
LEAVES = ("/logout", "/static/", "/api/", "/undo")
MAX_PAGES = 60
"""Of one role; the console has some forty shapes of address."""


def shape(path: str) -> str:
    """The address with its numbers and names of things taken out: `/requests/12` and `/requests/13` are one page."""
    parts = path.split("/")
    return "/".join(
        "*" if before == "cameras" or re.search(r"\d", part) else part
        for before, part in zip(["", *parts], parts, strict=False)
    )


class Looker:
    """One logged-in person in one tab, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self.page.on("console", lambda one: self._note(one.type, one.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{self.page.url}: {text}")

    def _check_host(self, url: str) -> None:
        if not url.startswith((self.address, self.address.replace("http", "ws", 1), "blob:", "data:")):
            self.complaints.append(f"{self.page.url}: external request {url}")

    def log_in(self, name: str) -> None:
        self.page.goto(f"{self.address}/login")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/")

    def walk(self) -> Iterator[str]:
        """Go from page to page along the links, each shape of address once; yields the path of the page shown."""
        waiting, seen = deque(["/"]), {"/"}
        while waiting:
            path = waiting.popleft()
            answer = self.page.goto(self.address + path)
            assert answer is not None and answer.status == 200, (path, answer and answer.status)
            self.page.wait_for_timeout(500)
            yield path
            for link in self.page.locator("a[href]").evaluate_all("links => links.map((one) => one.href)"):
                where = urlsplit(link)
                if not link.startswith(self.address) or where.path.startswith(LEAVES) or "download" in link:
                    continue
                if shape(where.path) not in seen and not where.path.endswith((".csv", ".json", ".xml", ".zip", ".md")):
                    seen.add(shape(where.path))
                    waiting.append(where.path)
            assert len(seen) < MAX_PAGES, seen


def serious(page: Page, path: str) -> list[str]:
    """What axe-core calls serious or worse."""
    return [
        f"{one['id']} on {path}: {node['html'][:200]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def shot(page: Page, path: str, look: str) -> None:
    """For people who want to look."""
    if folder := os.environ.get("CUSTODES_SHOTS"):
        name = re.sub(r"\W+", "-", path.strip("/"))
        page.screenshot(path=str(Path(folder) / f"{name}-{look}.png"), full_page=look != "wide")


def open_case(site: RunningSite) -> None:
    """One that the investigator works on, with a note."""
    person = Viewer(site.address)
    person.log_in(name=f"{Role.INVESTIGATOR.value} one", password=PASSWORD)
    csrf = person.http.get("/cases", headers=HTML).text.split('name="csrf" content="')[1].split('"')[0]
    form = {"csrf": csrf, "title": "Forklift against the gate", "reason": "Reported by the shift", "number": "2026-7"}
    made = person.http.post("/cases", data=form, headers=HTML)
    assert made.status_code == 303, made.text


@pytest.fixture(scope="module")
def site(server: RtspServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """With recognition, a floor, lines, a case, a request, and somebody of each role."""
    corners = (((0.1, 0.9), (0, 0)), ((0.9, 0.9), (12, 0)), ((0.8, 0.3), (12, 20)), ((0.2, 0.3), (0, 20)))
    drawn = {
        "floor": "Ground",
        "ground": [{"at": list(at), "place_m": list(place)} for at, place in corners],
        "lines": [{"name": "Entrance", "start": [0.3, 0.3], "end": [0.6, 0.9]}],
    }
    config = {
        "name": "Harbour terminal",
        "recorder": {"segment_s": 10},
        "faces": {"enabled": True},
        "cameras": [
            {"id": "walkers", "name": "Forecourt", "url": server.url("walkers"), **drawn},
            {"id": "again", "name": "Gate B", "url": server.url("again")},
            {"id": "dead", "name": "Loading dock", "url": "rtsp://127.0.0.1:1/nothing"},
        ],
    }
    with RunningSite(tmp_path_factory.mktemp("pages") / "site", config) as running:
        first = Viewer(running.address)
        first.claim(running.token, roles=tuple(role.value for role in Role))
        for role in Role:
            invited = running.cli("person", "invite", f"{role.value} one", "--role", role.value)
            assert invited.returncode == 0, invited.stderr
            form = {"token": invited.stdout.splitlines()[-1], "password": PASSWORD, "password_again": PASSWORD}
            made = httpx.post(f"{running.address}/invitation", data=form, headers={"origin": running.address})
            assert made.status_code == 303, made.text
        running.wait_for(
            lambda: any(one["state"] == "recording" for one in first.get("cameras")["cameras"]), "a camera recorded"
        )
        open_case(running)
        yield running


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from chromium()


@pytest.mark.parametrize("role", list(Role))
def test_pages_of_a_role_answer_and_have_no_serious_finding(site: RunningSite, chrome: Browser, role: Role) -> None:
    found: list[str] = []
    looks = (("wide", 1440, "dark"), ("narrow", 360, "light"))
    context = chrome.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", locale="en-GB")
    looker = Looker(context, site.address)
    looker.log_in(f"{role.value} one")
    for path in looker.walk():
        for look, width, scheme in looks:
            looker.page.set_viewport_size({"width": width, "height": 900})
            looker.page.emulate_media(color_scheme=scheme)
            found += serious(looker.page, f"{path} ({look})")
            shot(looker.page, f"{role.value}/{path}", look)
            wider = looker.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            found += [f"{path} is {wider} px wider than a screen of {width}"] if wider > 0 else []
        looker.page.set_viewport_size({"width": 1440, "height": 900})
    context.close()
    assert not found, "\n".join(found)
    assert not looker.complaints, "\n".join(looker.complaints)
