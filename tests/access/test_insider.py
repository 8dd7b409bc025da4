"""Unusual looking is noticed, habit is not; every notice says what it rests on."""

from dataclasses import replace

import pytest

from custodes.access.insider import Look, NoticeKind, notices
from custodes.testing.trace import START_NS, make_trace
from custodes.units import NS_PER_DAY, Ns

TRACE = make_trace(7, people=8, days=60)
BEGIN_NS = START_NS + TRACE.begins_day * NS_PER_DAY


def test_insider_is_noticed_within_two_days_by_each_sign_of_purpose_and_volume() -> None:
    found = [one for one in notices(TRACE.looks) if one.user_id == TRACE.insider_id and one.utc_ns >= BEGIN_NS]
    for kind in (NoticeKind.WITHOUT_PURPOSE, NoticeKind.SAME_PLACE, NoticeKind.OFF_HOURS):
        assert any(one.kind is kind for one in found), kind
    # five days: the insider may be off for two, and works on the other days
    assert min(one.utc_ns for one in found) < BEGIN_NS + 5 * NS_PER_DAY


def test_people_without_the_insider_are_hardly_ever_named() -> None:
    innocent = [look for look in TRACE.looks if look.user_id != TRACE.insider_id or look.utc_ns < BEGIN_NS]
    assert len(notices(innocent)) <= 1


def test_notice_names_person_day_and_entries() -> None:
    numbered = [replace(look, index=number) for number, look in enumerate(TRACE.looks)]
    notice = next(one for one in notices(numbered) if one.kind is NoticeKind.WITHOUT_PURPOSE)
    assert notice.name in notice.sentence
    assert "2024-" in notice.sentence
    assert all(numbered[index].user_id == notice.user_id for index in notice.entries)
    assert 1 <= len(notice.entries) <= 20


def test_notices_of_nothing_are_none() -> None:
    assert notices([]) == []
    assert notices(TRACE.looks[:1]) == []


def look(day: float, *, hour: int = 10, index: int = 0, **changes: object) -> Look:
    values = {
        "index": index,
        "utc_ns": Ns(int(day * NS_PER_DAY)),
        "user_id": "u1",
        "name": "Ann",
        "place": "gate",
        "reference": "R",
        "is_linked": True,
        "hour": hour,
    }
    return Look(**{**values, **changes})


def habit(days: int, per_day: int, **changes: object) -> list[Look]:
    return [look(day + n / 1000, index=day * 100 + n, **changes) for day in range(days) for n in range(per_day)]


def kinds(looks: list[Look]) -> list[NoticeKind]:
    return [one.kind for one in notices(looks)]


def test_volume_when_it_leaves_the_habit_is_told_once_with_day_and_measure() -> None:
    burst = [look(14 + n / 1000, index=5000 + n) for n in range(60)]
    (notice,) = notices(habit(14, 2) + burst)
    assert notice.kind is NoticeKind.VOLUME
    assert notice.sentence == "Ann: 60 looks on 1970-01-15, 30.0 times the habit."
    assert notice.entries == tuple(range(5040, 5060)), "the newest twenty"
    assert (notice.user_id, notice.name, notice.utc_ns) == ("u1", "Ann", burst[-1].utc_ns)


def test_volume_before_there_is_a_habit_is_not_judged() -> None:
    assert kinds(habit(13, 2) + [look(13 + n / 1000) for n in range(60)]) == []


@pytest.mark.parametrize(("per_day", "count"), [(4, 0), (16, 1)])
def test_volume_within_the_habits_spread_is_habit(per_day: int, count: int) -> None:
    later = [look(14 + day + n / 1000) for day in range(2) for n in range(per_day)]
    assert len(notices(habit(14, 3) + later)) == count


def test_drift_that_lasts_is_told_when_its_sum_is_over_the_limit_and_then_anew() -> None:
    later = [look(14 + day + n / 1000) for day in range(12) for n in range(9)]
    # sqrt(9.375) - sqrt(3.375) is 1.225; by the least deviation 2.45, less the slack 1.70 a day: over 6 on the fourth
    found = [one for one in notices(habit(14, 3) + later) if one.kind is NoticeKind.VOLUME]
    assert [one.utc_ns // NS_PER_DAY for one in found] == [25, 21, 17]
    assert all("3.0 times the habit" in one.sentence for one in found)


def test_looks_with_nothing_on_file_are_told_apart_from_the_others() -> None:
    later = [look(14 + n / 1000, is_linked=False, index=7000 + n) for n in range(30)]
    found = {one.kind: one for one in notices(habit(14, 30) + later)}
    assert list(found) == [NoticeKind.WITHOUT_PURPOSE]
    told = found[NoticeKind.WITHOUT_PURPOSE]
    assert told.sentence == "Ann: 30 looks with nothing on file on 1970-01-15, 30.0 times the habit."
    assert told.entries[-1] == 7029


@pytest.mark.parametrize(
    ("hours", "is_told"),
    [((3, 3, 3), True), ((3, 3), False), ((9, 11, 10), False), ((12, 12, 12), True), ((8, 8, 8), True)],
)
def test_hours_at_which_somebody_hardly_ever_looks_are_told_from_three_looks_on(hours, is_told) -> None:
    odd = [look(14 + n / 1000, hour=hour, index=8000 + n) for n, hour in enumerate(hours)]
    found = [one for one in notices(habit(14, 3) + odd) if one.kind is NoticeKind.OFF_HOURS]
    assert len(found) == is_told
    if is_told:
        assert found[0].entries == (8000, 8001, 8002)
        assert f"3 looks on 1970-01-15 at hours at which they hardly ever look ({hours[0]}:00)" in found[0].sentence


def test_odd_hours_name_each_hour_once_and_midnight_is_beside_eleven() -> None:
    odd = [look(14 + n / 1000, hour=hour) for n, hour in enumerate((4, 2, 4))]
    (told,) = [one for one in notices(habit(14, 3) + odd) if one.kind is NoticeKind.OFF_HOURS]
    assert told.sentence.endswith("(2:00, 4:00).")
    midnight = [look(14 + n / 1000, hour=0) for n in range(3)]
    assert kinds(habit(14, 3, hour=23) + midnight) == []
    assert kinds(habit(13, 3) + odd) == [], "thirteen days are no habit"


@pytest.mark.parametrize(("days_between", "is_told"), [(3.5, True), (3.6, False)])
def test_one_place_under_five_references_within_two_weeks_is_told(days_between: float, is_told: bool) -> None:
    looks = [look(n * days_between, reference=f"R{n}", is_linked=False, index=n) for n in range(5)]
    found = [one for one in notices(looks) if one.kind is NoticeKind.SAME_PLACE]
    assert len(found) == is_told
    if is_told:
        assert found[0].sentence == "Ann: gate looked up under 5 unrelated references within two weeks."
        assert found[0].entries == (0, 1, 2, 3, 4)


def test_one_place_when_linked_or_under_few_references_is_nothing() -> None:
    assert kinds([look(n / 10, reference=f"R{n % 4}", is_linked=False) for n in range(20)]) == []
    assert kinds([look(n / 10, reference=f"R{n}") for n in range(9)]) == []
    apart = [look(n / 10, reference=f"R{n}", is_linked=False, place=f"camera {n % 2}") for n in range(8)]
    assert kinds(apart) == [], "each place by itself"


def test_one_place_is_told_again_only_after_two_weeks() -> None:
    looks = [look(n, reference=f"R{n}", is_linked=False) for n in range(40)]
    found = [one for one in notices(looks) if one.kind is NoticeKind.SAME_PLACE]
    assert [one.utc_ns // NS_PER_DAY for one in found] == [34, 19, 4]
    assert "under 15 unrelated" in found[0].sentence


def test_notices_are_newest_first_and_each_person_by_themselves() -> None:
    mine = [look(n / 10, reference=f"R{n}", is_linked=False) for n in range(5)]
    others = [look(1 + n / 10, reference=f"R{n}", is_linked=False, user_id="u2", name="Ben") for n in range(5)]
    assert [one.name for one in notices(mine + others)] == ["Ben", "Ann"]
    same_time = [replace(one, user_id="u0", name="Eve") for one in mine]
    assert [one.name for one in notices(mine + same_time)] == ["Eve", "Ann"]
