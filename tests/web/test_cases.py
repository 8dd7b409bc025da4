"""Cases over HTTP: open, staff, note, close; what a case's page collects, and for whom."""

import asyncio

import pytest
from tests.web.conftest import NAME
from tests.web.test_live import REVIEW, wanted
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person, asked

from custodes.types.access import AuditKind, AuditRecord

OPENING = {"title": "Bicycle stolen", "reason": "reported by its owner at the gate", "keep_days": "30"}


@pytest.fixture
def ann(claimed):
    return Person(claimed)


@pytest.fixture
def ben(claimed, ann):
    accept(claimed, invite(claimed, roles=("operator",)))
    return Person(claimed)


def opened(person, **changes):
    answer = person.post("/cases", **{**OPENING, **changes})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def look(person, reference):
    site = person.site
    site.client.cookies.clear()
    site.client.cookies.update(person.cookies)
    with site.socket(REVIEW) as socket:
        socket.send_json({"open": wanted(reference=reference)})
        return socket.receive_json()["type"]


def test_case_when_staffed_carries_their_looks_and_when_closed_nobodys(ann, ben):
    path = opened(ann, number="B-17")
    assert path == "/cases/B-17"
    assert (look(ann, "b-17"), look(ben, "B-17"), look(ann, "B-18")) == ("opened", "refused", "refused")
    assert ben.get(path).status_code == 404
    ids = [one.user_id for one in ann.site.catalog.accounts()]
    me = next(one.user_id for one in ann.site.catalog.accounts() if one.name == NAME)
    assert ann.post(f"{path}/people", people=ids, owner=me).status_code == 303
    assert look(ben, "B-17") == "opened"
    assert ben.post(f"{path}/close", because="bored").status_code == 403
    assert ann.post(f"{path}/people", people=["nobody"], owner=me).status_code == 400
    assert ann.post(f"{path}/close", because="found again").status_code == 303
    assert look(ann, "B-17") == look(ben, "B-17") == "refused"
    assert ann.post(f"{path}/reopen", because="lost again").status_code == 303
    assert look(ann, "B-17") == "opened"


def test_case_page_collects_notes_requests_and_looks(ann, ben):
    site = ann.site
    path = opened(ann)
    number = path.rpartition("/")[2]
    assert ann.post(f"{path}/notes", text="<b>the thief</b>").status_code == 303
    bookmark = {"text": "leaves by the gate", "camera": "gate", "moment_ns": str(site.clock.now_ns())}
    assert ann.post(f"{path}/notes", **bookmark).status_code == 303
    assert ann.post(f"{path}/notes", text="x", camera="none", moment_ns="1").status_code == 400
    assert ann.post(f"{path}/notes", text="x", camera="gate").status_code == 400
    request_id = asked(ann, reference=number)
    assert look(ann, number) == "opened"
    text = ann.get(f"{path}?looks=1").text
    assert "&lt;b&gt;the thief" in text and "<b>the thief" not in text
    assert f"at={bookmark['moment_ns']}" in text
    assert f"/requests/{request_id}" in text
    assert "play back, masked" in text
    assert AuditKind.CASE_NOTED in site.warden.kinds()
    listed = ann.get("/api/v1/cases").json()["cases"]
    assert listed[0]["number"] == number
    assert [one["text"] for one in ann.get(f"/api/v1/cases/{number}").json()["notes"]][1] == "leaves by the gate"
    assert number not in ben.get("/cases").text
    assert f'<option value="{number}">' in ann.get("/cameras/gate").text
    assert f'<option value="{number}">' not in ben.get("/cameras/gate").text


def test_case_page_leads_to_what_was_looked_at_and_lists_traces_of_its_own_alone(ann, ben):
    site = ann.site
    path = opened(ann)
    number = path.rpartition("/")[2]
    assert look(ann, number) == "opened"
    for reference, request_id in ((number.upper(), "r1"), ("other", "r2")):
        details = {"reference": reference, "request_id": request_id, "user_id": "somebody else"}
        traced = AuditRecord(kind=AuditKind.LEAK_TRACED, actor="Ann", subject="gate", details=details)
        asyncio.run(site.warden.append(traced))
    text = ann.get(f"{path}?looks=1").text
    assert f'<a href="/cameras/gate?purpose=case&amp;reference={number}&amp;at=' in text
    assert '<a href="/requests/r1">a leaked picture traced</a>' in text
    assert "r2" not in text
    assert ann.post(f"{path}/close", because="found again").status_code == 303
    closed = ann.get(f"{path}?looks=1").text
    assert "play back, masked" in closed
    assert "/cameras/gate?" not in closed


@pytest.mark.parametrize(
    "wrong",
    [{"title": ""}, {"reason": "because"}, {"keep_days": "x"}, {"keep_days": "9999"}, {"number": "a/b"}],
    ids=str,
)
def test_case_when_it_makes_no_sense_says_why(ann, wrong):
    answer = ann.post("/cases", **{**OPENING, **wrong})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert AuditKind.CASE_OPENED not in ann.site.warden.kinds()


def test_request_for_a_case_that_is_not_theirs_is_refused(ann, ben):
    from tests.web.test_requests import ask

    assert ask(ann, reference="2026-9").status_code == 403
    assert AuditKind.REQUEST_FILED not in ann.site.warden.kinds()


def test_cases_while_the_warden_is_down_fail_closed(ann):
    ann.site.warden.is_down = True
    assert ann.get("/cases").status_code == 503
    assert ann.get("/cameras/gate").status_code in (200, 503)
