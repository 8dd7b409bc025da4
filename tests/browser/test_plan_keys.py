"""The plan of the site by keyboard alone: a floor, a camera placed, turned, undone; the place in the page is kept."""

import pytest
from playwright.sync_api import expect
from tests.browser.test_pages import Person

from custodes.testing.catalog import make_spec

pytestmark = pytest.mark.browser


def test_plan_is_drawn_undone_and_typed_by_keyboard_without_losing_the_place(browser, site):
    context = browser.new_context(locale="en-GB")
    person = Person(context, site.address)
    person.claim(site.token)
    site.catalog.put_cameras([make_spec("gate", name="Main gate"), make_spec("yard")], is_exclusive=False)
    page, keys = person.page, person.page.keyboard
    person.go("/map/edit")
    expect(page.locator("#add-floor")).to_be_enabled()
    page.locator("#add-floor").press("Enter")
    page.locator("#add-camera").press("Enter")
    placed = page.locator("#canvas rect[data-camera=gate]")
    expect(placed).to_be_focused()
    for key in ("ArrowRight", "]", "+"):
        keys.press(key)
    expect(placed).to_be_focused()
    expect(placed).to_have_attribute("aria-label", "Main gate: at 20.5, 20 m, turned 85°, sees 13 m")
    for said in ("turned 85°, sees 12 m", "turned 90°, sees 12 m"):
        keys.press("Control+z")
        expect(placed).to_have_attribute("aria-label", f"Main gate: at 20.5, 20 m, {said}")
        expect(placed).to_be_focused()
    page.locator("#list summary").press("Enter")
    numbers = page.locator("#list input")
    numbers.nth(0).fill("7")
    numbers.nth(0).press("Tab")
    expect(numbers.nth(1)).to_be_focused()
    expect(placed).to_have_attribute("aria-label", "Main gate: at 7, 20 m, turned 90°, sees 12 m")
    placed.press("Delete")
    expect(page.locator("#add-camera")).to_be_focused()
    keys.press("Control+z")
    expect(placed).to_have_count(1)
    page.locator("#save").press("Enter")
    expect(page.locator("#saved")).to_contain_text("Saved as version 1")
    context.close()
    assert person.complaints == []
