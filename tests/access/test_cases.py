"""Rules of the case register."""

from dataclasses import replace

import pytest

from custodes.access import cases
from custodes.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.access import Principal
from custodes.types.cases import Case, CaseMember, CaseNote
from custodes.units import NS_PER_DAY, CameraId, Ns

ANN, BEN = CaseMember(user_id="u1", name="Ann"), CaseMember(user_id="u2", name="Ben")
OPEN = Case(
    number="2026-0007",
    title="Bicycle",
    reason="stolen at the gate",
    owner=ANN,
    members=(ANN,),
    opened_ns=Ns(1),
    keep_days=2,
)
CLOSED = cases.close(OPEN, "found", Ns(10))
NOTE = CaseNote(
    number="2026-0007", author="Ann", utc_ns=Ns(1), text="seen", camera_id=CameraId("gate"), moment_ns=Ns(5)
)
YEAR_2026 = Ns(1_790_000_000 * 10**9)


@pytest.mark.parametrize(
    ("taken", "number"),
    [
        ([], "2026-0001"),
        (["2026-0003", "2025-0009", "2026-1b", "x"], "2026-0004"),
        (["2026-9999"], "2026-10000"),
    ],
)
def test_next_number_is_one_above_the_years_highest(taken: list[str], number: str) -> None:
    assert cases.next_number(taken, YEAR_2026) == number


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": ""},
        {"number": "a/b"},
        {"number": "../x"},
        {"number": "x" * 41},
        {"title": " "},
        {"title": "t" * 121},
        {"reason": "too short"},
        {"reason": "r" * 501},
        {"keep_days": -1},
        {"keep_days": 3661},
    ],
    ids=str,
)
def test_check_opened_when_it_makes_no_sense_then_refuses(wrong: dict[str, object]) -> None:
    cases.check_opened(OPEN)
    cases.check_opened(replace(OPEN, title="t" * 120, reason="r" * 10, keep_days=3660))
    with pytest.raises(InvalidArgument):
        cases.check_opened(replace(OPEN, **wrong))


def test_carries_when_open_and_theirs_alone() -> None:
    assert cases.carries(OPEN, "u1")
    assert not cases.carries(OPEN, "u2")
    assert not cases.carries(CLOSED, "u1")
    assert not cases.carries(None, "u1")
    assert cases.carries(cases.reopen(CLOSED, "again"), "u1")


def test_staff_when_changed_keeps_the_owner_and_each_once() -> None:
    changed = cases.staff(OPEN, BEN, (ANN, ANN))
    assert (changed.owner, changed.members) == (BEN, (BEN, ANN))
    crowd = tuple(CaseMember(user_id=f"v{n}", name="V") for n in range(cases.MAX_MEMBERS))
    assert len(cases.staff(OPEN, ANN, crowd[1:]).members) == cases.MAX_MEMBERS
    for wrong in (crowd, (CaseMember(user_id="", name="x"),), (CaseMember(user_id="x", name=""),)):
        with pytest.raises(InvalidArgument):
            cases.staff(OPEN, ANN, wrong)


def test_require_lead_when_neither_owner_nor_leader_then_refuses() -> None:
    ann, ben = (Principal(user_id=one.user_id, name=one.name, roles=frozenset()) for one in (ANN, BEN))
    cases.require_lead(OPEN, ann, may_lead=False)
    cases.require_lead(OPEN, ben, may_lead=True)
    with pytest.raises(PermissionDenied):
        cases.require_lead(OPEN, ben, may_lead=False)


def test_steps_when_the_case_is_closed_or_open_already_then_refuse() -> None:
    for step in (
        lambda: cases.close(CLOSED, "x", Ns(11)),
        lambda: cases.staff(CLOSED, ANN, ()),
        lambda: cases.check_note(CLOSED, NOTE, "u1"),
        lambda: cases.reopen(OPEN, "x"),
        lambda: cases.reopen(cases.erased(CLOSED), "x"),
    ):
        with pytest.raises(FailedPrecondition):
            step()
    for words in ("  ", "x" * 501):
        with pytest.raises(InvalidArgument):
            cases.close(OPEN, words, Ns(1))
        with pytest.raises(InvalidArgument):
            cases.reopen(CLOSED, words)


@pytest.mark.parametrize(
    "wrong", [{"text": " "}, {"text": "x" * 2001}, {"camera_id": ""}, {"moment_ns": 0}, {"camera_id": "A b"}], ids=str
)
def test_check_note_when_malformed_then_refuses(wrong: dict[str, object]) -> None:
    cases.check_note(OPEN, NOTE, "u1")
    cases.check_note(OPEN, replace(NOTE, camera_id=CameraId(""), moment_ns=Ns(0)), "u1")
    with pytest.raises(InvalidArgument):
        cases.check_note(OPEN, replace(NOTE, **wrong), "u1")
    with pytest.raises(PermissionDenied):
        cases.check_note(OPEN, NOTE, "u2")


def test_is_due_when_closed_longer_than_it_is_kept_and_once() -> None:
    end = Ns(10 + 2 * NS_PER_DAY)
    assert not cases.is_due(OPEN, Ns(end * 9))
    assert not cases.is_due(CLOSED, end)
    assert cases.is_due(CLOSED, Ns(end + 1))
    left = cases.erased(CLOSED)
    assert not cases.is_due(left, Ns(end + 1))
    assert "Bicycle" not in repr(left) and "Ann" not in repr(left) and "found" not in repr(left)
    assert (left.number, left.opened_ns, left.closed_ns) == (CLOSED.number, CLOSED.opened_ns, CLOSED.closed_ns)


def test_case_when_closed_and_reopened_has_its_reason_and_then_none() -> None:
    closed = cases.close(OPEN, "  found  ", Ns(10))
    assert (closed.closed_ns, closed.closed_because) == (10, "found")
    assert cases.close(OPEN, "x" * cases.MAX_TEXT_CHARS, Ns(1)).closed_because == "x" * 500
    assert cases.reopen(closed, "again") == OPEN


def test_erased_case_keeps_number_and_dates_alone() -> None:
    nobody = CaseMember(user_id="erased", name="(erased)")
    assert cases.erased(CLOSED) == replace(
        CLOSED, title="(erased)", reason="(erased)", closed_because="", owner=nobody, members=(), is_erased=True
    )


def test_note_at_its_bounds_is_good() -> None:
    cases.check_note(OPEN, replace(NOTE, text="x" * cases.MAX_NOTE_CHARS, moment_ns=Ns(1)), "u1")


@pytest.mark.parametrize(("utc_s", "number"), [(1_767_225_599, "2025-0001"), (1_767_225_600, "2026-0001")])
def test_year_of_a_number_turns_with_utc(utc_s: int, number: str) -> None:
    assert cases.next_number([], Ns(utc_s * 10**9 + 999_999_999)) == number


def test_case_at_its_bounds_is_good_and_names_who_opened_it() -> None:
    cases.check_opened(replace(OPEN, reason="r" * cases.MAX_TEXT_CHARS, keep_days=0))
    assert cases.member_of(Principal(user_id="u1", name="Ann", roles=frozenset())) == ANN
