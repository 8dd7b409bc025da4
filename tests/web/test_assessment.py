"""What the ASVS self-assessment claims about passwords and second factors, where no other test says it."""

import re
from pathlib import Path

import pyotp
import pytest
from starlette.websockets import WebSocketDisconnect
from tests.web.conftest import NAME, PASSWORD, site_in
from tests.web.test_me import log_in_with
from tests.web.test_requests import Person

import custodes.web
from custodes.testing.catalog import make_spec

LONG = "a passphrase that is long, " * 5


def test_password_of_135_characters_is_taken_and_all_of_it_counts(site):
    assert site.claim(password=LONG, password_again=LONG).status_code == 303
    site.client.cookies.clear()
    assert site.log_in(NAME, LONG[:-1]).status_code != 303
    assert site.log_in(NAME, LONG).status_code == 303


def test_password_does_not_expire(claimed):
    claimed.client.cookies.clear()
    claimed.clock.advance(5 * 365 * 86_400 * 10**9)
    assert claimed.log_in(NAME, PASSWORD).status_code == 303


def test_login_page_asks_no_secret_question_and_offers_no_hint(claimed):
    claimed.client.cookies.clear()
    text = claimed.client.get("/login", headers={"accept": "text/html"}).text
    asked = {part.split('"')[0] for part in text.split(' name="')[1:]}
    assert (
        {"name", "password"}
        <= asked
        <= {"name", "password", "code", "viewport", "csrf", "color-scheme", "theme-color"}
    )
    assert "hint" not in text.lower() and "mother" not in text.lower()


def test_secret_of_a_second_factor_has_160_random_bits():
    secrets = {pyotp.random_base32() for _ in range(50)}
    assert len(secrets) == 50 and {len(one) for one in secrets} == {32}


def test_password_made_of_names_of_the_place_is_refused(site):
    words = {"password": "Nordhafen2026!", "password_again": "Nordhafen2026!"}
    site.catalog.put_cameras([make_spec("gate", name="Nordhafen Kai")], is_exclusive=False)
    answer = site.claim(**words)
    assert answer.status_code == 400 and "tried first" in answer.text and site.catalog.accounts() == []
    site.catalog.put_cameras([make_spec("gate", name="Gate")], is_exclusive=False)
    assert site.claim(**words).status_code == 303


def test_everywhere_else_is_logged_out_at_once_and_here_is_not(claimed):
    first = Person(claimed)
    claimed.client.cookies.clear()
    claimed.clock.advance(10 * 10**9)
    assert claimed.log_in().status_code == 303
    second = Person(claimed)
    assert "Log out everywhere else" in second.get("/me").text
    assert second.post("/me/sessions/end-others").status_code == 303
    assert "Log out everywhere else" not in second.get("/me").text
    assert first.get("/me").status_code == 303


def test_browser_keeps_tastes_and_the_purpose_of_a_tab_and_nothing_of_people():
    kept = set()
    for script in sorted((Path(custodes.web.__file__).parent / "static/js").rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"indexedDB|document\.cookie|cookieStore|localStorage\[|sessionStorage\[", text), script
        kept |= {
            (script.name, *found) for found in re.findall(r"(localStorage|sessionStorage)\.setItem\((.+?),", text)
        }
    assert kept == {
        ("theme.js", "localStorage", "KEY"),  # dark or light
        ("wall_layout.js", "localStorage", "KEY"),  # which cameras stand where
        ("purpose.js", "sessionStorage", "PURPOSE_KEY"),  # why this tab looks: asked once a tab, in the log anyway
        ("subject.js", "sessionStorage", "this.#key()"),  # numbers of tracks that were picked for a person's own copy
    }


def test_logging_out_has_the_browser_forget_the_site(claimed):
    assert claimed.client.post("/logout", data={"csrf": claimed.csrf}).headers["clear-site-data"] == '"storage"'


def test_site_that_wants_a_second_factor_lets_a_password_alone_add_one_and_nothing_else(tmp_path):
    with site_in(tmp_path, access={"second_factor": "required"}) as site:
        assert site.claim().status_code == 303
        ann = Person(site)
        for path in ("/", "/log", "/people"):
            answer = site.client.get(path, headers={"accept": "text/html"}, follow_redirects=False)
            assert (answer.status_code, answer.headers.get("location")) == (303, "/me"), path
        assert site.client.get("/api/v1/status").status_code == 403
        assert ann.post("/me/tokens", name="x", roles="operator").status_code == 403
        with pytest.raises(WebSocketDisconnect), site.socket("/api/v1/cameras/gate/live") as socket:
            socket.receive_json()
        assert "wants more than a password" in ann.get("/me").text
        ann.enrol()
        # From now on the password alone adds nothing either: whoever has it alone is not let near the passkeys.
        assert ann.get("/me").status_code == ann.post("/me/passkeys/options", json={}).status_code == 403
        assert ann.post("/logout").status_code == 303
        assert log_in_with(ann).status_code == 200
        assert site.client.get("/api/v1/status").status_code == 200
        assert "wants more than a password" not in Person(site).get("/me").text


def test_code_beside_the_password_is_a_second_factor(tmp_path):
    with site_in(tmp_path, access={"second_factor": "required"}) as site:
        site.claim()
        ann = Person(site)
        secret = ann.post("/me/totp").text.split('name="secret" value="')[1].split('"')[0]
        code = pyotp.TOTP(secret).at(site.clock.now_ns() // 10**9)
        assert ann.post("/me/totp", secret=secret, code=code).status_code == 303
        assert site.client.get("/api/v1/status").status_code == 403, "this session rests on the password still"
        site.client.cookies.clear()
        site.clock.advance(60 * 10**9)
        code = pyotp.TOTP(secret).at(site.clock.now_ns() // 10**9)
        log_in = {"name": NAME, "password": PASSWORD, "code": code}
        assert site.client.post("/login", data=log_in).status_code == 303
        assert site.client.get("/api/v1/status").status_code == 200
