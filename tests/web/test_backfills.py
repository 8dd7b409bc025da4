"""Back-fills over HTTP: by the real service, whose jobs are all taken, so that each stands still."""

import pytest
from tests.web.test_matrix import session_of

from custodes.testing.catalog import make_segment, make_spec
from custodes.types.access import AuditKind, CameraScope, Role
from custodes.types.backfill import BackfillState
from custodes.units import CameraId
from custodes.web.moments import form_text

HEADERS = {"x-csrf-token": "csrf", "accept": "text/html"}


@pytest.fixture
def recorded(claimed):
    """Two minutes of both cameras, long ago enough."""
    claimed.catalog.put_cameras([make_spec("gate"), make_spec("yard")], is_exclusive=False)
    for number, camera in enumerate(("gate", "yard"), 1):
        claimed.catalog.take_journal(
            "r.journal", number, [make_segment(0, 120, camera_id=camera, run=f"{number:012x}")], []
        )
    return claimed


def start(site, **changes):
    segment = make_segment(0, 120)
    form = {
        "cameras": ["gate", "yard"],
        "begin": form_text(segment.header.start_ns),
        "end": form_text(segment.end_ns),
        "purpose": "maintenance",
        "reference": "T-12",
        **changes,
    }
    return site.client.post("/backfills", data=form, headers=HEADERS)


def rows(site):
    return {one["camera_id"]: one for one in site.client.get("/api/v1/backfills").json()["backfills"]}


def settled(site):
    """Their rows, once none is at work."""
    for _ in range(1000):
        found = rows(site)
        if all(one["state"] not in ("running", "waiting") for one in found.values()):
            return found
    raise AssertionError(found)


def test_backfills_when_no_job_is_free_say_so_and_go_on_or_end_by_hand(recorded):
    session_of(recorded, Role.TECHNICIAN)
    page = recorded.client.get("/backfills").text
    assert "Nothing was analysed again yet" in page and 'value="yard"' in page
    assert start(recorded).status_code == 303
    found = settled(recorded)
    assert {one["state"] for one in found.values()} == {BackfillState.PAUSED}
    assert all("no backfiller is free" in one["detail"] for one in found.values())
    version = found["gate"]["version"]
    page = recorded.client.get("/backfills").text
    assert f"/backfills/{version}/resume" in page and "T-12" in page and "no backfiller is free" in page
    assert recorded.client.post(f"/backfills/{version}/resume", headers=HEADERS).status_code == 303
    assert settled(recorded)["gate"]["state"] == BackfillState.PAUSED
    assert recorded.client.post(f"/backfills/{version}/cancel", headers=HEADERS).status_code == 303
    assert rows(recorded)["gate"]["state"] == BackfillState.CANCELLED
    again = recorded.client.post(f"/backfills/{version}/pause", headers=HEADERS)
    assert again.status_code == 409 and "is cancelled" in again.text
    log = recorded.warden.log
    kinds = [entry.record.kind for entry in log.read(0, log.size)]
    assert kinds.count(AuditKind.ANALYSIS_REPLACED) == 3


def test_backfills_that_make_no_sense_are_refused_with_the_reason(recorded):
    session_of(recorded, Role.TECHNICIAN)
    assert "Choose at least one camera" in start(recorded, cameras=[]).text
    for wrong, status, why in (
        ({"cameras": ["cellar"]}, 404, "cellar"),
        ({"begin": "yesterday"}, 400, "2026-11-25T14:30"),
        ({"begin": "2001-01-01T00:00"}, 400, "eight days"),
        ({"reference": " "}, 403, "ticket"),
        ({"purpose": "curiosity"}, 400, ""),
        ({"cameras": ["gate"], "begin": "2020-01-01T00:00", "end": "2020-01-01T01:00"}, 409, "recorded"),
    ):
        answer = start(recorded, **wrong)
        assert answer.status_code == status and why in answer.text, (wrong, answer.status_code, answer.text)
    assert rows(recorded) == {}


def test_backfills_are_for_who_may_ask_and_of_cameras_that_they_see(recorded):
    session_of(recorded, Role.TECHNICIAN)
    assert start(recorded).status_code == 303
    found = settled(recorded)
    session_of(recorded, Role.TECHNICIAN, CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")})))
    assert list(rows(recorded)) == ["yard"]
    assert "Analyse again" in recorded.client.get("/", headers=HEADERS).text
    assert start(recorded).status_code == 404
    foreign = found["gate"]["version"]
    for act in ("pause", "resume", "cancel"):
        assert recorded.client.post(f"/backfills/{foreign}/{act}", headers=HEADERS).status_code == 404
    session_of(recorded, Role.OPERATOR)
    assert recorded.client.get("/backfills", headers=HEADERS).status_code == 403
    assert start(recorded).status_code == 403
    assert "Analyse again" not in recorded.client.get("/", headers=HEADERS).text
