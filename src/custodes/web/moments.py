"""Moments as a person types them into a form. How they are shown is in `web.words` and in the page's scripts."""

from datetime import UTC, datetime

from custodes.errors import InvalidArgument
from custodes.units import NS_PER_S, Ns


def form_text(utc_ns: int) -> str:
    """The value of a `datetime-local` field, UTC, to the second."""
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def utc_ns_of(text: str) -> Ns:
    """A `datetime-local` value, taken as UTC. Raises: InvalidArgument."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidArgument("Give begin and end as 2026-11-25T14:30, in UTC.") from error
    if not 1970 < moment.year < 2200:
        raise InvalidArgument("Give begin and end as 2026-11-25T14:30, in UTC.")
    return Ns(int(moment.timestamp()) * NS_PER_S)
