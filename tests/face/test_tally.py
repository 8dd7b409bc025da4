"""What a zone's own tracks teach of strangers' scores, and the drift alarm."""

import numpy as np

from custodes.face.calibration import LEAST_PROBES, NOBODY, Others
from custodes.face.tally import KEPT, RECENT, ZoneTally


def fill(tally: ZoneTally, tracks: int, people: int, shift: float, seed: int = 1) -> None:
    """Strangers: each one's best score is left out, as the matcher does."""
    random = np.random.default_rng(seed)
    for _ in range(tracks):
        scores = np.sort(shift + random.normal(size=people))[:-1]
        tally.add(
            Others(
                count=people - 1, mean=float(scores.mean()), square_sum=float(((scores - scores.mean()) ** 2).sum())
            )
        )


def test_others_when_tracks_are_few_or_nobody_else_is_enrolled_then_nothing_is_known() -> None:
    few, alone = ZoneTally(), ZoneTally()
    fill(few, LEAST_PROBES - 1, 5, 1.0)
    for _ in range(100):
        alone.add(NOBODY)
    assert few.others() == alone.others() == NOBODY


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
