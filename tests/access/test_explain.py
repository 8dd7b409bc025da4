"""What would have to differ: every single change that opens a refused request is named, and no other."""

import pytest
from tests.access.test_policy import AROUND, HOUR, POLICIES, request

from custodes.access.explain import explain
from custodes.access.policy import Circumstances
from custodes.types.access import Action, CameraScope, DutyHours, Fidelity, PurposeKind, Role

THEIRS = Circumstances(is_in_case=True)
NIGHT = DutyHours(from_minute=60, until_minute=120)
YARD = CameraScope(is_all=False, camera_ids=frozenset({"yard"}))
OPERATOR, INVESTIGATOR = {Role.OPERATOR}, {Role.INVESTIGATOR}
LIVE = (Action.WATCH_LIVE, PurposeKind.LIVE_DUTY, "")


@pytest.mark.parametrize(
    ("asked", "around", "helps"),
    [
        pytest.param(request(set(), *LIVE), Circumstances(), ["having the role operator"], id="no role"),
        pytest.param(
            request({Role.TECHNICIAN}, Action.PLAY_BACK),
            THEIRS,
            ["having the role operator", "having the role investigator"],
            id="another role",
        ),
        pytest.param(
            request({Role.ADMINISTRATOR}, Action.READ_LOG),
            Circumstances(),
            ["having the role privacy officer", "having the role auditor"],
            id="no camera in it",
        ),
        pytest.param(
            request(OPERATOR, *LIVE, duty=NIGHT),
            Circumstances(minute_of_day=600),
            ["being on duty at this hour"],
            id="off duty",
        ),
        pytest.param(
            request(OPERATOR, *LIVE, cameras=YARD),
            Circumstances(),
            ["having this camera among theirs"],
            id="another camera",
        ),
        pytest.param(
            request(OPERATOR, Action.PLAY_BACK, PurposeKind.ALARM, "A1", end_ns=1 + 2 * HOUR),
            Circumstances(),
            [
                "looking for case, with its reference",
                "looking for maintenance, with its reference",
                "asking for an hour at most",
            ],
            id="an alarm of more than an hour",
        ),
        pytest.param(
            request(OPERATOR, Action.PLAY_BACK, PurposeKind.LIVE_DUTY, ""),
            Circumstances(),
            [f"looking for {one}, with its reference" for one in ("case", "alarm", "maintenance")],
            id="recordings on duty",
        ),
        pytest.param(
            request(INVESTIGATOR, Action.PLAY_BACK, PurposeKind.CASE, "  "),
            THEIRS,
            [
                "looking for alarm, with its reference",
                "looking for maintenance, with its reference",
                "naming the case, alarm or ticket",
            ],
            id="no reference",
        ),
        pytest.param(
            request(INVESTIGATOR, Action.PLAY_BACK),
            Circumstances(),
            [
                "looking for alarm, with its reference",
                "looking for maintenance, with its reference",
                "an open case that they work on",
            ],
            id="somebody else's case",
        ),
        pytest.param(
            request(INVESTIGATOR, Action.PLAY_BACK, fidelity=Fidelity.UNMASKED),
            THEIRS,
            [
                "looking at masked pictures",
                "a request for it that others approve",
                "a break-glass, which others review",
            ],
            id="unmasked",
        ),
        pytest.param(
            request(INVESTIGATOR, Action.EXPORT), THEIRS, ["a request for it that others approve"], id="an export"
        ),
        pytest.param(
            request(INVESTIGATOR, Action.PLAY_BACK),
            Circumstances(is_in_case=True, is_review_overdue=True),
            ["the review of their last break-glass"],
            id="a break-glass without review",
        ),
        pytest.param(
            request(OPERATOR, Action.WATCH_LIVE, PurposeKind.CASE, ""),
            THEIRS,
            ["looking for live duty"],
            id="live pictures for a case",
        ),
    ],
)
def test_explain_when_refused_names_each_single_change_that_opens_it(asked, around, helps):
    found = explain(asked, POLICIES, around)
    assert not found.decision.is_allowed and found.decision.reasons
    assert list(found.would_help) == helps


def test_explain_when_allowed_has_the_gates_decision_and_nothing_to_change():
    found = explain(request(OPERATOR, Action.PLAY_BACK), POLICIES, AROUND["alone"])
    assert found.decision.is_allowed and found.decision.policy_ids and found.would_help == ()
