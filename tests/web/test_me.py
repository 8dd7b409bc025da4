"""Proofs of identity: passkeys, codes by time, API tokens; sensitive acts want a fresh one."""

import asyncio
from dataclasses import replace

import anyio
import pyotp
import pytest
from tests.web.conftest import NAME, PASSWORD
from tests.web.test_people import accept, invite
from tests.web.test_requests import HERE, Person, answer_to

from custodes.errors import Unavailable
from custodes.types.access import AuditKind
from custodes.units import NS_PER_S


@pytest.fixture
def ann(claimed):
    return Person(claimed)


def log_in_with(person, authenticator=None):
    client = person.site.client
    client.cookies.clear()
    options = client.post("/login/passkey/options", json={}, headers=HERE)
    credential = answer_to((authenticator or person.authenticator).get, options)
    return client.post("/login/passkey", json={"credential": credential}, headers=HERE)


def test_passkey_when_enrolled_logs_in_and_is_logged_as_such(ann):
    ann.enrol()
    assert log_in_with(ann).status_code == 200
    assert ann.site.client.get("/api/v1/session").json()["name"] == NAME
    entry = ann.site.warden.log.read(0, 99)[-1].record
    assert (entry.kind, entry.details["how"]) == (AuditKind.LOGIN, "passkey")


def test_passkey_when_unknown_removed_or_of_another_page_does_not_log_in(ann):
    from custodes.testing.passkey import FakeAuthenticator

    assert log_in_with(ann).status_code == 401
    ann.enrol()
    assert log_in_with(ann, FakeAuthenticator()).status_code == 401
    ann.authenticator.origin = "http://evil.example"
    assert log_in_with(ann).status_code == 401
    ann.authenticator.origin = "http://localhost"
    assert "/remove" in ann.get("/me").text
    path = ann.get("/me").text.split('action="/me/passkeys/')[1].split('"')[0]
    assert ann.post(f"/me/passkeys/{path}").status_code == 303
    assert log_in_with(ann).status_code == 401
    assert ann.site.warden.kinds().count(AuditKind.CREDENTIAL_CHANGED) == 2


def test_passkey_challenge_counts_once_and_for_five_minutes(ann):
    ann.enrol()
    client = ann.site.client
    options = client.post("/login/passkey/options", json={}, headers=HERE)
    ann.site.clock.advance(301 * NS_PER_S)
    late = answer_to(ann.authenticator.get, options)
    assert client.post("/login/passkey", json={"credential": late}, headers=HERE).status_code == 401


def test_passkey_under_an_ip_address_is_explained(ann):
    answer = ann.site.client.post("/me/passkeys/options", json={}, headers={"x-csrf-token": ann.site.csrf})
    assert answer.status_code == 400
    assert "localhost" in answer.json()["detail"]
    assert "no passkeys under 127.0.0.1" in ann.site.client.get("/me").text


def test_sensitive_act_with_an_old_proof_wants_a_fresh_one(ann):
    site = ann.site
    for _ in range(2):  # the session is kept alive, the proof grows old
        site.clock.advance(600 * NS_PER_S)
        site.client.get("/api/v1/status")
    assert ann.post("/me/passkeys/options", json={}).status_code == 409
    page = site.client.post("/me/totp", data={"csrf": site.csrf}, headers={"accept": "text/html"})
    assert page.headers["location"] == "/prove"
    assert ann.post("/prove", password="not the password").status_code == 401
    old = dict(ann.cookies)
    assert ann.post("/prove", password=PASSWORD).status_code == 200
    assert ann.post("/me/passkeys/options", json={}).status_code == 200
    assert ann.cookies != old
    site.client.cookies.clear()  # a copy of the cookie of before is worth nothing
    site.client.cookies.update(old)
    assert site.client.get("/api/v1/session").status_code == 401


def test_picture_that_runs_follows_to_the_new_cookie_and_ends_with_it(ann):
    site = ann.site
    auth, (before,) = site.app.state.deps.auth, site.catalog.sessions(site.catalog.accounts()[0].user_id)
    for _ in range(2):
        assert ann.post("/prove", password=PASSWORD).status_code == 200
    assert asyncio.run(auth.is_alive(before))
    assert ann.post("/logout").status_code == 303
    assert not asyncio.run(auth.is_alive(before))


def test_session_that_ended_while_a_request_of_it_is_on_its_way_does_not_come_back(ann, monkeypatch):
    site = ann.site
    read = site.catalog.account

    def logged_out_meanwhile(user_id):
        site.catalog.end_sessions(user_id)
        return read(user_id)

    site.clock.advance(60 * NS_PER_S)
    monkeypatch.setattr(site.catalog, "account", logged_out_meanwhile)
    assert site.client.get("/api/v1/session").status_code == 401
    monkeypatch.undo()
    assert site.client.get("/api/v1/session").status_code == 401


def test_code_when_added_is_wanted_once_per_code(ann):
    site = ann.site
    secret = ann.post("/me/totp").text.split('name="secret" value="')[1].split('"')[0]
    totp = pyotp.TOTP(secret)

    def now():
        return totp.at(site.clock.now_ns() // NS_PER_S)

    assert ann.post("/me/totp", secret=secret, code="000000").status_code in (400, 303)
    assert ann.post("/me/totp", secret=secret, code=now()).status_code == 303
    (kept,) = site.catalog.accounts()
    assert kept.totp_secret == "" and kept.totp_sealed and secret.encode() not in kept.totp_sealed
    used = now()
    site.client.cookies.clear()
    assert site.log_in().status_code == 401
    log_in = {"name": NAME, "password": PASSWORD}
    assert site.client.post("/login", data={**log_in, "code": used}).status_code == 401
    site.clock.advance(30 * NS_PER_S)
    assert site.client.post("/login", data={**log_in, "code": now()}).status_code == 303
    site.client.cookies.clear()
    assert site.client.post("/login", data={**log_in, "code": now()}).status_code == 401


def test_password_when_changed_ends_the_other_sessions(ann):
    site = ann.site
    site.client.cookies.clear()
    site.log_in()
    other = dict(site.client.cookies)
    new = "five other words in a row"
    assert ann.post("/me/password", current="wrong", new=new, again=new).status_code == 400
    assert ann.post("/me/password", current=PASSWORD, new=new, again="another").status_code == 400
    assert ann.post("/me/password", current=PASSWORD, new="short", again="short").status_code == 400
    assert ann.post("/me/password", current=PASSWORD, new=new, again=new).status_code == 303
    assert site.client.get("/api/v1/status").status_code == 200, "this browser stays"
    site.client.cookies.clear()
    site.client.cookies.update(other)
    assert site.client.get("/api/v1/status").status_code == 401
    site.client.cookies.clear()
    assert site.log_in().status_code == 401
    assert site.log_in(password=new).status_code == 303


def make_token(person, **changes):
    text = person.post("/me/tokens", **{"name": "dashboard", "days": "7", "roles": ["auditor"], **changes}).text
    return text.split('id="api-token">')[1].split("<")[0] if 'id="api-token"' in text else None


def test_api_token_reads_with_its_roles_alone_and_changes_nothing(ann):
    site = ann.site
    token = make_token(ann)
    site.client.cookies.clear()
    bearer = {"authorization": f"Bearer {token}"}
    assert site.client.get("/api/v1/status", headers=bearer).status_code == 200
    assert site.client.get("/api/v1/log", headers=bearer).status_code == 200
    assert site.client.get("/api/v1/cameras/gate/timeline?from=1&to=2", headers=bearer).status_code == 403
    for path in ("/", "/log", "/people", "/me"):
        assert site.client.get(path, headers=bearer).status_code == 403
    assert site.client.post("/logout", headers=bearer).status_code == 403
    assert token not in str([entry.record for entry in site.warden.log.read(0, 99)])
    with pytest.raises(Exception), site.socket("/api/v1/cameras/gate/live", **bearer) as socket:  # noqa: B017
        socket.receive_json()
    assert site.views.opened == []


def test_api_token_ends_with_its_days_its_owner_or_by_hand(ann):
    site = ann.site
    bearer = {"authorization": f"Bearer {make_token(ann)}"}
    path = ann.get("/me").text.split('action="/me/tokens/')[1].split('"')[0]
    second = {"authorization": f"Bearer {make_token(ann, name='other')}"}
    assert ann.post(f"/me/tokens/{path}").status_code == 303
    site.client.cookies.clear()
    assert site.client.get("/api/v1/status", headers=bearer).status_code == 401
    assert site.client.get("/api/v1/status", headers=second).status_code == 200
    site.clock.advance(8 * 24 * 3600 * NS_PER_S)
    assert site.client.get("/api/v1/status", headers=second).status_code == 401


@pytest.mark.parametrize(
    "wrong", [{"roles": ["supervisor"]}, {"roles": []}, {"days": "0"}, {"days": "999"}, {"name": " "}]
)
def test_api_token_beyond_its_owner_is_not_made(ann, wrong):
    assert make_token(ann, **wrong) is None


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer " + "x" * 500, "Basic eDp5", "bearer cst_"])
def test_authorization_header_of_nobody_is_nobody(claimed, header):
    claimed.client.cookies.clear()
    assert claimed.client.get("/api/v1/status", headers={"authorization": header}).status_code == 401


def first_boot(site, authenticator, *, token=None, **changes):
    body = {"token": token or site.tokens[-1], "name": NAME, "roles": ["operator"], **changes}
    options = site.client.post("/first-boot/passkey/options", json=body, headers=HERE)
    if options.status_code != 200:
        return options
    credential = answer_to(authenticator.create, options)
    return site.client.post("/first-boot/passkey", json={**body, "credential": credential}, headers=HERE)


def test_first_account_with_a_passkey_has_no_password_and_is_made_once(site):
    from custodes.testing.passkey import FakeAuthenticator

    authenticator = FakeAuthenticator()
    assert first_boot(site, authenticator, token="x" * 43).status_code == 403
    assert first_boot(site, authenticator, name=" ").status_code == 400
    assert first_boot(site, authenticator, roles=["god"]).status_code == 400
    assert site.catalog.accounts() == []
    site.warden.is_down = True
    assert first_boot(site, authenticator).status_code == 503
    site.warden.is_down = False
    assert site.catalog.accounts() == [] and site.catalog.passkeys() == []
    assert first_boot(site, authenticator).status_code == 200
    (account,) = site.catalog.accounts()
    assert account.password_hash == "" and len(site.catalog.passkeys()) == 1
    assert site.client.get("/api/v1/session").json()["name"] == NAME
    assert first_boot(site, FakeAuthenticator()).status_code == 409
    site.client.cookies.clear()
    assert site.log_in(password="").status_code == 401
    assert site.log_in().status_code == 401


def test_sessions_when_listed_can_be_ended_elsewhere_and_nobody_elses(claimed):
    first = Person(claimed)
    claimed.client.cookies.clear()
    claimed.clock.advance(10 * 10**9)
    assert claimed.log_in().status_code == 303
    second = Person(claimed)
    text = second.get("/me").text
    assert (text.count("<b>here</b>"), text.count("<b>elsewhere</b>")) == (1, 1)
    path = text.split('action="/me/sessions/')[1].split('"')[0]
    accept(claimed, invite(claimed))
    assert Person(claimed).post(f"/me/sessions/{path}").status_code == 404
    assert second.post(f"/me/sessions/{path}").status_code == 303
    assert second.post(f"/me/sessions/{path}").status_code == 404
    assert first.get("/me").status_code == 303
    assert "elsewhere" not in second.get("/me").text
    ended = [one.record for one in claimed.warden.log.read(0, 999) if one.record.kind is AuditKind.LOGOUT]
    assert [one.details["how"] for one in ended] == ["ended from another session"]


def test_code_of_a_catalog_of_before_counts_and_is_sealed_when_the_warden_is_there(ann):
    site = ann.site
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    (me,) = site.catalog.accounts()
    site.catalog.put_account(replace(me, totp_secret=secret))
    log_in = {"name": NAME, "password": PASSWORD, "code": pyotp.TOTP(secret).at(site.clock.now_ns() // NS_PER_S)}
    site.client.cookies.clear()
    assert site.log_in().status_code == 401
    assert site.client.post("/login", data=log_in).status_code == 303
    factor = site.app.state.deps.factor
    site.warden.is_down = True
    with pytest.raises(Unavailable):
        anyio.run(factor.seal_old)
    assert site.catalog.accounts()[0].totp_secret == secret, "nothing is lost by it"
    site.warden.is_down = False
    assert [anyio.run(factor.seal_old), anyio.run(factor.seal_old)] == [1, 0]
    (me,) = site.catalog.accounts()
    assert me.totp_secret == "" and me.has_totp
    site.clock.advance(60 * NS_PER_S)
    log_in["code"] = pyotp.TOTP(secret).at(site.clock.now_ns() // NS_PER_S)
    site.client.cookies.clear()
    assert site.client.post("/login", data=log_in).status_code == 303
    site.client.cookies.clear()
    site.catalog.put_account(replace(me, totp_sealed=b"not what the warden sealed"))
    site.clock.advance(60 * NS_PER_S)
    log_in["code"] = pyotp.TOTP(secret).at(site.clock.now_ns() // NS_PER_S)
    assert site.client.post("/login", data=log_in).status_code == 401, "what does not open lets nobody in"
