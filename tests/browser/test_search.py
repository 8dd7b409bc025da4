"""Search at a real browser: a question, a contact sheet after the purpose, keys, and on to the review. And the wall's
layouts."""

import pytest
from playwright.sync_api import expect
from tests.browser.test_pages import PLAYING, person, shot  # noqa: F401 - a fixture

from custodes.types.message import ViewKind

pytestmark = pytest.mark.browser


def test_search_shows_a_contact_sheet_after_the_purpose_and_leads_to_the_review(person, site):  # noqa: F811
    person.claim(site.token)
    page = person.page
    page.get_by_role("link", name="Search").click()
    page.get_by_label("lorry").check()
    page.locator("#question").get_by_role("button", name="Search").click()
    expect(page.locator("#nothing")).to_be_visible()
    shot(page, "search-nothing")
    page.get_by_label("lorry").uncheck()
    page.get_by_label("person", exact=True).check()
    page.locator("select[name=heading]").select_option("right")
    page.locator("#question").get_by_role("button", name="Search").click()
    expect(page.locator(".found-card").first).to_be_visible()
    assert not [one for one in site.views.opened if one.kind is ViewKind.STILL], "no picture before the purpose"
    page.locator("#purpose").get_by_label("An alarm").check()
    page.locator("#purpose").get_by_label("Case, alarm or ticket").fill("A-1")
    page.get_by_role("button", name="Look").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.found-card img')].filter((one) => one.naturalWidth > 100).length >= 12"
    )
    assert len([one for one in site.views.opened if one.kind is ViewKind.STILL]) <= 6, "one look for many pictures"
    shot(page, "search-dark-1440")
    page.keyboard.press("Escape")
    page.locator(".found-card").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".found-card").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.screen img')?.naturalWidth > 100")
    assert "/review?camera=" in page.url
    assert person.complaints == []


def test_wall_layouts_show_some_turn_the_pages_and_are_kept(person, site):  # noqa: F811
    person.claim(site.token)
    page = person.page
    page.wait_for_function(PLAYING, arg=3)
    expect(page.locator(".tile-health").first).to_contain_text("fps")
    page.get_by_role("button", name="1", exact=True).click()
    expect(page.locator(".tile:visible")).to_have_count(1)
    expect(page.locator("#page-words")).to_have_text("Page 1 of 4")
    page.wait_for_function("() => document.querySelectorAll('.tile[data-view=closed]').length >= 3")
    page.keyboard.press("n")
    expect(page.locator(".tile:visible")).to_contain_text("Yard")
    page.locator("#dwell").select_option("5")
    page.keyboard.press("s")
    expect(page.locator("#page-words")).not_to_have_text("Page 2 of 4")
    page.keyboard.press("s")
    page.locator("#keeper summary").click()
    page.get_by_label("Name").fill("Outside")
    page.get_by_role("checkbox", name="Hall").uncheck()
    page.get_by_role("button", name="4", exact=True).click()
    page.get_by_role("button", name="Keep this layout").click()
    expect(page.locator(".tile:visible")).to_have_count(3)
    shot(page, "wall-layout")
    page.reload()
    expect(page.locator("#saved option:checked")).to_have_text("Outside")
    expect(page.locator(".tile:visible")).to_have_count(3)
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement?.id === 'stage'")
    shot(page, "wall-full")
    page.keyboard.press("f")
    page.wait_for_function("() => !document.fullscreenElement")
    page.locator("#keeper summary").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".tile:visible")).to_have_count(4)
    assert person.complaints == []
