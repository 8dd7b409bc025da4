"""Exports over HTTP: only under an approved request, only for who made it, once."""

import pytest
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person, asked


@pytest.fixture
def ann(claimed):
    return Person(claimed)


@pytest.fixture
def ben(claimed, ann):
    accept(claimed, invite(claimed, roles=("supervisor",)))
    person = Person(claimed)
    person.enrol()
    return person


def test_export_when_approved_is_made_taken_once_and_by_nobody_else(ann, ben):
    request_id = asked(ann, action="export", fidelity="masked")
    start = {"request_id": request_id, "camera": "gate"}
    assert ann.post("/exports", **start).status_code == 404
    assert ben.approve(request_id).status_code == 200
    assert ben.post("/exports", **start).status_code == 404
    assert ann.post("/exports", **start, begin="2001-01-01T00:00:00").status_code == 403
    assert ann.post("/exports", **{**start, "camera": "yard"}).status_code == 403
    assert ann.post("/exports", **start).status_code == 303
    (row,) = ann.get("/api/v1/exports").json()["exports"]
    path = f"/exports/{row['export_id']}"
    assert "custodes-verify evidence" in ann.get("/exports").text
    assert ben.get("/api/v1/exports").json()["exports"] == []
    assert ben.post(f"{path}/download").status_code == ben.post(f"{path}/forget").status_code == 404
    answer = ann.post(f"{path}/download")
    assert answer.status_code == 200
    assert answer.content == row["export_id"].encode() * 100_000
    assert answer.headers["content-disposition"] == f'attachment; filename="custodes-{row["export_id"]}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    assert ann.post(f"{path}/download").status_code == 404
    assert list(ann.site.exports.made) == []


def test_export_when_unmasked_takes_a_request_that_says_so(ann, ben):
    request_id = asked(ann, action="export", fidelity="unmasked")
    assert ben.approve(request_id).status_code == 200
    assert ann.post("/exports", request_id=request_id, camera="gate").status_code == 303
    assert ann.get("/api/v1/exports").json()["exports"][0]["fidelity"] == "unmasked"


def test_export_when_the_proof_is_old_asks_for_a_fresh_one(ann, ben):
    request_id = asked(ann, action="export", fidelity="masked")
    assert ben.approve(request_id).status_code == 200
    ann.site.clock.advance(899 * 10**9)
    assert ann.get("/exports").status_code == 200
    ann.site.clock.advance(2 * 10**9)
    answer = ann.post("/exports", request_id=request_id, camera="gate")
    assert answer.status_code == 409 and answer.json()["detail"].startswith("Confirm who you are")
    assert ann.site.exports.made == {}


def test_exports_page_brings_what_the_camera_page_showed(ann):
    text = ann.get("/exports?camera=gate&reference=2026-7&from=1700000000000000000&to=1700000060000000000").text
    assert 'value="2023-11-14T22:13:20"' in text and 'value="2023-11-14T22:14:20"' in text
    assert 'value="2026-7"' in text
    assert ann.get("/exports?from=5&to=4").status_code == 400
