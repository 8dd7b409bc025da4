"""How much of the past a person may open within an hour."""

import pytest

from custodes.access.quotas import QUOTAS, WINDOW_NS, QuotaBook
from custodes.errors import ResourceExhausted
from custodes.types.access import Principal, Role
from custodes.units import CameraId, Ns, SegmentId

GATE = CameraId("gate")


def person(*roles: Role, user_id: str = "ann") -> Principal:
    return Principal(user_id=user_id, name=user_id, roles=frozenset(roles))


def ids(first: int, count: int) -> tuple[SegmentId, ...]:
    return tuple(SegmentId(f"s{n}") for n in range(first, first + count))


def test_quota_when_used_up_stops_until_the_hour_has_passed() -> None:
    book, ann, most = QuotaBook(), person(Role.OPERATOR), QUOTAS[Role.OPERATOR].segments
    book.charge(ann, GATE, ids(0, most), Ns(0))
    book.charge(ann, GATE, ids(0, most), Ns(1))  # the same ones again cost nothing
    with pytest.raises(ResourceExhausted):
        book.charge(ann, GATE, ids(most, 1), Ns(WINDOW_NS - 1))
    book.charge(person(Role.OPERATOR, user_id="ben"), GATE, ids(most, 1), Ns(WINDOW_NS - 1))
    book.charge(ann, GATE, ids(most, 1), Ns(WINDOW_NS))


def test_quota_when_refused_counts_nothing() -> None:
    book, ann, most = QuotaBook(), person(Role.OPERATOR), QUOTAS[Role.OPERATOR].segments
    with pytest.raises(ResourceExhausted):
        book.charge(ann, GATE, ids(0, most + 1), Ns(0))
    book.charge(ann, GATE, ids(0, most), Ns(0))


def test_quota_when_hopping_over_cameras_stops() -> None:
    book, ann, most = QuotaBook(), person(Role.OPERATOR), QUOTAS[Role.OPERATOR].cameras
    for number in range(most):
        book.charge(ann, CameraId(f"c{number}"), ids(number, 1), Ns(0))
    with pytest.raises(ResourceExhausted):
        book.charge(ann, CameraId("one-more"), ids(most, 1), Ns(0))


@pytest.mark.parametrize("roles", [(), (Role.AUDITOR,), (Role.ADMINISTRATOR, Role.SUPERVISOR)])
def test_quota_of_who_opens_no_recordings_is_none(roles: tuple[Role, ...]) -> None:
    with pytest.raises(ResourceExhausted):
        QuotaBook().charge(person(*roles), GATE, ids(0, 1), Ns(0))


def test_quota_when_restored_from_the_log_counts_what_was_opened_before() -> None:
    book, ann, most = QuotaBook(), person(Role.OPERATOR), QUOTAS[Role.OPERATOR].segments
    book.restore("ann", GATE, ids(0, most - 1), Ns(5))
    book.restore("ann", GATE, ids(0, 2), Ns(6))  # the same again
    book.charge(ann, GATE, ids(most, 1), Ns(7))
    with pytest.raises(ResourceExhausted):
        book.charge(ann, GATE, ids(most + 1, 1), Ns(WINDOW_NS + 4))
    book.charge(ann, GATE, ids(most + 1, 1), Ns(WINDOW_NS + 5))
