"""Erasures over HTTP: only under an approved request, typed, after a fresh proof; who may see certificates."""

from tests.web.test_exports import ann, ben  # noqa: F401 (fixtures)
from tests.web.test_requests import ask, asked

ERASE = {"action": "erase", "purpose": "subject_access", "reference": "SAR-9", "fidelity": "masked"}


def test_erasure_when_approved_and_typed_is_done_and_certified(ann, ben):  # noqa: F811
    request_id = asked(ann, **ERASE)
    page = ben.get(f"/requests/{request_id}").text
    assert "erase 2 hours of camera Main gate, for good" in page and "gone for everybody" in page
    start = {"request_id": request_id, "confirm": "gate"}
    assert ann.post("/erasures", **start).status_code == 404
    assert ben.approve(request_id).status_code == 200
    assert ben.post("/erasures", **start).status_code == 404
    assert ann.post("/erasures", **{**start, "confirm": "yard"}).status_code == 400
    done = ann.post("/erasures", **start)
    assert done.status_code == 200 and "Take the certificate along" in done.text
    address = done.text.split('href="/erasures/')[1].split('"')[0]
    assert ann.get(f"/erasures/{address}").content == b"certificate"
    assert ben.get(f"/erasures/{address}").status_code == 404
    assert "There is none that you may see." in ben.get("/erasures").text


def test_erasure_when_the_proof_is_old_asks_for_a_fresh_one(ann, ben):  # noqa: F811
    request_id = asked(ann, **ERASE)
    assert ben.approve(request_id).status_code == 200
    ann.site.clock.advance(899 * 10**9)
    assert ann.get("/erasures").status_code == 200
    ann.site.clock.advance(2 * 10**9)
    assert ann.post("/erasures", request_id=request_id, confirm="gate").status_code == 409


def test_request_to_erase_for_another_purpose_or_unmasked_or_of_two_cameras_is_refused(ann):  # noqa: F811
    for wrong in ({"purpose": "case", "reference": "2026-7"}, {"fidelity": "unmasked"}, {"cameras": ["gate", "yard"]}):
        assert ask(ann, **{**ERASE, **wrong}).status_code in (400, 403), wrong
