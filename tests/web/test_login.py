"""First boot, login, sessions, logout: what works, what is refused, and that each step is in the log first."""

import pytest

from custodes.errors import ResourceExhausted
from custodes.types.access import AuditKind, Role
from custodes.units import NS_PER_S

PASSWORD = "four words in a row"


def kinds(site):
    return [kind for kind in site.warden.kinds() if kind is not AuditKind.WARDEN_STARTED]


def test_start_without_account_announces_a_token_of_32_bytes(site):
    assert len(site.tokens) == 1
    assert len(site.tokens[0]) == 43


def test_claim_makes_account_session_and_log_entries(site):
    answer = site.claim()
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    (account,) = site.catalog.accounts()
    assert account.roles == {Role.ADMINISTRATOR, Role.OPERATOR, Role.INVESTIGATOR, Role.AUDITOR}
    assert account.password_hash.startswith("$argon2id$")
    assert kinds(site) == [AuditKind.USER_CREATED, AuditKind.LOGIN]
    assert site.client.get("/api/v1/session").json()["name"] == "Ada Lovelace"


def test_claim_cookie_is_httponly_and_strict(site):
    cookie = site.claim().headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie


def test_claim_behind_tls_sets_host_cookie(make_site):
    cookie = make_site(behind_tls=True).claim().headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token": "x" * 43}, "not the token of this start"),
        ({"password": "short", "password_again": "short"}, "at least 12"),
        ({"password_again": "another password here"}, "two passwords differ"),
        ({"password": "aaaaaaaaaaaaaaa", "password_again": "aaaaaaaaaaaaaaa"}, "same few characters"),
        ({"password": "ada lovelace rocks", "password_again": "ada lovelace rocks"}, "your name"),
        ({"password": "qwertyuiopas", "password_again": "qwertyuiopas"}, "row of the keyboard"),
        ({"password": "Passw0rd2026!", "password_again": "Passw0rd2026!"}, "tried first"),
        ({"password": "letmeinletmein", "password_again": "letmeinletmein"}, "tried first"),
        ({"name": "   "}, "enter a name"),
        ({"name": "x" * 65}, "at most 64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_claim_with_a_flaw_says_which_and_makes_nothing(site, changes, words):
    answer = site.claim(**changes)
    assert answer.status_code in (400, 403)
    assert words in answer.text
    assert PASSWORD not in answer.text
    assert site.catalog.accounts() == []


def test_claim_with_unknown_role_is_refused(site):
    assert site.claim(roles=("operator", "god")).status_code == 400
    assert site.catalog.accounts() == []


def test_claim_twice_is_refused(claimed):
    answer = claimed.claim()
    assert answer.status_code == 409
    assert len(claimed.catalog.accounts()) == 1


def test_claim_while_warden_is_down_makes_nothing_and_can_be_repeated(site):
    site.warden.is_down = True
    assert site.claim().status_code == 503
    assert site.catalog.accounts() == []
    site.warden.is_down = False
    assert site.claim().status_code == 303


def test_claimed_site_sends_first_boot_to_login(claimed):
    assert claimed.client.get("/first-boot").headers["location"] == "/login"


def test_login_with_other_case_of_name_works_and_is_logged(claimed):
    claimed.client.cookies.clear()
    assert claimed.log_in(name="ada lovelace").status_code == 303
    assert kinds(claimed)[-1] is AuditKind.LOGIN


@pytest.mark.parametrize(("name", "password"), [("Ada Lovelace", "wrong password!"), ("Nobody", PASSWORD)])
def test_login_wrong_gives_one_sentence_and_a_log_entry(claimed, name, password):
    claimed.client.cookies.clear()
    answer = claimed.log_in(name=name, password=password)
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert "set-cookie" not in answer.headers
    assert kinds(claimed)[-1] is AuditKind.LOGIN_FAILED


def test_login_with_unknown_name_does_not_log_what_was_typed(claimed):
    claimed.log_in(name="hunter2-typed-in-the-wrong-field", password="x")
    entries = claimed.warden.log.read(0, 100)
    assert all("hunter2" not in str(entry.record) for entry in entries)


def test_login_with_unknown_name_verifies_a_password_all_the_same(claimed, monkeypatch):
    verified = []
    passwords = claimed.app.state.deps.auth._passwords
    original = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda *args: verified.append(args[0]) or original(*args))
    claimed.log_in(name="Nobody", password="some password")
    claimed.log_in(password="some password")
    assert len(verified) == 2
    assert all(value.startswith("$argon2id$") for value in verified)


def test_login_while_warden_is_down_is_refused_whatever_the_password(claimed):
    claimed.client.cookies.clear()
    claimed.warden.is_down = True
    for password in (PASSWORD, "wrong password!"):
        answer = claimed.log_in(password=password)
        assert answer.status_code == 503
        assert "Nobody can log in right now" in answer.text
        assert "set-cookie" not in answer.headers


def test_login_after_five_failures_has_to_wait_then_may_try_again(claimed):
    claimed.client.cookies.clear()
    for _ in range(5):
        assert claimed.log_in(password="wrong password!").status_code == 401
    assert claimed.log_in().status_code == 429
    before = len(kinds(claimed))
    claimed.log_in(password="wrong password!")
    assert len(kinds(claimed)) == before, "a try that is not looked at must not grow the log"
    claimed.clock.advance(6 * NS_PER_S)
    assert claimed.log_in().status_code == 303


def test_logout_ends_the_session_on_the_server(claimed):
    cookie = dict(claimed.client.cookies)
    answer = claimed.client.post("/logout", data={"csrf": claimed.csrf})
    assert answer.status_code == 303
    assert kinds(claimed)[-1] is AuditKind.LOGOUT
    claimed.client.cookies.update(cookie)
    assert claimed.client.get("/api/v1/session").status_code == 401


def test_logout_while_warden_is_down_still_logs_out(claimed):
    csrf = claimed.csrf
    claimed.warden.is_down = True
    assert claimed.client.post("/logout", data={"csrf": csrf}).status_code == 303
    assert claimed.client.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize("csrf", ["", "x" * 43], ids=["missing", "foreign"])
def test_logout_without_its_token_is_refused(claimed, csrf):
    assert claimed.client.post("/logout", data={"csrf": csrf}).status_code == 403
    assert claimed.client.get("/api/v1/session").status_code == 200


def test_session_on_a_full_disk_still_shows_the_status(claimed, monkeypatch):
    def refuse(*_):
        raise ResourceExhausted("the disk is full")

    monkeypatch.setattr(claimed.catalog, "renew_session", refuse)
    claimed.clock.advance(300 * NS_PER_S)
    assert claimed.client.get("/api/v1/status").status_code == 200
    claimed.clock.advance(700 * NS_PER_S)
    assert claimed.client.get("/api/v1/status").status_code == 401


def test_session_ends_after_15_idle_minutes(claimed):
    claimed.clock.advance(14 * 60 * NS_PER_S)
    assert claimed.client.get("/api/v1/session").status_code == 200
    claimed.clock.advance(14 * 60 * NS_PER_S)
    assert claimed.client.get("/api/v1/session").status_code == 200
    claimed.clock.advance(15 * 60 * NS_PER_S)
    assert claimed.client.get("/api/v1/session").status_code == 401


def test_session_is_not_kept_alive_by_a_page_that_refreshes_itself(claimed):
    for _ in range(3):
        claimed.clock.advance(4 * 60 * NS_PER_S)
        assert claimed.client.get("/api/v1/status", headers={"x-custodes-idle": "1"}).status_code == 200
    claimed.clock.advance(4 * 60 * NS_PER_S)
    assert claimed.client.get("/api/v1/status", headers={"x-custodes-idle": "1"}).status_code == 401


def test_session_ends_after_eight_hours_however_busy(claimed):
    for _ in range(48):
        claimed.clock.advance(10 * 60 * NS_PER_S - 1)
        assert claimed.client.get("/api/v1/session").status_code == 200
    claimed.clock.advance(10 * 60 * NS_PER_S)
    assert claimed.client.get("/api/v1/session").status_code == 401


def test_page_without_session_leads_to_login(claimed):
    claimed.client.cookies.clear()
    answer = claimed.client.get("/system", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login"
