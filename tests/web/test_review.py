"""The review of several cameras over HTTP: its lanes, for whom, how much at once; bookmarks as data."""

from dataclasses import replace

import pytest
from tests.web.test_cases import opened
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person

from custodes.testing.catalog import make_hold
from custodes.testing.history import fill_history
from custodes.types.access import AuditKind
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_DAY, NS_PER_MINUTE


@pytest.fixture
def now_ns(claimed):
    now = claimed.clock.now_ns()
    for camera in ("gate", "yard"):
        claimed.tracks = fill_history(claimed.catalog, camera, now_ns=now)
    return now


def asked(claimed, now_ns, minutes=60, cameras=("gate", "yard"), **more):
    query = {"camera": list(cameras), "from": now_ns - minutes * NS_PER_MINUTE, "to": now_ns, **more}
    return claimed.client.get("/api/v1/review", params=query)


def test_lanes_when_two_cameras_are_chosen_tell_of_both_with_one_entry_in_the_log(claimed, now_ns):
    before = claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED)
    body = asked(claimed, now_ns, bins=60).json()
    assert [lane["camera_id"] for lane in body["lanes"]] == ["gate", "yard"]
    gate = body["lanes"][0]
    ((gap_start, gap_end),) = [(gap["start_ns"], gap["end_ns"]) for gap in gate["gaps"]]
    assert (now_ns - gap_start, now_ns - gap_end) == (12 * NS_PER_MINUTE, 9 * NS_PER_MINUTE)
    first, second = gate["recorded"]
    assert abs(first[0] - (now_ns - 40 * NS_PER_MINUTE)) <= NS_PER_MINUTE
    assert abs(first[1] - gap_start) <= NS_PER_MINUTE
    assert abs(second[0] - gap_end) <= NS_PER_MINUTE
    assert second[1] == gate["newest_ns"] == now_ns
    assert gate["analysed"][-1][1] <= now_ns
    mine = sorted((one for one in claimed.tracks if one.camera_id == "yard"), key=lambda one: one.start_ns)
    assert [row[0] for row in body["lanes"][1]["tracks"]] == [one.start_ns for one in mine]
    kinds = {row[2] for row in body["lanes"][1]["tracks"]}
    assert kinds == {0 if one.object_class is ObjectClass.PERSON else 1 for one in mine}
    assert not body["is_truncated"]
    asked(claimed, now_ns, cameras=("yard", "gate"))
    assert claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED) == before + 1, "the order is no other question"


def test_lanes_when_a_month_is_asked_for_come_as_bins_alone(claimed, now_ns):
    body = asked(claimed, now_ns, minutes=30 * 24 * 60, bins=30).json()
    assert body["width_ns"] == NS_PER_DAY
    assert not body["is_close"]
    assert [len(lane["tracks"]) for lane in body["lanes"]] == [0, 0]
    (seen,) = body["lanes"][0]["seen"]
    assert seen[1] == now_ns


def test_lanes_when_held_say_by_whom(claimed, now_ns):
    start = now_ns - 10 * NS_PER_MINUTE
    hold = make_hold(0, 60, expires_s=10**9)
    claimed.catalog.put_hold(replace(hold, start_ns=start, end_ns=now_ns, expires_ns=now_ns + NS_PER_DAY))
    gate, yard = asked(claimed, now_ns).json()["lanes"]
    assert [one["owner"] for one in gate["holds"]] == [hold.owner]
    assert yard["holds"] == []


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"cameras": ("gate", "attic")}, 404, "no camera"),
        ({"minutes": 32 * 24 * 60}, 400, "31 days"),
        ({"minutes": 0}, 400, "before"),
        ({"cameras": ["gate"] * 65}, 400, ""),
        ({"bins": 721}, 400, ""),
        ({"bins": 0}, 400, ""),
    ],
    ids=["unknown", "long", "empty", "many", "fine", "none"],
)
def test_lanes_when_asked_wrongly_say_what_was_expected(claimed, now_ns, query, status, words):
    answer = asked(claimed, now_ns, **query)
    assert answer.status_code == status, answer.text
    assert words in answer.text


def test_lanes_when_an_account_may_see_one_camera_leave_the_other_out(claimed, now_ns):
    accept(claimed, invite(claimed, scope="some", cameras=["yard"]))
    body = asked(claimed, now_ns).json()
    assert [lane["camera_id"] for lane in body["lanes"]] == ["yard"]
    assert body["not_shown"] == ["gate"]
    assert asked(claimed, now_ns, cameras=("gate",)).status_code == 403
    html = {"accept": "text/html"}
    assert "Yard" in claimed.client.get("/review", headers=html).text
    assert claimed.client.get("/review?camera=gate", headers=html).status_code == 404


def test_page_when_cameras_are_named_shows_these_in_their_order(claimed):
    page = claimed.client.get("/review?camera=yard&camera=gate&camera=yard", headers={"accept": "text/html"}).text
    names = page[page.index('id="lane-names"') : page.index('id="lanes"')]
    assert names.count("<li") == 2
    assert names.index('data-camera="yard"') < names.index('data-camera="gate"')
    assert 'aria-current="page"' in page


def test_bookmark_when_sent_as_data_stands_in_the_case(claimed):
    ann = Person(claimed)
    number = opened(ann, number="B-17").rpartition("/")[2]
    moment = claimed.clock.now_ns() - NS_PER_MINUTE
    path = f"/api/v1/cases/{number}/notes"
    answer = ann.post(path, text="the bicycle leaves", camera="gate", moment_ns=str(moment))
    assert answer.status_code == 200, answer.text
    (note,) = ann.get(f"/api/v1/cases/{number}").json()["notes"]
    assert (note["text"], note["camera_id"], note["moment_ns"]) == ("the bicycle leaves", "gate", moment)
    assert ann.post(path, text="x", camera="attic").status_code == 400
    assert ann.post("/api/v1/cases/other/notes", text="x").status_code == 404
