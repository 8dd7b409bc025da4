"""A person at a real browser: claim, log in, watch, scrub, play, read the log."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from custodes.types.access import AuditKind
from custodes.types.message import ViewKind
from custodes.types.stream import second_of

pytestmark = pytest.mark.browser

NAME, PASSWORD = "Ada Lovelace", "four words in a row"
PLAYING = (
    "(wanted) => { const videos = [...document.querySelectorAll('.tile video')].filter((v) => v.readyState >= 2 &&"
    " v.currentTime > 0.8 && !v.paused); return videos.length >= wanted; }"
)


def shot(page: Page, name: str) -> None:
    """For people who want to look: CUSTODES_SHOTS=/tmp/shots."""
    folder = os.environ.get("CUSTODES_SHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


class Person:
    """A tab, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page = context.new_page()
        self.address = address
        self.complaints: list[str] = []
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{self.page.url}: {text}")

    def _check_host(self, url: str) -> None:
        if not url.startswith((self.address, "blob:")):
            self.complaints.append(f"external request {url}")

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    def claim(self, token: str) -> None:
        self.go("/")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_label("Your name").fill(NAME)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_label("Password again").fill(PASSWORD)
        shot(self.page, "first-boot")
        self.page.get_by_role("button", name="Create the account").click()
        expect(self.page.get_by_role("heading", name="Live wall")).to_be_visible()


@pytest.fixture
def person(browser: Browser, site) -> Iterator[Person]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", locale="en-GB")
    someone = Person(context, site.address)
    yield someone
    context.close()


def test_wall_after_claim_plays_every_camera_and_logs_each_view(person, site):
    person.claim(site.token)
    person.page.wait_for_function(PLAYING, arg=3)
    first = person.page.evaluate("document.querySelector('.tile video').currentTime")
    person.page.wait_for_function(
        "(first) => document.querySelector('.tile video').currentTime > first + 0.5", arg=first
    )
    expect(person.page.locator(".tile-delay").first).to_contain_text("s behind")
    expect(person.page.locator(".tile").nth(3)).to_contain_text("Not reachable")
    shot(person.page, "wall-dark-1440")
    assert site.warden.kinds().count(AuditKind.ACCESS_GRANTED) == 3, "a camera that sends nothing is not watched"
    assert person.complaints == []


def test_wall_when_camera_stops_says_so_and_recovers(person, site):
    person.claim(site.token)
    person.page.wait_for_function(PLAYING, arg=3)
    site.views.is_stalled = True
    expect(person.page.locator(".tile").first).to_contain_text("No picture for")
    assert person.page.locator(".tile.dim").count() >= 1
    shot(person.page, "wall-stalled")
    site.views.is_stalled = False
    expect(person.page.locator(".tile").first).not_to_contain_text("No picture for")
    site.views.is_unvouched = True
    expect(person.page.locator(".tile").first).to_contain_text("Whole picture masked")


def test_wall_when_a_smaller_stream_is_analysed_watches_it_and_falls_back_when_it_stays_away(person, site):
    gate = site.live.rows[0]
    site.live.rows[0] = replace(gate, second="recording", wall="second")
    person.claim(site.token)
    tile = person.page.locator(".tile").first
    expect(tile).to_have_attribute("data-stream", "second")
    expect(tile).to_have_attribute("data-view", "playing")
    assert {one.camera_id for one in site.views.opened} >= {second_of(gate.camera_id)}
    assert gate.camera_id not in {one.camera_id for one in site.views.opened}
    site.live.rows[0] = replace(gate, second="unreachable", wall="first")
    expect(tile).to_have_attribute("data-stream", "first")
    expect(tile).to_have_attribute("data-view", "playing")
    assert site.views.opened[-1].camera_id == gate.camera_id
    assert person.complaints == []


def test_wall_when_warden_is_down_warns(person, site):
    person.claim(site.token)
    site.warden.is_down = True
    expect(person.page.locator("#alerts")).to_contain_text("warden does not answer")


def test_purpose_waits_for_its_script(person, site):
    person.claim(site.token)
    expect(person.page.locator(".tile")).to_have_count(4)
    held: list[Route] = []
    person.page.route("**/static/js/camera.js", lambda route: held.append(route))
    person.page.keyboard.press("1")
    while not held:
        person.page.wait_for_timeout(50)
    person.page.get_by_label("Case, alarm or ticket").first.fill("2026-0117")
    look = person.page.get_by_role("button", name="Look")
    expect(look).to_be_disabled()
    person.page.keyboard.press("Enter")
    assert "reference" not in person.page.url, "a reason is written to the log, not to the address"
    held[0].continue_()
    look.click()
    expect(person.page.locator("#still")).to_be_visible()


def test_camera_asks_for_purpose_then_scrubs_and_plays(person, site):
    person.claim(site.token)
    expect(person.page.locator(".tile")).to_have_count(4)
    person.page.keyboard.press("1")
    expect(person.page.get_by_role("heading", name="Main gate")).to_be_visible()
    shot(person.page, "camera-purpose")
    assert not any(one.kind is ViewKind.PLAYBACK for one in site.views.opened)
    person.page.locator("#purpose").get_by_label("Case, alarm or ticket").fill("2026-0117")
    person.page.get_by_role("button", name="Look").click()
    expect(person.page.locator("#still")).to_be_visible()
    person.page.wait_for_function("() => document.getElementById('still').naturalWidth > 100")
    inked = person.page.evaluate(
        "(() => { const c = document.getElementById('timeline');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " const colours = new Set(); for (let i = 0; i < d.length; i += 4)"
        " if (d[i + 3] === 255) colours.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]); return colours.size; })()"
    )
    assert inked > 5
    box = person.page.locator("#timeline").bounding_box()
    before = person.page.evaluate("document.getElementById('still').src")
    person.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 30)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=8)
    person.page.mouse.up()
    person.page.wait_for_function("(before) => document.getElementById('still').src !== before", arg=before)
    shot(person.page, "camera-dark-1440")
    person.page.keyboard.press("Space")
    person.page.wait_for_function("() => document.getElementById('video').currentTime > 1")
    expect(person.page.locator("#video")).to_be_visible()
    moment = person.page.locator("#moment").text_content()
    person.page.wait_for_function("(old) => document.getElementById('moment').textContent !== old", arg=moment)
    person.page.get_by_role("button", name="4×").click()
    person.page.wait_for_function("() => document.getElementById('video').currentTime > 1")
    person.page.keyboard.press("Space")
    expect(person.page.locator("#still")).to_be_visible()
    person.page.get_by_role("button", name="1 h").click()
    person.page.wait_for_timeout(600)
    shot(person.page, "camera-1h")
    assert person.complaints == []


def test_camera_when_a_stretch_is_held_lists_it_and_the_log_knows(person, site):
    person.claim(site.token)
    person.go("/cameras/gate")
    expect(person.page.locator("#holds-empty")).to_be_visible()
    person.page.get_by_text("Hold recordings").click()
    form = person.page.locator("#hold-form")
    expect(form.get_by_label("From")).not_to_have_value("")
    form.get_by_label("Case, alarm or ticket").fill("2026-0117")
    shot(person.page, "hold-form")
    form.get_by_role("button", name="Hold").click()
    expect(person.page.locator("#hold-note")).to_contain_text("It is in the log")
    expect(person.page.locator("#hold-list")).to_contain_text(f"by {NAME}: case 2026-0117")
    shot(person.page, "held")
    assert AuditKind.HOLD_PLACED in site.warden.kinds()
    assert person.complaints == []


def test_socket_closed_while_connecting_leaves_no_error_in_the_console(person, site):
    person.claim(site.token)
    state = person.page.evaluate(
        "async () => { const { closeSocket, socketUrl } = await import('/static/js/socket.js');"
        " const socket = new WebSocket(socketUrl('/api/v1/cameras/gate/review'));"
        " const closed = new Promise((done) => socket.addEventListener('close', () => done(socket.readyState)));"
        " closeSocket(socket); return closed; }"
    )
    assert state == 3, "closed after all"
    assert person.complaints == []


def test_log_shows_the_view_and_its_proof(person, site):
    person.claim(site.token)
    person.page.wait_for_function(PLAYING, arg=1)
    person.go("/log")
    expect(person.page.locator("#entries")).to_contain_text(f"{NAME} may watch live camera gate on live duty.")
    expect(person.page.locator("#cp-size")).not_to_have_text("…")
    shot(person.page, "log-dark-1440")
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Proof").first.click()
    assert download.value.suggested_filename.endswith("-proof.json")
    person.page.get_by_label("Kind").select_option("user_created")
    expect(person.page.locator("#entries tr")).to_have_count(1)
    assert person.complaints == []


def test_page_when_the_site_cannot_be_reached_is_one_that_keeps_nothing_of_the_visitor(person, site):
    person.claim(site.token)
    person.go("/system")
    kept = person.page.evaluate(
        "async () => { await navigator.serviceWorker.ready; const found = [];"
        " for (const name of await caches.keys()) for (const one of await (await caches.open(name)).keys())"
        "  found.push(new URL(one.url).pathname);"
        " return found; }"
    )
    assert sorted(path for path in kept if not path.startswith("/static/")) == ["/unreachable"]
    manifest = person.page.evaluate("async () => (await fetch('/manifest.webmanifest')).json()")
    assert (manifest["name"], manifest["display"]) == ("Harbour site", "standalone")
    assert person.complaints == []
    person.page.context.set_offline(True)
    person.page.reload()
    expect(person.page.get_by_role("heading", name="Harbour site does not answer")).to_be_visible()
    assert NAME not in person.page.content()
    shot(person.page, "unreachable-dark-1440")
    person.page.context.set_offline(False)
    person.page.get_by_role("link", name="Try again").click()
    expect(person.page.get_by_role("heading", name="Live wall")).to_be_visible()


def test_logout_ends_the_live_pictures(person, site):
    person.claim(site.token)
    person.page.wait_for_function(PLAYING, arg=1)
    other = person.page.context.new_page()
    other.goto(site.address + "/system")
    shot(other, "system-dark-1440")
    other.locator(".who summary").click()
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("button", name="Log in")).to_be_visible()
    person.page.wait_for_url("**/login", timeout=60_000)
    assert site.views.running == 0


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1440, 900)])
def test_pages_fit_the_screen_in_light(browser, site, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    person = Person(context, site.address)
    person.claim(site.token)
    person.page.wait_for_function(PLAYING, arg=1)
    for path, name in (("/", "wall"), ("/cameras/gate", "camera"), ("/log", "log"), ("/system", "system")):
        person.go(path)
        person.page.wait_for_timeout(900)
        shot(person.page, f"{name}-light-{width}")
        overflow = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{path} is {overflow} px too wide"
        ids = person.page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
        assert len(ids) == len(set(ids)), f"{path} uses an id twice"
        if name == "camera":
            expect(person.page.locator("#camera-clock")).to_contain_text("time by the camera's clock, ±80 ms")
    assert person.complaints == []
    context.close()
