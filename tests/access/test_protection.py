"""How likely a track is a protected person, of whom there are several pictures."""

import math

import pytest

from custodes.access.protection import LIKELIHOOD, likelihood_of


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
