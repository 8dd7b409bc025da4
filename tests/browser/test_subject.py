"""A person at a real browser marks whom alone an export shows, and erases: pages of subject rights."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.test_pages import Person, shot

from custodes.access.requests import digest
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Principal, Role
from custodes.types.approval import CastVote, EnrolKey, ReadRequests, RequestTable

pytestmark = pytest.mark.browser


def approve_newest(site) -> str:
    """By somebody else, with a passkey; returns the request's id."""

    async def act() -> str:
        table = await site.warden.about_requests(ReadRequests(limit=1))
        assert isinstance(table, RequestTable)
        record, key = table.records[0], FakeAuthenticator()
        ben = Principal(user_id="ben", name="Ben", roles=frozenset({Role.SUPERVISOR}))
        await site.warden.about_requests(EnrolKey(principal=ben, key=key.enrolled("ben"), name="Key"))
        signed = key.get(digest(record.request))
        vote = CastVote(principal=ben, request_id=record.request.request_id, is_yes=True, note="", assertion=signed)
        await site.warden.about_requests(vote)
        return record.request.request_id

    with ThreadPoolExecutor(1) as pool:  # Playwright's own loop runs in this thread
        return pool.submit(asyncio.run, act()).result()


def test_person_marks_whom_an_export_shows_and_asks_for_it(browser: Browser, site) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    ada = Person(context, site.address)
    ada.claim(site.token)
    page = ada.page
    ada.go("/requests?camera=entrance")
    page.locator("#ask summary").click()
    form = page.locator("#ask form")
    form.get_by_label("Purpose").select_option("subject_access")
    form.get_by_label("Picture").select_option("masked")
    form.get_by_label("Case, alarm or number").fill("SAR-7")
    form.get_by_label("Reason").fill("she asked for her data")
    if not form.locator("input[type=checkbox]").first.is_checked():
        form.locator("input[type=checkbox]").first.check()
    form.get_by_role("button", name="Ask").click()
    expect(page.locator("#phase")).to_have_text("waits for others")
    approve_newest(site)
    page.reload()
    page.locator("section a.button[href^='/cameras/']").first.click()
    expect(page.get_by_role("heading", name="Show one person")).to_be_visible()
    box = page.locator(".person-box").first
    expect(box).to_be_visible()
    shot(page, "subject-boxes")
    box.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".person-box").first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#person-tracks li")).to_have_count(1)
    shot(page, "subject-marked")
    page.get_by_role("button", name="Ask for an export of this person").click()
    expect(page.locator("#only-shown")).to_contain_text("One person is shown")
    shot(page, "subject-ask")
    page.locator("#ask form").get_by_label("Reason").fill("she asked for her data")
    page.locator("#ask form").get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", name="one person shown, all others masked")).to_be_visible()
    shot(page, "subject-request")
    assert ada.complaints == []
    context.close()


def test_person_erases_what_others_approved_and_takes_the_certificate(browser: Browser, site) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    ada = Person(context, site.address)
    ada.claim(site.token)
    page = ada.page
    ada.go("/erasures")
    shot(page, "erasures-empty")
    page.get_by_label("Number of the person's request").fill("SAR-9")
    page.get_by_label("Reason").fill("he asked to be erased")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", name="erase")).to_be_visible()
    shot(page, "erasure-request")
    approve_newest(site)
    ada.go("/erasures")
    camera = page.locator("b.mono").first.inner_text()
    page.get_by_label("to say that you mean it").fill(camera)
    shot(page, "erasure-confirm")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_contain_text("Erased.")
    shot(page, "erasure-done")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Take the certificate along").click()
    assert taken.value.suggested_filename.startswith("erasure-")
    assert ada.complaints == []
    context.close()
