"""A missing person, from the guardian's signature to the end, in Chromium on a running site: nobody else is enrolled.

The person is enrolled by one official photograph and walks through the camera's picture in another one, after 36
strangers of LFW: needs ../shared. Four minutes: `make missing SHOTS=/tmp/shots`.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from tests.browser.conftest import chromium
from tests.browser.test_pages import Person, shot
from tests.e2e.conftest import SHARED
from tests.e2e.desks import open_zone, seated
from tests.e2e.films import clip_of, passers, strangers

from custodes.errors import DeadlineExceeded
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import PASSWORD, Viewer, let_in
from custodes.types.access import Role

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.rtsp]

FACES = SHARED / "data" / "faces"
ENROLLED, FILMED = FACES / "whitehouse" / "biden2.jpg", FACES / "whitehouse" / "biden.jpg"
CORNERS = (([0.1, 0.6], [-6, 12]), ([0.9, 0.6], [6, 12]), ([0.95, 0.98], [2, 3]), ([0.05, 0.98], [-2, 3]))
PEOPLE = {
    "Ada": Role.ADMINISTRATOR,
    "Ben": Role.SUPERVISOR,
    "Cy": Role.SUPERVISOR,
    "Pia": Role.PRIVACY_OFFICER,
    "Op": Role.OPERATOR,
    "Ina": Role.INVESTIGATOR,
}
PASSES = 5
"""Of the person through the film, a minute each: on a busy machine a track may break before it is one."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """One camera over a measured ground, recognition on, somebody of each role that is needed."""
    archive = next(iter(sorted((FACES / "lfw").glob("*-fold01.tar"))), None)
    if archive is None or not FILMED.is_file():
        pytest.skip("needs ../shared/data/faces")
    folder = tmp_path_factory.mktemp("missing")
    film = clip_of(passers(strangers(archive, 36), Image.open(FILMED).convert("RGB")), folder / "hall.h264")
    with RtspServer({"hall": film}) as server:
        config = {
            "name": "Fairground",
            "faces": {"enabled": True},
            "recorder": {"segment_s": 10},
            "analyser": {"tampering": {"replays": False}},
            "cameras": [
                {
                    "id": "hall",
                    "name": "East door",
                    "url": server.url("hall"),
                    "floor": "Ground",
                    "ground": [{"at": at, "place_m": place} for at, place in CORNERS],
                }
            ],
        }
        with RunningSite(folder / "site", config) as running:
            Viewer(running.address).claim(running.token, roles=(Role.ADMINISTRATOR.value,))
            for name, role in PEOPLE.items():
                let_in(running, name, role=role.value, password=PASSWORD)
            yield running


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from chromium()


@pytest.fixture(scope="module")
def desk(site: RunningSite, chrome: Browser) -> dict[str, Person]:
    return seated(chrome, site.address, PEOPLE, vouches="Ada")


def begin(desk: dict[str, Person]) -> None:
    """A zone, and two people who may judge candidates."""
    open_zone(desk, "Door", fields={"fpir": "0.01", "tracks_per_day": "100"})
    for name in ("Op", "Ina"):
        desk["Pia"].go("/faces/training")
        form = desk["Pia"].page.locator("form[action='/faces/training']")
        form.locator("[name=person]").select_option(name)
        form.locator("[name=days]").fill("30")
        form.locator("button").click()
        expect(desk["Pia"].page.locator("main")).to_contain_text(name)


def enrol(desk: dict[str, Person], chrome: Browser) -> tuple[Person, str]:
    """By the guardian on a telephone; returns the telephone and the link that ends the search."""
    page = desk["Ben"].page
    desk["Ben"].go("/last-seen")
    page.get_by_label("Who is missing").fill("Tom")
    page.get_by_label("Why, and who reported it").fill("Lost at the fair, reported by the mother")
    page.get_by_role("button", name="Make the guardian's link").click()
    link = page.locator("#link").get_attribute("href")
    assert link is not None
    phone = Person(chrome.new_context(viewport={"width": 390, "height": 844}, locale="en-GB"), desk["Ben"].address)
    phone.page.goto(link)
    phone.page.locator("input[name=agree]").check()
    phone.page.locator("#signature").fill("Mother of Tom")
    phone.page.get_by_role("button", name="Sign").click()
    ends = phone.page.locator("#withdraw")
    expect(ends).to_be_visible()
    phone.page.locator("#file").set_input_files(ENROLLED)
    expect(phone.page.locator("#done")).to_contain_text("Tom is looked for from now on")
    expect(ends).to_be_visible()
    shot(phone.page, "last-seen-guardian")
    return phone, ends.inner_text()


def confirm_next(site: RunningSite, desk: dict[str, Person]) -> None:
    """The next candidate that waits, by two people."""
    waiting = desk["Op"].page.locator("a.request-row", has_text="waits for two people")

    def is_filed() -> bool:
        desk["Op"].go("/faces/candidates")
        return waiting.count() > 0

    site.wait_for(is_filed, "candidate", 600)
    href = waiting.last.get_attribute("href")
    assert href is not None
    for name in ("Op", "Ina"):
        desk[name].go(href)
        expect(desk[name].page.locator("img").first).to_be_visible()
        shot(desk[name].page, "last-seen-candidate")
        desk[name].page.get_by_role("button", name="The same person", exact=True).click()
        desk[name].page.wait_for_url("**/faces/candidates")


def is_track_known(investigator: Viewer, desk: dict[str, Person]) -> bool:
    """Whether the newest sighting's track is one of the person, as the timeline has it."""
    desk["Ina"].go("/faces/sightings")
    start, end, *shown = re.findall(r"from=(\d+)&amp;to=(\d+)&amp;shown=(\w+)/(\d+)", desk["Ina"].page.content())[0]
    found = investigator.get("tracks", **{"from": start, "to": end})["tracks"]
    return shown in [[one["run"], str(one["track_id"])] for one in found]


def test_missing_person_is_seen_confirmed_by_two_told_and_forgotten(
    site: RunningSite, chrome: Browser, desk: dict[str, Person]
) -> None:
    begin(desk)
    phone, ends = enrol(desk, chrome)
    investigator = Viewer(site.address)
    investigator.log_in(name="Ina", password=PASSWORD)
    for _ in range(PASSES):
        confirm_next(site, desk)
        with suppress(DeadlineExceeded):
            site.wait_for(lambda: is_track_known(investigator, desk), "track of the body", 30)
            break
    else:
        pytest.fail(f"none of {PASSES} sightings names a track that the timeline knows")
    page = desk["Ben"].page
    desk["Ben"].go("/last-seen")
    expect(page.locator(".cards")).to_contain_text("East door hall")
    expect(page.locator(".cards")).to_contain_text("floor Ground · confirmed by Op and Ina")
    shot(page, "last-seen")
    page.get_by_role("button", name="Found: end it and destroy what is stored").click()
    expect(page.locator("#ended")).to_contain_text(re.compile(r"is entry \d+ of the log"))
    expect(page.locator(".cards")).to_contain_text("Nobody is being looked for")
    shot(page, "last-seen-ended")
    phone.page.goto(ends)
    expect(phone.page.get_by_role("link", name="Take the certificate")).to_be_visible()
    assert [one.complaints for one in desk.values() if one.complaints] == []
