"""The leak desk over HTTP: a picture is traced when a second person signed for it, and both are told, nobody else."""

import pytest
from tests.web.test_people import accept, invite
from tests.web.test_requests import HERE, Person

from custodes.types.access import AuditKind

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
FORM = {
    "reference": "2026-7",
    "cameras": "gate",
    "begin": "2023-11-14T20:00",
    "end": "2023-11-14T20:30",
    "reason": "posted on the network this morning",
}


@pytest.fixture
def ann(claimed):
    claimed.own_case("2026-7")
    return Person(claimed)


@pytest.fixture
def ben(claimed, ann):
    accept(claimed, invite(claimed, roles=("supervisor",)))
    person = Person(claimed)
    person.enrol()
    return person


def put(person, picture=PNG, **changes):
    client = person.site.client
    client.cookies.clear()
    client.cookies.update(person.cookies)
    headers = {**HERE, "x-csrf-token": person.site.csrf}
    return client.post("/leaks", data={**FORM, **changes}, files={"picture": ("a.png", picture)}, headers=headers)


def another(first, *, roles):
    """A third person, invited by the first."""
    first.get("/")
    accept(first.site, invite(first.site, roles=roles, name="Cleo"))
    return Person(first.site)


def until_told(person, path, words):
    for _ in range(2000):
        if words in person.get(path).text:
            return
    raise AssertionError(f"the page never says {words}")


def until_through(person, path):
    for _ in range(2000):
        text = person.get(path).text
        if "being traced" not in text:
            return text
    raise AssertionError("the trace does not end")


def test_picture_when_another_person_signed_then_both_read_what_was_found_and_nobody_else(ann, ben):
    path = put(ann).headers["location"]
    request_id = path.rsplit("/", 1)[1]
    assert "Somebody else approves it" in ann.get(path).text
    assert ann.post(f"{path}/trace").status_code == 409
    assert ann.site.traced == []
    assert ben.get(f"{path}/picture").content == PNG, "who may approve sees what they sign for"
    assert ben.approve(request_id).status_code == 200
    assert ben.post(f"{path}/trace").status_code == 409, "the owner has it traced"
    assert ann.post(f"{path}/trace").status_code == 303
    for person in (ann, ben):
        text = until_through(person, path)
        assert "delivered to session S" in text and "It does not say who made it public" in text
        assert person.post(f"{path}/bundle").content == b"PK bundle"
    (order,) = ann.site.traced
    assert (order.picture, order.reference, order.camera_ids, order.request_id) == (
        PNG,
        "2026-7",
        ("gate",),
        request_id,
    )
    cleo = another(ann, roles=("supervisor", "investigator"))
    assert cleo.get(path).status_code == 404
    assert request_id not in cleo.get("/leaks").text
    assert cleo.post(f"{path}/bundle").status_code == 404
    fetched = ann.site.warden.kinds().count(AuditKind.EVIDENCE_FETCHED)
    assert fetched == 2
    ann.site.clock.advance(899 * 10**9)
    assert 'href="/prove"' not in ann.get(path).text
    ann.site.clock.advance(2 * 10**9)
    late = ann.post(f"{path}/bundle")
    assert late.status_code == 409 and late.json()["detail"].startswith("Confirm who you are")
    assert 'href="/prove"' in ann.get(path).text, "the page says so before somebody tries"
    assert ann.site.warden.kinds().count(AuditKind.EVIDENCE_FETCHED) == fetched
    assert "is known to" in ann.get("/cases/2026-7").text, "the case says that it was traced"
    assert "session S" not in ann.get("/cases/2026-7").text


def test_picture_when_it_is_none_or_the_case_is_not_theirs_then_refused(ann):
    assert put(ann, picture=b"<svg onload=alert(1)>").status_code == 400
    assert put(ann, reference="nothing").status_code == 404
    ann.site.case("2026-8")
    assert put(ann, reference="2026-8").status_code == 400
    assert put(ann, cameras="cellar").status_code == 400
    assert list((ann.site.app.state.deps.config.data_dir / "leaks").glob("*")) == []


def test_clip_when_put_on_the_desk_then_it_is_not_shown_as_a_picture(ann):
    path = put(ann, picture=b"\x00\x00\x00\x18ftypisom" + bytes(64)).headers["location"]
    assert "A clip." in ann.get(path).text
    assert ann.get(f"{path}/picture").headers["content-type"] == "video/mp4"


def test_picture_when_thrown_away_then_gone_from_the_disk(ann, ben):
    path = put(ann).headers["location"]
    folder = ann.site.app.state.deps.config.data_dir / "leaks" / path.rsplit("/", 1)[1]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert ben.post(f"{path}/forget").status_code == 409
    assert folder.exists()
    assert ann.post(f"{path}/forget").status_code == 303
    assert not folder.exists()


def test_trace_when_the_picture_on_the_disk_was_exchanged_then_it_fails(ann, ben):
    path = put(ann).headers["location"]
    request_id = path.rsplit("/", 1)[1]
    assert ben.approve(request_id).status_code == 200
    (ann.site.app.state.deps.config.data_dir / "leaks" / request_id / "picture").write_bytes(PNG + b"other")
    assert ann.post(f"{path}/trace").status_code == 303
    assert "not the one that was filed" in until_through(ann, path)
    assert ann.site.traced == []


def test_trace_when_paused_says_how_far_it_is_and_goes_on_when_its_owner_says_so(ann, ben):
    path = put(ann, picture=PNG + b"takes long").headers["location"]
    request_id = path.rsplit("/", 1)[1]
    assert ben.approve(request_id).status_code == 200
    assert ann.post(f"{path}/pause").status_code == 409, "nothing runs"
    assert ann.post(f"{path}/trace").status_code == 303
    until_told(ann, path, 'value="0.25"')
    assert ann.get("/api/v1/leaks").json()["traces"] == [{"request_id": request_id, "state": "tracing", "share": 0.25}]
    assert ben.post(f"{path}/pause").status_code == 409, "its owner pauses it"
    assert ann.post(f"{path}/pause").status_code == 303
    assert "<h2>Paused</h2>" in ann.get(path).text
    assert ann.get("/api/v1/leaks").json()["traces"][0]["state"] == "paused"
    assert ann.post(f"{path}/trace").status_code == 303
    assert "delivered to session S" in until_through(ann, path)
    assert len(ann.site.traced) == 2


def test_page_when_somebody_may_not_trace_then_no_form(ann):
    assert "Put a picture on the desk" in ann.get("/leaks").text
    assert "Put a picture on the desk" not in another(ann, roles=("operator",)).get("/leaks").text
