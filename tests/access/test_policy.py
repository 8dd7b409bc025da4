"""Decisions: the whole table of role × action × purpose × reference × fidelity, and reasons in words."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.access.explain import explain
from custodes.access.policy import MAX_LIST_CAMERAS, Circumstances, Policies, decide, decide_list, load_policies
from custodes.errors import ConfigError, InvalidArgument
from custodes.types.access import (
    ALL_CAMERAS,
    ALWAYS,
    AccessRequest,
    Action,
    CameraScope,
    DutyHours,
    Fidelity,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.units import CameraId, Ns, SessionId

POLICIES = load_policies()
GOLDEN = Path(__file__).parent / "decisions.txt"


def request(
    roles: set[Role],
    action: Action,
    purpose: PurposeKind = PurposeKind.CASE,
    reference: str = "case-7",
    fidelity: Fidelity = Fidelity.MASKED,
    *,
    camera_id: str = "gate",
    session_id: str = "s1",
    start_ns: int = 1,
    end_ns: int = 2,
    user_id: str = "u1",
    cameras: CameraScope = ALL_CAMERAS,
    duty: DutyHours = ALWAYS,
    camera_ids: tuple[str, ...] = (),
) -> AccessRequest:
    return AccessRequest(
        principal=Principal(user_id=user_id, name="Ann", roles=frozenset(roles), cameras=cameras, duty=duty),
        action=action,
        purpose=Purpose(kind=purpose, reference=reference),
        camera_id=CameraId(camera_id),
        start_ns=Ns(start_ns),
        end_ns=Ns(end_ns),
        fidelity=fidelity,
        session_id=SessionId(session_id),
        camera_ids=tuple(CameraId(one) for one in camera_ids),
    )


AROUND = {
    "alone": Circumstances(is_in_case=True),
    "approved": Circumstances(is_approved=True, is_in_case=True),
    "break-glass": Circumstances(is_break_glass=True, is_in_case=True),
    "overdue": Circumstances(is_approved=True, is_break_glass=True, is_review_overdue=True, is_in_case=True),
    "no-case": Circumstances(is_approved=True, is_break_glass=True),
}


def table() -> str:
    """Every combination that is allowed, one line each; all others are denied."""
    lines = []
    for role, action, purpose, reference, fidelity, around in itertools.product(
        Role, Action, PurposeKind, ("", "case-7"), Fidelity, AROUND
    ):
        if action not in (Action.WATCH_LIVE, Action.PLAY_BACK, Action.EXPORT, Action.ERASE) and (
            (purpose, reference, fidelity, around) != (PurposeKind.CASE, "case-7", Fidelity.MASKED, "alone")
        ):
            continue  # purpose and approval are about footage alone
        decision = decide(request({role}, action, purpose, reference, fidelity), POLICIES, AROUND[around])
        if decision.is_allowed:
            words = (role, action, purpose, reference or "-", fidelity, around, ",".join(decision.policy_ids))
            lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def test_decide_when_every_combination_then_the_golden_table() -> None:
    """To renew after a wanted change: python -m tests.access.test_policy > tests/access/decisions.txt"""
    assert table() == GOLDEN.read_text(encoding="utf-8")


FOOTAGE = (Action.WATCH_LIVE, Action.PLAY_BACK)


@pytest.mark.parametrize("role", list(Role))
def test_decide_when_any_single_role_then_something_stays_forbidden(role: Role) -> None:
    allowed = {
        action
        for action, purpose in itertools.product(Action, PurposeKind)
        if decide(request({role}, action, purpose), POLICIES).is_allowed
    }
    assert allowed < set(Action)
    assert not ({Action.MANAGE_PEOPLE, Action.APPROVE} & allowed and set(FOOTAGE) & allowed)
    assert not ({Action.CONFIGURE, Action.READ_LOG} & allowed and set(FOOTAGE) & allowed)


@pytest.mark.parametrize("action", FOOTAGE)
@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.AUDITOR, Role.PRIVACY_OFFICER, Role.SUPERVISOR])
def test_decide_when_a_role_without_footage_then_never_any(role: Role, action: Action) -> None:
    for purpose, fidelity in itertools.product(PurposeKind, Fidelity):
        assert not decide(request({role}, action, purpose, fidelity=fidelity), POLICIES).is_allowed


def test_decide_when_unmasked_then_refused_even_with_all_roles_and_says_approval() -> None:
    for action, purpose in itertools.product(FOOTAGE, PurposeKind):
        decision = decide(request(set(Role), action, purpose, fidelity=Fidelity.UNMASKED), POLICIES)
        assert not decision.is_allowed
        assert "unmasked-needs-approval" in decision.policy_ids
        assert "approval" in " ".join(decision.reasons)


def test_decide_when_nobody_then_refused_everything() -> None:
    for action, purpose in itertools.product(Action, PurposeKind):
        assert not decide(request(set(), action, purpose), POLICIES).is_allowed


def test_decide_when_default_denied_then_says_what_was_missing() -> None:
    decision = decide(request({Role.OPERATOR}, Action.PLAY_BACK, PurposeKind.ALARM, "  "), POLICIES)
    assert decision.reasons == ("No policy lets operator play back, masked, for alarm without a reference.",)
    assert decision.policy_ids == ()


def test_decide_when_allowed_then_names_the_policy_and_its_reason() -> None:
    decision = decide(request({Role.OPERATOR}, Action.WATCH_LIVE, PurposeKind.LIVE_DUTY, ""), POLICIES)
    assert decision.policy_ids == ("operator-live",)
    assert decision.reasons == ("An operator on duty may watch live, masked.",)


@pytest.mark.parametrize("user_id", ['"', "u\\", "u\n1", "ü", 'u"::Role::"operator', "u" * 200])
def test_decide_when_the_user_id_is_hostile_then_the_roles_alone_decide(user_id: str) -> None:
    assert not decide(request(set(), Action.CONFIGURE, user_id=user_id), POLICIES).is_allowed
    assert decide(request({Role.ADMINISTRATOR}, Action.CONFIGURE, user_id=user_id), POLICIES).is_allowed


@pytest.mark.parametrize(
    "wrong",
    [
        {"camera_id": ""},
        {"camera_id": "Gate"},
        {"camera_id": "x" * 64},
        {"session_id": ""},
        {"session_id": "a\x00b"},
        {"session_id": "s" * 65},
        {"start_ns": -1},
        {"start_ns": 3},
        {"user_id": ""},
        {"user_id": "u" * 201},
        {"reference": "r" * 201},
    ],
    ids=str,
)
def test_decide_when_the_request_is_malformed_then_refuses_to_decide(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        decide(request({Role.OPERATOR}, Action.PLAY_BACK, **wrong), POLICIES)  # type: ignore[arg-type]


ONLY_YARD = CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")}))
HOUR = 3600 * 10**9


@pytest.mark.parametrize("scope", [ONLY_YARD, CameraScope(is_all=False)], ids=["another camera", "no camera"])
@pytest.mark.parametrize(
    "action", [Action.WATCH_LIVE, Action.PLAY_BACK, Action.EXPORT, Action.ANALYSE, Action.READ_METADATA]
)
def test_decide_when_the_camera_is_not_theirs_then_no_role_and_no_approval_opens_it(
    scope: CameraScope, action: Action
) -> None:
    for purpose, around in itertools.product(PurposeKind, AROUND.values()):
        decision = decide(request(set(Role), action, purpose, cameras=scope), POLICIES, around)
        assert not decision.is_allowed
        assert "camera-not-theirs" in decision.policy_ids


def test_decide_list_when_some_cameras_are_theirs_then_exactly_those() -> None:
    asked = request(
        {Role.OPERATOR}, Action.READ_METADATA, camera_id="", camera_ids=("gate", "yard"), cameras=ONLY_YARD
    )
    decision, allowed = decide_list(asked, POLICIES, Circumstances())
    assert decision.is_allowed
    assert allowed == ("yard",)


@pytest.mark.parametrize("action", [Action.WATCH_LIVE, Action.PLAY_BACK, Action.EXPORT])
def test_decide_list_when_footage_then_refuses_to_decide(action: Action) -> None:
    with pytest.raises(InvalidArgument):
        decide_list(request(set(Role), action, camera_ids=("gate",)), POLICIES, Circumstances())


@pytest.mark.parametrize(
    ("begin", "end", "minute", "is_on_duty"),
    [
        (480, 960, 479, False),
        (480, 960, 480, True),
        (480, 960, 959, True),
        (480, 960, 960, False),
        (1320, 360, 1319, False),
        (1320, 360, 1320, True),
        (1320, 360, 0, True),
        (1320, 360, 359, True),
        (1320, 360, 360, False),
        (0, 1440, 1439, True),
        (600, 600, 600, False),
    ],
)
def test_decide_when_live_duty_then_only_within_the_hours(begin: int, end: int, minute: int, is_on_duty: bool) -> None:
    asked = request(
        {Role.OPERATOR},
        Action.WATCH_LIVE,
        PurposeKind.LIVE_DUTY,
        "",
        duty=DutyHours(from_minute=begin, until_minute=end),
    )
    assert decide(asked, POLICIES, Circumstances(minute_of_day=minute)).is_allowed is is_on_duty


def test_decide_when_an_alarm_spans_more_than_an_hour_then_refused() -> None:
    for hours, is_allowed in ((1, True), (2, False)):
        asked = request({Role.OPERATOR}, Action.PLAY_BACK, PurposeKind.ALARM, end_ns=1 + hours * HOUR)
        assert decide(asked, POLICIES).is_allowed is is_allowed


def test_decide_when_export_by_break_glass_then_refused() -> None:
    asked = request({Role.INVESTIGATOR}, Action.EXPORT)
    assert not decide(asked, POLICIES, AROUND["break-glass"]).is_allowed
    assert decide(asked, POLICIES, AROUND["approved"]).is_allowed


def test_explain_when_refused_then_each_named_change_alone_opens_it() -> None:
    found = explain(
        request({Role.INVESTIGATOR}, Action.PLAY_BACK, fidelity=Fidelity.UNMASKED), POLICIES, AROUND["alone"]
    )
    assert not found.decision.is_allowed
    assert "looking at masked pictures" in found.would_help
    assert "a request for it that others approve" in found.would_help
    assert not any("role" in words for words in found.would_help)


def test_decide_when_the_case_is_not_theirs_then_refused_whatever_others_approve_and_explained() -> None:
    asked = request({Role.INVESTIGATOR, Role.OPERATOR}, Action.PLAY_BACK)
    decision = decide(asked, POLICIES, AROUND["no-case"])
    assert (decision.is_allowed, decision.policy_ids) == (False, ("case-not-theirs",))
    assert "an open case that they work on" in explain(asked, POLICIES, Circumstances()).would_help


def test_explain_when_allowed_then_nothing_would_have_to_change() -> None:
    assert explain(request({Role.OPERATOR}, Action.PLAY_BACK), POLICIES, AROUND["alone"]).would_help == ()


SCHEMA = """
entity Role; entity User in [Role]; entity Camera; entity Site;
action watch_live, play_back, read_metadata appliesTo { principal: User, resource: Camera,
  context: { purpose: String, reference: String, fidelity: String, extra?: Long } };
action read_log, configure appliesTo { principal: User, resource: Site,
  context: { purpose: String, reference: String, fidelity: String } };
"""
PERMIT = '@id("all") @reason("All.") permit (principal, action, resource);'


def test_decide_when_a_policy_fails_to_evaluate_then_denies_although_another_permits() -> None:
    """Cedar skips a policy with an error; a skipped `forbid` must not open anything."""
    broken = """@id("bad") @reason("Bad.") forbid (principal, action == Action::"watch_live", resource)
    when { context has extra || 9223372036854775807 + 1 > 0 };"""
    decision = decide(request({Role.OPERATOR}, Action.WATCH_LIVE), Policies((PERMIT, broken), SCHEMA))
    assert not decision.is_allowed
    assert decide(request({Role.OPERATOR}, Action.WATCH_LIVE), Policies((PERMIT,), SCHEMA)).is_allowed


@pytest.mark.parametrize(
    "text",
    [
        "permit (principal, action",
        "permit (principal, action, resource);",
        '@id("x") permit (principal, action, resource);',
        '@reason("x") permit (principal, action, resource);',
        PERMIT + PERMIT,
        '@id("x") @reason("x") permit (principal, action == Action::"fly", resource);',
        '@id("x") @reason("x") permit (principal, action, resource) when { context.nothing == 1 };',
    ],
    ids=["syntax", "bare", "no reason", "no id", "same id", "unknown action", "unknown field"],
)
def test_policies_when_unusable_then_refuses_to_load(text: str) -> None:
    with pytest.raises(ConfigError):
        Policies((text,), SCHEMA)


if __name__ == "__main__":
    print(table(), end="")


def test_shipped_policies_are_those_of_the_package_in_the_order_of_their_files() -> None:
    loaded = load_policies()
    assert loaded.texts == POLICIES.texts and len(loaded.texts) >= 10
    assert decide(request({Role.OPERATOR}, Action.PLAY_BACK), loaded, AROUND["alone"]).is_allowed


def test_decide_list_when_no_camera_is_theirs_then_refuses_with_the_reason() -> None:
    asked = request({Role.OPERATOR}, Action.READ_METADATA, camera_id="", camera_ids=("gate",), cameras=ONLY_YARD)
    decision, allowed = decide_list(asked, POLICIES, Circumstances())
    assert (decision.is_allowed, allowed) == (False, ()) and decision.reasons


def test_decide_list_takes_1024_cameras_and_no_more() -> None:
    ids = tuple(f"c{number}" for number in range(MAX_LIST_CAMERAS + 1))
    asked = request({Role.OPERATOR}, Action.READ_METADATA, camera_id="", camera_ids=ids[:-1])
    assert len(decide_list(asked, POLICIES, Circumstances())[1]) == MAX_LIST_CAMERAS == 1024
    with pytest.raises(InvalidArgument, match="at most 1024"):
        decide_list(replace(asked, camera_ids=tuple(CameraId(one) for one in ids)), POLICIES, Circumstances())
