"""Protected persons: who is, what is compared because of them, and how likely a track is one of them."""

import hashlib
import math
from dataclasses import replace

import pytest
from tests.access.test_enrolment import ACTIVE, T0, YEAR
from tests.access.test_requests import APPROVED, look
from tests.access.test_requests import T0 as T1

from custodes.access import protection
from custodes.access.protection import LIKELIHOOD, likelihood_of
from custodes.errors import InvalidArgument
from custodes.types.access import Action, Fidelity
from custodes.types.approval import RequestPhase
from custodes.units import NS_PER_DAY, CameraId, Ns


def test_a_person_without_pictures_is_nobody() -> None:
    assert likelihood_of([]) < LIKELIHOOD


def test_one_picture_counts_as_it_is() -> None:
    assert likelihood_of([1.7]) == pytest.approx(1.7)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_more_pictures_that_say_no_take_away_what_their_chances_add(count: int) -> None:
    assert likelihood_of([1.7, *[-6.0] * (count - 1)]) == pytest.approx(1.7 - math.log10(count), abs=1e-3)


def test_a_face_like_one_picture_of_three_is_found_when_it_is_very_like() -> None:
    assert likelihood_of([LIKELIHOOD + 0.5, -6.0, -6.0]) > LIKELIHOOD
    assert likelihood_of([LIKELIHOOD + 0.4, -6.0, -6.0]) < LIKELIHOOD


def test_pictures_that_agree_are_no_less_than_one() -> None:
    assert likelihood_of([2.0, 2.0, 2.0]) == pytest.approx(2.0)


PERSON = replace(ACTIVE, zone_ids=(), protects=True)


@pytest.mark.parametrize(
    ("person", "after_ns", "is_so"),
    [
        (PERSON, 0, True),
        (replace(PERSON, templates=1), 0, True),
        (replace(PERSON, templates=0), 0, False),
        (replace(PERSON, protects=False), 0, False),
        (PERSON, YEAR, True),
        (PERSON, 1000 * NS_PER_DAY, False),
        (replace(PERSON, withdrawn_ns=T0), 0, False),
    ],
    ids=["active", "one picture", "none yet", "asked for none", "review overdue", "expired", "taken back"],
)
def test_person_is_protected_from_the_first_picture_until_it_is_over(person, after_ns, is_so) -> None:
    now_ns = Ns(T0 + after_ns)
    assert protection.is_protected(person, now_ns) is is_so
    assert bool(protection.roster_of([person], now_ns)) is is_so


def test_roster_names_people_and_pictures_in_whatever_order() -> None:
    other = replace(PERSON, person_id="p2")
    both = protection.roster_of([PERSON, other], T0)
    assert both == protection.roster_of([other, PERSON, replace(PERSON, person_id="p3", templates=0)], T0)
    assert both == hashlib.sha256(b"p1 3\np2 3").hexdigest()
    assert both != protection.roster_of([PERSON, replace(other, templates=4)], T0)
    assert protection.roster_of([], T0) == ""


@pytest.mark.parametrize(
    ("action", "fidelity", "is_so"),
    [
        (Action.PLAY_BACK, Fidelity.MASKED, False),
        (Action.PLAY_BACK, Fidelity.UNMASKED, True),
        (Action.EXPORT, Fidelity.MASKED, True),
        (Action.EXPORT, Fidelity.UNMASKED, True),
        (Action.ERASE, Fidelity.MASKED, False),
    ],
)
def test_what_unmasks_or_leaves_is_compared(action, fidelity, is_so) -> None:
    assert protection.is_compared(action, fidelity) is is_so


HOUR = 3600 * 10**9
GATE, YARD = CameraId("gate"), CameraId("yard")


def test_span_of_a_day_over_all_cameras_is_compared_and_no_more_and_nothing_to_come() -> None:
    day = look(start_ns=Ns(T1 - 24 * HOUR), end_ns=Ns(T1))
    protection.check_span(day, Ns(T1))
    protection.check_span(replace(day, camera_ids=(GATE, YARD), start_ns=Ns(T1 - 12 * HOUR)), Ns(T1))
    with pytest.raises(InvalidArgument, match="ends in the future"):
        protection.check_span(day, Ns(T1 - 1))
    for wrong in (replace(day, start_ns=Ns(T1 - 24 * HOUR - 1)), replace(day, camera_ids=(GATE, YARD))):
        with pytest.raises(InvalidArgument, match="24 hours at most"):
            protection.check_span(wrong, Ns(T1))


def test_pieces_are_hours_of_each_camera_and_the_last_is_what_is_left() -> None:
    asked = look(camera_ids=(GATE, YARD), start_ns=Ns(T1), end_ns=Ns(T1 + HOUR + 5))
    assert [
        (one.request_id, one.camera_id, one.start_ns - T1, one.end_ns - T1) for one in protection.pieces(asked)
    ] == [
        ("r1", GATE, 0, HOUR),
        ("r1", GATE, HOUR, HOUR + 5),
        ("r1", YARD, 0, HOUR),
        ("r1", YARD, HOUR, HOUR + 5),
    ]


@pytest.mark.parametrize("phase", list(RequestPhase))
def test_words_of_others_are_hidden_from_who_asked_only_while_it_waits_for_an_officer(phase) -> None:
    record = replace(APPROVED, needs_officer=True)
    is_hidden = phase is RequestPhase.WAITING
    assert protection.is_hidden(record, phase) is is_hidden
    assert protection.as_requester(record, phase) == (replace(record, votes=()) if is_hidden else record)
    assert protection.as_requester(APPROVED, phase) == APPROVED
    assert protection.is_open(phase) is (phase in (RequestPhase.WAITING, RequestPhase.IN_FORCE))
