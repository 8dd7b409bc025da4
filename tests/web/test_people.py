"""Accounts over HTTP: invitations, roles, cameras, duty hours; what nobody does to themselves; explained decisions."""

from dataclasses import replace

import anyio
import pytest
from tests.web.conftest import NAME

from custodes.types.access import AuditKind, Role

BEN, BEN_PASSWORD = "Ben Ude", "another four words here"


def invite(site, *, roles=("operator",), **form):
    answer = site.client.post("/people/invite", data={"csrf": site.csrf, "name": BEN, "roles": list(roles), **form})
    if answer.status_code != 200:
        return answer
    return answer.text.split('id="invitation-token">')[1].split("<")[0]


def accept(site, token):
    site.client.cookies.clear()
    form = {"token": token, "password": BEN_PASSWORD, "password_again": BEN_PASSWORD}
    return site.client.post("/invitation", data=form)


def account(site, name=BEN):
    return next(one for one in site.catalog.accounts() if one.name == name)


def change(site, name=BEN, **form):
    data = {"csrf": site.csrf, "roles": ["operator"], **form}
    return site.client.post(f"/people/{account(site, name).user_id}", data=data)


def test_invitation_when_accepted_makes_the_account_once(claimed):
    token = invite(claimed, duty="22:00-06:00", scope="some", cameras=["yard"])
    assert accept(claimed, token).status_code == 303
    ben = account(claimed)
    assert ben.roles == {Role.OPERATOR}
    assert ben.cameras.camera_ids == {"yard"} and not ben.cameras.is_all
    assert (ben.duty.from_minute, ben.duty.until_minute) == (1320, 360)
    assert accept(claimed, token).status_code == 403
    assert claimed.warden.kinds().count(AuditKind.USER_CREATED) == 2


def test_invitation_when_three_days_old_is_void(claimed):
    token = invite(claimed)
    claimed.clock.advance(73 * 3600 * 10**9)
    assert accept(claimed, token).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "  "},
        {"name": NAME.upper()},
        {"roles": ["god"]},
        {"roles": [role.value for role in Role]},
        {"duty": "8-16"},
        {"duty": "25:00-26:00"},
    ],
    ids=str,
)
def test_invitation_when_unusable_says_why_and_invites_nobody(claimed, wrong):
    before = claimed.warden.log.size
    answer = claimed.client.post(
        "/people/invite", data={"csrf": claimed.csrf, "name": BEN, "roles": ["operator"], **wrong}
    )
    assert answer.status_code in (400, 409)
    assert 'role="alert"' in answer.text
    assert AuditKind.USER_CHANGED not in [e.record.kind for e in claimed.warden.log.read(before, 99)]


def test_people_when_not_administrator_is_shut(claimed):
    accept(claimed, invite(claimed))
    assert claimed.client.get("/people").status_code == 403
    assert claimed.client.post("/people/invite", data={"csrf": claimed.csrf, "name": "Eve"}).status_code == 403
    assert change(claimed, NAME).status_code == 403


def test_cameras_when_scoped_are_the_only_ones_that_exist(claimed):
    accept(claimed, invite(claimed, scope="some", cameras=["yard"]))
    get = claimed.client.get
    assert [row["camera_id"] for row in get("/api/v1/cameras").json()["cameras"]] == ["yard"]
    assert [row["camera_id"] for row in get("/api/v1/status").json()["cameras"]] == ["yard"]
    assert get("/api/v1/cameras/gate/timeline?from=1&to=2").status_code == 403
    assert get("/api/v1/cameras/none/timeline?from=1&to=2").status_code == 403
    assert get("/api/v1/cameras/yard/timeline?from=1&to=2").status_code == 200
    assert "gate" not in get("/").text.lower()


def test_person_when_changed_loses_sessions_and_old_roles(claimed):
    token = invite(claimed)
    admin = dict(claimed.client.cookies)
    accept(claimed, token)
    ben = dict(claimed.client.cookies)
    claimed.client.cookies.clear()
    claimed.client.cookies.update(admin)
    assert change(claimed, disabled="yes").status_code == 303
    entry = next(e for e in claimed.warden.log.read(0, 99) if "disabled" in e.record.details)
    assert entry.record.actor == NAME
    claimed.client.cookies.clear()
    claimed.client.cookies.update(ben)
    assert claimed.client.get("/api/v1/status").status_code == 401
    assert claimed.log_in(BEN, BEN_PASSWORD).status_code == 401


def test_last_administrator_cannot_go_but_may_change_the_rest(claimed):
    assert change(claimed, NAME, roles=["operator"]).status_code == 409
    assert change(claimed, NAME, roles=["administrator"], disabled="yes").status_code == 409
    assert change(claimed, NAME, roles=["administrator", "operator"]).status_code == 303
    details = claimed.warden.log.read(0, 99)[-1].record.details
    assert "self" in str(sorted(details)) or claimed.warden.kinds()[-1] is not AuditKind.USER_CHANGED


def test_administrator_when_another_exists_cannot_change_themselves(claimed):
    token = invite(claimed, roles=("administrator",))
    admin = dict(claimed.client.cookies)
    accept(claimed, token)
    claimed.client.cookies.clear()
    claimed.client.cookies.update(admin)
    before = account(claimed, NAME).roles
    assert change(claimed, NAME, roles=["administrator", "supervisor"]).status_code == 403
    assert account(claimed, NAME).roles == before


def test_explain_when_asked_about_oneself_says_why_and_what_would_help(claimed):
    text = claimed.client.get("/access?action=play_back&fidelity=unmasked&reference=2026-7").text
    assert "<h2>No</h2>" in text
    assert "unmasked-needs-approval" in text
    assert "masked pictures" in text
    assert "<h2>Yes</h2>" in claimed.client.get("/access").text


def test_explain_when_about_others_is_for_who_manages_or_audits(claimed):
    token = invite(claimed)
    assert "<h2>Yes</h2>" in claimed.client.get("/access?person=").text
    accept(claimed, token)
    assert claimed.client.get(f"/access?person={NAME}").status_code == 403
    assert claimed.client.get("/access?action=fly").status_code == 200


def test_tracks_of_all_cameras_are_filtered_by_the_decision_and_logged_once(claimed):
    from custodes.testing.history import fill_history

    now_ns = claimed.clock.now_ns()
    for camera in ("gate", "yard"):
        fill_history(claimed.catalog, camera, now_ns=now_ns)
    path = f"/api/v1/tracks?from={now_ns - 20 * 3600 * 10**9}&to={now_ns}"
    assert {row["camera_id"] for row in claimed.client.get(path).json()["tracks"]} == {"gate", "yard"}
    granted = claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED)
    claimed.client.get(path)
    assert claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED) == granted
    accept(claimed, invite(claimed, scope="some", cameras=["yard"]))
    assert {row["camera_id"] for row in claimed.client.get(path).json()["tracks"]} == {"yard"}


def link_for(site, name=BEN, **form):
    answer = site.client.post(f"/people/{account(site, name).user_id}/reset", data={"csrf": site.csrf, **form})
    return answer.text.split('id="reset-link">')[1].split("<")[0].partition("/reset#") if answer.is_success else answer


def set_anew(site, token, password="new words for an old door", again=None):
    return site.client.post("/reset", data={"token": token, "password": password, "password_again": again or password})


@pytest.fixture
def ben(claimed):
    """An account beside the administrator's, who is logged in."""
    token = invite(claimed)
    accept(claimed, token)
    claimed.bens = claimed.client.cookies.get("custodes-session")
    claimed.client.cookies.clear()
    claimed.log_in()
    return claimed


def test_link_for_a_forgotten_password_sets_it_once_and_ends_every_session(ben):
    origin, _, token = link_for(ben)
    assert origin == "http://127.0.0.1" and len(token) >= 43
    assert not ben.catalog.take_reset(token.encode(), ben.clock.now_ns()), "only a hash of it is kept"
    ben.client.cookies.clear()
    assert "set a new password" in ben.client.get("/reset").text.lower()
    assert set_anew(ben, token, again="other").status_code == 400
    assert set_anew(ben, token, "short").status_code == 400
    assert set_anew(ben, token, BEN + BEN).status_code == 400, "their own name; and the link stays good"
    assert "log in with it" in set_anew(ben, token).text.lower()
    assert ben.catalog.sessions(account(ben).user_id) == []
    assert ben.log_in(BEN, BEN_PASSWORD).status_code == 401
    assert ben.log_in(BEN, "new words for an old door").status_code == 303
    ben.client.cookies.clear()
    assert set_anew(ben, token, "another one of four words").status_code == 403
    changes = [one.record for one in ben.warden.log.read(0, 99) if one.record.kind is AuditKind.CREDENTIAL_CHANGED]
    assert [(one.actor, one.subject, one.details["change"]) for one in changes] == [
        (NAME, BEN, "link to set it anew"),
        (BEN, BEN, "set anew"),
    ]
    assert changes[1].details["link_by"] == NAME


def test_link_when_no_good_answers_the_same_whatever_the_reason(ben):
    used, replaced = link_for(ben)[2], ""
    replaced, used = used, link_for(ben)[2]
    admin = dict(ben.client.cookies)
    ben.client.cookies.clear()
    assert set_anew(ben, used).status_code == 200
    ben.client.cookies.update(admin)
    old = link_for(ben)[2]
    ben.clock.advance(25 * 3600 * 10**9)
    ben.client.cookies.clear()
    ben.log_in()
    disabled = link_for(ben)[2]
    change(ben, disabled="yes")
    ben.client.cookies.clear()
    said = set()
    for token in ("guessed", used, replaced, old, disabled):
        ben.clock.advance(3600 * 10**9)
        answer = set_anew(ben, token)
        said.add((answer.status_code, answer.text.replace(token, "")))
    assert len(said) == 1 and said.pop()[0] == 403


def test_link_when_the_log_is_down_is_not_made_and_not_used_up(ben):
    ben.warden.is_down = True
    assert link_for(ben).status_code == 503
    ben.warden.is_down = False
    token = link_for(ben)[2]
    ben.client.cookies.clear()
    ben.warden.is_down = True
    assert set_anew(ben, token).status_code == 503
    ben.warden.is_down = False
    assert set_anew(ben, token).status_code == 200


def test_link_when_guessed_at_has_to_wait(ben):
    ben.client.cookies.clear()
    answers = [set_anew(ben, f"guess {number}").status_code for number in range(7)]
    assert answers[:4] == [403] * 4 and answers[-1] == 429


def test_link_for_oneself_or_by_who_does_not_manage_people_is_not_made(ben):
    assert link_for(ben, NAME).status_code == 409
    ben.client.cookies.clear()
    ben.log_in(BEN, BEN_PASSWORD)
    assert link_for(ben, NAME).status_code == 403


def test_link_leaves_the_code_unless_its_device_is_lost_too(ben):
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    sealed = anyio.run(ben.warden.seal_secret, account(ben).user_id, secret)
    ben.catalog.put_account(replace(account(ben), totp_sealed=sealed))
    page = ben.client.get("/people", headers={"accept": "text/html"}).text
    assert "device that makes their codes" in page
    for form, has_code in (({}, True), ({"code": "forget"}, False)):
        token = link_for(ben, **form)[2]
        assert set_anew(ben, token).status_code == 200
        assert account(ben).has_totp is has_code
