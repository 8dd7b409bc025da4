"""The page in other languages: what is found to translate, what is translated, and who gets which language."""

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from tests.web.conftest import NAME, Site
from tests.web.unmarked import unmarked_of_module, unmarked_of_script

from custodes.units import Ns
from custodes.web.language.__main__ import brought_up, untranslated
from custodes.web.language.gather import WEB, Message, gather, of_module, of_template, unmarked_of_template
from custodes.web.language.markup import holes, rewrite
from custodes.web.language.pages import Scripts
from custodes.web.language.scripts import messages_of
from custodes.web.language.speech import (
    CATALOGS,
    ENGLISH,
    LANGUAGES,
    Words,
    language_of,
    moment_text,
    number_text,
    preferred,
    say,
    say_count,
    speaking,
)

TEMPLATES = sorted((WEB / "templates").glob("*.html"))
OTHERS = [one for one in LANGUAGES if one is not ENGLISH]
KNOWN = functools.cache(lambda: {one.text for one in gather()})
GERMAN = {"accept-language": "de-CH,de;q=0.9,en;q=0.5", "accept": "text/html"}


def german():
    found = language_of("de")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.5", "de"),
        ("fr,en;q=0.8,de;q=0.9", "de"),
        ("zh-TW,zh;q=0.9", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "en"),
        ("th;q=0.1", "th"),
        ("de;q=0,th", "th"),
        ("de;q=x, th;q=nan,*", "en"),
        ("," * 10_000 + "de", "en"),
    ],
)
def test_preferred_language(header: str, tag: str) -> None:
    assert preferred(header).tag == tag


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("<p>Log in</p>", ["Log in"]),
        ('<p title="A {{ name }}">{{ name }}</p>', ["A {name}"]),
        ("<p>\n  {{ a.yes }} of {{ a.no | length }}\n  agreed</p>", ["{yes} of {no} agreed"]),
        ("<p><b>{{ who }}</b> wants <code>x</code></p>", ["<1>{who}</1> wants <2>x</2>"]),
        ('<p><a href="/x">Follow it</a></p>', ["Follow it"]),
        ("{% if a %}Yes{% else %}No{% endif %}", ["Yes", "No"]),
        ("<b>{% if a %}Open{% endif %}</b>", ["Open"]),
        ('{{ "here" if one.x == "there" else "of " ~ who }}', ["here", "of"]),
        ('<i class="{{ "a" if b else "c" }}"></i>', []),
        ("<pre>custodes up</pre>{# a comment #}{% block body_class %}door{% endblock %}", []),
        ('<option value="a" {% if x > 1 %}selected{% endif %}>Both</option>', ["Both"]),
        ('{{ _("All") }}', ["All"]),
    ],
)
def test_messages_of_a_template(source: str, messages: list[str]) -> None:
    assert [one.text for one in of_template(source)] == messages


def test_rewritten_when_translated_then_values_and_tags_are_where_the_translation_puts_them() -> None:
    words = {"<1>{who}</1> wants {what}": 'Es will {what}: <1>{who}</1> "jetzt"', "of": "von"}
    source = '<p> <b class="x">{{ who }}</b> wants {{ a.what }}\n</p>{{ "of " ~ who }}'
    assert rewrite(source, lambda one: words.get(one, one)) == (
        '<p> Es will {{ a.what }}: <b class="x">{{ who }}</b> &quot;jetzt&quot;\n</p>{{ "von " ~ who }}'
    )


@pytest.mark.parametrize("template", TEMPLATES, ids=[one.name for one in TEMPLATES])
def test_templates(template: Path) -> None:
    source = template.read_text("utf-8")
    assert rewrite(source, lambda one: one) == source, "English is what is written"
    rest = unmarked_of_template(source)
    assert not rest, f"{template.name}: words in statements that nothing translates; write _({json.dumps(rest[0])})"


SCRIPTS = sorted(one for one in (WEB / "static/js").glob("*.js") if one.name not in ("words.js", "worker.js"))
MODULES = sorted(WEB.rglob("*.py"))
NOT_SAID = {"service.py": ["the warden is down"], "site_cameras.py": ["User name"]}
"""For the log; the beginning of an error, which `reported` translates."""


@pytest.mark.parametrize("script", SCRIPTS, ids=[one.name for one in SCRIPTS])
def test_scripts(script: Path) -> None:
    rest = unmarked_of_script(script.read_text("utf-8"))
    assert not rest, f"{script.name}: words that nothing translates; write t`{rest[0]}`"


def test_modules() -> None:
    rest = {one.name: found for one in MODULES if (found := unmarked_of_module(one.read_text("utf-8")))}
    assert rest == NOT_SAID, "words that go onto a page as they are; write translated(…), say(…) or reported(…)"


def test_unmarked_words_are_found() -> None:
    script = """say(said, "Nobody is here"); t`Marked ${one ? "inner words too" : ""}`; `${a} to ${b}`; ["Free", x];
    el("p", { class: "num muted" }); document.querySelector("#a .b button"); if (x === "logged out") y; // a comment
    node.title = 'It\\'s so'; const path = `/api/v1/${id}/words of`; context.font = "11px system ui";"""
    assert unmarked_of_script(script) == ["Nobody is here", "inner words too", "\0 to \0", "Free", "It\\'s so"]
    module = """page(request, problem="The two differ.", path="no words here"); problem = f"Only {n} GB are free."
page(request, problem=translated("Marked and said")); warning = "fine" if x else "not so fine"; other = "any thing"
_PHASE_WORDS = {A: "waits for others", B: "over"}"""
    assert sorted(unmarked_of_module(module)) == [
        "Only \0 GB are free.",
        "The two differ.",
        "not so fine",
        "waits for others",
    ]


def test_messages_of_a_script() -> None:
    source = r"""say(x, t`Page ${at + 1} of ${list.map((one) => `${one}`).join("}")}`);
    not`this`; t` spaced ${t`inner`}`;
    plural(count, "camera", "cameras"); t`a \` tick`"""
    assert messages_of(source) == [
        ("Page {0} of {1}", ""),
        ("spaced {0}", ""),
        ("inner", ""),
        ("a ` tick", ""),
        ("camera", "cameras"),
    ]


def test_messages_of_a_module() -> None:
    source = """A = Words({1: "one"}); B = WordPairs({1: ("name", "meaning")}); PageLink(path="/", label="Wall")
say("{a} of b", a=1); translated("x" if y else "z"); say_count(n, "{count} piece", "{count} pieces")"""
    found = {(one.text, one.many) for one in of_module(source)}
    assert found == {
        *((text, "") for text in ("one", "name", "meaning", "Wall", "{a} of b", "x", "z")),
        ("{count} piece", "{count} pieces"),
    }


@pytest.mark.parametrize("language", OTHERS, ids=[one.tag for one in OTHERS])
def test_catalog_has_the_same_values_and_tags(language) -> None:
    with (CATALOGS / f"{language.tag}.po").open("rb") as file:
        catalog = read_po(file, locale=language.locale, charset="utf-8")
    said = 0
    for one in catalog:
        ids = (one.id,) if isinstance(one.id, str) else tuple(one.id)
        forms = (one.string,) if isinstance(one.string, str) else tuple(one.string)
        if not one.id or not all(forms):
            continue
        assert all(holes(form) in [holes(one) for one in ids] for form in forms), (
            f"{language.tag}: {ids[0]!r} → {forms}"
        )
        assert not any("{{" in form or "{%" in form or "<script" in form for form in forms)
        said += ids[0] in KNOWN()
    # who adds a page need not translate it: what is not translated is said in English, and `make words` counts it
    assert said > 0.6 * len(KNOWN())


def test_new_message_comes_in_untranslated_and_an_old_one_goes(tmp_path: Path) -> None:
    source = tmp_path / "de.po"
    source.write_text('msgid "Kept {x}"\nmsgstr "Behalten {x}"\n\nmsgid "Gone"\nmsgstr "Weg"\n', "utf-8")
    catalog = brought_up(source, german(), {Message("Kept {x}"): {"a.html"}, Message("New", "News"): {"b.js"}})
    assert [(one.id, one.string) for one in catalog if one.id] == [
        ("Kept {x}", "Behalten {x}"),
        (("New", "News"), ("", "")),
    ]
    assert untranslated(catalog) == ["New"]


def test_words_of_the_request() -> None:
    words = Words({"a": "Wall"})
    assert words["a"] == "Wall"
    moment = Ns(1_763_900_000_000_000_000)
    assert (moment_text(moment), number_text(1.5, 1)) == ("2025-11-23 12:13:20 UTC", "1.5")
    with speaking(german()):
        assert (words["a"], words.get("b", "x")) == ("Wand", "x")
        assert say("Leak in case {reference}", reference="/x") == "Leck in Fall /x"
        assert number_text(1.5, 1) == "1,5"
        assert moment_text(moment) == "23.11.2025 12:13:20 UTC"
        assert say_count(2, "{count} unheard-of thing", "{count} unheard-of things") == "2 unheard-of things"
    thai = language_of("th")
    assert thai is not None
    with speaking(thai):
        assert "2025" in moment_text(moment), "the common era, not the Buddhist one: compared across borders"


def test_page_before_login_is_in_the_language_of_the_browser(site: Site) -> None:
    assert '<html lang="en">' in site.client.get("/first-boot", headers={"accept": "text/html"}).text
    site.claim()
    site.client.cookies.clear()
    page = site.client.get("/login", headers=GERMAN).text
    assert '<html lang="de">' in page
    assert "Stattdessen einen Passkey benutzen" in page
    assert "Log in" not in page


def test_language_of_the_account_wins(site: Site) -> None:
    site.claim()
    answer = site.client.post("/me/language", data={"csrf": site.csrf, "language": "zh-Hant"}, follow_redirects=False)
    assert answer.status_code == 303
    page = site.client.get("/", headers=GERMAN).text
    assert '<html lang="zh-Hant">' in page
    assert ">電視牆</a>" in page
    words = json.loads(page.split('id="words">')[1].split("</script>")[0])
    assert words["{0} of {1} recording · now {2}, {3}"].startswith("{1}")
    assert words["camera"] == ["台攝影機", "台攝影機"]
    assert "Searching" not in words, "a page carries the words of its own modules"
    assert site.client.post("/me/language", data={"csrf": site.csrf, "language": "xx"}).status_code == 400
    site.client.post("/me/language", data={"csrf": site.csrf, "language": ""})
    assert '<html lang="de">' in site.client.get("/", headers=GERMAN).text


def test_names_are_data(site: Site) -> None:
    """An account is called what it is called, also where that is a word of the page."""
    site.claim(name="Wall")
    page = site.client.get("/", headers=GERMAN).text
    assert "<summary>Wall</summary>" in page
    assert NAME not in page


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_script_finds_what_the_page_carries(tmp_path: Path) -> None:
    """The keys that `words.js` makes are those that `scripts.py` reads."""
    (tmp_path / "probe.js").write_text('import { t, plural } from "./words.js";\n')
    probe = """
globalThis.document = { getElementById: () => ({ textContent: JSON.stringify({
  "Page {0} of {1}": "{1} Seiten, hier {0}", "piece": ["Stück", "Stücke"] }) }), documentElement: { lang: "de" } };
const { t, plural, fixed } = await import("./words.js");
console.log(JSON.stringify([t`Page ${1} of ${2}`, t` Page ${1} of ${2} `, t`Else ${"$&"}`,
  plural(1, "piece", "pieces"), plural(2, "piece", "pieces"), plural(2, "x", "xs"), fixed(1.25, 1)]));"""
    shutil.copy(WEB / "static/js/words.js", tmp_path / "words.js")
    (tmp_path / "probe.mjs").write_text(probe)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    out = subprocess.run(["node", "probe.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    expected = ["2 Seiten, hier 1", " 2 Seiten, hier 1 ", "Else $&", "1 Stück", "2 Stücke", "2 xs", "1,3"]
    assert json.loads(out.stdout) == expected
    assert Scripts(tmp_path).words(ENGLISH, "") == ""
