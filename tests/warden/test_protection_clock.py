"""Whether a clock tells a requester that a protected person is in what they asked for. Slow: some hundred checks."""

import random
import time

import numpy as np
import pytest
from tests.warden.conftest import Site
from tests.warden.test_protection import BEN, OFFICER, Protecting, probe

PAIRS = 100
TRACKS = 6
FAR = 0.15
"""From a half, of the chance that one with them takes longer than one without: of 100 and 100 its standard error is
.041, however slow the machine is, because the two alternate at random."""

pytestmark = pytest.mark.slow


def longer(there: list[float], absent: list[float]) -> float:
    """How often one of the first is more than one of the second."""
    return float((np.array(there)[:, None] > np.array(absent)[None, :]).mean())


def test_how_long_a_check_and_a_look_take_does_not_tell_whether_a_protected_person_is_there(site: Site) -> None:
    took: dict[str, tuple[list[float], list[float]]] = {"check": ([], []), "look": ([], [])}
    order = [True, False] * PAIRS
    random.Random(7).shuffle(order)

    async def scenario() -> None:
        async with site.warden() as gate:
            office = Protecting(site, gate)
            for number in (1, 2, 3):
                await office.protect(number)
            for is_there in order:
                record = await office.file()
                site.clock.advance(30 * 10**9)
                probes = [probe(1 if is_there and not at else 20 + at, track_id=4 + at) for at in range(TRACKS)]
                began = time.perf_counter()
                await office.check(*probes)
                took["check"][is_there].append(time.perf_counter() - began)
                await office.vote(BEN, record)
                await office.vote(OFFICER, record)
                began = time.perf_counter()
                released = await office.released(record)
                took["look"][is_there].append(time.perf_counter() - began)
                assert bool(released.covered) == is_there
                site.clock.advance(1200 * 10**9)

    site.run(scenario())
    for what, (absent, there) in took.items():
        assert abs(longer(there, absent) - 0.5) < FAR, what
