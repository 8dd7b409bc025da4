"""A person asks why a picture is masked, by hand and by key, and is led to the request for more."""

import pytest
from playwright.sync_api import expect
from tests.browser.test_pages import person, shot  # noqa: F401 - the fixture

pytestmark = pytest.mark.browser


def test_why_masked_tells_reasons_and_leads_to_a_request(person, site):  # noqa: F811
    person.claim(site.token)
    person.go("/cameras/gate")
    page = person.page
    page.get_by_role("button", name="Why masked?").click()
    panel = page.get_by_role("region", name="Why this is masked")
    expect(panel.get_by_role("listitem").first).to_be_visible()
    shot(page, "why")
    panel_text = panel.inner_text()
    assert "covered" in panel_text.lower() or "covers" in panel_text.lower()
    page.locator("#timeline").focus()
    page.keyboard.press("w")
    expect(panel).to_be_visible()
    assert person.complaints == []
