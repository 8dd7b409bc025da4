"""Duty hours as people write and read them."""

import pytest

from custodes.access.duty import duty_words, parse_duty
from custodes.errors import InvalidArgument
from custodes.types.access import ALWAYS, DutyHours


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("08:00-16:30", (480, 990)),
        ("22:00-06:00", (1320, 360)),
        (" 0:00-24:00 ", (0, 1440)),
        ("00:59-23:59", (59, 1439)),
    ],
)
def test_hours_when_written_are_read_and_written_back(text, minutes):
    duty = parse_duty(text)
    assert (duty.from_minute, duty.until_minute) == minutes
    assert parse_duty(duty_words(duty)) == duty


def test_all_day_is_written_as_nothing():
    assert parse_duty("") == parse_duty("  ") == ALWAYS and duty_words(ALWAYS) == ""
    assert duty_words(DutyHours(from_minute=0, until_minute=1439)) == "00:00-23:59"
    assert duty_words(DutyHours(from_minute=5, until_minute=1440)) == "00:05-24:00"


@pytest.mark.parametrize(
    "text",
    [
        "8-16",
        "25:00-08:00",
        "08:00",
        "08:00-16:00-17:00",
        "25:00-26:00",
        "24:01-06:00",
        "-1:00-06:00",
        "08:60-09:00",
        "x:y-z:w",
    ],
)
def test_hours_when_they_are_none_are_refused(text):
    with pytest.raises(InvalidArgument, match="look like 08:00-16:30"):
        parse_duty(text)
    with pytest.raises(InvalidArgument) as refused:
        parse_duty(text + "9" * 100)
    assert len(str(refused.value)) < 100
