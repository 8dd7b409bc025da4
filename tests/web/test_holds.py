"""Holds from a camera's page: decided for their purpose, logged with who, and shut without the warden."""

import pytest
from tests.web.test_matrix import session_of

from custodes.testing.catalog import make_segment, make_spec
from custodes.types.access import AuditKind, CameraScope, Role
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.words import audit_sentence

PATH = "/api/v1/cameras/gate/holds"
DAY = 86_400 * NS_PER_S


@pytest.fixture
def held(claimed):
    """A site with two pieces of recording, of which a form holds the first."""
    claimed.catalog.put_cameras([make_spec("gate")], is_exclusive=False)
    claimed.catalog.take_journal("r.journal", 1, [make_segment(0, 60), make_segment(60, 120)], [])
    return claimed


def place(site, path=PATH, **changes):
    first = make_segment(0, 60)
    form = {
        "purpose": "case",
        "reference": "2026-17",
        "start_ns": first.header.start_ns,
        "end_ns": first.end_ns - NS_PER_S,
        "expires_ns": site.clock.now_ns() + 30 * DAY,
        **changes,
    }
    return site.client.post(path, json=form, headers={"x-csrf-token": "csrf"})


def release(site, hold_id, **changes):
    form = {"purpose": "case", "reference": "2026-17", "reason": "closed", **changes}
    return site.client.post(f"{PATH}/{hold_id}/release", json=form, headers={"x-csrf-token": "csrf"})


def records(site):
    return [entry.record for entry in site.warden.log.read(0, site.warden.log.size)]


def test_hold_when_placed_and_released_is_decided_kept_and_logged_under_both_names(held):
    session_of(held, Role.INVESTIGATOR)
    placed = place(held)
    assert placed.status_code == 200, placed.text
    assert placed.json()["segments"] == 1
    (row,) = held.client.get(PATH).json()["holds"]
    decision, entry = records(held)[-3:-1]  # the last is the permission to read the list
    assert (decision.kind, decision.details["action"]) == (AuditKind.ACCESS_GRANTED, "place_hold")
    assert (entry.kind, entry.actor, entry.details["reason"]) == (AuditKind.HOLD_PLACED, row["owner"], "case 2026-17")
    assert row["owner"] in audit_sentence(entry)
    assert release(held, row["hold_id"]).status_code == 403  # who investigates does not let evidence go
    session_of(held, Role.SUPERVISOR)
    assert release(held, row["hold_id"]).status_code == 200
    assert held.client.get(PATH).json()["holds"] == []
    entry = next(one for one in reversed(records(held)) if one.kind is AuditKind.HOLD_RELEASED)
    assert (entry.details["reason"], entry.details["by"] != row["owner"]) == ("case 2026-17: closed", True)
    assert release(held, row["hold_id"]).status_code == 404


@pytest.mark.parametrize(
    ("role", "changes", "status"),
    [
        (Role.INVESTIGATOR, {"reference": " "}, 403),
        (Role.INVESTIGATOR, {"reference": ""}, 400),
        (Role.INVESTIGATOR, {"purpose": "live_duty"}, 403),
        (Role.INVESTIGATOR, {"purpose": "curiosity"}, 400),
        (Role.OPERATOR, {"purpose": "subject_access"}, 403),
        (Role.TECHNICIAN, {}, 403),
        (Role.INVESTIGATOR, {"end_ns": 0}, 400),
        (Role.INVESTIGATOR, {"start_ns": 0}, 400),
        (Role.INVESTIGATOR, {"expires_ns": 1}, 400),
        (Role.INVESTIGATOR, {"expires_ns": 2**63 - 1}, 400),
        (Role.INVESTIGATOR, {"owner": "somebody else"}, 400),
    ],
)
def test_hold_when_purpose_or_times_are_wrong_holds_nothing(held, role, changes, status):
    session_of(held, role)
    assert place(held, **changes).status_code == status
    assert held.catalog.holds(Ns(0)) == []
    assert AuditKind.HOLD_PLACED not in held.warden.kinds()


def test_hold_when_the_camera_is_not_theirs_or_the_warden_is_down_holds_nothing(held):
    session_of(held, Role.INVESTIGATOR, CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")})))
    assert place(held).status_code == 403
    assert held.client.get(PATH).status_code == 403
    session_of(held, Role.INVESTIGATOR)
    held.warden.is_down = True
    assert place(held).status_code == 503
    assert held.catalog.holds(Ns(0)) == []


def test_release_when_the_last_proof_is_old_asks_for_a_new_one(held):
    session_of(held, Role.SUPERVISOR)
    hold_id = place(held).json()["hold_id"]
    held.clock.advance(16 * 60 * NS_PER_S)
    answer = release(held, hold_id)
    assert (answer.status_code, len(held.catalog.holds(Ns(0)))) in {(401, 1), (409, 1)}
