"""Requests over HTTP with real passkey signatures: approve, refuse, withdraw, break-glass, review; no way around."""

from dataclasses import replace

import pytest
from tests.web.conftest import NAME, PASSWORD
from tests.web.test_live import REVIEW, wanted
from tests.web.test_people import BEN, BEN_PASSWORD, accept, invite
from webauthn.helpers import bytes_to_base64url

from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import AuditKind
from custodes.units import NS_PER_S

HERE = {"host": "localhost", "origin": "http://localhost"}


class Person:
    """One browser: its cookies, and its authenticator."""

    def __init__(self, site):
        self.site = site
        self.cookies = dict(site.client.cookies)
        self.authenticator = FakeAuthenticator()

    def post(self, path, *, json=None, **form):
        client = self.site.client
        client.cookies.clear()
        client.cookies.update(self.cookies)
        headers = {**HERE, "x-csrf-token": self.site.csrf}
        answer = (
            client.post(path, json=json, headers=headers)
            if json is not None
            else client.post(path, data=form, headers=headers)
        )
        self.cookies |= dict(answer.cookies)
        return answer

    def get(self, path):
        self.site.client.cookies.clear()
        self.site.client.cookies.update(self.cookies)
        return self.site.client.get(path, headers={"accept": "text/html"})

    def enrol(self):
        options = self.post("/me/passkeys/options", json={})
        assert options.status_code == 200, options.text
        credential = answer_to(self.authenticator.create, options)
        added = self.post("/me/passkeys", json={"credential": credential, "name": "Key"})
        assert added.status_code == 200, added.text

    def approve(self, request_id):
        options = self.post(f"/requests/{request_id}/options", json={})
        if options.status_code != 200:
            return options
        return self.post(
            f"/requests/{request_id}/approve", json={"credential": answer_to(self.authenticator.get, options)}
        )

    def vouch_for(self, other):
        """With my authenticator, for the newest passkey of another."""
        path = f"/keys/{bytes_to_base64url(other.authenticator.credential_id)}"
        options = self.post(f"{path}/options", json={})
        if options.status_code != 200:
            return options
        return self.post(f"{path}/vouch", json={"credential": answer_to(self.authenticator.get, options)})


def answer_to(act, options):
    import json

    from webauthn.helpers import base64url_to_bytes

    return json.loads(act(base64url_to_bytes(options.json()["challenge"])))


@pytest.fixture
def ann(claimed):
    return Person(claimed)


@pytest.fixture
def ben(claimed, ann):
    accept(claimed, invite(claimed, roles=("supervisor",)))
    return Person(claimed)


def ask(person, path="/requests", **changes):
    minute = person.site.clock.now_ns() // NS_PER_S // 60 * 60
    form = {
        "purpose": "case",
        "reference": "2026-7",
        "cameras": ["gate"],
        "begin": iso(minute - 7200),
        "end": iso(minute),
        "reason": "somebody was hurt at the gate",
        **changes,
    }
    return person.post(path, **form)


def iso(seconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M")


def asked(person, **changes):
    answer = ask(person, **changes)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


def look(person, request_id="", **changes):
    """What the review socket says to an unmasked look within the request's interval."""
    site = person.site
    site.client.cookies.clear()
    site.client.cookies.update(person.cookies)
    end_ns = site.clock.now_ns() // NS_PER_S // 60 * 60 * NS_PER_S - 60 * NS_PER_S
    opening = wanted(from_ns=end_ns - 60 * NS_PER_S, to_ns=end_ns, purpose="case", reference="2026-7")
    with site.socket(REVIEW) as socket:
        socket.send_json({"open": {**opening, "fidelity": "unmasked", "request_id": request_id, **changes}})
        return socket.receive_json()["type"]


def test_queue_says_who_waits_for_whom(ann, ben):
    request_id = asked(ann)
    mine = ann.get("/requests").text
    assert "Waiting for others" in mine and "Waits for Ben" in mine
    assert "Waits for Ben" not in mine.partition("Waiting for others")[0]
    theirs = ben.get("/requests").text
    assert "Waiting for you" in theirs and "Waiting for others" not in theirs
    assert "<dt>Waits for</dt><dd>Ben" in ann.get(f"/requests/{request_id}").text
    ann.post(f"/requests/{request_id}/withdraw")
    assert "Decided or over" in ann.get("/requests").text


def test_queue_when_nobody_may_approve_says_what_to_do(ann):
    asked(ann)
    assert "Nobody here may approve it now" in ann.get("/requests").text


def test_unmasked_look_needs_the_request_and_the_request_needs_another(ann, ben):
    assert look(ann) == "refused"
    request_id = asked(ann)
    assert look(ann, request_id) == "refused"
    ann.enrol()
    assert ann.approve(request_id).status_code == 403
    assert ben.approve(request_id).status_code == 400  # no passkey yet
    ben.enrol()
    refused = ben.approve(request_id)
    assert (refused.status_code, "vouched" in refused.text) == (403, True)
    assert ann.vouch_for(ben).status_code == 200
    approved = ben.approve(request_id)
    assert approved.status_code == 200, approved.text
    assert look(ann, request_id) == "opened"
    assert look(ann, request_id, reference="2026-8") == "refused"
    assert look(ann, "ab" * 8) == "refused"
    assert look(ben, request_id) == "refused"
    entry = next(e.record for e in ann.site.warden.log.read(0, 999) if e.record.kind is AuditKind.REQUEST_APPROVED)
    assert entry.actor == BEN and entry.details["hash"] in ben.get(f"/requests/{request_id}").text


def test_passkey_of_an_approver_is_shown_to_who_may_vouch_and_a_stranger_cannot(ann, ben):
    ann.enrol()
    ben.enrol()
    fingerprint = ben.get("/requests").text.split('<b class="mono">')[1].split("<")[0]
    assert fingerprint in ann.get("/requests").text
    assert ben.vouch_for(ben).status_code == 400  # a passkey does not vouch for itself
    path = f"/keys/{bytes_to_base64url(ben.authenticator.credential_id)}"
    options = ann.post(f"{path}/options", json={})
    stolen = answer_to(ben.authenticator.get, options)
    assert ben.post(f"{path}/vouch", json={"credential": stolen}).status_code == 403
    assert ann.post(f"{path}/vouch", json={"credential": stolen}).status_code == 403
    assert ann.vouch_for(ben).status_code == 200
    assert ann.vouch_for(ben).status_code == 409
    assert fingerprint not in ann.get("/requests").text
    assert ann.post("/keys/AAAA/options", json={}).status_code == 404


def test_passkey_of_a_verifier_is_shown_where_recognition_is_on(ann):
    ann.enrol()
    ann.get("/")
    accept(ann.site, invite(ann.site, roles=("operator",), name="Cleo"))
    cleo = Person(ann.site)
    cleo.enrol()
    assert '<b class="mono">' not in ann.get("/requests").text
    ann.site.app.state.deps = replace(ann.site.app.state.deps, recogniser=object())
    assert '<b class="mono">' in ann.get("/requests").text
    assert ann.vouch_for(cleo).status_code == 200
    assert '<b class="mono">' not in ann.get("/requests").text


def test_approval_when_vetoed_or_withdrawn_opens_nothing_any_more(ann, ben):
    ben.enrol()
    vetoed, withdrawn = asked(ann), asked(ann)
    for request_id in (vetoed, withdrawn):
        assert ben.approve(request_id).status_code == 200
        assert look(ann, request_id) == "opened"
    assert ben.post(f"/requests/{vetoed}/refuse", note="second thoughts").status_code == 303
    assert ann.post(f"/requests/{withdrawn}/withdraw").status_code == 303
    assert look(ann, vetoed) == look(ann, withdrawn) == "refused"


def test_approval_when_signed_for_another_request_or_replayed_is_refused(ann, ben):
    ben.enrol()
    first, second = asked(ann), asked(ann)
    options = ben.post(f"/requests/{first}/options", json={})
    signed = answer_to(ben.authenticator.get, options)
    assert ben.post(f"/requests/{second}/approve", json={"credential": signed}).status_code == 403
    assert ben.post(f"/requests/{first}/approve", json={"credential": signed}).status_code == 200
    assert ben.post(f"/requests/{first}/approve", json={"credential": signed}).status_code in (403, 409)
    ann.enrol()
    stolen = answer_to(ann.authenticator.get, ben.post(f"/requests/{second}/options", json={}))
    assert ben.post(f"/requests/{second}/approve", json={"credential": stolen}).status_code == 403
    assert look(ann, second) == "refused"


def test_break_glass_opens_at_once_tells_reviewers_and_waits_for_them(ann, ben):
    site = ann.site
    answer = ask(ann, "/requests/break-glass")
    assert answer.status_code == 303, answer.text
    request_id = answer.headers["location"].rpartition("/")[2]
    assert look(ann, request_id) == "opened"
    assert AuditKind.BREAK_GLASS in site.warden.kinds()
    warnings = ben.get("/api/v1/status").json()["warnings"]
    assert any(NAME in text and "glass" in text for text in warnings)
    assert ann.post(f"/requests/{request_id}/review", justified="yes", note="mine").status_code == 403
    site.clock.advance(3600 * NS_PER_S)
    for name, password, who in ((NAME, PASSWORD, ann), (BEN, BEN_PASSWORD, ben)):
        site.client.cookies.clear()
        site.log_in(name, password)
        who.cookies = dict(site.client.cookies)
    assert look(ann, request_id) == "refused"
    assert ben.post(f"/requests/{request_id}/review", justified="yes", note="seen, fine").status_code == 303
    assert AuditKind.BREAK_GLASS_REVIEWED in site.warden.kinds()
    assert not any("glass" in text for text in ben.get("/api/v1/status").json()["warnings"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"cameras": ["none"]},
        {"cameras": []},
        {"begin": "yesterday"},
        {"end": "1970-01-01T00:00"},
        {"reason": "because"},
        {"purpose": "maintenance"},
        {"purpose": "curiosity"},
        {"action": "watch_live"},
        {"fidelity": "clear"},
        {"reference": ""},
    ],
    ids=str,
)
def test_request_when_it_makes_no_sense_says_why(ann, wrong):
    answer = ask(ann, **wrong)
    assert answer.status_code in (400, 403)
    assert 'role="alert"' in answer.text
    assert AuditKind.REQUEST_FILED not in ann.site.warden.kinds()


def test_request_of_somebody_else_is_not_to_be_seen_by_who_decides_nothing(ann, ben):
    request_id = asked(ann)
    ann.site.client.cookies.clear()
    ann.site.client.cookies.update(ann.cookies)
    token = (
        ann.site.client.post(
            "/people/invite",
            data={"csrf": ann.site.csrf, "name": "Cleo", "roles": ["operator"]},
        )
        .text.split('id="invitation-token">')[1]
        .split("<")[0]
    )
    accept(ann.site, token)
    cleo = Person(ann.site)
    assert cleo.get(f"/requests/{request_id}").status_code == 404
    assert request_id not in cleo.get("/requests").text
    for step in ("options", "approve", "refuse", "withdraw", "review"):
        answer = cleo.post(f"/requests/{request_id}/{step}", json={"credential": {"rawId": "AAAA"}})
        assert answer.status_code in (400, 403, 404), step
    assert ben.get(f"/requests/{request_id}").status_code == 200


def test_requests_while_the_warden_is_down_fail_closed(ann):
    ann.site.warden.is_down = True
    assert ask(ann).status_code == 503
