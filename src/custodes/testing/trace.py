"""A synthetic trace of who looked at what, with one insider after Ring's pattern of 2017; published with the claim.

40 people work shifts of eight hours on five days a week for 90 days; about 25 looks a shift, each for a case, an alarm
or a ticket that others work on too; one look in thirty has nothing on file (typing errors, curiosity). From a day on,
one of them adds about twenty looks a day at a few places, under references of their own, partly after the shift.
"""

import random
from dataclasses import dataclass

from custodes.access.insider import Look
from custodes.units import NS_PER_DAY, NS_PER_S, Ns

START_NS = 20_000 * NS_PER_DAY
"""2024-10-04, a whole day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """`begins_day` is the first day of the insider's looks, counted from the trace's first."""

    looks: tuple[Look, ...]
    insider_id: str
    begins_day: int


def make_trace(
    seed: int, *, people: int = 40, days: int = 90, per_shift: float = 25.0, extra_per_day: float = 20.0
) -> Trace:
    """One trace; the same seed makes the same one."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    begins = chance.randrange(30, max(31, days - 20))
    insider = chance.randrange(people)
    looks: list[Look] = []
    for person in range(people):
        shift = chance.choice((6, 14, 22))
        habit = per_shift * chance.uniform(0.6, 1.5)
        offset = chance.randrange(7)
        for day in range(days):
            if (day + offset) % 7 >= 5:
                continue
            for _ in range(_poisson(chance, habit * chance.uniform(0.8, 1.2))):
                looks.append(_shift_look(chance, person, day, shift))
            if person == insider and day >= begins:
                for _ in range(_poisson(chance, extra_per_day)):
                    looks.append(_insiders_look(chance, person, day, shift))
    looks.sort(key=lambda one: one.utc_ns)
    return Trace(looks=tuple(looks), insider_id=f"u{insider}", begins_day=begins)


def _shift_look(chance: random.Random, person: int, day: int, shift: int) -> Look:
    is_linked = chance.random() > 1 / 30
    reference = f"case-{day // 5}-{chance.randrange(12)}" if is_linked else f"note-{chance.randrange(10**6)}"
    return _look(person, day, shift + chance.uniform(0, 8), f"camera-{chance.randrange(60)}", reference, is_linked)


def _insiders_look(chance: random.Random, person: int, day: int, shift: int) -> Look:
    hour = shift + (chance.uniform(8, 10) if chance.random() < 0.3 else chance.uniform(0, 8))
    return _look(person, day, hour, f"camera-{chance.randrange(4)}", f"mine-{chance.randrange(10**6)}", False)


def _look(person: int, day: int, hour: float, place: str, reference: str, is_linked: bool) -> Look:
    utc_ns = Ns(START_NS + day * NS_PER_DAY + int(hour * 3600) * NS_PER_S)
    return Look(
        index=0,
        utc_ns=utc_ns,
        user_id=f"u{person}",
        name=f"Person {person}",
        place=place,
        reference=reference,
        is_linked=is_linked,
        hour=int(hour) % 24,
    )


def _poisson(chance: random.Random, mean: float) -> int:
    """Knuth's method; means here are below 50."""
    limit, product, count = 2.718281828459045**-mean, chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count
