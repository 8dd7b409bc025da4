"""What a zone's own tracks teach of strangers' scores, and the drift alarm."""

import numpy as np
import pytest

from custodes.face.calibration import LEAST_PROBES, NOBODY, Others
from custodes.face.tally import KEPT, RECENT, ZoneTally


def fill(tally: ZoneTally, tracks: int, people: int, shift: float, seed: int = 1) -> None:
    """Strangers: each one's best score is left out, as the matcher does."""
    random = np.random.default_rng(seed)
    for _ in range(tracks):
        *scores, best = np.sort(shift + random.normal(size=people))
        mean = float(np.mean(scores)) if scores else 0.0
        squares = float(((np.array(scores) - mean) ** 2).sum())
        tally.add(Others(count=people - 1, mean=mean, square_sum=squares), float(best))


@pytest.mark.parametrize("people", [1, 2, 5])
def test_others_when_tracks_are_few_then_nothing_is_known(people: int) -> None:
    few = ZoneTally()
    fill(few, LEAST_PROBES - 1, people, 1.0)
    assert few.others() == NOBODY


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize(("own", "widest"), [(0, 1.1), (50, 1.25), (200, 9.0)])
def test_others_when_one_or_two_are_enrolled_then_strangers_teach_and_their_own_tracks_only_make_it_stricter(
    people: int, own: int, widest: float
) -> None:
    tally = ZoneTally()
    fill(tally, 1000 - own, people, 1.5)
    for _ in range(own):
        tally.add(Others(count=people - 1, mean=1.5, square_sum=0.0), 6.0)
    others = tally.others()
    spread = (others.square_sum / others.count) ** 0.5
    assert tally.probes == 1000
    assert 1.4 < others.mean < 1.5 + widest
    assert 0.9 < spread < widest


def test_others_when_more_were_enrolled_later_then_their_tracks_count() -> None:
    tally = ZoneTally()
    fill(tally, 100, 1, 3.0)
    fill(tally, 100, 5, 0.0)
    assert tally.probes == 100
    assert abs(tally.others().mean) < 0.5


def test_others_when_there_are_enough_then_the_mean_is_the_strangers_own() -> None:
    for people in (3, 5, 20):
        tally = ZoneTally()
        fill(tally, 1000, people, 1.5)
        assert abs(tally.others().mean - 1.5) < 0.2


def test_drift_when_the_light_changes_then_it_is_seen_and_else_not() -> None:
    tally = ZoneTally()
    fill(tally, 600, 10, 0.0)
    assert not tally.is_drifting
    fill(tally, RECENT, 10, 0.8, seed=2)
    assert tally.is_drifting


def test_add_when_it_goes_on_for_ever_then_no_more_is_kept() -> None:
    tally = ZoneTally()
    fill(tally, KEPT + 50, 3, 0.0)
    assert tally.probes == KEPT
