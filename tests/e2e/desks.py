"""People at desks of their own, with passkeys, as a site's first days have them: shared by cases that play whole."""

from collections.abc import Iterable

from playwright.sync_api import Browser, expect
from tests.browser.test_pages import Person
from tests.browser.test_passkeys import add_passkey, with_authenticator
from tests.e2e.test_every_page import log_in

WORDS = ["purpose", "reference", "notice", "alternative", "necessity", "risks", "measures", "consulted"]


def seated(chrome: Browser, address: str, names: Iterable[str], *, vouches: str) -> dict[str, Person]:
    """Everybody at a page of their own, with a passkey that `vouches`, an administrator, vouched for."""
    found = {}
    for name in names:
        context = chrome.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark", locale="en-GB")
        found[name] = with_authenticator(context, address)
        log_in(found[name], name)
        found[name].go("/me")
        add_passkey(found[name].page)
    page = found[vouches].page
    found[vouches].go("/requests")
    for left in range(page.get_by_role("button", name="Vouch with a passkey").count(), 0, -1):
        page.get_by_role("button", name="Vouch with a passkey").first.click()
        expect(page.get_by_role("button", name="Vouch with a passkey")).to_have_count(left - 1)
    return found


def open_zone(desk: dict[str, Person], name: str, *, fields: dict[str, str], kind: str = "faces") -> None:
    """Drafted by Ada, approved by Ben and Cy; on now."""
    page = desk["Ada"].page
    desk["Ada"].go("/faces/zones")
    page.locator("main details summary").first.click()
    form = page.locator("form[action='/faces/zones']")
    form.locator("[name=name]").fill(name)
    form.locator("[name=kind]").select_option(kind)
    for word in WORDS:
        form.locator(f"[name={word}]").fill("said in a sentence that is long enough")
    for field, value in fields.items():
        form.locator(f"[name={field}]").fill(value)
    form.get_by_role("button", name="Ask two others").click()
    page.wait_for_url("**/faces/zones/*")
    for approver in ("Ben", "Cy"):
        desk[approver].page.goto(page.url)
        desk[approver].page.get_by_role("button", name="Approve with a passkey").click()
        expect(desk[approver].page.locator("li", has_text=approver)).to_contain_text("approved")
    expect(desk["Cy"].page.locator("#phase")).to_have_text("on now")
