"""A person at the checkpoint's desk with a real browser and a camera: what reaches the recogniser, what is said."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from tests.browser.conftest import CAMERA_SHOWS
from tests.browser.test_pages import NAME, Person, shot

from custodes.types.face import Side, Signal, Speaks

pytestmark = pytest.mark.browser

CARD = "C1" + "A" * 1500


def test_desk_compares_what_its_camera_shows_and_forgets(browser_with_camera: Browser, site) -> None:
    context = browser_with_camera.new_context(viewport={"width": 1024, "height": 900})
    ada = Person(context, site.address)
    ada.claim(site.token)
    page = ada.page
    ada.go("/checkpoint")
    page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
    expect(page.get_by_role("button", name="Compare")).to_be_enabled()
    page.get_by_label("Code of the card").fill(CARD)
    page.get_by_role("button", name="Compare").click()
    said = page.get_by_role("status")
    expect(said).to_contain_text("The same person.")
    expect(page.get_by_role("list", name="Was it a face?")).to_contain_text("the head hardly turned")
    shot(page, "checkpoint-same")
    (shown,) = site.recogniser.shown
    assert (shown.text, shown.operator) == (CARD, NAME)
    assert shown.asked in (Side.LEFT, Side.RIGHT)
    assert len(shown.turning) == 5
    seen = cv2.imdecode(np.frombuffer(shown.picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    width = seen.shape[1]
    halves = seen[:, : width * 2 // 5].mean(), seen[:, width * 3 // 5 :].mean()
    assert halves == pytest.approx(CAMERA_SHOWS, abs=25), "the picture is not what the camera shows"

    page.get_by_role("button", name="Next person").click()
    expect(said).to_have_text("")
    assert page.get_by_label("Code of the card").input_value() == ""
    site.recogniser.answer = replace(site.recogniser.answer, is_same=False, likelihood=-3.0)
    page.get_by_label("Code of the card").fill(CARD)
    page.keyboard.press("Enter")
    expect(said).to_contain_text("the desk decides")
    site.recogniser.answer = replace(site.recogniser.answer, problem="the face is too small")
    page.keyboard.press("Enter")
    expect(said).to_have_text("Again, please: the face is too small.")
    doubt = Signal(speaks=Speaks.FAKE, words="flat")
    site.recogniser.answer = replace(site.recogniser.answer, is_same=True, problem="", signals=(doubt,))
    ada.go("/checkpoint?kiosk=1")
    page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
    page.keyboard.type(CARD[:9])  # a scanner types, and ends with Enter
    page.keyboard.press("Enter")
    expect(said).to_contain_text("look closely")
    page.get_by_role("button", name="Light").click()
    shot(page, "checkpoint-kiosk-lit")
    assert ada.complaints == []
    context.close()


def test_desk_without_a_camera_is_told_and_takes_a_file(browser: Browser, site) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800})
    ada = Person(context, site.address)
    ada.claim(site.token)
    page = ada.page
    ada.go("/checkpoint")
    expect(page.get_by_role("status")).to_contain_text("No camera")
    shot(page, "checkpoint-360-no-camera")
    encoded = cv2.imencode(".png", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    page.get_by_label("Code of the card").fill(CARD)
    page.get_by_label("Picture file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": encoded})
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("status")).to_contain_text("The same person.")
    seen = cv2.imdecode(np.frombuffer(site.recogniser.shown[0].picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    assert seen.shape == (120, 160)
    assert seen.mean() == pytest.approx(90, abs=6)
    context.close()
