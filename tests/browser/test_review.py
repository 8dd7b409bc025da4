"""Several cameras at a real browser: one purpose, one cursor, pictures in step, frames, a bookmark, gaps."""

import pytest
from playwright.sync_api import expect
from tests.browser.test_pages import Person, person, shot  # noqa: F401 - a fixture

from custodes.types.access import AuditKind
from custodes.types.message import ViewKind
from custodes.units import NS_PER_S

pytestmark = pytest.mark.browser
LOADED = "() => [...document.querySelectorAll('.screen img')].filter((one) => one.naturalWidth > 100).length >= 3"


def look(person: Person, reference: str = "B-17") -> None:  # noqa: F811
    person.page.locator("#purpose").get_by_label("Case, alarm or ticket").fill(reference)
    person.page.get_by_role("button", name="Look").click()
    person.page.wait_for_function(LOADED)


def settled(person: Person, unlike: str = "") -> str:  # noqa: F811
    """The moment that all pictures show, once it is one and another than `unlike`."""
    return person.page.wait_for_function(
        "(unlike) => { const texts = [...document.querySelectorAll('.screen-moment')].map((one) => one.textContent);"
        " return texts[0] !== unlike && texts.every((one) => one === texts[0]) && texts[0]; }",
        arg=unlike,
    ).json_value()


def seconds(text: str) -> float:
    """Of the minute."""
    return float(text.rpartition(":")[2])


def open_case(person: Person, number: str) -> None:  # noqa: F811
    person.go("/cases")
    for name, text in (("title", "Bicycle"), ("reason", "stolen at the gate"), ("number", number)):
        person.page.locator(f'input[name="{name}"]').fill(text)
    person.page.locator('main form button[type="submit"]').click()
    expect(person.page.get_by_role("heading", name=f"{number} Bicycle")).to_be_visible()


def test_review_asks_once_and_shows_three_cameras_of_one_moment(person, site):  # noqa: F811
    person.claim(site.token)
    open_case(person, "B-17")
    page = person.page
    page.get_by_role("link", name="Review").click()
    expect(page.locator("#lane-names li")).to_have_count(4)
    assert not [one for one in site.views.opened if one.kind is ViewKind.STILL], "no picture before the purpose"
    before = site.warden.kinds().count(AuditKind.ACCESS_GRANTED)
    page.get_by_role("button", name="Hall").click()  # records nothing
    look(person)
    expect(page.locator(".screen")).to_have_count(3)
    newest = settled(person)
    page.keyboard.press("Shift+ArrowLeft")
    first = settled(person, unlike=newest)
    stills = [one for one in site.views.opened if one.kind is ViewKind.STILL]
    assert {one.camera_id for one in stills} == {"gate", "yard", "road"}
    assert site.warden.kinds().count(AuditKind.ACCESS_GRANTED) - before >= 3, "each camera's look is in the log"
    shot(page, "review-dark-1440")
    page.keyboard.press(".")
    assert 0 < (seconds(settled(person, unlike=first)) - seconds(first)) % 60 < 1
    page.keyboard.press("b")
    page.get_by_label("What is seen").fill("it leaves by the gate")
    page.get_by_role("button", name="Write it down").click()
    expect(page.locator("#bookmark-note")).to_have_text("Written down in case B-17.")
    assert person.complaints == []


def test_review_plays_all_on_one_clock_and_says_what_was_not_recorded(person, site):  # noqa: F811
    person.claim(site.token)
    page = person.page
    now_s = page.evaluate("Date.now() / 1000")
    at_ns = int(now_s - 20 * 60) * NS_PER_S
    person.go(f"/review?camera=gate&camera=yard&camera=road&at={at_ns}")
    page.locator("#purpose").get_by_label("An alarm").check()
    look(person, "A-1")
    page.keyboard.press("Space")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.screen video')]"
        ".filter((one) => !one.hidden && one.currentTime > 1).length === 3"
    )
    page.wait_for_function("() => Number(document.getElementById('review').dataset.driftMs || 999) < 500")
    page.keyboard.press("Space")
    page.wait_for_function(LOADED)
    gap_ns = int(now_s - 10.5 * 60) * NS_PER_S  # all three were unreachable then
    person.go(f"/review?camera=gate&at={gap_ns}")
    expect(page.locator(".screen .veil-words")).to_contain_text("Not recorded")
    expect(page.locator(".screen img")).to_be_hidden()
    shot(page, "review-gap")
    assert person.complaints == []


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1440, 900)])
def test_review_fits_the_screen_in_light(browser, site, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    somebody = Person(context, site.address)
    somebody.claim(site.token)
    somebody.go("/review?camera=gate&camera=yard&camera=road")
    somebody.page.locator("#purpose").get_by_label("An alarm").check()
    look(somebody, "A-1")
    shot(somebody.page, f"review-light-{width}")
    assert somebody.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    ids = somebody.page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    somebody.go("/search")
    somebody.page.locator("#question").get_by_role("button", name="Search").click()
    expect(somebody.page.locator(".found-card").first).to_be_visible()
    shot(somebody.page, f"search-light-{width}")
    assert somebody.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert somebody.complaints == []
    context.close()
