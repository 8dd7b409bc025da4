"""Unusual looking is noticed, habit is not; every notice says what it rests on."""

from dataclasses import replace

from custodes.access.insider import DAY_NS, NoticeKind, notices
from custodes.testing.trace import START_NS, make_trace

TRACE = make_trace(7, people=8, days=60)
BEGIN_NS = START_NS + TRACE.begins_day * DAY_NS


def test_insider_is_noticed_within_two_days_by_each_sign_of_purpose_and_volume() -> None:
    found = [one for one in notices(TRACE.looks) if one.user_id == TRACE.insider_id and one.utc_ns >= BEGIN_NS]
    for kind in (NoticeKind.WITHOUT_PURPOSE, NoticeKind.SAME_PLACE, NoticeKind.OFF_HOURS):
        assert any(one.kind is kind for one in found), kind
    # five days: the insider may be off for two, and works on the other days
    assert min(one.utc_ns for one in found) < BEGIN_NS + 5 * DAY_NS


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
