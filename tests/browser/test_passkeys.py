"""Passkeys in a real Chromium with its virtual authenticator: enrol, log in, have a request approved."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.test_pages import NAME, PASSWORD, Person, shot

from custodes.types.access import AuditKind

pytestmark = pytest.mark.browser


def with_authenticator(context: BrowserContext, address: str) -> Person:
    person = Person(context, address)
    devtools = context.new_cdp_session(person.page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return person


def add_passkey(page: Page) -> None:
    page.get_by_label("Name of a new one").fill("Test key")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("li", has_text="Test key")).to_be_visible()


def test_passkey_enrols_logs_in_and_approves_what_another_asks_for(browser: Browser, site) -> None:
    address = site.address.replace("127.0.0.1", "localhost")
    context, others = browser.new_context(locale="en-GB"), browser.new_context(locale="en-GB")
    ann, ben = with_authenticator(context, address), with_authenticator(others, address)
    ann.claim(site.token)
    ann.go("/cases")
    ann.page.get_by_label("Title").fill("Somebody was hurt")
    ann.page.get_by_label("Why it is looked into").fill("reported by a passer-by")
    ann.page.get_by_label("Your file number").fill("2026-7")
    shot(ann.page, "cases")
    ann.page.get_by_role("button", name="Open the case").click()
    expect(ann.page.get_by_role("heading", name="2026-7 Somebody was hurt")).to_be_visible()
    shot(ann.page, "case")
    ann.go("/me")
    add_passkey(ann.page)
    shot(ann.page, "me")
    ann.go("/people")
    ann.page.get_by_label("Name", exact=True).fill("Ben Ude")
    form = ann.page.locator("form[action='/people/invite']")
    form.locator("input[value='supervisor']").check()
    form.get_by_role("button", name="Invite").click()
    token = ann.page.locator("#invitation-token").inner_text()
    shot(ann.page, "people")

    ben.go("/invitation")
    ben.page.get_by_label("Token").fill(token)
    ben.page.get_by_label("Password", exact=True).fill(PASSWORD)
    ben.page.get_by_label("Password again").fill(PASSWORD)
    ben.page.get_by_role("button", name="Make my account").click()
    ben.page.wait_for_url("**/")
    ben.go("/me")
    add_passkey(ben.page)

    context.clear_cookies()
    ann.go("/login")
    ann.page.get_by_role("button", name="Use a passkey instead").click()
    expect(ann.page.get_by_role("heading", name="Live wall")).to_be_visible()
    ann.go("/requests")
    shot(ann.page, "vouch")
    ann.page.get_by_role("button", name="Vouch with a passkey").click()
    expect(ann.page.get_by_role("button", name="Vouch with a passkey")).to_have_count(0)
    ann.page.locator("#ask summary").click()
    ask = ann.page.locator("#ask")
    ask.get_by_label("Case, alarm or number").fill("2026-7")
    ask.locator("input[value='gate']").check()
    ask.get_by_label("Reason").fill("somebody was hurt at the gate")
    shot(ann.page, "requests")
    ask.get_by_role("button", name="Ask").click()
    expect(ann.page.locator("#phase")).to_have_text("waits for others")
    request_path = ann.page.url.removeprefix(address)

    ben.go(request_path)
    shot(ben.page, "request")
    ben.page.get_by_role("button", name="Approve with a passkey").click()
    expect(ben.page.locator("#phase")).to_have_text("in force")
    ann.go(request_path)
    ann.page.get_by_role("link", name="gate").click()
    expect(ann.page.locator("#purpose-text")).to_contain_text("without masks")
    shot(ann.page, "unmasked")
    approvals = [e for e in site.warden.log.read(0, 999) if e.record.kind is AuditKind.REQUEST_APPROVED]
    assert [entry.record.actor for entry in approvals] == ["Ben Ude"]
    assert NAME in str(approvals[0].record.details)
    assert ann.complaints == ben.complaints == []
    context.close()
    others.close()
