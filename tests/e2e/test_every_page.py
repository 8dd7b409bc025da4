"""Every page that a role finds, in Chromium, on a running site with real footage: nothing serious, nothing broken.

Whoever logs in follows the rail, and from each page its links, once for each shape of address. Each page is looked at
dark and wide, light and narrow: `make pages`, and with SHOTS=FOLDER the pictures are kept.
"""

import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from tests.browser.conftest import chromium
from tests.browser.test_axe import findings
from tests.browser.test_pages import Person, shot

from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import PASSWORD, Viewer, let_in
from custodes.types.access import Role

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.rtsp]

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


def log_in(person: Person, name: str) -> None:
    """At the page's own form."""
    person.go("/login")
    person.page.get_by_label("Name").fill(name)
    person.page.get_by_label("Password").fill(PASSWORD)
    person.page.get_by_role("button", name="Log in").click()
    person.page.wait_for_url("**/")


def walk(person: Person) -> Iterator[str]:
    """Go from page to page along the links, each shape of address once; yields the path of the page shown."""
    waiting, seen = deque(["/"]), {"/"}
    while waiting:
        path = waiting.popleft()
        answer = person.page.goto(person.address + path)
        assert answer is not None and answer.status == 200, (path, answer and answer.status)
        person.page.wait_for_timeout(500)
        yield path
        for link in person.page.locator("a[href]").evaluate_all("links => links.map((one) => one.href)"):
            where = urlsplit(link)
            if not link.startswith(person.address) or where.path.startswith(LEAVES) or "download" in link:
                continue
            if shape(where.path) not in seen and not where.path.endswith((".csv", ".json", ".xml", ".zip", ".md")):
                seen.add(shape(where.path))
                waiting.append(where.path)
        assert len(seen) < MAX_PAGES, seen


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
            let_in(running, f"{role.value} one", role=role.value, password=PASSWORD)
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
    person = Person(context, site.address)
    log_in(person, f"{role.value} one")
    for path in walk(person):
        for look, width, scheme in looks:
            person.page.set_viewport_size({"width": width, "height": 900})
            person.page.emulate_media(color_scheme=scheme)
            found += findings(person, f"{path} ({look})")
            shot(person.page, re.sub(r"\W+", "-", f"{role.value}/{path}".strip("/")) + f"-{look}")
            wider = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            found += [f"{path} is {wider} px wider than a screen of {width}"] if wider > 0 else []
        person.page.set_viewport_size({"width": 1440, "height": 900})
    context.close()
    assert not found, "\n".join(found)
    assert not person.complaints, "\n".join(person.complaints)
