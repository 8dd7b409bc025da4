"""Duty hours as people write them. Whether somebody is on duty is policy (`policies/limits.cedar`)."""

from custodes.errors import InvalidArgument
from custodes.types.access import ALWAYS, MINUTES_PER_DAY, DutyHours


def parse_duty(text: str) -> DutyHours:
    """`08:00-16:30`, `22:00-06:00`, or empty for all day. Raises: InvalidArgument."""
    if not text.strip():
        return ALWAYS
    try:
        begin, end = (_minutes(part) for part in text.strip().split("-"))
    except ValueError as error:
        raise InvalidArgument(f"duty hours look like 08:00-16:30, not {text[:40]!r}") from error
    return DutyHours(from_minute=begin, until_minute=end)


def duty_words(duty: DutyHours) -> str:
    """What `parse_duty` reads; empty for all day."""
    if (duty.from_minute, duty.until_minute) == (0, MINUTES_PER_DAY):
        return ""
    return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (duty.from_minute, duty.until_minute))


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if not 0 <= hours <= 24 or not 0 <= minutes < 60 or hours * 60 + minutes > MINUTES_PER_DAY:
        raise ValueError(text)
    return hours * 60 + minutes
