"""Notices of unusual looking, from the log alone: what an auditor should ask somebody about. No verdicts, no scores.

Four signs, each with the sentence and the entries it rests on: looks that nothing is on file for, more looks than that
person's habit (both by CUSUM on square roots of daily counts, Page 1954, with the person's first days as the base),
looks at unusual hours, and one place looked up again and again under unrelated references. Modelled on Ring, 2017: an
employee watched thousands of videos of 81 women for months until a colleague noticed (FTC, 2023). Measured by
`eval.insider`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from custodes.units import NS_PER_DAY, Ns

BASE_DAYS = 14
"""A person's first days with looks are their habit; before that nothing is said about volume."""
_SLACK, _LIMIT = 0.75, 6.0
"""CUSUM in units of the base's deviation: drifts below 1.5 deviations are habit; chosen on seeds 1000 to 1005 of the
trace, evaluated on others."""
_MIN_DEVIATION = 0.5
"""The square root of a Poisson count has this deviation (Anscombe): nobody's habit is narrower."""
_ODD_SHARE = 0.02
_MIN_ODD = 3
_SAME_PLACE_REFERENCES = 5
_SAME_PLACE_DAYS = 14
_MAX_EVIDENCE = 20
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class NoticeKind(StrEnum):
    """What is unusual."""

    WITHOUT_PURPOSE = "without_purpose"
    VOLUME = "volume"
    OFF_HOURS = "off_hours"
    SAME_PLACE = "same_place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One permitted look, as the log tells it."""

    index: int
    utc_ns: Ns
    user_id: str
    name: str
    place: str
    """What was looked at: a camera, or an enrolled person where a journey was asked for."""
    reference: str
    is_linked: bool
    """Something is on file for it beside the person's own word: a request, or others who use the reference."""
    hour: int
    """Of the site's local day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to ask about."""

    kind: NoticeKind
    user_id: str
    name: str
    utc_ns: Ns
    sentence: str
    entries: tuple[int, ...]


def notices(looks: Sequence[Look]) -> list[Notice]:
    """All notices, newest first. O(n log n); about 2 s for 100,000 looks."""
    by_person: dict[str, list[Look]] = defaultdict(list)
    for look in sorted(looks, key=lambda one: one.utc_ns):
        by_person[look.user_id].append(look)
    first_day = min((look.utc_ns for look in looks), default=Ns(0)) // NS_PER_DAY
    found = [notice for own in by_person.values() for notice in _of_person(own, first_day)]
    return sorted(found, key=lambda one: (-one.utc_ns, one.user_id, one.kind))


def _of_person(own: list[Look], first_day: int) -> Iterable[Notice]:
    unlinked = [look for look in own if not look.is_linked]
    sentence = "{count} looks with nothing on file on {day}, {times} times the habit"
    yield from _drift(unlinked, own, first_day, NoticeKind.WITHOUT_PURPOSE, sentence)
    sentence = "{count} looks on {day}, {times} times the habit"
    yield from _drift(own, own, first_day, NoticeKind.VOLUME, sentence)
    yield from _odd_hours(own)
    yield from _same_place(own)


def _drift(counted: list[Look], own: list[Look], first_day: int, kind: NoticeKind, words: str) -> Iterable[Notice]:
    """One notice when the sum leaves habit; then it begins anew, so that a new habit is not told every day."""
    days: dict[int, list[Look]] = defaultdict(list)
    for look in counted:
        days[look.utc_ns // NS_PER_DAY].append(look)
    worked = sorted({look.utc_ns // NS_PER_DAY for look in own})
    base = worked[:BASE_DAYS]
    if len(worked) <= BASE_DAYS:
        return
    roots = [_root(len(days.get(day, ()))) for day in base]
    mean = sum(roots) / len(roots)
    variance = sum((one - mean) ** 2 for one in roots) / (len(roots) - 1)
    deviation = max(_MIN_DEVIATION, math.sqrt(variance))
    usual = sum(len(days.get(day, ())) for day in base) / len(base)
    total = 0.0
    for day in worked[BASE_DAYS:]:
        here = days.get(day, [])
        total = max(0.0, total + (_root(len(here)) - mean) / deviation - _SLACK)
        if total > _LIMIT:
            total = 0.0
            times = f"{len(here) / max(usual, 1.0):.1f}"
            sentence = words.format(count=len(here), day=_day_text(day), times=times)
            yield _notice(kind, here or own[-1:], sentence)


def _odd_hours(own: list[Look]) -> Iterable[Notice]:
    """A day with several looks at hours (± 1) at which this person, until then, hardly ever looked."""
    seen: Counter[int] = Counter()
    days: dict[int, list[Look]] = defaultdict(list)
    for look in own:
        days[look.utc_ns // NS_PER_DAY].append(look)
    for number, (day, here) in enumerate(sorted(days.items())):
        total = sum(seen.values())
        odd = [look for look in here if sum(seen[(look.hour + step) % 24] for step in (-1, 0, 1)) < _ODD_SHARE * total]
        if number >= BASE_DAYS and len(odd) >= _MIN_ODD:
            hours = ", ".join(f"{hour}:00" for hour in sorted({look.hour for look in odd}))
            sentence = f"{len(odd)} looks on {_day_text(day)} at hours at which they hardly ever look ({hours})"
            yield _notice(NoticeKind.OFF_HOURS, odd, sentence)
        seen.update(look.hour for look in here)


def _same_place(own: list[Look]) -> Iterable[Notice]:
    """One place under many references that nothing links, within two weeks."""
    places: dict[str, list[Look]] = defaultdict(list)
    for look in own:
        if not look.is_linked:
            places[look.place].append(look)
    for place, here in places.items():
        begin, told_ns = 0, Ns(-_SAME_PLACE_DAYS * NS_PER_DAY)
        references: Counter[str] = Counter()
        for position, look in enumerate(here):
            references[look.reference] += 1
            while look.utc_ns - here[begin].utc_ns > _SAME_PLACE_DAYS * NS_PER_DAY:
                references[here[begin].reference] -= 1
                if not references[here[begin].reference]:
                    del references[here[begin].reference]
                begin += 1
            if len(references) >= _SAME_PLACE_REFERENCES and look.utc_ns - told_ns > _SAME_PLACE_DAYS * NS_PER_DAY:
                told_ns = look.utc_ns
                sentence = f"{place} looked up under {len(references)} unrelated references within two weeks"
                yield _notice(NoticeKind.SAME_PLACE, here[begin : position + 1], sentence)


def _notice(kind: NoticeKind, looks: Sequence[Look], sentence: str) -> Notice:
    last = looks[-1]
    return Notice(
        kind=kind,
        user_id=last.user_id,
        name=last.name,
        utc_ns=last.utc_ns,
        sentence=f"{last.name}: {sentence}.",
        entries=tuple(look.index for look in looks[-_MAX_EVIDENCE:]),
    )


def _root(count: int) -> float:
    return math.sqrt(count + 0.375)


def _day_text(day: int) -> str:
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat()
