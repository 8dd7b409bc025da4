"""House rules of security that no linter knows: read from the syntax trees of the source, the scripts and the pages.

What flake8-bandit knows (its rules are ruff's `S`) is checked by the linter in the same gate.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "custodes"
SCRIPTS = sorted((SOURCE / "web" / "static").rglob("*.js"))
PAGES = sorted((SOURCE / "web" / "templates").glob("*.html"))

MAKERS = {
    "Granted": {"access/grants.py"},
    "Grant": {"app/warden_gate.py"},
    "KeysReleased": {"app/warden_gate.py"},
    "Circumstances": {"access/policy.py", "access/explain.py", "app/warden_requests.py"},
}
"""Who may make these by hand; `testing` besides. Everybody else gets them from the warden."""
EXPLAINERS = {"app/serving/control.py", "web/people.py"}
"""They say what the gate would answer; nothing opens by it."""

UNPICKLERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
"""Loading any of these runs what the bytes say."""

SHUT = re.compile(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b")
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|\bstyle=|\son[a-z]+=|javascript:", re.I)


@cache
def trees() -> dict[str, ast.Module]:
    """Every module but the fakes."""
    found = (path for path in SOURCE.rglob("*.py") if "testing" not in path.parts)
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in found}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(module, last name of what is called, the call)."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield module, name, node


@pytest.mark.parametrize("name", MAKERS)
def test_what_opens_footage_is_made_in_one_place(name: str) -> None:
    found = {module for module, called, _ in calls() if called == name}
    allowed = MAKERS[name] | (EXPLAINERS if name == "Circumstances" else set())
    assert found <= allowed
    assert found, f"nobody makes {name} any more: this rule looks at nothing"


def test_private_keys_are_unwrapped_and_marks_derived_by_the_warden_alone() -> None:
    """A rehearsal of a backup and the recovery at the site's own terminal are the exceptions; they open no picture."""
    users = {module for module, called, _ in calls() if called in ("unwrap_data_key", "mark_key")}
    assert "app/warden_gate.py" in users
    assert not [one for one in users if one.startswith(("web/", "review/", "record/", "cli/", "adapters/ipc/"))]


def test_nothing_that_runs_what_it_loads_is_imported_or_called() -> None:
    for module, tree in trees().items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & UNPICKLERS, module
    for module, called, node in calls():
        whole = ast.unparse(node.func)
        assert called not in ("mktemp",) and whole not in ("eval", "exec", "yaml.load", "os.system"), (module, whole)
        shell = [one for one in node.keywords if one.arg == "shell" and not isinstance(one.value, ast.Constant)]
        assert not shell and not any(
            one.arg == "shell" and getattr(one.value, "value", False) for one in node.keywords
        ), (module, whole)


def test_scripts_never_make_markup_or_code_from_text() -> None:
    for script in SCRIPTS:
        assert not SHUT.search(script.read_text(encoding="utf-8")), script.name
    assert len(SCRIPTS) > 5


def test_pages_have_no_inline_script_or_style_and_trust_two_pictures_of_ours() -> None:
    trusted = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not INLINE.search(text), (page.name, INLINE.search(text))
        if found := re.findall(r"\{\{\s*(\w+)\s*\|\s*safe", text):
            trusted[page.name] = found
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.S):
            # Pages without a session: what they post to needs a secret of its own, and our origin (`web.shell`).
            is_public = page.name in (
                "login.html",
                "first_boot.html",
                "invitation.html",
                "reset.html",
                "enrol.html",
                "withdraw.html",
                "walk.html",
                "protected.html",
                "centre_questions.html",
            )
            assert is_public or 'name="csrf"' in form or 'name=\\"csrf' in form, (page.name, form[:80])
    # QR codes that we draw; the curve of `face.trials`, which writes numbers alone;
    # drawings of `leaks.spread_drawing`, which escapes what it writes
    assert trusted == {
        "me.html": ["picture"],
        "card.html": ["code"],
        "posts.html": ["timeline", "graph"],
        "trial.html": ["curve"],
    }
