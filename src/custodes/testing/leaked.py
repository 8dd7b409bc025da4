"""A leak of our own, as a viewer would make it: a screenshot of the page in Chromium, sent on, traced by two people.

For the end-to-end test and `bench.leak`; needs the `dev` extra (httpx, playwright) and Debian's chromium.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import cv2
import numpy as np

from custodes.testing.site import RunningSite
from custodes.testing.viewer import NAME, PASSWORD, let_in

OFFICER = "Pia Officer"
"""The second of two who trace."""
_OFFICERS = "a second long password"
CHROMIUM = "/usr/bin/chromium"
_TIMEOUT_MS = 120_000
_STEPS_BACK, _MOST_STEPS = 6, 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A screenshot of a page."""

    png: bytes
    utc_s: int
    """The second that the picture in it is of, as the page says."""


def screenshot(site: RunningSite, camera_id: str, *, reference: str) -> Shot:
    """The first account logs in, looks at the camera's page for a case, goes back a bit, takes a screenshot."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, timezone_id="UTC", locale="en-GB")
        page.set_default_timeout(_TIMEOUT_MS)
        page.goto(site.address + "/login")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/")
        page.goto(f"{site.address}/cameras/{camera_id}")
        page.locator("#purpose").get_by_label("Case, alarm or ticket").fill(reference)
        page.get_by_role("button", name="Look").click()
        page.wait_for_function("() => document.getElementById('still').naturalWidth > 100")
        # The newest moments may be masked whole; some presses back is where analysis has been.
        for step in range(_MOST_STEPS):
            page.keyboard.press("ArrowLeft")
            page.wait_for_timeout(400)
            if step < _STEPS_BACK or "masked" in (page.locator("#stage-note").text_content() or ""):
                continue
            said = page.locator("#still").get_attribute("alt") or ""
            # What the page says changes before the picture that came with it is drawn.
            page.evaluate("() => document.getElementById('still').decode()")
            png = page.screenshot()
            # The picture may change while it is taken.
            has_masked = "masked" in (page.locator("#stage-note").text_content() or "")
            if said == page.locator("#still").get_attribute("alt") and not has_masked:
                break
        else:
            raise AssertionError(f"{_MOST_STEPS} seconds back, all of {camera_id} is masked whole: nothing leaks")
        chromium.close()
    clock = re.search(r"\d\d:\d\d:\d\d", said)
    assert clock is not None, said
    return Shot(png=png, utc_s=_latest(clock[0]))


def _latest(clock: str) -> int:
    """The last time that a clock showed this, in UTC."""
    now = datetime.now(UTC)
    then = datetime.combine(now.date(), time.fromisoformat(clock), tzinfo=UTC)
    return round((then if then <= now else then - timedelta(days=1)).timestamp())


def sent_on(png: bytes) -> bytes:
    """A JPEG of it, as two services left it: smaller, compressed twice."""
    page = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    smaller = cv2.resize(page, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    once = cv2.imdecode(cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(".jpg", once, [cv2.IMWRITE_JPEG_QUALITY, 60])[1])


def who_trace(site: RunningSite, folder: Path) -> list[str]:
    """The options of `custodes leak` that say which two people trace: the first account, and one invited now."""
    let_in(site, OFFICER, role="privacy_officer", password=_OFFICERS)
    for name, password in (("first", PASSWORD), ("second", _OFFICERS)):
        (folder / name).write_text(password)
    return [
        *("--as", NAME, "--password-file", str(folder / "first")),
        *("--with", OFFICER, "--with-password-file", str(folder / "second"), "--reference", "leak 1"),
    ]
