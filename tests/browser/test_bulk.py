"""A list of people, from the file that is chosen to the report that is kept, in a real browser."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.test_pages import NAME, PASSWORD, Person, shot

from custodes.access.bulk import COLUMNS
from custodes.types.face import FaceEnrolment

pytestmark = pytest.mark.browser


def test_list_is_looked_through_then_enrolled_then_reported(browser: Browser, site, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    ada = Person(context, site.address)
    form = {"token": site.token, "name": NAME, "password": PASSWORD, "password_again": PASSWORD, "roles": "supervisor"}
    assert context.request.post(f"{site.address}/first-boot", form=form, headers={"origin": site.address}).ok
    page = ada.page
    ada.go("/faces/people/import")
    rows = ["=Bob,a card for the night desk,,30,link,,", "Cyd,a card for the night desk,,30,,,"]
    content = "\n".join((",".join(COLUMNS), *rows)).encode()
    page.get_by_label("List").set_input_files({"name": "people.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Look through it").click()
    said = page.get_by_role("status").last
    expect(said).to_have_text("1 person can be enrolled, 1 refused.")
    expect(page.get_by_role("table")).to_contain_text("refused: a basis of each person is needed")
    page.get_by_role("button", name="Enrol").click()
    expect(said).to_contain_text("Done.")
    shot(page, "bulk-390")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Save the report").click()
    saved = tmp_path / "report.csv"
    waiting.value.save_as(saved)
    head, bob, cyd = csv.reader(saved.read_text().splitlines())
    assert head[-1] == "link"
    assert bob[1] == "'=Bob", "a spreadsheet would compute it"
    assert bob[-1].startswith(f"{site.address}/enrol/")
    assert cyd[-1] == ""
    (made,) = site.warden.face_store.all(FaceEnrolment)
    assert made.recorded is None
    page.goto(bob[-1])
    expect(page.get_by_role("button", name="Sign")).to_be_visible()
    ada.go("/faces/people/networks")
    shot(page, "networks-390")
    assert ada.complaints == []
    context.close()
