"""Setting a camera up with a browser: a test that fails in words, adding, and drawing by mouse and by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.test_pages import Person

from custodes.config import read_assignment

pytestmark = [pytest.mark.browser]


@pytest.fixture
def person(browser: Browser, site) -> Iterator[Person]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark", locale="en-GB")
    someone = Person(context, site.address)
    yield someone
    context.close()


def test_camera_is_tested_added_and_drawn_on_by_mouse_and_keyboard(person, site):
    person.claim(site.token)
    page = person.page
    person.go("/site/add-camera")
    page.get_by_label("Address").fill("rtsp://127.0.0.1:1/none")
    page.get_by_label("Password").fill("sesame open")
    page.get_by_role("button", name="Test").click()
    expect(page.locator("#test-state")).to_contain_text("127.0.0.1:1")
    expect(page.get_by_label("Password")).to_have_value("sesame open")  # what was typed is not lost
    page.get_by_label("Name", exact=True).fill("Gate")
    page.get_by_role("button", name="Add and record").click()
    expect(page.locator("[data-milestone=recording][data-reached]")).to_be_visible()
    assert "sesame" not in page.content()

    person.go("/site/cameras/gate/drawing")
    expect(page.locator("#again")).to_be_enabled()  # the picture came and was left standing
    box = page.locator("#shapes").bounding_box()
    page.get_by_role("button", name="Counting line").click()
    for x, y in ((0.25, 0.5), (0.75, 0.5)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(page.locator("#list summary")).to_have_text([" Counting line 1: line 1"])
    page.get_by_role("button", name="Privacy zone").focus()
    page.keyboard.press("Enter")
    expect(page.locator('[data-point="privacy-0-0"]')).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator('[data-points="privacy-0"]')).to_have_value("0.34, 0.35\n0.65, 0.35\n0.65, 0.65\n0.35, 0.65")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#list summary")).to_have_count(1)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#list summary")).to_have_count(2)
    page.locator('#list [data-shape="privacy-0"] summary').click()
    page.locator('[data-points="privacy-0"]').fill("0.1, 0.1\n0.1, 2")
    page.locator('[data-points="privacy-0"]').blur()
    expect(page.locator("#privacy-0-problem")).to_contain_text("Point 2: expected shares of the picture, 0 to 1")
    page.locator('[data-points="privacy-0"]').fill("0.1, 0.1\n0.3, 0.1\n0.3, 0.3")
    page.locator('[data-points="privacy-0"]').blur()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#saved")).to_contain_text("in force at once")
    (gate,) = read_assignment(site.folder / "assignment.json").cameras
    assert gate.scene.privacy == (((0.1, 0.1), (0.3, 0.1), (0.3, 0.3)),)
    ((start_x, start_y), (end_x, end_y)) = gate.scene.lines[0].start, gate.scene.lines[0].end
    assert (start_x, start_y, end_x, end_y) == pytest.approx((0.25, 0.5, 0.75, 0.5), abs=0.01)
    assert person.complaints == []
