"""What only a script can answer waits for it: pressed too early it would be lost, or land in the address."""

import re
from pathlib import Path

import custodes.web

TEMPLATES = sorted((Path(custodes.web.__file__).parent / "templates").glob("*.html"))
FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
BUTTON = re.compile(r"<button\b[^>]*>")


def test_forms_without_method_start_disabled():
    found = 0
    for template in TEMPLATES:
        for attributes, body in FORM.findall(template.read_text("utf-8")):
            if "method=" in attributes:
                continue
            found += 1
            submits = [one for one in BUTTON.findall(body) if 'type="button"' not in one]
            assert submits, f"{template.name}: a form that nobody can send"
            assert all(" disabled" in one for one in submits), f"{template.name}: sent before its script is there"
    assert found >= 4


def test_passkey_buttons_start_disabled():
    buttons = [one for template in TEMPLATES for one in BUTTON.findall(template.read_text("utf-8"))]
    passkeys = [one for one in buttons if "data-passkey" in one]
    assert len(passkeys) >= 8
    assert all(" disabled" in one for one in passkeys)
