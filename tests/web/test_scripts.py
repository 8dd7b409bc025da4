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


def test_scripts_import_only_what_is_exported():
    """A name that is not there stops the whole page's script, in silence."""
    scripts = {one.name: one.read_text("utf-8") for one in (TEMPLATES[0].parents[1] / "static" / "js").glob("*.js")}
    exported = {
        name: {*re.findall(r"export\s+(?:async\s+)?(?:function\*?|const|let|class)\s+([\w$]+)", text)}
        | {
            one.split()[-1]
            for listed in re.findall(r"export\s*\{([^}]*)\}", text)
            for one in listed.split(",")
            if one.strip()
        }
        for name, text in scripts.items()
    }
    imports = [
        (name, one.split()[0], source)
        for name, text in scripts.items()
        for names, source in re.findall(r'import\s*\{([^}]*)\}\s*from\s*"\./([\w.]+)"', text)
        for one in names.split(",")
        if one.strip()
    ]
    assert len(imports) > 100
    assert [one for one in imports if one[1] not in exported[one[2]]] == []


def test_what_scrolls_is_reached_by_the_keyboard_and_has_a_name():
    elements = [
        (template.name, one)
        for template in TEMPLATES
        for one in re.findall(r'<\w+ [^>]*class="[^"]*scroll-x[^"]*"[^>]*>', template.read_text("utf-8"))
    ]
    assert len(elements) > 20
    assert [one for one in elements if 'tabindex="0"' not in one[1] or "aria-label" not in one[1]] == []
