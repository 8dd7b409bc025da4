"""axe-core over the pages of watching and reviewing, dark and light, wide and narrow: nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser.test_pages import Person

pytestmark = pytest.mark.browser
SERIOUS = ("serious", "critical")


def findings(person: Person, name: str) -> list[str]:
    """What axe-core calls serious or worse: rule, page, and the element."""
    answer = Axe().run(person.page).response
    return [
        f"{one['id']} on {name}: {node['html'][:160]}"
        for one in answer["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (360, "light")])
def test_pages_of_watching_have_no_serious_finding(browser, site, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    person = Person(context, site.address)
    person.claim(site.token)
    page = person.page
    expect(page.locator(".tile")).to_have_count(4)
    found = findings(person, "wall")
    person.go("/search")
    page.locator("#question").get_by_role("button", name="Search").click()
    expect(page.locator(".found-card").first).to_be_visible()
    found += findings(person, "search")
    person.go("/review?camera=gate&camera=yard")
    expect(page.locator("#now")).to_be_visible()
    found += findings(person, "review before the purpose")
    page.locator("#purpose").get_by_label("An alarm").check()
    page.locator("#purpose").get_by_label("Case, alarm or ticket").fill("A-1")
    page.get_by_role("button", name="Look").click()
    page.wait_for_function("() => document.querySelector('.screen img')?.naturalWidth > 100")
    found += findings(person, "review")
    person.go("/cameras/gate")
    expect(page.locator("#still")).to_be_visible()
    found += findings(person, "camera")
    context.close()
    assert found == []
